#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs on seL4 needs no C library: core, virtio and the port compile with
# the compiler's own headers alone, for each processor, and together leave nothing
# undefined but calls of libsel4.  They are small.  On aarch64, too, an access is
# one instruction.  The example compiles in the same way.  Usage: freestanding.sh SOURCE_ROOT
set -u
root=$1
model=$root/tests/sel4/model/libsel4/include
points=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT

say() {
	echo "not so: $*"
	failed=$((failed + 1))
}

# own COMPILER...: the folder of its headers
own() {
	echo '#include <stdint.h>' | "$@" -ffreestanding -nostdinc -x c -E \
		-isystem "$("$@" -print-file-name=include)" - >/dev/null 2>&1 &&
		"$@" -print-file-name=include ||
		echo "$("$@" -print-resource-dir)/include"
}

# compile PROCESSOR COMPILER...: each file, and all of them as one object.  Only the
# port sees the headers of the kernel, so that the others are the same on each.
compile() {
	processor=$1
	shift
	folder=$work/$processor-$(basename "$1")
	own=$(own "$@")
	atomics=
	[ $processor != aarch64 ] || atomics=-mno-outline-atomics
	mkdir -p "$folder"
	for file in "$root"/src/core/*.c "$root"/src/virtio/*.c \
		"$root"/src/port/sel4/*.c "$root/src/port/sel4/$processor"/*.c \
		"$root/src/port/$processor"/*.S; do
		[ -f "$file" ] || continue
		of=${file%/*}
		object=$folder/${of##*/}-${file##*/}.o
		kernel=
		case $file in
		*/port/sel4/*)
			kernel=$model
			rm -f "$object" ;;
		esac
		[ ! -f "$object" ] || continue
		points=$((points + 1))
		"$@" -c -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding \
			-fno-stack-protector -fno-pic -nostdinc $atomics \
			-isystem "$own" -isystem "${kernel:-$own}" ${kernel:+$mcs} \
			-I"$root/include/sel4" -I"$root/include" -I"$root/src" \
			-I"$root/src/port/sel4/$processor" \
			-o "$object" "$file" || say "$file: $*"
	done
	nm -u "$folder"/*.o | awk '$1 == "U" { print $2 }' | sort -u >"$work/wanted"
	nm "$folder"/*.o | awk '$2 ~ /[TDBRCV]/ { print $3 }' | sort -u >"$work/there"
	points=$((points + 1))
	comm -23 "$work/wanted" "$work/there" |
		grep -vE '^(seL4_.*|_GLOBAL_OFFSET_TABLE_)$' >"$work/undefined" &&
		say "$*: undefined: $(tr '\n' ' ' <"$work/undefined")"
	text=$(size -A "$folder"/*.o | awk '/^\.(text|rodata)|^prec_fixup/ {
		sum += $2 } END { print sum }')
	echo "$processor, $*: $text bytes of text"
	points=$((points + 1))
	[ "$text" -lt 32768 ] || say "$text bytes of text, 32768 are allowed"
}

# example PROCESSOR COMPILER...: the root task of examples/sel4.
example() {
	processor=$1
	shift
	own=$(own "$@")
	for file in "$root"/examples/sel4/*.c; do
		points=$((points + 1))
		"$@" -c -std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding \
			-fno-stack-protector -fno-pic -nostdinc $mcs \
			-isystem "$own" -isystem "$model" \
			-I"$root/include/sel4" -I"$root/include" \
			-o "$work/example.o" "$file" || say "$file: $*"
	done
}

# accessor FUNCTION INSTRUCTION COUNT: in the assembly of each accessor alone
accessor() {
	points=$((points + 1))
	found=$(sed -n "/^alone_$1:/,/^\.Lfunc_end/p" "$work/alone.s" |
		grep -cE "^[[:space:]]+$2[[:space:]]")
	[ "$found" = "$3" ] || say "$1: expected $3 $2, found $found"
}

for mcs in "" -DCONFIG_KERNEL_MCS; do
	for compiler in gcc clang; do
		command -v $compiler >/dev/null || {
			echo "not tried: no $compiler here"
			continue
		}
		compile x86_64 $compiler
		[ $compiler != gcc ] || example x86_64 gcc
	done
	if command -v clang >/dev/null; then
		compile aarch64 clang --target=aarch64-linux-gnu
	fi
	if command -v aarch64-linux-gnu-gcc >/dev/null; then
		compile aarch64 aarch64-linux-gnu-gcc
		example aarch64 aarch64-linux-gnu-gcc
	fi
done

if command -v clang >/dev/null; then
	clang --target=aarch64-linux-gnu -O2 -S -std=c11 -ffreestanding -nostdinc \
		-isystem "$(own clang)" -I"$root/include/sel4" \
		-I"$root/include" -I"$root/src" -o "$work/alone.s" \
		"$root/tests/sources/one-access.c" || say "one-access.c"
	for bits in 8:b 16:h 32: 64:; do
		accessor prec_raw_load${bits%:*} "ldar${bits#*:}" 1
		accessor prec_raw_store${bits%:*} "stlr${bits#*:}" 1
		accessor prec_raw_store${bits%:*} 'ldr[a-z]*' 0
	done
	accessor lent_load_desc ldar 2
	accessor lent_store_used stlr 2
fi
echo "$points points, $failed failed"
[ $points -gt 50 ] && [ $failed -eq 0 ]
