#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples build against the installed library, found by pkg-config, with
# both compilers, and do what they say.   $1: the build folder, $2: the source
set -eu
build=$1 source=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(find "$root" -name libprecarium.pc)
lib=$(dirname "$(find "$root" -name libprecarium.so)")
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$root"
export LD_LIBRARY_PATH="$lib"
for compiler in gcc clang; do
	for example in lent-buffer proved-driver substitution; do
		rm -rf "$root/work"
		cp -r "$source/examples/$example" "$root/work"
		make -s -C "$root/work" CC=$compiler CFLAGS='-O2 -Wall -Wextra -Werror'
		program=$(find "$root/work" -type f -perm -u+x)
		timeout 30 "$program"
	done
done
echo "3 examples, 2 compilers"
