#!/bin/sh
# SPDX-License-Identifier: MIT
# Each installed header compiles alone, with every warning an error, in C and in
# C++, with each compiler that is here.  Usage: headers-alone.sh SOURCE_ROOT
set -u
root=$1
points=0
failed=0

# try HEADER COMPILER: with the platform's folder
try() {
	points=$((points + 1))
	printf '#include <precarium/%s>\nint nothing_else;\n' "$1" |
		$2 -I"$root/include" -I"$platform" -Wall -Wextra -Wpedantic -Werror \
			-fsyntax-only - || {
		failed=$((failed + 1))
		echo "not alone: $1 with $2"
	}
}

for path in "$root"/include/precarium/*.h "$root"/include/*/precarium/*.h \
	"$root"/include/*/precarium/*.hpp; do
	header=$(basename "$path")
	platform=${path%/precarium/*}
	[ "$platform" != "$root/include" ] || platform=$root/include/linux
	for compiler in gcc clang; do
		command -v $compiler >/dev/null || continue
		case $header in
		*.h)
			try "$header" "$compiler -std=c11 -x c"
			try "$header" "$compiler -std=c17 -x c" ;;
		*)	try "$header" "$compiler -std=c++11 -x c++" ;;
		esac
		try "$header" "$compiler -std=c++17 -x c++"
		try "$header" "$compiler -std=c++20 -x c++"
	done
done
for compiler in gcc clang; do
	command -v $compiler >/dev/null || echo "not tried: no $compiler here"
done
echo "$points points, $failed failed"
[ $points -gt 0 ] && [ $failed -eq 0 ]
