#!/bin/sh
# SPDX-License-Identifier: MIT
# Capacities are not in the interface: one object of a program runs with
# libraries of several.  Usage: capacities-may-change.sh SOURCE_ROOT COMPILER...
set -eu
root=$1
shift
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
"$@" -std=c11 -O1 -I"$root" -I"$root/include" -c \
	-o "$work/program.o" "$root/tests/library/capacities-may-change.c"
for capacity in 512 16 1500; do
	cp -r "$root/include" "$work/include"
	for name in PREC_SPACE_MAX PREC_LEDGER_RANGES; do
		sed -i "s/^\\(#define $name\\) .*/\\1 ${capacity}u/" \
			"$work/include/precarium/"*.h
	done
	"$@" -std=c11 -O1 -I"$work/include" -o "$work/program" \
		"$work/program.o" "$root/src/core/space.c" "$root/src/core/pin.c"
	"$work/program" $capacity
	rm -r "$work/include"
done
