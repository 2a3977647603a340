#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples build against the installed library, found by pkg-config, and do
# what they say: with both compilers, those of adopters also with both linkers,
# static and shared.   $1: the build folder, $2: the source
set -eu
build=$1 source=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(find "$root" -name libprecarium.pc)
lib=$(dirname "$(find "$root" -name libprecarium.so)")
sed -i "s,^prefix=,prefix=$root," "$pc"
export PKG_CONFIG_PATH="${pc%/*}" LD_LIBRARY_PATH="$lib"
cp -r "$source/examples" "$root/examples"
runs=0

# run EXAMPLE VARIABLES...: build it anew, and run it.
run() {
	folder=$root/examples/$1
	shift
	make -s -C "$folder" clean
	make -s -C "$folder" CFLAGS='-O2 -Wall -Wextra -Werror' \
		CXXFLAGS='-O2 -Wall -Wextra -Werror' "$@"
	program=$(find "$folder" -type f -perm -u+x)
	(cd "$folder" && timeout 30 "$program" >"$root/out" 2>&1) || {
		echo "failed: $folder $*"
		cat "$root/out"
		exit 1
	}
	runs=$((runs + 1))
}

adopters="log-reader decoder"
if pkg-config --exists pixman-1; then
	adopters="$adopters wl-shm"
else
	echo "not tried: wl-shm: no libpixman-1-dev here"
fi
linkers=bfd
if command -v ld.lld >/dev/null; then
	linkers="$linkers lld"
else
	echo "not tried: lld: not here"
fi
for compiler in gcc:g++ clang:clang++; do
	cc="CC=${compiler%:*}" cxx="CXX=${compiler#*:}"
	for example in lent-buffer proved-driver substitution; do
		run $example "$cc"
	done
	for example in $adopters; do
		for linker in $linkers; do
			use="LDFLAGS=-fuse-ld=$linker -Wl,--gc-sections"
			run "$example" "$cc" "$cxx" "$use"
			run "$example" "$cc" "$cxx" "$use" \
				"LIBPRECARIUM=$lib/libprecarium.a -pthread"
		done
	done
done
"$root/examples/python/reader.py"
echo "$runs runs of compiled examples, and Python"
