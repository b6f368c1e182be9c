# SPDX-License-Identifier: Apache-2.0
"""Exactly once under kills: the card-fraud example on a real cluster while workers are killed,
stopped, added and taken away, and a broker is killed. Afterwards the committed output must be what
a plain program computes from the input, record for record and in order, and the changelog must be
the state that a worker holds.

Environment: LEAT_RATE (events a second), LEAT_KILLS, LEAT_TERMS, LEAT_SCALES; LEAT_SEED.
"""

import json
import os
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import oracle  # pylint: disable=wrong-import-position
from harness import (
    BROKERS,
    ROOT,
    SEED,
    Failed,
    Worker,
    check,
    cluster,
    compacted,  # pylint: disable=wrong-import-position
    generate,
    make_topics,
    read_topic,
    run_tests,
)

RATE = int(os.environ.get("LEAT_RATE", "20000"))
KILLS = int(os.environ.get("LEAT_KILLS", "10"))
TERMS = int(os.environ.get("LEAT_TERMS", "5"))
SCALES = int(os.environ.get("LEAT_SCALES", "3"))
PIPELINE = ROOT / "examples/card-fraud/pipeline.json"
SETTINGS = ("worker.threads=1", "kafka.session.timeout.ms=6000", "kafka.heartbeat.interval.ms=1000")


class Fleet:
    """The workers by name; whoever dies without being asked is a failure."""

    def __init__(self):
        self.workers = {}

    def start(self, name):
        self.workers[name] = Worker(name, PIPELINE, *SETTINGS)

    def check(self):
        for name, worker in self.workers.items():
            check(
                worker.alive(),
                f"worker {name} died by itself: {worker.process.returncode}\n{worker.tail()}",
            )

    def kill(self, name):
        self.workers.pop(name).kill()

    def stop(self, name):
        self.workers.pop(name).stop()

    def end(self):
        for worker in self.workers.values():
            if worker.alive():
                worker.kill()


def pause(dice, least, most):
    time.sleep(dice.uniform(least, most))


def disturb(fleet, dice):
    """Everything that must not matter."""
    acts = ["kill"] * KILLS + ["term"] * TERMS + ["scale"] * SCALES + ["broker"]
    dice.shuffle(acts)
    for act in acts:
        fleet.check()
        name = dice.choice(["w-0", "w-1"])
        if act == "kill":
            fleet.kill(name)
            pause(dice, 0, 0.5)
            fleet.start(name)
            pause(dice, 1.5, 4)
        elif act == "term":
            fleet.stop(name)
            fleet.start(name)
            pause(dice, 1, 3)
        elif act == "scale":
            fleet.stop("w-1")
            pause(dice, 0.5, 2)
            fleet.start("w-1")
            fleet.start("w-2")
            pause(dice, 2, 4)
            fleet.stop("w-2")
            pause(dice, 0.5, 2)
        else:
            node = cluster("leader", "payments", 0)
            cluster("kill", "-9", node)
            pause(dice, 3, 5)
            cluster("restart", node)
    fleet.check()


def compare(name, got, want):
    check(len(got) == len(want), f"{name}: {len(got)} records, {len(want)} expected")
    for at, (one, other) in enumerate(zip(got, want)):
        check(one == other, f"{name}: record {at} is\n{one}\nand should be\n{other}")


def compare_alerts(partition, records, want):
    ids, got = set(), []
    for _, _, _, value, _ in records:
        alert = json.loads(value)
        check(alert["match_id"] not in ids, f"match {alert['match_id']} came twice")
        ids.add(alert["match_id"])
        got.append({key: alert[key] for key in want[0]} if want else alert)
    compare(f"fraud-alerts {partition}", got, want)


def verify():
    payments, cleaned = read_topic("payments"), read_topic("payments-clean")
    alerts, late = read_topic("fraud-alerts"), read_topic("payments-late")
    dead = {}
    for records in read_topic("card-fraud-dead-letter").values():
        for _, _, _, _, headers in records:
            fields = dict(part.split("=", 1) for part in headers.split(",") if "=" in part)
            dead.setdefault(int(fields["leat.partition"]), []).append(int(fields["leat.offset"]))
    total = found = 0
    for partition, records in payments.items():
        want = oracle.Expected(records)
        total, found = total + len(records), found + len(want.alerts)
        compare(
            f"payments-clean {partition}",
            [json.loads(value) for _, _, _, value, _ in cleaned.get(partition, [])],
            want.clean,
        )
        compare_alerts(partition, alerts.get(partition, []), want.alerts)
        compare(f"dead letters {partition}", sorted(dead.get(partition, [])), want.dead)
        check(len(late.get(partition, [])) == len(want.late), f"late records of {partition}")
    check(found > 0, "the input holds no fraud: nothing was tested")
    print(
        f"{total} events, {found} alerts, {sum(map(len, dead.values()))} dead letters: as computed",
        flush=True,
    )


def verify_changelog(dump):
    live = {}
    for line in pathlib.Path(dump).read_text().splitlines():
        cell = json.loads(line)
        key = cell["table"].encode() + b"\0" + bytes.fromhex(cell["key"])
        live.setdefault(cell["partition"], {})[key] = bytes.fromhex(cell["value"])
    logged = compacted("card-fraud-payments-changelog")
    check(sum(map(len, live.values())) > 0, "the state is empty: nothing was tested")
    for partition in set(live) | set(logged):
        compare(
            f"changelog {partition}",
            sorted(logged.get(partition, {}).items()),
            sorted(live.get(partition, {}).items()),
        )
    print(f"{sum(map(len, live.values()))} cells: changelog and state are the same", flush=True)


def chaos():
    dice = random.Random(SEED)
    print(
        f"seed {SEED}, {RATE} events/s, {KILLS} kills, {TERMS} stops, {SCALES} scalings",
        flush=True,
    )
    make_topics(
        "payments", "payments-clean", "payments-late", "fraud-alerts", "card-fraud-dead-letter"
    )
    fleet = Fleet()
    feeder = generate("payments", 0, RATE, SEED)
    try:
        fleet.start("w-0")
        fleet.start("w-1")
        time.sleep(4)
        disturb(fleet, dice)
        feeder.terminate()
        _, said = feeder.communicate(timeout=60)
        check(feeder.returncode == 0, f"the generator failed: {said}")
        for name in list(fleet.workers):
            fleet.stop(name)
    finally:
        fleet.end()
        feeder.kill()
    with tempfile.TemporaryDirectory() as folder:
        time.sleep(8)  # static members do not leave: their partitions are free after the session
        dump = f"{folder}/state.jsonl"
        last = Worker("w-0", PIPELINE, *SETTINGS, flags=("--until-end", "--state-dump", dump))
        try:
            last.wait(180)
        finally:
            if last.alive():
                last.kill()
        verify()
        verify_changelog(dump)


if __name__ == "__main__":
    assert BROKERS and Failed
    sys.exit(run_tests(chaos))
