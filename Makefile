# SPDX-License-Identifier: MIT
# Meson builds; these are the names to remember.
#
#   make          build into build/
#   make run      the demonstration: good and hostile clients on one server
#   make check    one build and its quick suites, before each commit: minutes
#   make test     everything, ending with one line that counts
#   make torture  a client's attacks on this server and on others, as a table
#   make prove    the proofs as a table, with smoke tests, the protocol, and the
#                 seeded bugs, which take long: make prove MUTANTS=no leaves
#                 them out
#   make fuzz     the fuzzers, each for SECONDS=600
#   make soak     one sanitized server under attack for SECONDS=3600
#   make bench    what it costs, against what it replaces: 20 minutes, a table,
#                 and a page; BENCH="--rows null" for a part, "--help" for help
#   make install  into the system (DESTDIR is honoured)

all: build/build.ninja
	ninja -C build

build/build.ninja:
	sh .ci/packages build
	CC=gcc meson setup build -Dwerror=true

run:
	sh .ci/packages build run
	$(MAKE) --no-print-directory all
	build/demo/precarium-demo

check:
	sh .ci/packages build test
	python3 tests/all --check

test:
	sh .ci/packages build run test prove
	python3 tests/all

torture:
	sh .ci/packages build test
	$(MAKE) --no-print-directory all
	python3 tests/program/torture-peers.py build/program/precarium

prove:
	sh .ci/packages prove
	@echo "The proofs, with smoke tests: some minutes for each of the larger units."
	proofs/run --smoke
	proofs/protocol/run
ifneq ($(MUTANTS),no)
	@echo "Seeded bugs: half an hour; make prove MUTANTS=no leaves them out."
	proofs/mutants/run
endif

fuzz:
	sh .ci/packages build test
	test -e build-fuzz/build.ninja || CC=clang meson setup \
		build-fuzz -Dfuzz=true -Db_lundef=false \
		-Db_sanitize=address,undefined
	ninja -C build-fuzz
	FUZZ_SECONDS=$(SECONDS) meson test -C build-fuzz --suite fuzz --verbose

soak:
	sh .ci/packages build test
	test -e build-soak/build.ninja || CC=clang meson setup \
		build-soak -Db_lundef=false -Db_sanitize=address,undefined
	ninja -C build-soak program/precarium tests/server/soak-clients
	python3 tests/server/soak.py build-soak/program/precarium \
		build-soak/tests/server/soak-clients $(or $(SECONDS),3600)

bench:
	sh .ci/packages bench
	test -e build-bench/build.ninja || CC=gcc meson setup \
		build-bench --buildtype=release
	test -e build-plain/build.ninja || CC=gcc meson setup \
		build-plain --buildtype=release -Dplain=true
	ninja -C build-bench
	ninja -C build-plain program/precarium bench/bench-instructions
	bench/run --build=build-bench --plain=build-plain $(BENCH)

install: all
	meson install -C build

.PHONY: all run check test torture prove fuzz soak bench install
