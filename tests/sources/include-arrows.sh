#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom.  An arrow that is not listed is a mistake of design.
# Usage: include-arrows.sh SOURCE_ROOT
set -u
cd "$1" || exit 1
points=0
failed=0

# allow FILES PATTERN: each include of ours in them matches the pattern.
# Ours are the quoted ones and <precarium/...>.
allow() {
	there=
	for file in $1; do
		[ ! -f "$file" ] || there="$there $file"
	done
	[ -n "$there" ] || return
	# shellcheck disable=SC2046,SC2086 # words
	set -- $(pattern="^($2)\$" awk '
		FNR == 1 { files++ }
		/^[ \t]*#[ \t]*include[ \t]*("[^"]*"|<precarium\/[^>]*>)/ {
			sub(/^[^"<]*["<]/, "")
			sub(/[">].*/, "")
			if ($0 ~ ENVIRON["pattern"] && $0 !~ /\.\./)
				next
			print FILENAME " may not include " $0 >"/dev/stderr"
			bad++
		}
		END { print files + 0, bad + 0 }' $there)
	points=$((points + $1))
	failed=$((failed + $2))
}

public='precarium/[a-z0-9_]+\.h'
own='[a-z0-9_]+\.h'

allow "include/precarium/*.h include/*/precarium/*.h" "$public"
allow "src/port/port.h" 'precarium/touched\.h'
allow "src/port/*.h" "($public|port/$own)"
allow "src/core/*.[chS]" "($public|port/port\.h|core/$own)"
for folder in src/port/*/; do
	system=$(basename "$folder")
	allow "$folder*.[chS]" "($public|$own|port/$own|port/$system/$own)"
	# A processor knows what the port asks of it, and not the port.
	allow "$folder*/*.[chS]" "($public|port/$system/machine\.h)"
done
allow "src/virtio/*.[chS]" "($public|$own|virtio/$own|store/range\.h)"
# The device knows no transport, and stores by their contract only.
allow "src/device/*.[chS]" "($public|device/$own|virtio/$own|store/store\.h)"
allow "src/vhost/*.[chS]" \
	"($public|vhost/$own|device/$own|virtio/blk_wire\.h)"
allow "src/store/*.[chS] src/store/*/*.[chS]" \
	"($public|store/([a-z0-9_]+/)?$own|iommu/(domain|iova|mapper|vfio)\.h)"
# What a device may reach: over the ledger of pins and nothing else of ours.
allow "src/iommu/*.[chS]" "($public|iommu/$own)"
allow "src/watch/*.[chS]" "$public"
# The client library shares no code with the server.
allow "client/*.[ch]" "client/$own"
allow "demo/*.[ch]" "(demo|client)/$own"
# What the commands share knows none of them; main.c knows them by command.h.
shared='program/(arguments|command|escape|json_text|keys|number)\.h'
for file in program/*.[ch]; do
	[ $file = program/check_host.c ] || allow $file "$shared"
done
allow "program/check_host.c" \
	"($public|$shared|program/serve/sandbox\.h|device/notify\.h|store/file/uring\.h)"
allow "program/ask/*.[ch]" "($shared|program/ask/$own|device/(counters|durations)\.h)"
allow "program/serve/*.[ch]" \
	"($public|$shared|program/ask/(ask|stats)\.h|program/serve/$own|device/(clock|counters|durations|log|release|thread)\.h|vhost/$own|store/$own)"
for folder in bench torture; do
	allow "program/$folder/*.[ch]" "($shared|program/$folder/$own|client/$own)"
done
# The tests of the library use what is installed, and their own; units of
# src/virtio are played whole.
for suite in library virtio iommu store device server; do
	allow "tests/$suite/*.h" \
		"($public|[a-z0-9-]+\.h|tests/[a-z0-9/-]+\.h|client/$own|virtio/[a-z0-9_]+\.[ch]|iommu/$own|device/$own|vhost/$own|store/([a-z0-9_]+/)?$own)"
done

echo "$points points, $failed failed"
[ $points -gt 10 ] && [ $failed -eq 0 ]
