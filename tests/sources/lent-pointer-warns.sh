#!/bin/sh
# SPDX-License-Identifier: MIT
# clang and sparse warn where a pointer into lent memory is used plainly, and
# only there.  Usage: lent-pointer-warns.sh SOURCE_ROOT
set -u
root=$1
points=0
failed=0

# A checker is silent about one file and speaks of the other.
try() {
	points=$((points + 2))
	said=$($1 -I"$root/include" -I"$root/include/linux" "$root/tests/sources/lent-pointer-stays.c" 2>&1)
	[ -z "$said" ] || {
		failed=$((failed + 1))
		echo "$1 speaks of what is right: $said"
	}
	said=$($1 -I"$root/include" -I"$root/include/linux" "$root/tests/sources/lent-pointer-leaks.c" 2>&1)
	echo "$said" | grep -q "$2" || {
		failed=$((failed + 1))
		echo "$1 is silent about a leak"
	}
}

if command -v clang >/dev/null; then
	try "clang -std=c11 -fsyntax-only -Wall -DPREC_CHECK_LENT" noderef
else
	echo "not tried: no clang here"
fi
if command -v sparse >/dev/null; then
	try "sparse -std=c11" noderef
else
	echo "not tried: no sparse here"
fi
echo "$points points, $failed failed"
[ $points -gt 0 ] || exit 77
[ $failed -eq 0 ]
