#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of src/iommu is needed: with any one of them dropped, the simulated
device reaches what was given back, or somebody is not served.

Usage: each-rule-is-needed.py SOURCE_ROOT CC

A rule is dropped by replacing a piece of text, which must occur once, in a copy
of the sources.  Then a test named with it must fail, as it must not before."""
import os
import subprocess
import sys
import tempfile

EVERY_TICK = "device-cannot-reach-what-was-given-back"
EVERY_CALL = "revoked-at-every-call"
STUCK = "a-stuck-command-ends-in-time"
COUNTED = "what-is-lent-is-counted"
ADDRESSES = "device-addresses-are-given-once"
COMPLETIONS = "completions-are-checked"

OURS = ["flight.c", "iova.c", "ladder.c", "loan.c"]

# Every so many moments; a test that is told so ends at the first failure.
STEP = "5"

# What is dropped, the file, the text, what takes its place, the test.
RULES = [
    ("a range is pinned before the device is told of it", "flight.c",
     "status = pin(domain, client, pages, free);",
     "pages = NULL;\n\tstatus = pin(domain, client, pages, free);",
     EVERY_TICK),
    ("it is unmapped only when it is quiet", "loan.c",
     "loan->state = quiet == range ? IOMMU_LEAVING : IOMMU_DRAINING;",
     "loan->state = quiet == range ? IOMMU_LEAVING : IOMMU_DRAINING;\n"
     "\tdomain->ops->unmap(domain->device, &loan->first.mapping);",
     EVERY_TICK),
    ("time does not make it quiet", "loan.c",
     "loan->late |= passed;",
     "loan->late |= passed;\n\tif (passed)\n"
     "\t\tdomain->ops->unmap(domain->device, &loan->first.mapping);",
     EVERY_TICK),
    ("it is cut off only with a hold", "loan.c",
     "if (loan->hold.state != IOMMU_MAPPED ||\n\t    step_unmap",
     "if (step_unmap",
     EVERY_TICK),
    ("what the device says of a revoked range is not believed", "flight.c",
     "return status == PREC_OK;\n}\n\nstatic void end(",
     "return true;\n}\n\nstatic void end(",
     EVERY_TICK),
    ("what a quiesce dropped is put again", "flight.c",
     "if (!flight->insisted && all_live(domain, flight)) {",
     "if (false) {",
     EVERY_TICK),
    ("… but not if its loan is no longer live", "flight.c",
     "if (!flight->insisted && all_live(domain, flight)) {",
     "if (!flight->insisted) {",
     EVERY_TICK),
    ("… nor if it was taken back meanwhile", "ladder.c",
     "if (flight->stage == IOMMU_AGAIN && flight_uses(flight, loan))",
     "if (false)",
     STUCK),
    ("what is quiesced is restarted, whoever began it", "ladder.c",
     "quiesce->stage = IOMMU_RESTARTING;",
     "quiesce->stage = IOMMU_IDLE;",
     EVERY_TICK),
    ("nothing is put while it is quiesced", "flight.c",
     "if (!flight_is_open(domain, queue))\n\t\treturn PREC_BUSY;", "",
     COMPLETIONS),
    ("a quiesce that does not end becomes a ruder one", "ladder.c",
     "|| now >= quiesce->deadline) {", ") {",
     EVERY_TICK),
    ("the ladder ends by holding what may be touched", "ladder.c",
     "flight_lose(domain, &domain->flight[i], now);",
     "flight_end_dropped(domain, &domain->flight[i]);",
     EVERY_TICK),
    ("a late loan begins a quiesce", "ladder.c",
     "if (loan_step(domain, i, now))\n\t\t\tend_users(domain, i, now);",
     "loan_step(domain, i, now);",
     EVERY_TICK),
    ("a quiesce is done when the device says so", "ladder.c",
     "if (quiesce->stage == IOMMU_QUIESCING)\n"
     "\t\treturn domain->ops->quiesced(domain->device, quiesce->level,\n"
     "\t\t\t\t\t     queue);",
     "if (quiesce->stage == IOMMU_QUIESCING)\n\t\treturn IOMMU_DONE;",
     EVERY_TICK),
    ("a window is gone when its range is revoked", "loan.c",
     "\t\tremove_window(domain, loan);\n", "",
     EVERY_TICK),
    ("an unmap that fails is never given back", "loan.c",
     "if (answer == IOMMU_FAILED)\n\t\tcondemn(domain, range);",
     "if (answer == IOMMU_FAILED)\n\t\tanswer = IOMMU_DONE;",
     EVERY_CALL),
    ("what could not be mapped is refused", "loan.c",
     "if (loan->first.state == IOMMU_MAPPED &&\n\t    (!",
     "if ((!",
     EVERY_CALL),
    ("both mappings of a hold are removed", "loan.c",
     "if (answer == IOMMU_DONE)\n"
     "\t\tanswer = step_unmap(domain, &loan->hold);", "",
     EVERY_TICK),
    ("unread completions are read before slots are used again", "ladder.c",
     "\tread_queues(domain, level, queue, now);\n", "",
     COMPLETIONS),
    ("a completion of what is not in flight resets the device", "ladder.c",
     "iommu_quiesce(domain, IOMMU_DEVICE, 0, now);", "continue;",
     COMPLETIONS),
    ("a slot is one of the queue", "flight.c",
     "if (slot >= domain->options.depth)\n\t\treturn false;",
     "slot %= domain->options.depth;",
     COMPLETIONS),
    ("a hold is counted", "loan.c",
     "domain->options.hold ? 2 * span->size : span->size",
     "span->size",
     COUNTED),
    ("whole pages", "loan.c",
     "span->host % IOVA_PAGE == 0 && span->size % IOVA_PAGE == 0",
     "true",
     COUNTED),
    ("an address is given back at release", "loan.c",
     "loan->state = quiet == range ? IOMMU_LEAVING : IOMMU_DRAINING;",
     "loan->state = quiet == range ? IOMMU_LEAVING : IOMMU_DRAINING;\n"
     "\tdomain->iova->count = 0;",
     ADDRESSES),
    ("the lowest addresses are not given", "iova.c",
     "if (in.first < IOVA_LOWEST)\n\t\tin.first = IOVA_LOWEST;", "",
     ADDRESSES),
    ("what is buried is paid back", "ladder.c",
     "status = prec_ledger_bury(&domain->ledger, 0);", "",
     STUCK),
    ("a domain opens again when all has been reported", "ladder.c",
     "if (domain->news == 0 && domain->ended_count == 0)\n", "",
     STUCK),
    ("what an abort does not end a quiesce does", "ladder.c",
     "if (now >= flight->deadline)\n"
     "\t\t\tiommu_quiesce(domain, IOMMU_QUEUE, flight->queue, now);", "",
     STUCK),
    ("what can be aborted is, before others are disturbed", "ladder.c",
     "if (!domain->ops->abort) {", "if (true) {",
     STUCK),
    ("an insisted command ends", "ladder.c",
     "flight->insisted = true;", "",
     STUCK),
]


class Builder:
    """Compiles each source once, and what is changed in between."""

    def __init__(self, root, compiler, scratch):
        self.root = root
        self.scratch = scratch
        self.command = [*compiler.split(), "-std=c11", "-D_GNU_SOURCE", "-O1",
                        "-w", "-pthread", *("-I" + os.path.join(root, folder) for folder in
                                ("include", "src", "", "tests/iommu"))]
        self.iommu = os.path.join(root, "src", "iommu")
        self.objects = {}

    def compile(self, source, name):
        """The object of a source."""
        target = os.path.join(self.scratch, name + ".o")
        subprocess.run([*self.command, "-c", source, "-o", target], check=True)
        return target

    def common(self, path):
        """The object of a source of the tree."""
        if path not in self.objects:
            self.objects[path] = self.compile(os.path.join(self.root, path),
                                              path.replace("/", "-"))
        return self.objects[path]

    def program(self, test, changed, content):
        """The test, with this content of one file of src/iommu, if any."""
        paths = ["src/core/pages.c", "src/core/pin.c", "src/core/space.c",
                 "tests/iommu/sim.c", "tests/iommu/world.c",
                 "tests/iommu/" + test + ".c"]
        paths += ["src/iommu/" + name for name in OURS if name != changed]
        objects = [self.common(path) for path in paths]
        if changed:
            source = os.path.join(self.scratch, changed)
            with open(source, "w", encoding="utf-8") as file:
                file.write(content)
            objects.append(self.compile(source, "changed"))
        target = os.path.join(self.scratch, "program")
        subprocess.run([*self.command, *objects, "-o", target], check=True)
        return target


def fails(program):
    """True if it fails; to hang is to fail."""
    try:
        return subprocess.run([program, STEP], timeout=60,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def try_rule(builder, rule):
    """True if the test notices that the rule is dropped."""
    what, name, text, instead, test = rule
    path = os.path.join(builder.iommu, name)
    with open(path, encoding="utf-8") as source:
        content = source.read()
    if content.count(text) != 1:
        print("%s: %s: the text of this rule occurs %d times; expected 1"
              % (what, path, content.count(text)))
        return False
    if fails(builder.program(test, name, content.replace(text, instead))):
        return True
    print("not noticed by %s: %s" % (test, what))
    return False


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: each-rule-is-needed.py SOURCE_ROOT CC")
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        builder = Builder(os.path.abspath(sys.argv[1]), sys.argv[2], scratch)
        for test in sorted({rule[4] for rule in RULES}):
            if fails(builder.program(test, None, "")):
                print("%s fails with all rules" % test)
                bad += 1
        bad += sum(not try_rule(builder, rule) for rule in RULES)
    print("%d rules, %d not noticed" % (len(RULES), bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
