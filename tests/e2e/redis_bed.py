# SPDX-License-Identifier: Apache-2.0
"""What the tests of Redis share: pipelines over files and over topics, what has to come out."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # pylint: disable=wrong-import-position
from harness import (  # pylint: disable=wrong-import-position
    BROKERS,
    STAMP,
    check,
    make_topics,
    read_topic,
    write,
)

SECRET = "s3cret-of-the-test"
FAST = ("kafka.session.timeout.ms=6000", "kafka.heartbeat.interval.ms=1000")


def expect(got, code, *words):
    harness.expect(got, code, *words)
    check(SECRET not in got[1] + got[2], "a secret was printed")


def write_pipeline(folder, name, redis, records=(), **parts):
    """A pipeline over a file of records; parts replace its members."""
    folder = pathlib.Path(folder)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / f"{name}.jsonl").write_text(lines)
    document = {
        "name": name,
        "redis": {"main": redis},
        "sources": {"in": {"file": f"{name}.jsonl", "timestamp": "at"}},
        "streams": {
            "all": {
                "from": "in",
                "steps": [{"lookup": {"key": "k", "as": "v"}}],
                "to": {"stdout": {}},
            }
        },
        "dead_letter": {"file": f"{name}-dead.jsonl"},
    } | parts
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2))
    return path


def address(server):
    return {"address": f"127.0.0.1:{server.port}"}


def until(condition, text, timeout=75.0):
    """Waits until it holds. Longer than a transaction of a dead worker can hold others up."""
    end = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < end, f"{text}, after {timeout} s")
        time.sleep(0.05)


def effects(key):
    """A stream that counts, sums and notes each record, under keys of its own."""
    return [
        {"redis": {"incrby": {"key": f"'{key}:sum:' + k", "by": "n"}}},
        {"redis": {"incrby": {"key": f"'{key}:count'"}}},
        {"redis": {"xadd": {"key": f"'{key}:log:' + k", "fields": {"n": "n"}}}},
        {"redis": {"hset": {"key": f"'{key}:last'", "fields": {"k": "n"}}}},
        {"redis": {"set": {"key": f"'{key}:seen:' + string(n % 100)"}}},
    ]


def produce(topic, records):
    """Records with a key, by a client that is not ours."""
    rows = (f"{r['k']}|{json.dumps(r)}" for r in records)
    write(topic, rows, "-K", "|", "-X", "partitioner=murmur2_random")


def kafka_pipeline(folder, name, redis, steps, to):
    topic = f"{name}-{STAMP}"
    make_topics(f"{topic}-in", f"{topic}-out", f"{topic}-dead")
    return topic, write_pipeline(
        folder,
        topic,
        redis,
        kafka={"bootstrap.servers": BROKERS},
        commit_interval="200ms",
        sources={"in": {"topic": f"{topic}-in", "key": "k", "timestamp": "at"}},
        streams={"all": {"from": "in", "steps": steps, "to": to or f"{topic}-out"}},
        dead_letter=f"{topic}-dead",
    )


def values(topic, whole=True):
    found = read_topic(topic, whole=whole)
    return [json.loads(record[3]) for records in found.values() for record in records]
