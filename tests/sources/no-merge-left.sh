#!/bin/sh
# SPDX-License-Identifier: MIT
# No file, a page or a source, keeps both sides of a merge.
# Usage: no-merge-left.sh SOURCE_ROOT
set -u
cd "$1" || exit 1
files=$(grep -rIl --exclude-dir=.git --exclude-dir='build*' '' . | wc -l)
left=$(grep -rInE --exclude-dir=.git --exclude-dir='build*' '^[<>]{7} ' .)
[ -z "$left" ] || echo "$left"
echo "$files files, $(printf '%s' "$left" | grep -c '') lines of a merge"
[ "$files" -gt 0 ] && [ -z "$left" ]
