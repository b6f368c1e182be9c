# SPDX-License-Identifier: Apache-2.0
"""Bad input and a bad world: each gets the documented reaction, and words that help a stranger.

What needs no broker runs over files; the rest on the cluster, and one on a second cluster that asks
for a password.
"""

import json
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
    CLUSTER,
    STAMP,
    Worker,
    check,
    cluster,
    expect,
    leat,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    write,
)

HANGS = int(os.environ.get("LEAT_HANGS", "2"))
GOOD = {"id": 1, "at": 1000, "amount": 5.5}


def pipeline(folder, name="bad", **parts):
    """A small pipeline file; parts replace its members."""
    document = {
        "name": name,
        "kafka": {"bootstrap.servers": BROKERS},
        "sources": {"in": {"topic": f"{name}-in", "timestamp": "at", "key": "id"}},
        "streams": {
            "all": {"from": "in", "steps": [{"filter": "amount > 1.0"}], "to": f"{name}-out"}
        },
        "dead_letter": f"{name}-dead",
    } | parts
    path = pathlib.Path(folder) / f"{name}.json"
    path.write_text(json.dumps(document, indent=2))
    return path


def records():
    """name -> bytes that are no good record."""
    text = json.dumps(GOOD).encode()
    flipped = bytearray(text)
    flipped[0] ^= 0x04
    return {
        "truncated": text[:-3],
        "flipped": bytes(flipped),
        "deep": b'{"a":' + b"[" * 500000 + b"]" * 500000 + b"}",
        "not UTF-8": b'{"id":1,"at":1,"amount":2.0,"x":"\xff\xfe"}',
        "a list": b"[1,2]",
        "no field": b'{"id":1,"at":1}',
        "wrong type": b'{"id":1,"at":1,"amount":"much"}',
        "bad time": b'{"id":1,"at":"yesterday","amount":2.0}',
    }


def bad_records_of_a_file():
    with tempfile.TemporaryDirectory() as folder:
        lines = (
            [json.dumps(GOOD).encode()]
            + list(records().values())
            + [b"", json.dumps(GOOD | {"id": 2, "at": 2000}).encode()]
        )
        (pathlib.Path(folder) / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        path = pipeline(
            folder,
            sources={"in": {"file": "in.jsonl", "timestamp": "at", "key": "id"}},
            streams={
                "all": {"from": "in", "steps": [{"filter": "amount > 1.0"}], "to": {"stdout": {}}}
            },
            dead_letter={"file": f"{folder}/dead.jsonl"},
            kafka={},
        )
        got = leat("run", path)
        expect(got, 0)
        check(
            [json.loads(line)["id"] for line in got[1].splitlines()] == [1, 2], f"output: {got[1]}"
        )
        dead = [
            json.loads(line)
            for line in (pathlib.Path(folder) / "dead.jsonl").read_text().splitlines()
        ]
        check(
            [entry["line"] for entry in dead] == list(range(2, 2 + len(records()))),
            f"dead letters: {dead}",
        )
        for entry in dead:
            check(
                entry["error"] and entry["step"] and entry["pipeline"] == "bad",
                f"dead letter: {entry}",
            )
            check(("value" in entry) != ("value_base64" in entry), f"value of {entry}")


def bad_records_without_dead_letter():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "in.jsonl").write_text("{}\nnonsense\n")
        path = pipeline(
            folder,
            sources={"in": {"file": "in.jsonl"}},
            kafka={},
            dead_letter=None,
            streams={"all": {"from": "in", "steps": [], "to": {"drop": {}}}},
        )
        document = json.loads(path.read_text())
        del document["dead_letter"]
        path.write_text(json.dumps(document))
        expect(leat("run", path), 1, "bad record")
        expect(leat("check", path), 0, "dead_letter")


def full_disk():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "in.jsonl").write_text(json.dumps(GOOD) + "\n")
        path = pipeline(
            folder,
            sources={"in": {"file": "in.jsonl", "timestamp": "at"}},
            kafka={},
            streams={"all": {"from": "in", "steps": [], "to": {"file": "/dev/full"}}},
            dead_letter={"drop": {}},
        )
        expect(leat("run", path), 74, "/dev/full", "No space left")


