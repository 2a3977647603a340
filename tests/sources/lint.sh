#!/bin/sh
# SPDX-License-Identifier: MIT
# The checkers are silent, and what the tree promises of itself is so.
# $1: the build folder, $2: the source
set -u
cd "$2" || exit 1
bad=0
say() { echo "lint: $*"; bad=1; }

files=$(git ls-files 'src/*.c' 'program/*.c' 'client/*.c' 'demo/*.c')
printf '%s\n' $files | xargs -P 2 -n 8 clang-tidy -p "$1" --quiet 2>/dev/null |
	grep -E '(error|warning):' &&
	say "clang-tidy has findings"

# sys/queue.h, jansson.h: cppcheck does not know their loops.
cppcheck --quiet --std=c11 -I. -Iinclude -Isrc -D__x86_64__ --error-exitcode=1 \
	--enable=warning,performance,portability --inline-suppr \
	--include=/usr/include/x86_64-linux-gnu/sys/queue.h \
	--include=/usr/include/jansson.h \
	src program client demo || say "cppcheck has findings"

mandoc -Tlint -Wwarning doc/man/*.[1-8] | grep . && say "manual pages"

lines=$(cat src/core/*.[ch] | wc -l)
[ "$lines" -le 3000 ] || say "core has $lines lines, 3000 are allowed"

git grep -nE 'TODO|FIXME|XXX:' -- src include program client demo && say "left for later"
git grep -nIE ' +$' -- . ':!*.expected' && say "space at the end of a line"
exit $bad
