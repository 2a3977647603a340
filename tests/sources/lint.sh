#!/bin/sh
# SPDX-License-Identifier: MIT
# The checkers are silent, and what the tree promises of itself is so.
# $1: the build folder, $2: the source
set -u
cd "$2" || exit 1
bad=0
say() { echo "lint: $*"; bad=1; }

# How many states of a function are explored: the analyzer's own limit, 225000,
# takes three times as long for all files, and finds the same in them.
states="--extra-arg=-Xclang --extra-arg=-analyzer-config"
states="$states --extra-arg=-Xclang --extra-arg=max-nodes=50000"
files=$(git ls-files 'src/*.c' 'program/*.c' 'client/*.c' 'demo/*.c')
# shellcheck disable=SC2086 # words
printf '%s\n' $files | xargs -P 2 -n 8 clang-tidy -p "$1" --quiet $states \
	2>/dev/null | grep -E '(error|warning):' &&
	say "clang-tidy has findings"

# sys/queue.h, jansson.h: cppcheck does not know their loops.
cppcheck --quiet --std=c11 -I. -Iinclude -Iinclude/linux -Isrc -D__x86_64__ --error-exitcode=1 \
	--enable=warning,performance,portability --inline-suppr \
	--include=/usr/include/x86_64-linux-gnu/sys/queue.h \
	--include=/usr/include/jansson.h \
	src program client demo || say "cppcheck has findings"

# Installed headers line up their comments by hand.
git ls-files '*.[ch]' ':!include' | xargs clang-format-14 --dry-run -Werror 2>&1 |
	grep error: && say "clang-format-14 -i makes other lines"

# A tab goes on to the next eighth column.
git ls-files '*.[ch]' | xargs awk '{
		while ((at = index($0, "\t")))
			$0 = substr($0, 1, at - 1) \
				substr("        ", 1 + (at - 1) % 8) \
				substr($0, at + 1)
	}
	length > 80 { print FILENAME ":" FNR; bad = 1 }
	END { exit bad }' || say "lines of more than 80 columns"

mandoc -Tlint -Wwarning doc/man/*.[1-8] doc/man/*.in | grep . && say "manual pages"

lines=$(cat src/core/*.[ch] | wc -l)
[ "$lines" -le 3000 ] || say "core has $lines lines, 3000 are allowed"

# A processor is known in the folder of its name and nowhere else; the pages that
# say what is asked of one, or of a kernel on it, may name it.
machine='x86|amd64|aarch64|arm64|riscv|gregs|REG_R|REG_E|eflags|mxcsr|ia32|avx'
machine="$machine|uc_mcontext|__asm__|asm volatile|builtin_cpu|_mm_|CPUID"
git grep -nEi "$machine" -- src ':!src/port/*/*/*' \
	':!src/port/x86_64' ':!src/port/aarch64' ':!src/port/sel4/calls.h' \
	':!src/port/linux/machine.h' && say "a processor outside of its folder"
grep -nEi 'gregs|REG_R|ia32|uc_mcontext|asm' src/port/linux/machine.h &&
	say "code for one processor in what is asked of all"

# A header's guard is its path as its users write it; one that stands in for an
# installed header has that one's.
for header in $(git ls-files '*.h'); do
	name=${header#include/precarium/}
	name=${name#include/*/precarium/}
	name=${name#bench/plain/precarium/}
	name=${name#src/}
	guard=PRECARIUM_$(echo "${name%.h}" | tr 'a-z/-' 'A-Z__')_H
	[ "$(grep -cxE "#(ifndef|define) $guard" "$header")" -eq 2 ] ||
		say "$header: expected the include guard $guard"
done

# What make runs is in the tree, or built.
for path in $(make -n run check test torture prove fuzz soak bench |
	grep -oE '[a-z./-]+/[a-z./-]+' | sed 's,^build[a-z-]*/,,' |
	grep -E '^(tests|proofs|bench|program|demo|\.ci)/' | sort -u); do
	git ls-files --error-unmatch "$path" >/dev/null 2>&1 ||
		[ -x "$1/$path" ] || say "Makefile: $path is not there"
done

# A test that nobody runs passes for ever.
builds=$(cat tests/*/meson.build Makefile)
for file in $(git ls-files 'tests/*/*.c' 'tests/*/*.py' 'tests/*/*.sh'); do
	name=$(basename "${file%.*}" | sed 's/-/[- ]/g')
	echo "$builds" | grep -qE "$name|'-${name#*\]}'" ||
		git grep -qE "$name|'-${name#*\]}'" -- tests ":!$file" \
			':!*.[ch]' || say "$file: no test runs it"
done

git grep -nE 'TODO|FIXME|XXX:' -- src include program client demo && say "left for later"
git grep -nIE ' +$' -- . ':!*.expected' && say "space at the end of a line"
exit $bad