def mistakes_in_files():
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(
            folder,
            streams={
                "all": {
                    "from": "inn",
                    "steps": [{"filtr": "a"}, {"filter": "amount >"}],
                    "too": "x",
                }
            },
        )
        got = leat("check", path)
        expect(
            got,
            1,
            "did you mean 'in'",
            "did you mean 'filter'",
            "did you mean 'to'",
            "streams.all.steps[1].filter",
        )
        expect(leat("run", path), 78, "did you mean 'filter'")
        code, out, _ = leat("check", path, "--output", "json")
        findings = [entry for entry in json.loads(out) if "line" in entry]
        check(
            code == 1 and len(findings) >= 4 and all(entry["line"] > 0 for entry in findings),
            f"json: {out}",
        )
        expect(
            leat("run", pathlib.Path(folder) / "nowhere.json"), 78, "nowhere.json", "No such file"
        )
        (pathlib.Path(folder) / "p.json").write_text(
            '{"name": "p", "steps": [{"name": "a", "where": "amount + > 2"},'
            ' {"name": "b", "contiguty": "next"}]}'
        )
        path = pipeline(
            folder,
            streams={
                "all": {"from": "in", "steps": [{"detect": {"patterns": ["p.json"]}}], "to": "x"}
            },
        )
        expect(leat("check", path), 1, "p.json:1:", "did you mean 'contiguity'")
        path = pipeline(
            folder,
            mask={"key": "${file:no-such-secret}"},
            streams={"all": {"from": "in", "steps": [{"mask": {"id": "hmac-sha256"}}], "to": "x"}},
        )
        expect(leat("run", path), 78, "no-such-secret", "No such file")


def usage():
    expect(leat("frobnicate"), 2, "frobnicate")
    expect(leat("run"), 2)
    expect(leat("run", "--sett", "a=b", "x.json"), 2, "--set")
    expect(leat("eval", "1 +"), 1, "^")
    check(leat("eval", "1 + 1", stdin="")[1] == "2\n", "eval")


def missing_topics():
    with tempfile.TemporaryDirectory() as folder:
        name = f"missing-{STAMP}"
        path = pipeline(folder, name)
        expect(leat("run", path), 78, f"{name}-in", "does not exist")
        make_topics(f"{name}-in", f"{name}-dead")
        expect(leat("run", path), 78, f"{name}-out", "does not exist")


def unreachable():
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(folder, kafka={"bootstrap.servers": "127.0.0.1:1"})
        expect(leat("run", path, timeout=40), 69, "127.0.0.1:1")
        path = pipeline(folder, kafka={"bootstrap.servers": BROKERS, "lingr.ms": "5"})
        expect(leat("run", path), 78, "lingr.ms", "linger.ms")


def wrong_changelog():
    with tempfile.TemporaryDirectory() as folder:
        name = f"changelog-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead")
        cluster("topic", f"{name}-in-changelog", "-p", 3, "-c", "cleanup.policy=compact")
        (pathlib.Path(folder) / "p.json").write_text(
            '{"name": "p", "steps": [{"name": "a", "where": "amount > 2.0"}]}'
        )
        path = pipeline(
            folder,
            name,
            streams={
                "all": {
                    "from": "in",
                    "steps": [{"detect": {"patterns": ["p.json"]}}],
                    "to": f"{name}-out",
                }
            },
        )
        expect(leat("run", path), 78, "3 partitions", "4")


