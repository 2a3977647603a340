# Meson does the work; these are the names to remember.
all: build/build.ninja
	ninja -C build

build/build.ninja:
	sh .ci/packages build
	meson setup build

.PHONY: all
