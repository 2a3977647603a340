#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash completes: every command, every option of each as its --help names them,
# and paths elsewhere.  Usage: completion.sh PROGRAM FILE
program=$1
. "$2" || exit 1
failed=0
compopt() { :; } # only during a completion that a person asks for

# What is offered behind these words, of which the last is being written.
offered()
{
	COMP_WORDS=("$program" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_precarium
	echo "${COMPREPLY[*]}"
}

expect()
{
	local wanted=$1 got
	shift
	got=$(offered "$@")
	[ "$got" = "$wanted" ] && return
	failed=1
	echo "behind: $*"
	echo "  expected: $wanted"
	echo "  offered:  $got"
}

expect "serve stat" s
expect "add remove list" export ""
expect "remove" export re
expect "warning" log w
expect "torture" to
for command in $("$program" --help | sed -n 's/^  \([a-z][a-z-]*\)   *[a-z].*/\1/p'); do
	expect "$command" "$command"
	for option in $("$program" "$command" --help |
		grep -oE '^  --[a-z-]+' | tr -d ' '); do
		case " $(offered "$command" "$option") " in
		*" $option "* | *" $option= "*) ;;
		*)
			failed=1
			echo "precarium $command $option is not completed"
			;;
		esac
	done
done
expect "--drain-timeout=" --drain
expect "--openmetrics" stat --open
cd / || exit 1
expect "etc" stat --control = etc
expect "etc" bench etc
exit $failed
