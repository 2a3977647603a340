# SPDX-License-Identifier: MIT
"""QEMU, and the guest in it."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import disk
import journal
import server
from verdict import Red

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 240      # the longest takes 15 on a quiet machine
ANSWER_SECONDS = 60     # of QEMU, and of a guest that gives memory back
DIMM_BYTES = 128 << 20  # as much as Linux takes or gives at a time
SLOWLY = 12 << 20       # bytes a second
QUICKLY = 1 << 30
CRAWLING = 4096         # 0 would be as fast as it can
SILENT_SECONDS = 2
MOVING = "setup", "active"
IN_FLIGHT = journal.DEPTH + 1   # of a guest that moves: `writes` and `reads`

# Kernel lines that are a failure whatever the guest says about itself.
BAD_CONSOLE = re.compile(
    r"I/O error|EXT4-fs (error|warning)|Kernel panic|\bBUG: |Oops|"
    r"blocked for more than|JBD2: .*[Ee]rror|is not a head")


def bad_lines(text):
    """What the console says that no good run says.  A kernel that starts another
    or powers off cuts the device off from memory in the middle of reads, which
    may fail."""
    leaves = False
    bad = []
    for line in text.splitlines():
        if line.startswith("guest: "):
            leaves = re.fullmatch(r"guest: \S+ kexec\s*", line) is not None
        elif line.startswith("GUEST-RESULT: "):
            leaves = True
        if BAD_CONSOLE.search(line) and not (leaves and "I/O error" in line):
            bad.append(line)
    return bad


def version(text):
    """Of QEMU, from what it says to --version: major and minor."""
    return tuple(map(int, re.match(r"QEMU emulator version (\d+)\.(\d+)",
                                   text).groups()))


def installed():
    return version(subprocess.run([QEMU, "--version"], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout)


def reconnect(seconds, of):
    """How a character device is told to connect again, by version: 9.2 has new
    words for it, and 10.0 has dropped the old ones."""
    return f"reconnect-ms={1000 * seconds}" if of >= (9, 2) else \
        f"reconnect={seconds}"


def qemu(words, stage, cpus, packed=False, more=(), again=False,
         resets=False, boots=1):
    """The command of a machine.

    `words` names its files: kernel, initramfs, disk, monitor.  It has the time
    of so many `boots`.
    """
    # memfd, shared: the guest's RAM is what is lent to the server.
    # no_timer_check: on a busy machine the kernel sees a timer interrupt come
    # late, calls the timer broken, and may panic over it.
    # init_on_alloc=0: a page that the guest clears before the server writes to
    # it migrates whether the server tells of it or not.
    # la57=off: one level less in each walk of the page tables.
    return ["timeout", "-k", "5", str(boots * BOOT_SECONDS + 10),
            *server.WITH_PARENT,
            QEMU, "-nodefaults", "-no-user-config",
            "-display", "none", "-serial", "stdio",
            *([] if resets else ["-no-reboot"]),
            "-machine", "q35,accel=tcg,memory-backend=ram",
            "-cpu", "max,la57=off", "-smp", str(cpus),
            "-m", "256M,slots=1,maxmem=1G",
            "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
            "-kernel", str(words["kernel"]),
            "-initrd", str(words["initramfs"]),
            "-append", "console=ttyS0 panic=-1 loglevel=5 mitigations=off "
                       "no_timer_check init_on_alloc=0 "
                       f"area={disk.AREA} stage={stage} "
                       f"more={','.join(more)}",
            "-qmp", f"unix:{words['monitor']},server=on,wait=off",
            "-chardev", f"socket,id=disk,path={words['disk']}"
                        + ("," + reconnect(1, installed()) if again else ""),
            "-device", f"vhost-user-blk-pci,chardev=disk,num-queues={cpus},"
                       f"packed={'on' if packed else 'off'}"]


class Monitor:
    """QEMU's own control socket, which speaks JSON by lines (QMP)."""

    def __init__(self, path, alive):
        deadline = time.monotonic() + ANSWER_SECONDS
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS)
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if not alive() or time.monotonic() > deadline:
                    raise Red("QEMU has no monitor") from None
                time.sleep(0.05)
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.events = []
        self.ask("qmp_capabilities")

    def hear(self, what):
        try:
            return json.loads(self.lines.readline())
        except (OSError, ValueError) as error:
            raise Red(f"{what}: QEMU says nothing: {error}") from None

    def ask(self, command, **arguments):
        try:
            self.lines.write(json.dumps({"execute": command,
                                         "arguments": arguments}) + "\n")
            self.lines.flush()
        except OSError:
            raise Red(f"{command}: QEMU is gone") from None
        while True:
            answer = self.hear(command)
            if "error" in answer:
                raise Red(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            self.events.append(answer["event"])

    def wait_for(self, event, failure):
        while event not in self.events:
            if failure in self.events:
                raise Red(failure)
            self.events.append(self.hear(event)["event"])


class Guest:
    """A machine that runs, and what it says."""

    def __init__(self, command, console, monitor, **how):
        self.console = console
        self.begin = time.monotonic()
        self.path = monitor
        with open(console, "ab") as log:
            self.process = server.spawn(command, stdout=log,
                                        stderr=subprocess.STDOUT, **how)

    def monitor(self):
        if isinstance(self.path, Monitor):
            return self.path
        self.path = Monitor(self.path, self.alive)
        return self.path

    def alive(self):
        return self.process.poll() is None

    def said(self):
        return self.console.read_text(errors="replace").replace("\r", "")

    def took(self):
        return time.monotonic() - self.begin

    def run(self, tend, answers=(), boots=1):
        """Until it ends, or until tend() says that it may not go on.

        `answers`: what is done once when the guest says a word.
        """
        answers = dict(answers)
        while self.alive() and tend() and \
                self.took() < boots * BOOT_SECONDS:
            text = self.said()
            for word in [w for w in answers if f" {w}\n" in text]:
                answers.pop(word)(self)
            time.sleep(0.1)

    def progress(self):
        """Rounds over all slots of `reads`, writes acknowledged to `writes`."""
        text = self.said()
        return text.count(" round\n"), journal.ended(text)

    def goes_on(self, tend, rounds, writes):
        """Until it has read and written so much more."""
        wanted = [have + more for have, more
                  in zip(self.progress(), (rounds, writes))]
        begin = time.monotonic()
        while any(have < want for have, want in zip(self.progress(), wanted)):
            if not (self.alive() and tend()) or \
                    "GUEST-RESULT" in self.said() or \
                    time.monotonic() > begin + BOOT_SECONDS:
                return False
            time.sleep(0.1)
        return True

    def kill(self):
        # The group, because `timeout` cannot pass a SIGKILL on to QEMU.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def vanish(guest):
    """Clients do: here one that has written for a second."""
    time.sleep(1)
    guest.kill()


def reset(guest):
    time.sleep(1)
    guest.monitor().ask("system_reset")


def plug(guest):
    monitor = guest.monitor()
    monitor.ask("object-add", id="more", size=DIMM_BYTES, share=True,
                **{"qom-type": "memory-backend-memfd"})
    monitor.ask("device_add", id="dimm", driver="pc-dimm", memdev="more")


def unplug(guest):
    monitor = guest.monitor()
    monitor.ask("device_del", id="dimm")
    monitor.wait_for("DEVICE_DELETED", "MEM_UNPLUG_ERROR")
    monitor.ask("object-del", id="more")


def copied(old, share):
    """Until so much of the guest's memory is left to be copied."""
    while True:
        now = old.ask("query-migrate")
        ram = now.get("ram", {"remaining": 1, "total": 1})
        if now.get("status") not in MOVING:
            raise Red(f"migration {now.get('status')}")
        if ram["remaining"] < ram["total"] * share:
            return
        time.sleep(0.05)


def stopped(old, held):
    """Until the guest is stopped, which waits for its requests in flight.

    While the disk is held QEMU waits for the server, and answers nothing.  It
    is let go when QEMU has been silent for a while; where something else made
    it so, less is seen, and nothing goes wrong.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        while True:
            answer = pool.submit(old.ask, "query-migrate")
            if held and not concurrent.futures.wait([answer],
                                                    SILENT_SECONDS).done:
                held.release()
                held = None
            status = answer.result()["status"]
            if status == "pre-switchover":
                break
            if status not in MOVING:
                raise Red(f"migration {status}")
            time.sleep(0.05)
    if held:
        raise Red("the rings were stopped with requests in flight")


def migrate(source, target, path, held, first):
    """Move a guest that works; the QEMU that it leaves is ended.

    QEMU looks twice at what was written: when it begins, and when it has copied
    all memory once and the guest is stopped.  With a downtime of 0 it does not
    look in between.  Until version 9.0 QEMU, where it emulates the processor,
    forgets after each look that it has to watch some of the pages that the
    processor writes, and the guest arrives without those writes.

    With `held`, a disk that can be held, all requests that the guest has at a
    time are in flight when it is stopped.  With `first` they are so before the
    first look: then nobody but the server writes into the rings until the second,
    and only its log tells of that.
    """
    old, new = source.monitor(), target.monitor()
    first = first and held
    if first:
        held.hold(IN_FLIGHT)
    old.ask("migrate-set-capabilities", capabilities=[
        {"capability": "pause-before-switchover", "state": True}])
    old.ask("migrate-set-parameters", **{"downtime-limit": 0, "max-bandwidth":
                                         QUICKLY if first else SLOWLY})
    old.ask("migrate", uri=f"unix:{path}")
    if not first:
        copied(old, 1 / 3)
        if held:
            old.ask("migrate-set-parameters", **{"max-bandwidth": CRAWLING})
            held.hold(IN_FLIGHT)
        old.ask("migrate-set-parameters", **{"max-bandwidth": QUICKLY})
    stopped(old, held)
    looks = old.ask("query-migrate")["ram"]["dirty-sync-count"]
    old.ask("migrate-continue", state="pre-switchover")
    while old.ask("query-migrate")["status"] != "completed":
        time.sleep(0.05)
    old.ask("quit")
    while new.ask("query-status")["status"] != "running":
        time.sleep(0.05)
    return looks
