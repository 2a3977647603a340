#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzz for FUZZ_SECONDS (30), beginning with the corpus; what is found that
# reaches something new is kept in FOUND, beside the crashes.
# Usage: run.sh FUZZER FOUND CORPUS
set -eu
mkdir -p "$2"
cd "$2"
# -close_fd_mask=2: what the server says of its clients is not read here.
exec "$1" -close_fd_mask=2 -timeout=30 -max_len=2048 -print_final_stats=1 \
	-max_total_time="${FUZZ_SECONDS:-30}" "$2" "$3"
