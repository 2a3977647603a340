#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library exports what the headers declare, and nothing else; the
# list beside this file makes each change of it a decision.
# Usage: symbols.sh SOURCE_ROOT LIBRARY
set -u
root=$1
library=$2
headers=$(ls "$root"/include/precarium/*.h "$root"/include/linux/precarium/*.h)
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT

nm -D --defined-only "$library" | sed -n 's/.* [TDBRVW] \([^@]*\).*/\1/p' |
	sort >"$work/exported"
grep -v '^#' "$root/tests/sources/symbols.expected" | sort >"$work/expected"
# A declaration starts with PREC_EXPORT, an inline function with PREC_INLINE; its
# name is the first prec_ before (.  Those that a macro defines end in ##bits.
names() {
	tr '\n\t' '  ' | grep -o "$1" | grep -o '[ *]prec_[a-z0-9_#]* *(' |
		tr -d ' *('
}
{
	cat $headers | names 'PREC_EXPORT[^;{]*;'
	cat $headers | names 'PREC_INLINE [^;{(]*('
} | sed '/_\(raw_\)\?c[a-z_]*##bits/{s/##bits//;s/.*/&32\n&64/}
	/##bits/{s/##bits//;s/.*/&8\n&16\n&32\n&64/}' |
	sort -u >"$work/declared"

diff "$work/expected" "$work/exported" || {
	echo "< expected, > exported"
	failed=1
}
diff "$work/declared" "$work/exported" || {
	echo "< declared, > exported"
	failed=1
}
# Somebody may hold the address of our handler for ever.
readelf -d "$library" | grep -q NODELETE || {
	echo "the library may be unloaded"
	failed=1
}
# In the handler nothing may be allocated: no dynamic model of thread storage.
readelf -r "$library" | grep -Eq 'DTPMOD|TLSDESC' && {
	echo "thread-local storage of a dynamic model"
	failed=1
}
echo "$(wc -l <"$work/exported") points, $failed failed"
[ -s "$work/exported" ] && [ $failed -eq 0 ]
