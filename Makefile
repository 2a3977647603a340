# SPDX-License-Identifier: MIT
# Meson builds; these are the names to remember.
#
#   make          build into build/
#   make run      the demonstration: good and hostile clients on one driver
#   make test     everything, ending with one line that counts
#   make prove    the proofs alone, as a table
#   make bench    what it costs, against what it replaces
#   make install  into the system (DESTDIR is honoured)

all: build/build.ninja
	ninja -C build

build/build.ninja:
	sh .ci/packages build
	CC=gcc CXX=g++ meson setup build

run:
	sh .ci/packages build run
	$(MAKE) --no-print-directory all
	build/tools/demo/precarium-demo

test:
	sh .ci/packages build run test prove
	python3 tests/all

prove:
	sh .ci/packages prove
	proofs/run

bench: all
	build/bench/bench-library

install: all
	meson install -C build

.PHONY: all run test prove bench install
