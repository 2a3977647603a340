#!/bin/sh
# SPDX-License-Identifier: MIT
# AppArmor understands the profile that is installed, and the unit names it.
# Usage: apparmor-profile-parses.sh PROFILE UNIT
set -u
PATH=$PATH:/usr/sbin:/sbin
command -v apparmor_parser >/dev/null || {
	echo "skipped: apparmor is not installed"
	exit 77
}
grep -n '@[a-z]*@ ' "$1" | grep -v '@{' && exit 1
# Neither the kernel nor a cache of the machine has a part in it.
said=$(apparmor_parser --skip-kernel-load --skip-cache "$1" 2>&1) || {
	echo "$said"
	exit 1
}
names=$(apparmor_parser --names --skip-cache "$1" 2>/dev/null)
[ "$names" = precarium-server ] || {
	echo "expected the profile precarium-server, and none besides: $names"
	exit 1
}
[ ! -e "$2" ] || grep -q '^AppArmorProfile=-precarium-server$' "$2" || {
	echo "$2 does not name the profile"
	exit 1
}
