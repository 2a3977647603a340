#!/bin/sh
# SPDX-License-Identifier: MIT
# -Dsel4=PREFIX says what is wrong with a PREFIX that is no installed seL4, or not
# one that the port knows, and configures for those that it knows, with MCS and
# without.  The headers are the model's.  So does boot.py of what it cannot boot.
# Usage: prefixes-are-told-apart.sh SOURCE
set -u
source=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
points=0
failed=0

# prefix NAME CONFIGURATION...: with these lines in its kernel/gen_config.h
prefix() {
	include=$work/$1/libsel4/include
	shift
	mkdir -p "$include/kernel" "$include/sel4"
	printf '#define %s 1\n' "$@" >"$include/kernel/gen_config.h"
	cat >"$include/sel4/sel4.h" <<-EOF
		#include <kernel/gen_config.h>
		#include "$source/tests/sel4/model/libsel4/include/sel4/sel4.h"
		static inline void as_the_real_one(void) { asm volatile(""); }
	EOF
}

# configures NAME WORDS: with what is said, and for an error with no success.
configures() {
	points=$((points + 1))
	# shellcheck disable=SC2086
	meson setup "$work/build-$1" "$source" -Dsel4="$work/$1" \
		>"$work/out" 2>&1
	status=$?
	case $2 in
	*expected*) want=1 ;;
	*) want=0 ;;
	esac
	[ $((status != 0)) -eq $want ] && grep -qF -- "$2" "$work/out" && return
	echo "not so: $1: status $status, and not told: $2"
	tail -20 "$work/out"
	failed=$((failed + 1))
}

processor=$(uname -m)
[ "$processor" = x86_64 ] || [ "$processor" = aarch64 ] || {
	echo "not tried: neither x86_64 nor aarch64"
	exit 77
}
other=$(echo "aarch64 x86_64" | tr ' ' '\n' | grep -vx "$processor")
ours=CONFIG_ARCH_$(echo "$processor" | tr '[:lower:]' '[:upper:]')

configures nothing "expected the folder of an installed seL4"

prefix headers-only "$ours"
rm "$work/headers-only/libsel4/include/kernel/gen_config.h"
configures headers-only "expected kernel/gen_config.h"

prefix other "CONFIG_ARCH_$(echo "$other" | tr '[:lower:]' '[:upper:]')"
configures other "is for $other, and the compiler for $processor: expected"

prefix riscv CONFIG_ARCH_RISCV64
configures riscv "is for another processor, and the compiler for $processor: expected"

# As if registers were not written by this call.
prefix old "$ours"
echo '#define seL4_TCB_WriteRegisters seL4_NoError' \
	>>"$work/old/libsel4/include/sel4/sel4.h"
configures old "the interface of this seL4 is not known: expected"

prefix known "$ours"
configures known "seL4: $processor, without MCS"
prefix known-mcs "$ours" CONFIG_KERNEL_MCS
configures known-mcs "seL4: $processor, with MCS"

# boots STATUS WORDS ARGUMENTS...: boot.py says so, and ends with that status.
boots() {
	points=$((points + 1))
	want=$1
	words=$2
	shift 2
	python3 "$source/examples/sel4/boot.py" "$@" >"$work/out" 2>&1
	status=$?
	[ $status -eq "$want" ] && grep -qF -- "$words" "$work/out" && return
	echo "not so: boot.py $*: status $status, and not told: $words"
	cat "$work/out"
	failed=$((failed + 1))
}

boots 1 "usage: boot.py PREFIX IMAGE" "$work/known"
boots 77 "expected the folder of an installed seL4" "$work/known" image
mkdir "$work/known/bin"
echo "no kernel" >"$work/known/bin/kernel.elf"
boots 1 "boot.py: " "$work/known" "$work/no-image"

echo "$points points, $failed not told"
[ $points -eq 10 ] && [ $failed -eq 0 ]
