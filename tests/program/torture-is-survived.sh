#!/bin/sh
# SPDX-License-Identifier: MIT
# G1: precarium serve survives each of the quick attacks that the program
# knows, and a neighbour's data is right and comes in time.
# Usage: torture-is-survived.sh PRECARIUM
set -u
folder=$(mktemp -d) && cd "$folder" || exit 1
trap 'rm -rf "$folder"' EXIT
truncate -s 16M a.img b.img || exit 1

# What the address sanitizer keeps of what was freed is no leak.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1"
serve="$1 serve --export socket=a.sock,file=a.img \
	--export socket=b.sock,file=b.img --workers 2"
# A busy machine is no stall.
"$1" torture a.sock --neighbour b.sock --restart "$serve" --fast \
	--stall 30000 --answer 30000 --timeout 30000 >out
status=$?
[ $status -eq 0 ] || grep -v '^survived' out
tail -1 out
exit $status
