# SPDX-License-Identifier: Apache-2.0
"""Steps with state on a real cluster: a join with a table, dedupe and throttle, over a worker that
is killed in between. What comes out is compared with what a few lines of Python make of the input.
"""

import json
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (
    BROKERS,
    SEED,
    STAMP,
    Worker,
    check,
    expect,
    leat,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    write,
)

CARDS, PAYMENTS, STEP_MS = 40, 3000, 10


def put(topic, pairs):
    """(key, value or None): by key, with the partitioner of Java's clients."""
    rows = (f"{key}\t{json.dumps(value) if value is not None else ''}" for key, value in pairs)
    write(topic, rows, "-K", "\t", "-Z", "-X", "topic.partitioner=murmur2_random")


def rows(topic, whole=True):
    found = read_topic(topic, whole=whole).values()
    return [json.loads(value) for records in found for _, _, _, value, _ in records]


def pipeline(folder, name):
    path = pathlib.Path(folder) / "pipeline.json"
    path.write_text(
        json.dumps(
            {
                "name": name,
                "commit_interval": "50ms",
                "kafka": {"bootstrap.servers": BROKERS, "session.timeout.ms": "6000"},
                "worker": {"threads": 2},
                "sources": {
                    "pay": {
                        "topic": f"{name}-pay",
                        "key": "card",
                        "timestamp": "t",
                        "out_of_orderness": "200ms",
                    }
                },
                "tables": {"cards": {"topic": f"{name}-cards", "timestamp": "t"}},
                "streams": {
                    "joined": {
                        "from": "pay",
                        "steps": [
                            {"dedupe": {"key": "id", "within": "5s", "same_partition": True}},
                            {
                                "join": {
                                    "table": "cards",
                                    "on": "card",
                                    "as": "holder",
                                    "kind": "left",
                                }
                            },
                        ],
                        "to": f"{name}-joined",
                    },
                    "calm": {
                        "from": "joined",
                        "steps": [{"throttle": {"limit": 2, "per": "1s", "key": "card"}}],
                        "to": f"{name}-calm",
                    },
                },
                "dead_letter": f"{name}-dead",
            }
        )
    )
    return path


def changes_of_cards(draw):
    """[(key, value or None)], by time; a removal has no time of its own but the message's."""
    changes = []
    for number in range(CARDS):
        for version in range(3):
            at = 1000 + version * PAYMENTS * STEP_MS // 3 + draw.randrange(STEP_MS * 100)
            changes.append((f"c{number}", {"t": at, "limit": number * 10 + version}))
    changes.sort(key=lambda change: change[1]["t"])
    return changes


def expected(changes, payments):
    """What joined and calm hold, found the long way."""
    joined, calm, passed = [], [], {}
    for payment in payments:
        held = [
            value for key, value in changes if key == payment["card"] and value["t"] <= payment["t"]
        ]
        joined.append(payment | {"holder": max(held, key=lambda v: v["t"]) if held else None})
        times = passed.setdefault(payment["card"], [])
        if sum(1 for at in times if at > payment["t"] - 1000) < 2:
            times.append(payment["t"])
            calm.append(joined[-1])
    return joined, calm


def same(got, want, what):
    def key(row):
        return json.dumps(row, sort_keys=True)

    got, want = sorted(map(key, got)), sorted(map(key, want))
    check(len(got) == len(want), f"{what}: {len(got)} rows, {len(want)} expected")
    for one, other in zip(got, want):
        check(one == other, f"{what}: {one}, expected {other}")


def joined_over_a_kill():
    draw = random.Random(SEED)
    name = f"steps-{STAMP}"
    make_topics(
        *(f"{name}-{kind}" for kind in ("pay", "cards", "joined", "calm", "dead")), partitions=3
    )
    changes = changes_of_cards(draw)
    payments = [
        {"id": f"p{i}", "card": f"c{draw.randrange(CARDS + 5)}", "t": 2000 + i * STEP_MS}
        for i in range(PAYMENTS)
    ]
    again = [(p["card"], p) for p in payments for _ in range(1 + (draw.randrange(3) == 0))]
    put(f"{name}-cards", changes)
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(folder, name)
        worker = Worker("one", path)
        half = len(again) // 2
        put(f"{name}-pay", again[:half])
        until = time.monotonic() + 60
        while not rows(f"{name}-joined", whole=False):
            check(time.monotonic() < until, f"nothing comes out\n{worker.tail()}")
            time.sleep(0.2)
        put(f"{name}-pay", again[half : half + half // 2])
        worker.kill()
        put(f"{name}-pay", again[half + half // 2 :])
        end = payments[-1]["t"] + 10000  # lets time pass over all of them, in each partition
        put(
            f"{name}-pay",
            [(f"c{i}", {"id": f"end{i}", "card": f"c{i}", "t": end}) for i in range(CARDS)],
        )
        expect(leat("run", "--until-end", path, "--set", "worker.instance=one", timeout=120), 0)
    joined, calm = expected(changes, payments)
    got = [row for row in rows(f"{name}-joined") if not row["id"].startswith("end")]
    same(got, joined, "joined")
    got = [row for row in rows(f"{name}-calm") if not row["id"].startswith("end")]
    same(got, calm, "calm")
    check(not rows(f"{name}-dead"), "dead letters")


def keys_across_partitions_are_refused():
    name = f"steps-refused-{STAMP}"
    make_topics(
        *(f"{name}-{kind}" for kind in ("pay", "cards", "joined", "calm", "dead")), partitions=2
    )
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(folder, name)
        vouched = path.read_text()
        path.write_text(vouched.replace('"same_partition": true', '"same_partition": false'))
        words = "its key is not the key that source 'pay' is partitioned by"
        expect(leat("run", "--until-end", path), 78, words)


if __name__ == "__main__":
    sys.exit(run_tests(joined_over_a_kill, keys_across_partitions_are_refused))