def bad_records_of_a_topic():
    """The worker lives, and each bad record is a dead letter with its place."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"poison-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead", partitions=1)
        path = pipeline(folder, name)
        poison = list(records().values())
        for value in [json.dumps(GOOD).encode()] + poison + [json.dumps(GOOD).encode()]:
            (pathlib.Path(folder) / "value").write_bytes(value)
            subprocess.run(
                [
                    "kcat",
                    "-P",
                    "-b",
                    BROKERS,
                    "-t",
                    f"{name}-in",
                    "-p",
                    "0",
                    "-X",
                    "message.max.bytes=2000000",
                    f"{folder}/value",
                ],
                check=True,
            )
        for flags in ([], ["-Z"]):  # an empty value, a null one
            subprocess.run(
                ["kcat", "-P", "-b", BROKERS, "-t", f"{name}-in", "-p", "0", "-K", ":", *flags],
                input=b"7:\n",
                check=True,
            )
        worker = Worker("poison", path, flags=("--until-end",))
        worker.wait(60)
        check(len(read_topic(f"{name}-out")[0]) == 2, "good records of a poisoned topic")
        dead = read_topic(f"{name}-dead")
        count = sum(map(len, dead.values()))
        check(count == len(poison) + 2, f"{count} dead letters of {len(poison) + 2}")
        for found in dead.values():
            for _, _, _, _, headers in found:
                for header in (
                    "leat.pipeline=",
                    "leat.step=",
                    "leat.error=",
                    f"leat.topic={name}-in",
                    "leat.offset=",
                ):
                    check(header in headers, f"header {header} is not in {headers}")


def wrong_password():
    with tempfile.TemporaryDirectory() as folder:
        # PLAIN, as librdkafka before 2.6.1 cannot do SCRAM with Kafka 4.
        own = ["--dir", f"{folder}/sasl"]
        port = random.SystemRandom().randrange(30000, 32000, 40)  # other runs have theirs
        started = subprocess.run(
            [CLUSTER, "start", "1", "--sasl", "--port", str(port), *own],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        try:
            check(started.returncode == 0, "the cluster with passwords did not start")
            kafka = {
                "bootstrap.servers": f"127.0.0.1:{port}",
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "leat",
                "sasl.password": "wrong-but-secret",
            }
            got = leat("run", pipeline(folder, kafka=kafka), timeout=40)
            expect(got, 77, "sasl.")
            check("wrong-but-secret" not in got[2] + got[1], "the password is in the log")
            kafka["sasl.password"] = "leat-secret"
            expect(leat("run", pipeline(folder, kafka=kafka)), 78, "does not exist")
        finally:
            subprocess.run([CLUSTER, "stop", *own], stdout=subprocess.DEVNULL, check=False)


def tell(topic, count=1):
    """Good records for a topic."""
    write(topic, [json.dumps(GOOD)] * count)


def comes_to(topic, count, worker, seconds=180):
    """Waits until a topic holds that many committed records, and no more."""
    end = time.monotonic() + seconds
    while True:
        have = sum(map(len, read_topic(topic, whole=False).values()))
        if have >= count:
            break
        check(worker.alive(), f"the worker ended with {worker.process.poll()}\n{worker.tail()}")
        check(time.monotonic() < end, f"{topic}: {have} of {count} records\n{worker.tail()}")
        time.sleep(0.5)
    check(have == count, f"{topic}: {have} records where {count} should be")


def broker_hangs():
    """All brokers stop answering for a while, again and again; the worker waits and goes on."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"hang-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead")
        worker = Worker("hang", pipeline(folder, name))
        try:
            tell(f"{name}-in")
            comes_to(f"{name}-out", 1, worker)
            nodes = [line.split()[1] for line in cluster("status").splitlines()]
            for hang in range(HANGS):
                for node in nodes:
                    cluster("pause", node)
                time.sleep(8)
                for node in nodes:
                    cluster("resume", node)
                cluster("wait")
                tell(f"{name}-in")
                comes_to(f"{name}-out", hang + 2, worker)
            worker.stop()
        finally:
            if worker.alive():
                worker.kill()


