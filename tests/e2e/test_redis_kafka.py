# SPDX-License-Identifier: Apache-2.0
"""Redis beside Kafka: servers that hang, answers that are kept, and effects that are counted after
workers, and Redis itself, were killed in the middle: each is there once, in its partition's order.
"""

import json
import os
import pathlib
import random
import sys
import tempfile
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (  # pylint: disable=wrong-import-position
    BROKERS,
    ROOT,
    SEED,
    STAMP,
    Worker,
    check,
    generate,
    leat,
    make_topics,
    run_tests,
)
from redis_bed import (  # pylint: disable=wrong-import-position
    FAST,
    SECRET,
    address,
    effects,
    expect,
    kafka_pipeline,
    produce,
    until,
    values,
    write_pipeline,
)
from redis_server import Server  # pylint: disable=wrong-import-position


def a_server_that_hangs():
    """Time-outs, the breaker, and that it is found again; nothing is lost where it has to wait."""
    policies = {"retry": {}, "null": {"on_error": "null"}}
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        redis.call("SET", "k1", "one")
        workers, topics = {}, {}
        server = address(redis) | {
            "timeout": "200ms",
            "connect_timeout": "200ms",
            "backoff": {"first": "10ms", "most": "50ms"},
            "breaker": {"failures": 3, "open": "500ms"},
        }
        for policy, options in policies.items():
            step = {"lookup": {"key": "k", "as": "v"} | options}
            topics[policy], path = kafka_pipeline(folder, f"hang-{policy}", server, [step], None)
            workers[policy] = Worker(topics[policy], path, *FAST, "worker.threads=1")

        def send(first, count):
            for topic in topics.values():
                produce(
                    f"{topic}-in",
                    [{"k": "k1", "at": i, "n": i} for i in range(first, first + count)],
                )

        def seen(policy, count):
            return len(values(f"{topics[policy]}-out", whole=False)) >= count

        try:
            send(0, 10)
            for policy in policies:
                until(lambda p=policy: seen(p, 10), f"{policy}: the first records")
            redis.pause()
            send(10, 10)
            until(lambda: seen("null", 20), "records without an answer")
            until(lambda: "nothing is asked" in workers["retry"].tail(200), "breaker is open")
            redis.resume()
            until(lambda: seen("retry", 20), "the batch that had to wait")
            until(lambda: "answers again" in workers["retry"].tail(200), "the breaker closes")
            send(20, 10)
            for policy in policies:
                until(lambda p=policy: seen(p, 30), f"{policy}: the last records")
                workers[policy].stop()
        finally:
            for worker in workers.values():
                if worker.alive():
                    worker.kill()
        rows = values(f"{topics['retry']}-out")
        check(sorted(row["n"] for row in rows) == list(range(30)), "retry: each record once")
        check(all(row["v"] == "one" for row in rows), "retry: each has its value")
        got = {row["n"]: row["v"] for row in values(f"{topics['null']}-out")}
        check(sorted(got) == list(range(30)), "null: each record once")
        check(all(got[n] == "one" for n in range(10)), "null: before")
        check(all(got[n] is None for n in range(10, 20)), "null: meanwhile")
        check("no answer within 200 ms" in workers["null"].tail(200), workers["null"].tail(200))


def cached_answers():
    """What was found is used again for a while, and that there was nothing for another."""
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        redis.call("SET", "k1", "old")
        cache = {"ttl": "2s", "negative_ttl": "200ms"}
        step = {"lookup": {"key": "k", "as": "v", "cache": cache}}
        value = "v == null ? 'none' : v"
        to = {"redis": {"set": {"key": "'got:' + string(n)", "value": value}}}
        topic, path = kafka_pipeline(folder, "cache", address(redis), [step], to)
        worker = Worker(topic, path, *FAST, "worker.threads=1")
        count = 0

        def ask(key):
            nonlocal count
            count += 1
            produce(f"{topic}-in", [{"k": key, "at": count, "n": count}])
            until(lambda: redis.call("GET", f"got:{count}"), "an answer")
            return redis.call("GET", f"got:{count}")

        try:
            begin = time.monotonic()
            check(ask("k1") == "old", "first")
            check(ask("k2") == "none", "there is none")
            redis.call("MSET", "k1", "new", "k2", "now")
            got = ask("k1")
            check(got == "old" or time.monotonic() - begin > 2, f"kept for two seconds: {got}")
            time.sleep(0.3)
            check(ask("k2") == "now", "that there was none is forgotten")
            time.sleep(2)
            check(ask("k1") == "new", "asked again")
            worker.stop()
        finally:
            if worker.alive():
                worker.kill()


