# SPDX-License-Identifier: Apache-2.0
"""One event that completes thousands of matches, more than a batch takes out: they leave in
portions with commits in between, over workers that are killed amid them. Each match is there once,
and all are in order."""

import itertools
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
    ends,
    expect,
    leat,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    write,
)

BEGINS, MIDDLES, BURSTS = 60, 60, 4
PAD = "x" * 6000  # 3,600 alerts of it are more than a portion


def events_of(burst):
    """All begins, all middles, an end whose alerts are large, one whose alerts are small."""
    kinds = ["a"] * BEGINS + ["b"] * MIDDLES + ["c", "c"]
    for at, kind in enumerate(kinds):
        pad = PAD if at == BEGINS + MIDDLES else ""
        yield {"k": f"k{burst}", "kind": kind, "n": at, "t": burst * 1000 + at, "pad": pad}


def pipeline(folder, name):
    folder = pathlib.Path(folder)
    pattern = {
        "name": "burst",
        "key": "k",
        "within": "1h",
        "steps": [
            {"name": "a", "where": "kind == 'a'"},
            {"name": "b", "contiguity": "followed_by_any", "where": "kind == 'b'"},
            {"name": "c", "contiguity": "followed_by_any", "where": "kind == 'c'"},
        ],
        "emit": {"k": "c[0].k", "ns": "[a[0].n, b[0].n, c[0].n]", "pad": "c[0].pad"},
    }
    (folder / "burst.json").write_text(json.dumps(pattern))
    document = {
        "name": name,
        "commit_interval": "20ms",
        "kafka": {"bootstrap.servers": BROKERS, "session.timeout.ms": "6000"},
        "sources": {"in": {"topic": f"{name}-in", "key": "k", "timestamp": "t"}},
        "streams": {
            "alerts": {
                "from": "in",
                "steps": [{"detect": {"patterns": ["burst.json"], "key": "k"}}],
                "to": f"{name}-alerts",
            }
        },
        "dead_letter": f"{name}-dead",
    }
    path = folder / "pipeline.json"
    path.write_text(json.dumps(document))
    return path


def alerts(name):
    """[(offset, key, numbers)], in the order of the topic."""
    for offset, _, _, value, _ in read_topic(f"{name}-alerts")[0]:
        alert = json.loads(value)
        yield offset, alert["k"], tuple(alert["ns"])


def expected():
    ends = (BEGINS + MIDDLES, BEGINS + MIDDLES + 1)
    middles = range(BEGINS, BEGINS + MIDDLES)
    return [(a, b, c) for c in ends for a, b in itertools.product(range(BEGINS), middles)]


def parts(rows):
    """Into how many runs of offsets the rows fall: what lies between was a commit, or in vain."""
    return 1 + sum(one[0] + 1 != other[0] for one, other in itertools.pairwise(rows))


def burst_and_kill(name, path, burst, after_s):
    """The worker is killed some time after the first of the burst's alerts has been written."""
    before = ends(f"{name}-alerts")
    write(f"{name}-in", map(json.dumps, events_of(burst)))
    worker = Worker("one", path)
    until = time.monotonic() + 60
    while ends(f"{name}-alerts") == before:
        check(worker.alive() and time.monotonic() < until, f"nothing comes out\n{worker.tail()}")
    time.sleep(after_s)
    check(worker.alive(), worker.tail())
    worker.kill()


def matches_over_kills():
    draw = random.Random(SEED)
    name = f"portions-{STAMP}"
    make_topics(*(f"{name}-{kind}" for kind in ("in", "alerts", "dead")), partitions=1)
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(folder, name)
        for burst in range(BURSTS):
            burst_and_kill(name, path, burst, draw.uniform(0, 0.3))
        last = {"k": "last", "kind": "-", "n": 0, "t": BURSTS * 1000, "pad": ""}  # time passes
        write(f"{name}-in", [json.dumps(last)])
        expect(leat("run", "--until-end", path, "--set", "worker.instance=one", timeout=120), 0)
    found = list(alerts(name))
    for burst in range(BURSTS):
        mine = [row for row in found if row[1] == f"k{burst}"]
        check([row[2] for row in mine] == expected(), f"burst {burst}: {len(mine)}, or their order")
        check(parts(mine[: BEGINS * MIDDLES]) > 1, f"burst {burst}: all of one event in one piece")
    check(len(found) == BURSTS * len(expected()), f"{len(found)} alerts")
    check(not read_topic(f"{name}-dead"), "dead letters")


if __name__ == "__main__":
    sys.exit(run_tests(matches_over_kills))