def usurper(group, instance, topic):
    """A process that takes a worker's instance away, and is gone."""
    taker = subprocess.Popen(
        ["kcat", "-b", BROKERS, "-G", group, "-X", f"group.instance.id={instance}"]
        + ["-X", "partition.assignment.strategy=cooperative-sticky"]
        + ["-X", "session.timeout.ms=6000", "-X", "enable.auto.commit=false", topic],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in taker.stderr:
        if "assigned" in line:
            break
    taker.kill()
    taker.wait()


def fenced_once():
    """Somebody takes the worker's instance in the group and is gone: it takes it back."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"fenced-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead")
        worker = Worker("once", pipeline(folder, name), "worker.threads=1")
        try:
            tell(f"{name}-in", 10)
            comes_to(f"{name}-out", 10, worker)
            usurper(name, "once-0", f"{name}-in")
            tell(f"{name}-in", 10)
            comes_to(f"{name}-out", 20, worker)
            check("made anew" in worker.tail(1000), f"it was not fenced\n{worker.tail()}")
            worker.stop()
        finally:
            if worker.alive():
                worker.kill()


def uncommitted(topic, count, worker):
    """Waits for records that nobody has committed yet."""
    end = time.monotonic() + 60
    while sum(map(len, read_topic(topic, committed=False).values())) < count:
        check(time.monotonic() < end, f"{topic}: no open transaction\n{worker.tail()}")
        time.sleep(0.2)
    check(not read_topic(topic, whole=False), f"{topic}: committed before its time")


def killed_without_a_name():
    """A killed worker without instance name leaves a transaction that no one of its id will end:
    the brokers do, soon, and another worker's output becomes visible behind it."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"killed-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead", partitions=1)
        path = pipeline(folder, name, commit_interval="10s")
        tell(f"{name}-in", 10)
        first = Worker("first", path, "worker.threads=1", static=False)
        second = None
        try:
            uncommitted(f"{name}-out", 10, first)
            first.kill()
            said = cluster("tool", "transactions", "list")
            ids = [line.split()[0] for line in said.splitlines() if line.startswith(name)]
            check(len(ids) == 1, f"one transactional id, not {ids} in\n{said}")
            said = cluster("tool", "transactions", "describe", "--transactional-id", ids[0])
            check("25000" in said, f"a time-out of 15 s and the commit interval is not in\n{said}")
            path = pipeline(folder, name)
            second = Worker("second", path, "worker.threads=1", static=False)
            comes_to(f"{name}-out", 10, second)
            second.stop()
            settings = ("kafka.transaction.timeout.ms=33000", "worker.threads=1")
            second = Worker("second", path, *settings, static=False)
            tell(f"{name}-in")
            comes_to(f"{name}-out", 11, second)
            said = cluster("tool", "transactions", "list")
            ids = [line.split()[0] for line in said.splitlines() if line.startswith(name)]
            said = "".join(
                cluster("tool", "transactions", "describe", "--transactional-id", one)
                for one in ids
            )
            check("33000" in said, f"the user's time-out is not in\n{said}")
            second.stop()
        finally:
            for worker in (first, second):
                if worker and worker.alive():
                    worker.kill()


def frozen_without_a_name():
    """Who stands still for longer than its transaction may last does it again, and lives."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"frozen-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead", partitions=1)
        path = pipeline(folder, name, commit_interval="5s")
        settings = ("worker.threads=1", "kafka.transaction.timeout.ms=6000")
        tell(f"{name}-in", 10)
        worker = Worker("frozen", path, *settings, static=False)
        try:
            uncommitted(f"{name}-out", 10, worker)
            worker.process.send_signal(signal.SIGSTOP)
            # Brokers look for transactions that are too old every 10 s; then there is no open one.
            check(not read_topic(f"{name}-out"), "what was not committed is there")
            worker.process.send_signal(signal.SIGCONT)
            comes_to(f"{name}-out", 10, worker)
            tell(f"{name}-in", 10)
            comes_to(f"{name}-out", 20, worker)
            check("fenced" in worker.tail(1000), f"it was not fenced\n{worker.tail()}")
            worker.stop()
        finally:
            if worker.alive():
                worker.kill()


def double(settings):
    with tempfile.TemporaryDirectory() as folder:
        name = f"double-{len(settings)}-{STAMP}"
        make_topics(f"{name}-in", f"{name}-out", f"{name}-dead")
        path = pipeline(folder, name)
        pair = [Worker("double", path, "worker.threads=1", *settings)]
        try:
            tell(f"{name}-in", 10)
            comes_to(f"{name}-out", 10, pair[0])
            pair.append(Worker("double", path, "worker.threads=1", *settings))
            end = time.monotonic() + 120
            while all(worker.alive() for worker in pair):
                check(time.monotonic() < end, f"both go on\n{pair[0].tail()}")
                time.sleep(0.2)
            time.sleep(10)  # the other one does not end, either
            gone, left = sorted(pair, key=Worker.alive)
            check(gone.process.poll() == 70, f"{gone.process.poll()}, not 70\n{gone.tail()}")
            check("instance name of its own" in gone.tail(), f"its words\n{gone.tail()}")
            check(left.alive(), f"both have ended\n{left.tail()}")
            tell(f"{name}-in", 10)
            comes_to(f"{name}-out", 20, left)
            left.stop()
        finally:
            for worker in pair:
                if worker.alive():
                    worker.kill()


def two_of_one_name():
    """Two workers with one instance name: one of them gives way, with words that say why."""
    for settings in ((), ("guarantee=at_least_once",)):
        double(settings)


if __name__ == "__main__":
    sys.exit(
        run_tests(
            usage,
            mistakes_in_files,
            bad_records_of_a_file,
            bad_records_without_dead_letter,
            full_disk,
            unreachable,
            missing_topics,
            wrong_changelog,
            bad_records_of_a_topic,
            wrong_password,
            broker_hangs,
            fenced_once,
            two_of_one_name,
            killed_without_a_name,
            frozen_without_a_name,
        )
    )
