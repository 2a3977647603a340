#!/bin/sh
# SPDX-License-Identifier: MIT
# What AddressSanitizer and MemorySanitizer say of a program's buffers in copies,
# with a library that was compiled without the first.
# Usage: sanitizers-see-copies.sh SOURCE_ROOT STATIC_LIBRARY
set -eu
root=$1 library=$2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
points=0
failed=0

# ends CASE WORDS: the program says so, or with no words ends well.
ends() {
	points=$((points + 1))
	status=0
	"$work/program" "$1" >"$work/said" 2>&1 || status=$?
	if [ -n "$2" ]; then
		[ $status -ne 0 ] && grep -q "$2" "$work/said" && return
	else
		[ $status -eq 0 ] && return
	fi
	failed=$((failed + 1))
	echo "$kind: $1 ended with $status, and did not say $2:"
	head -20 "$work/said"
}

# compile COMPILER FLAGS LIBRARY...
compile() {
	compiler=$1 flags=$2
	shift 2
	kind="$compiler $flags"
	$compiler -std=c11 -g -O1 -D_GNU_SOURCE $flags -I"$root" \
		-I"$root/include" -I"$root/include/linux" -I"$root/src" \
		-o "$work/program" \
		"$root/tests/library/sanitized-copies.c" "$@" -pthread \
		2>"$work/said"
}

for compiler in gcc clang; do
	command -v $compiler >/dev/null || continue
	compile $compiler -fsanitize=address "$library"
	ends fits ''
	for case in in gather; do
		ends $case 'heap-buffer-overflow'
		grep -q 'WRITE of size 1' "$work/said" || failed=$((failed + 1))
	done
	for case in out scatter; do
		ends $case 'heap-buffer-overflow'
		grep -q 'READ of size 1' "$work/said" || failed=$((failed + 1))
	done
done

machine=$(uname -m)
if compile clang -fsanitize=memory "$root"/src/core/*.c \
	"$root"/src/port/linux/[!r]*.c "$root"/src/port/linux/re*.c \
	"$root/src/port/linux/$machine"/*.c "$root/src/port/$machine"/*.S; then
	ends fits ''
	ends leak use-of-uninitialized-value
	ends past use-of-uninitialized-value
else
	echo "not tried: clang with MemorySanitizer"
	cat "$work/said"
fi
echo "$points points, $failed failed"
[ $points -gt 0 ] && [ $failed -eq 0 ]
