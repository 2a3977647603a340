#!/bin/sh
# SPDX-License-Identifier: MIT
# What is the same on each platform names nothing of one: the headers below speak
# of no descriptor, no signal and no fork.  Usage: portable-headers.sh SOURCE_ROOT
set -eu
cd "$1/include/precarium"
set -- region.h transaction.h access.h note.h claim.h ledger.h pin.h \
	pages.h space.h fault.h
if grep -nE -e '\b([Dd]escriptors?|fd|memfd|seal(s|ed)?|[Ss]ignals?|[Ff]ork(s|ed)?)\b' \
	-e '\b(BUS|SEGV)_|\bSIG[A-Z]|pthread' "$@"; then
	echo "these are of one platform"
	exit 1
fi
echo "$# headers"