def once_under_kills():
    """Two workers, killed in turn; then Redis, and its scripts forgotten. Each effect once."""
    dice = random.Random(SEED)
    keys, count = [f"k{i}" for i in range(8)], 48000
    records = [{"k": dice.choice(keys), "at": i, "n": i} for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        redis = Server(folder, "appendonly yes", "appendfsync always")
        with redis:
            redis.call("SET", "e:log:k7", "no stream")
            topic, path = kafka_pipeline(folder, "once", address(redis), [], effects("e"))
            workers = {}
            logs = ""

            def start(name):
                workers[name] = Worker(f"{topic}-{name}", path, *FAST, "worker.threads=1")

            def done():
                return int(redis.call("GET", "e:count") or 0)

            try:
                for name in ("a", "b"):
                    start(name)
                for worker in workers.values():
                    until(lambda w=worker: "2 task(s)" in w.tail(), "both have partitions")
                produce(f"{topic}-in", records[: count // 2])
                for turn in range(6):
                    before = done()
                    until(lambda b=before: done() > b or done() >= count // 2, "work goes on")
                    time.sleep(dice.uniform(0.0, 0.3))
                    name = "ab"[turn % 2]
                    workers[name].kill()
                    logs += workers[name].tail(1000)
                    start(name)
                    produce(
                        f"{topic}-in",
                        records[
                            count // 2 + turn * count // 12 : count // 2 + (turn + 1) * count // 12
                        ],
                    )
                    if turn == 3:
                        redis.kill()
                        redis.start()
                    if turn == 4:
                        redis.call("SCRIPT", "FLUSH")
                until(lambda: done() >= count, f"all of them: {done()}")
                time.sleep(1)
                for worker in workers.values():
                    worker.stop()
                    logs += worker.tail(1000)
            finally:
                for worker in workers.values():
                    if worker.alive():
                        worker.kill()
            check(done() == count, f"{done()} of {count}")
            for key in keys:
                mine = [r["n"] for r in records if r["k"] == key]
                check(redis.call("GET", f"e:sum:{key}") == str(sum(mine)), f"sum of {key}")
                if key == "k7":
                    continue
                entries = redis.call("XRANGE", f"e:log:{key}", "-", "+")
                check([int(e[1][1]) for e in entries] == mine, f"entries of {key}, in order")
            dead = sorted(row["n"] for row in values(f"{topic}-dead"))
            check(
                dead == [r["n"] for r in records if r["k"] == "k7"],
                f"{len(dead)} dead letters of what Redis has refused",
            )
            check(
                "had been applied before" in logs, "no kill has hit the middle: nothing was shown"
            )


def alerts_under_kills():
    """Effects behind a step that keeps state: the very alerts that Kafka has."""
    dice = random.Random(SEED + 1)
    name = f"alerts-{STAMP}"
    make_topics(f"{name}-in", f"{name}-out", f"{name}-clean", f"{name}-late", f"{name}-dead")
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        example = ROOT / "examples/card-fraud"
        document = json.loads((example / "pipeline.json").read_text())
        source, streams = document["sources"]["payments"], document["streams"]
        document |= {"name": name, "redis": {"main": address(redis)}}
        document["kafka"] = {"bootstrap.servers": BROKERS}
        document["dead_letter"] = f"{name}-dead"
        source |= {"topic": f"{name}-in", "late": {"to": f"{name}-late"}}
        streams["clean"]["to"] = f"{name}-clean"
        streams["alerts"]["steps"][0]["detect"]["patterns"] = [f"{example}/patterns/*.json"]
        fields = {"id": "match_id", "key": "key"}
        streams["alerts"]["to"] = [
            f"{name}-out",
            {"redis": {"xadd": {"key": "'alerts'", "fields": fields}}},
        ]
        path = pathlib.Path(folder) / "pipeline.json"
        path.write_text(json.dumps(document))
        logs = ""
        feed = generate(f"{name}-in", 60000, 10000, SEED)
        worker = Worker(name, path, *FAST, "worker.threads=2")
        try:
            for turn in range(5):
                before = redis.call("XLEN", "alerts")
                until(
                    lambda b=before: redis.call("XLEN", "alerts") > b or feed.poll() is not None,
                    "alerts come",
                )
                time.sleep(dice.uniform(0.2, 0.6))
                worker.kill()
                logs += worker.tail(1000)
                flags = ("--until-end",) if turn == 4 else ()
                if flags:
                    check(feed.wait(60) == 0, "the generator has failed")
                worker = Worker(name, path, *FAST, "worker.threads=2", flags=flags)
            worker.wait(60)
            logs += worker.tail(1000)
        finally:
            if worker.alive():
                worker.kill()
            feed.kill()
            feed.wait()
        wanted = sorted((row["match_id"], row["key"]) for row in values(f"{name}-out"))
        got = sorted((e[1][1], e[1][3]) for e in redis.call("XRANGE", "alerts", "-", "+"))
        check(len(wanted) > 20, f"only {len(wanted)} alerts: nothing was shown")
        extra, missing = Counter(got) - Counter(wanted), Counter(wanted) - Counter(got)
        text = f"{len(got)} alerts in Redis, {len(wanted)} on Kafka"
        check(got == wanted, f"{text}; only in Redis: {extra}; only on Kafka: {missing}\n{logs}")
        check("had been applied before" in logs, "no kill has hit the middle: nothing was shown")


def a_failover():
    """Sentinel names another primary; with `replicas` no effect is lost or doubled."""
    records = [{"k": f"k{i % 8}", "at": i, "n": i} for i in range(20000)]
    with tempfile.TemporaryDirectory() as folder:
        first = Server(folder, password=SECRET)
        login = (f"masterauth {SECRET}", "repl-diskless-sync-delay 0")
        second = Server(folder, f"replicaof 127.0.0.1 {first.port}", *login, password=SECRET)
        watch = Server(
            folder,
            f"sentinel monitor leat 127.0.0.1 {first.port} 1",
            f"sentinel auth-pass leat {SECRET}",
            "sentinel down-after-milliseconds leat 500",
            "sentinel failover-timeout leat 3000",
            sentinel=True,
        )
        with first, second, watch:
            server = {
                "sentinel": {"address": f"127.0.0.1:{watch.port}", "master": "leat"},
                "password": "${env:PW}",
                "replicas": 1,
                "connect_timeout": "1s",
                "backoff": {"first": "50ms", "most": "200ms"},
                "breaker": {"failures": 10, "open": "200ms"},
            }
            os.environ["PW"] = SECRET
            until(lambda: "state=online" in first.call("INFO", "replication"), "a replica")
            until(
                lambda: second.call("INFO", "replication").find("master_link_status:up") > 0,
                "a link",
            )
            until(lambda: "slaves=1" in watch.call("INFO", "sentinel"), "Sentinel sees it")
            bad = server | {"sentinel": server["sentinel"] | {"master": "other"}}
            expect(
                leat("run", write_pipeline(folder, "bad", bad, [{"at": 1, "k": "a"}])),
                78,
                "knows no 'other'",
            )
            topic, path = kafka_pipeline(folder, "failover", server, [], effects("s"))
            worker = Worker(topic, path, *FAST, "worker.threads=1")

            def done(redis):
                return int(redis.call("GET", "s:count") or 0)

            try:
                produce(f"{topic}-in", records[:10000])
                until(lambda: done(first) > 0, "work has begun")
                first.kill()
                produce(f"{topic}-in", records[10000:])
                until(
                    lambda: "role:master" in second.call("INFO", "replication"), "another primary"
                )
                conf = first.folder / "redis.conf"
                conf.write_text(
                    conf.read_text() + "\n".join(login) + f"\nreplicaof 127.0.0.1 {second.port}\n"
                )
                first.start()
                until(lambda: done(second) >= len(records), "all of them")
                time.sleep(0.5)
                worker.stop()
            finally:
                if worker.alive():
                    worker.kill()
            check(done(second) == len(records), f"{done(second)} of {len(records)}")
            for k in range(8):
                mine = [r["n"] for r in records if r["k"] == f"k{k}"]
                entries = second.call("XRANGE", f"s:log:k{k}", "-", "+")
                check([int(e[1][1]) for e in entries] == mine, f"entries of k{k}, in order")
            check(SECRET not in worker.tail(10000), "a secret was printed")


if __name__ == "__main__":
    sys.exit(
        run_tests(
            a_server_that_hangs,
            cached_answers,
            once_under_kills,
            alerts_under_kills,
            a_failover,
        )
    )
