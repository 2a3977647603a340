# SPDX-License-Identifier: MIT
"""The guest's disk: what the host puts on it, and expects to find.

A file system, which the guest makes, up to AREA; from there to the end each 8
bytes hold their own offset, for `reads.c`.
"""

import array
import hashlib
import subprocess

from verdict import Red

IMAGE_BYTES = 96 << 20
AREA = 80 << 20


class Plan:
    """The files of the disk: name -> the numbers in it, one a line."""

    def __init__(self, small=300):
        self.files = {}
        for i in range(small):
            first = 1000000 + 10000 * i
            # Many small ones, and some that are not.
            lines = 1 + i * i * 37 % (499 if i % 25 else 9973)
            self.files[f"d{i % 13:02}/f{i:03}"] = (first, first + lines - 1)
        # The same pattern for each request size; 8 digits and a newline make
        # 4718592 bytes, a multiple of all of them (direct I/O needs that).
        for size in ("4k", "16k", "256k"):
            self.files[f"direct/{size}"] = (20000001, 20262144)

    def content(self, name):
        first, last = self.files[name]
        return b"".join(b"%d\n" % n for n in range(first, last + 1))

    def write(self, folder):
        with open(folder / "plan", "w") as plan, \
                open(folder / "sums", "w") as sums:
            for name, (first, last) in self.files.items():
                digest = hashlib.md5(self.content(name)).hexdigest()
                print(first, last, name, file=plan)
                print(f"{digest}  {name}", file=sums)
        return [folder / "plan", folder / "sums"]

    def differing(self, folder):
        """Names of the files that are not below folder as they should be."""
        bad = []
        for name in self.files:
            path = folder / name
            if not path.is_file() or path.read_bytes() != self.content(name):
                bad.append(name)
        return bad


def area():
    return array.array("Q", range(AREA, IMAGE_BYTES, 8)).tobytes()


def make_image(path):
    with open(path, "wb") as image:
        image.seek(AREA)
        image.write(area())


def run_quiet(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def check_area(verdict, image):
    """Nobody writes there.  Neither the guest nor the server is asked."""
    with open(image, "rb") as disk:
        disk.seek(AREA)
        verdict.check("area", disk.read() == area())


def check_files(verdict, plan, image, scratch):
    """The file system, by the host's own tools."""
    fsck = run_quiet(["e2fsck", "-f", "-n", str(image)])
    verdict.check("e2fsck", fsck.returncode == 0,
                  " ".join(fsck.stdout.split("\n")[-3:]).strip())
    out = scratch / "files"
    out.mkdir()
    run_quiet(["debugfs", "-R", f"rdump / {out}", str(image)])
    bad = plan.differing(out)
    verdict.check("contents", not bad,
                  f"{len(plan.files) - len(bad)} files are right"
                  + (", wrong: " + " ".join(bad[:3]) if bad else ""))


def break_byte(plan, image):
    """Change one digit of one file, as a server that loses a store would."""
    first, last = plan.files["d05/f200"]
    line = b"\n%d\n" % ((first + last) // 2)
    with open(image, "r+b") as disk:
        at = disk.read().find(line)
        if at < 0:
            raise Red("there is nothing to break")
        disk.seek(at + len(line) - 2)
        disk.write(b"x")
