#!/bin/sh
# SPDX-License-Identifier: MIT
# What is shipped is built without the tests, optimised as a whole, with no
# compiler for C++, and is hardened and works then.   $1: the source
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$1"
quietly() {
	"$@" >"$work/log" 2>&1 || {
		cat "$work/log"
		exit 1
	}
}
CXX=/bin/false quietly meson setup "$work/build" -Dtests=false \
	--buildtype=release -Db_lto=true
quietly ninja -C "$work/build"
! grep -rq -e '-Werror' "$work/build/compile_commands.json" || {
	echo "warnings are errors in a release build"
	exit 1
}
python3 tests/sources/hardened.py "$work/build" yes "$work/build/program/precarium" \
	"$work/build/src/libprecarium.so" "$work/build/src/watch/libprecarium-watch.so"
python3 tests/server/messages-at-random.py "$work/build/program/precarium" 1 3
