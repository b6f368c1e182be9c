# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the cluster, topics read with kcat, workers as processes.

Everything is read back by kcat, a client that is not ours, with isolation.level=read_committed.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LEAT = os.environ.get("LEAT", str(ROOT / "build/release/leat"))
BROKERS = os.environ["LEAT_BOOTSTRAP"]
CLUSTER = ROOT / "tests/kafka/cluster"
SEED = int(os.environ.get("LEAT_SEED", "1"))
STAMP = str(time.time_ns())  # names of their own, on a cluster that other tests have used
WHOLE_S = 75  # longer than a transaction of a dead worker lasts


class Failed(Exception):
    """What a test found wrong."""


def check(holds, text):
    if not holds:
        raise Failed(text)


def leat(*args, stdin=None, env=None, timeout=60):
    """The program to its end: exit code, stdout, stderr."""
    done = subprocess.run(
        [LEAT, *map(str, args)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | (env or {}),
    )
    return done.returncode, done.stdout, done.stderr


def expect(got, code, *words):
    """What leat() gave has this exit code, and the words on stderr."""
    check(got[0] == code, f"exit code {got[0]}, not {code}: {got[2]}")
    for word in words:
        check(word in got[2], f"'{word}' is not in: {got[2]}")


def write(topic, lines, *options):
    """Produces lines by a client that is not ours; options as kcat has them."""
    done = subprocess.run(
        ["kcat", "-P", "-b", BROKERS, "-t", topic, *map(str, options)],
        input="".join(line + "\n" for line in lines),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    check(done.returncode == 0, done.stderr)


def cluster(*args, ok=True):
    done = subprocess.run(
        [CLUSTER, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ok and done.returncode:
        raise Failed(f"cluster {' '.join(map(str, args))}: {done.stdout}")
    return done.stdout.strip()


def make_topics(*names, partitions=4):
    for name in names:
        cluster("topic", name, "-p", partitions)


def kcat(topic, *options):
    """What kcat says; it is asked again while the broker that leads a new topic, or has come to
    lead an old one, does not know so."""
    deadline = time.monotonic() + 30
    while True:
        done = subprocess.run(
            ["kcat", "-b", BROKERS, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            timeout=300,
        )
        said = done.stderr.decode(errors="replace")
        if done.returncode == 0:
            return done.stdout, said
        passing = re.search("Unknown topic or partition|[Ll]eader", said)
        check(passing and time.monotonic() < deadline, f"kcat on {topic}: {said}")
        time.sleep(0.2)


def ends(topic):
    """Partition -> where its log ends, be it committed or not."""
    deadline = time.monotonic() + 30
    while True:
        found = json.loads(kcat(topic, "-L", "-J", "-t", topic)[0])["topics"][0]["partitions"]
        if found:
            break
        check(time.monotonic() < deadline, f"{topic} has no partitions")
        time.sleep(0.2)
    asked = [f"-t{topic}:{one['partition']}:-1" for one in found]
    # Else the answer is the end of what has been committed.
    out = kcat(topic, "-X", "isolation.level=read_uncommitted", "-Q", *asked)[0].decode()
    at = {int(p): int(at) for p, at in re.findall(r" \[(\d+)\] offset (\d+)$", out, re.M)}
    check(len(at) == len(asked), f"kcat on {topic}: {out}")
    return at


def consume_all(topic, committed, whole):
    """What kcat prints of a topic. A transaction that has ended is not to be seen at once: its
    markers come after the answer to who ended it, and until then committed records end before it.
    whole: reads again until all has been read that was in the log at first."""
    form = "%p %o %T %K %S %h\n%k%s\n"
    level = "read_committed" if committed else "read_uncommitted"
    options = ["-C", "-t", topic, "-o", "beginning", "-e", "-f", form]
    options += ["-X", f"isolation.level={level}", "-X", "check.crcs=true"]
    wanted = ends(topic) if whole else {}
    deadline = time.monotonic() + WHOLE_S
    while True:
        out, said = kcat(topic, *options)
        found = re.findall(r"^% Reached end of topic \S+ \[(\d+)\] at offset (\d+)", said, re.M)
        reached = {int(partition): int(at) for partition, at in found}
        if all(reached.get(partition, -1) >= end for partition, end in wanted.items()):
            return out
        text = f"{topic}: transactions have not ended in {WHOLE_S} s: {reached} of {wanted}"
        check(time.monotonic() < deadline, text)
        time.sleep(0.3)


def read_topic(topic, committed=True, whole=True):
    """All records of a topic: a list of (offset, timestamp, key, value, headers) per partition.
    Transactions under way are waited for, but for those who ask again anyway: whole=False."""
    # Header names and values of ours hold no newline; sizes tell where key and value end.
    data = consume_all(topic, committed, committed and whole)
    at, found = 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end].decode()
        partition, offset, stamp, key_len, value_len, *headers = line.split(" ", 5)
        at = end + 1
        key_len, value_len = int(key_len), int(value_len)
        key = None if key_len < 0 else data[at : at + key_len]
        at += max(key_len, 0)
        value = None if value_len < 0 else data[at : at + value_len]
        at += max(value_len, 0)
        check(data[at : at + 1] == b"\n", f"kcat's output of {topic} cannot be read at {at}")
        at += 1
        found.setdefault(int(partition), []).append(
            (int(offset), int(stamp), key, value, headers[0] if headers else "")
        )
    for records in found.values():
        records.sort()
    return found


def compacted(topic):
    """What a compacted topic stands for: key -> value, per partition."""
    state = {}
    for partition, records in read_topic(topic).items():
        live = state.setdefault(partition, {})
        for _, _, key, value, _ in records:
            if value is None:
                live.pop(key, None)
            else:
                live[key] = value
    return state


def stacks(process):
    """Where the threads of a process are that does not end, if there is a debugger to say it."""
    if not shutil.which("gdb"):
        return ""
    command = ["gdb", "-p", str(process.pid), "-batch", "-ex", "thread apply all bt 14"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith(("#", "Thread")))


class Worker:
    """A `leat run` of its own."""

    def __init__(self, name, pipeline, *settings, flags=(), static=True):
        self.name = name
        self.log = tempfile.NamedTemporaryFile(
            "w+", prefix=f"leat-{name}-", suffix=".log", delete=False
        )
        command = [LEAT, "run", str(pipeline), *flags]
        if static:
            command += ["--set", f"worker.instance={name}"]
        for setting in settings:
            command += ["--set", setting]
        env = os.environ | {"KAFKA_BROKERS": BROKERS}
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=env, stdin=subprocess.DEVNULL
        )

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=60):
        """SIGTERM; the exit code has to be 0."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            where = stacks(self.process)
            self.process.kill()
            self.process.wait()
            text = f"worker {self.name} did not end in {timeout} s\n{self.tail()}\n{where}"
            raise Failed(text) from None
        check(code == 0, f"worker {self.name} ended with {code}\n{self.tail()}")
        return code

    def tail(self, lines=30):
        self.log.flush()
        text = pathlib.Path(self.log.name).read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def generate(topic, count, rate, seed, base=None):
    command = [
        LEAT,
        "generate",
        "payments",
        "--count",
        str(count),
        "--rate",
        str(rate),
        "--seed",
        str(seed),
        "--topic",
        topic,
        "--kafka",
        f"bootstrap.servers={BROKERS}",
    ]
    if base:
        command += ["--base", str(base)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def run_tests(*tests):
    """Runs the functions (or those that the command line names), prints what failed and the
    counts; the exit code."""
    failed = 0
    if sys.argv[1:]:
        tests = [test for test in tests if test.__name__ in sys.argv[1:]]
    for test in tests:
        begin = time.monotonic()
        try:
            test()
            print(f"passed: {test.__name__} in {time.monotonic() - begin:.1f} s", flush=True)
        except (Failed, subprocess.SubprocessError, OSError, ValueError, struct.error) as error:
            failed += 1
            print(
                f"FAILED: {test.__name__} after {time.monotonic() - begin:.1f} s: {error}",
                flush=True,
            )
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0
