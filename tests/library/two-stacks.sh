#!/bin/sh
# SPDX-License-Identifier: MIT
# The test abandon-with-two-stacks, compiled with clang's safe stack, which gcc
# does not have.  Usage: two-stacks.sh SOURCE_ROOT STATIC_LIBRARY SHARED_LIBRARY
set -eu
root=$1 static=$2 shared=$3
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
export LD_LIBRARY_PATH="${shared%/*}"
if ! echo 'int main(void) { return 0; }' |
	clang -fsanitize=safe-stack -x c -o "$work/try" - 2>/dev/null; then
	echo "skipped: no clang with a safe stack here"
	exit 77
fi
for library in "$static" "$shared"; do
	clang -std=c11 -O1 -D_GNU_SOURCE -fsanitize=safe-stack -I"$root" \
		-I"$root/include" -I"$root/include/linux" -o "$work/test" \
		"$root/tests/library/abandon-with-two-stacks.c" "$library" \
		-pthread
	"$work/test"
done
