#!/bin/sh
# SPDX-License-Identifier: MIT
# A linker that drops unused sections keeps the table of the accessors, so that
# a program's first loss is told and not deadly: each linker that is here, gcc
# and clang, static and shared, with and without link-time optimisation.  Where
# a table was dropped all the same, the library says so and maps nothing.
# Usage: table-survives-linkers.sh SOURCE_ROOT STATIC_LIBRARY SHARED_LIBRARY SOURCE
set -u
include=$1/include
platform=$1/include/linux
static=$2
shared=$3
source=$4
points=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT

# link INCLUDE LIBRARY ARGUMENTS...: to $work/program
link() {
	headers=$1
	library=$2
	shift 2
	"$@" -w -O1 -ffunction-sections -fdata-sections -pthread \
		-I"$headers" -I"$platform" "$source" "$library" -o "$work/program" \
		-Wl,--gc-sections -Wl,-rpath,"$(dirname "$shared")" \
		2>"$work/error"
}

# expect WHAT INCLUDE LIBRARY COMPILER...
expect() {
	what=$1
	shift
	points=$((points + 1))
	link "$@" || {
		echo "not linked: $*" && cat "$work/error"
		failed=$((failed + 1))
		return
	}
	said=$("$work/program" 2>&1) || said="$said, died"
	[ "$said" = "$what" ] && return
	echo "not so: $*: expected \"$what\": \"$said\""
	failed=$((failed + 1))
}

try() { # COMPILER...
	for library in "$static" "$shared"; do
		expect "memory gone, health 0" "$include" "$library" "$@"
	done
}

# As the header would be without the flag that keeps the table.
mkdir "$work/old" && cp -r "$include/precarium" "$work/old" &&
	cp "$platform/precarium/module.h" "$work/old/precarium" &&
	sed -i 's/prec_fixup,\\"aR?\\"/prec_fixup,\\"a?\\"/' \
		"$work/old/precarium/access_x86_64.h" \
		"$work/old/precarium/module.h" || exit 1
told="refused: Exec format error, health 41"

for compiler in gcc clang; do
	for linker in bfd gold lld; do
		command -v "$compiler" >/dev/null &&
			command -v "ld.$linker" >/dev/null || {
			echo "not tried: $compiler with $linker"
			continue
		}
		try "$compiler" "-fuse-ld=$linker"
		# lld does not read gcc's intermediate code.
		[ "$compiler $linker" = "gcc lld" ] ||
			try "$compiler" "-fuse-ld=$linker" -flto
		[ $linker = bfd ] &&
			try "$compiler" -fuse-ld=bfd -Wl,-z,start-stop-gc
		# The others keep a section that is named like this.
		[ $linker = lld ] && expect "$told" "$work/old" "$shared" \
			"$compiler" -fuse-ld=lld
	done
done
echo "$points points, $failed failed"
[ $points -gt 0 ] && [ $failed -eq 0 ]
