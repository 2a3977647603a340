#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual names the paths of this installation, and none of another.
# Usage: manual-names-what-is-installed.sh MANUAL CONFIG DESCRIPTION
set -u
failed=0
for path in "$2" "$3"; do
	grep -qF "Pa $path" "$1" || {
		failed=1
		echo "$1 does not name $path"
	}
done
grep -n '@[a-z]*@' "$1" && failed=1
# Each name of the configuration file, wherever else it may be.
grep -oE '/[^ ]*/precarium\.yaml|/[^ ]*/50-precarium\.json' "$1" |
	grep -vxF -e "$2" -e "$3" && failed=1
exit $failed
