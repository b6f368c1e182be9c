# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Kafka log alone share: probe_log, as a command and as a process that copies
a topic, and the count of what it copied."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (
    BROKERS,
    LEAT,
    ROOT,
    SEED,
    Failed,
    check,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    stacks,
)

PROBE = os.environ.get("LEAT_PROBE_LOG", str(pathlib.Path(LEAT).parent / "probe_log"))
RANDOM = random.Random(SEED)
LONG = "LEAT_LONG" in os.environ


def probe(*args, brokers=BROKERS, timeout=90):
    """Exit code and what it said; seconds it took."""
    began = time.monotonic()
    done = subprocess.run(
        [PROBE, "-p", f"bootstrap.servers={brokers}", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    return done.returncode, done.stdout, time.monotonic() - began


def must(*args, **options):
    code, out, _ = probe(*args, **options)
    check(code == 0, f"probe_log {' '.join(map(str, args))}: {code}\n{out}")
    return out


class Copy:
    """A probe that copies, as a process."""

    running = []

    @classmethod
    def kill_all(cls):
        """Those that a failed test has left."""
        while cls.running:
            copy = cls.running.pop()
            if copy.process.poll() is None:
                copy.signal(signal.SIGKILL)

    @classmethod
    def all_said(cls):
        """The end of what each has said, and whether it goes on: for a failure's message."""
        return "".join(
            f"\n-- a copy, {'running' if copy.process.poll() is None else copy.process.returncode}:"
            f"\n{copy.said()[-2000:]}{stacks(copy.process)}"
            for copy in cls.running
        )

    def __init__(self, *args, ident="t0"):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="leat-probe-", suffix=".log")
        self.process = subprocess.Popen(
            [PROBE, "-p", f"bootstrap.servers={BROKERS}", *map(str, args)],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )
        self.ident = ident
        Copy.running.append(self)

    def said(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def wait_for(self, *texts, timeout=60):
        """Waits until it has said one of them."""
        end = time.monotonic() + timeout
        while not any(text in self.said() for text in texts):
            check(self.process.poll() is None, f"ended before {texts}:\n{self.said()[-2000:]}")
            check(time.monotonic() < end, f"never said {texts}:\n{self.said()[-2000:]}")
            time.sleep(0.05)

    def wait_for_count(self, text, count, timeout=60):
        """Waits until it has said the text that often."""
        end = time.monotonic() + timeout
        while self.said().count(text) < count:
            check(self.process.poll() is None, f"ended:\n{self.said()[-2000:]}")
            check(
                time.monotonic() < end,
                f"{self.said().count(text)} times '{text}', not {count}:\n{self.said()[-3000:]}",
            )
            time.sleep(0.05)

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self, timeout=60, code=0):
        self.process.send_signal(signal.SIGTERM)
        self.ended(timeout, code)

    def ended(self, timeout=60, code=0):
        try:
            got = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"did not end in {timeout} s:\n{self.said()[-3000:]}") from None
        check(got == code, f"ended with {got}, not {code}:\n{self.said()[-3000:]}")


def exact(topic, counts):
    """Every partition holds PARTITION-0, PARTITION-1, ... once each and in order."""
    found = read_topic(topic)
    for partition, want in counts.items():
        keys = [key.decode() for _, _, key, _, _ in found.get(partition, [])]
        for at, key in enumerate(keys[:want]):
            check(key == f"{partition}-{at}", f"{topic}/{partition}: {key} where {at} should be")
        check(len(keys) == want, f"{topic}/{partition}: {len(keys)} records, not {want}")


def appeared(topic):
    """Waits for records of a transaction that is open, and stays so."""
    end = time.monotonic() + 60
    while not read_topic(topic, committed=False):
        check(time.monotonic() < end, f"{topic}: nothing was written{Copy.all_said()}")
        time.sleep(0.05)


def arrived(topic, count, timeout=120, distinct=False):
    """Waits until that many (distinct) records can be read; fewer in that time is a failure."""
    end = time.monotonic() + timeout
    while True:
        found = read_topic(topic, whole=False).values()
        have = sum(len({r[2] for r in records} if distinct else records) for records in found)
        if have >= count:
            return
        if time.monotonic() >= end:
            written = sum(map(len, read_topic(topic, committed=False).values()))
            raise Failed(
                f"{topic}: {have} of {count} records in {timeout} s, {written} with those that are "
                f"not committed{Copy.all_said()}"
            )
        time.sleep(0.5)


def cleaned(test):
    """The test, and no process of its left whatever happens."""

    def run():
        try:
            test()
        finally:
            Copy.kill_all()

    run.__name__ = test.__name__
    return run


def probe_tests(names):
    """Runs the tests among a module's names; the exit code."""
    if not os.path.exists(PROBE):
        subprocess.run(
            ["cmake", "--build", str(pathlib.Path(PROBE).parent), "--target", "probe_log"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
    wanted = ("test_", "long_test_") if LONG else ("test_",)
    return run_tests(*[cleaned(test) for name, test in names.items() if name.startswith(wanted)])
