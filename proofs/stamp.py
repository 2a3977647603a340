# SPDX-License-Identifier: MIT
"""Was a unit proved just before, in the same run of the tests?

proofs/run leaves a stamp in the build folder for each unit that is proved: a
digest of the text that the prover sees, its options and the provers' versions,
and who ran it.  That is the process that started both, with the time of its own
start, so that no stamp of an earlier run counts; or what PROOFS_RUN says, where
several processes make up one run.
"""
import hashlib
import os
import subprocess

import provers


def run_of():
    """A name of this run of the tests."""
    parent = os.getppid()
    with open("/proc/%d/stat" % parent, encoding="utf-8") as stat:
        begun = stat.read().rsplit(")", 1)[1].split()[19]
    return os.environ.get("PROOFS_RUN") or "%d since %s" % (parent, begun)


def digest(unit, options, tree):
    text = subprocess.run(
        ["cc", "-E", "-C", "-dD", "-D__FRAMAC__", *provers.includes(unit),
         unit], cwd=tree, check=True, capture_output=True).stdout
    versions = [subprocess.run(command, check=False,
                               capture_output=True).stdout
                for command, _, _ in provers.TOOLS]
    told = repr((provers.parsing(unit), options, versions, run_of())).encode()
    return hashlib.sha256(text + told).hexdigest()


def path_of(unit, build):
    return os.path.join(os.path.abspath(build), "proofs",
                        unit.replace("/", "-") + ".proved")


def leave(unit, options, tree, build):
    with open(path_of(unit, build), "w", encoding="utf-8") as out:
        out.write(digest(unit, options, tree))


def remove(unit, build):
    if os.path.exists(path_of(unit, build)):
        os.unlink(path_of(unit, build))


def holds(unit, options, build):
    """Of this tree."""
    if not os.path.exists(path_of(unit, build)):
        return False
    with open(path_of(unit, build), encoding="utf-8") as left:
        return left.read() == digest(unit, options, provers.TOP)
