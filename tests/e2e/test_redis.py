# SPDX-License-Identifier: Apache-2.0
"""Redis: look-ups and effects against real servers, in a good world and in a bad one.

Effects are counted after workers, and Redis itself, were killed in the middle: each has to be there
once, in the order of its partition. Input comes from files where no broker is needed.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (  # pylint: disable=wrong-import-position
    BROKERS,
    LEAT,
    ROOT,
    SEED,
    Worker,
    check,
    generate,
    make_topics,
    read_topic,
    run_tests,
)
from redis_server import Client, Server, free_port  # pylint: disable=wrong-import-position

STAMP = str(time.time_ns())  # names of their own, on a cluster that other tests have used
SECRET = "s3cret-of-the-test"
FAST = ("kafka.session.timeout.ms=6000", "kafka.heartbeat.interval.ms=1000")


def leat(*args, env=None):
    """Exit code, stdout, stderr."""
    done = subprocess.run(
        [LEAT, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env=os.environ | (env or {}),
    )
    return done.returncode, done.stdout, done.stderr


def expect(got, code, *words):
    check(got[0] == code, f"exit code {got[0]}, not {code}: {got[2]}")
    for word in words:
        check(word in got[2], f"'{word}' is not in: {got[2]}")
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


def until(condition, text, timeout=30.0):
    """Waits until it holds; asks again and again."""
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


# ---------------------------------------------------------------- over files


def the_example():
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        example = pathlib.Path(folder) / "enrich-redis"
        shutil.copytree(ROOT / "examples/enrich-redis", example)
        for line in (example / "seed.redis").read_text().splitlines():
            redis.call("EVAL", "return redis.call(unpack(ARGV))", 0, *words_of(line))
        for _ in range(2):  # the second run finds that all of it was done
            got = leat("run", example / "pipeline.json", env={"REDIS": f"127.0.0.1:{redis.port}"})
            expect(got, 0)
            rows = [json.loads(line) for line in got[1].splitlines()]
            check([row["id"] for row in rows] == [1, 2, 4], f"output: {rows}")
            check(rows[0]["customer_data"] == {"name": "Ann Archer", "tier": "gold"}, f"{rows}")
            check(redis.call("MGET", "spent:ann", "spent:bob") == ["23580", "4900"], "sums")
            check(redis.call("XLEN", "orders") == 3, "entries")
        dead = (example / "dead.jsonl").read_text().splitlines()
        check([json.loads(line)["line"] for line in dead] == [3, 5], f"dead letters: {dead}")
        check(0 < redis.call("PTTL", "last_order:ann") <= 30 * 86400 * 1000, "no time to live")


def words_of(line):
    """A line of redis-cli."""
    import shlex  # pylint: disable=import-outside-toplevel

    return shlex.split(line)


def effects_of_a_file():
    """Each once, also when the run is repeated; what Redis refuses is a dead letter."""
    records = [{"at": i, "k": f"k{i % 5}", "n": i} for i in range(4000)]
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        redis.call("SET", "f:log:k3", "no stream")
        path = write_pipeline(
            folder,
            "f",
            address(redis),
            records,
            streams={"all": {"from": "in", "to": effects("f")}},
        )
        for _ in range(2):
            expect(leat("run", path), 0)
            check(redis.call("GET", "f:count") == "4000", "count")
            for k in range(5):
                want = sum(r["n"] for r in records if r["k"] == f"k{k}")
                check(redis.call("GET", f"f:sum:k{k}") == str(want), f"sum of k{k}")
        entries = redis.call("XRANGE", "f:log:k1", "-", "+")
        check([int(e[1][1]) for e in entries] == list(range(1, 4000, 5)), "order of entries")
        expect(leat("run", "--set", 'redis.main.guard="other"', path), 0)
        check(redis.call("GET", "f:count") == "8000", "another guard begins anew")
        dead = [json.loads(x) for x in (pathlib.Path(folder) / "f-dead.jsonl").open()]
        check(len(dead) == 800 and "WRONGTYPE" in dead[0]["error"], f"{len(dead)} dead letters")


def many_effects_of_one_record():
    """More than one script takes: the guard stands amid them."""
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        to = [
            {"redis": {"incrby": {"key": "'a'", "by": "i"}}},
            {"redis": {"xadd": {"key": "'x'", "fields": {"i": "i"}}}},
        ]
        path = write_pipeline(
            folder,
            "many",
            address(redis),
            [{"at": 1, "i": list(range(3000))}, {"at": 2, "i": [1]}],
            streams={"all": {"from": "in", "steps": [{"explode": "i"}], "to": to}},
        )
        for _ in range(2):
            expect(leat("run", path), 0)
            check(redis.call("GET", "a") == str(sum(range(3000)) + 1), "sum")
            check(redis.call("XLEN", "x") == 3001, "entries")


def wrong_logins():
    with tempfile.TemporaryDirectory() as folder, Server(folder, password=SECRET) as redis:
        redis.call("ACL", "SETUSER", "reader", "on", ">pw-of-reader", "~open:*", "+get", "+hello")
        redis.call("SET", "open:a", "1")
        record = [{"at": 1, "k": "open:a"}]
        path = write_pipeline(folder, "login", address(redis), record)
        expect(leat("run", path), 77, "redis.main", "password")
        path = write_pipeline(
            folder, "login", address(redis) | {"password": "${env:WRONG}"}, record
        )
        expect(leat("run", path, env={"WRONG": SECRET + "!"}), 77, "WRONGPASS")
        path = write_pipeline(
            folder, "login", address(redis) | {"password": "${env:RIGHT}"}, record
        )
        got = leat("run", path, env={"RIGHT": SECRET})
        expect(got, 0)
        check(json.loads(got[1])["v"] == "1", f"output: {got[1]}")
        user = {"username": "reader", "password": "pw-of-reader"}
        path = write_pipeline(folder, "login", address(redis) | user, record)
        expect(leat("run", path), 0)
        path = write_pipeline(folder, "login", address(redis) | user, [{"at": 1, "k": "closed"}])
        expect(leat("run", path), 77, "NOPERM", "ACL")
        rights = "+hello +auth +eval +evalsha +script|load +info +hset +hget +hmget +hlen +hkeys"
        rights += " +hdel +incrby +xadd +set"  # as docs/REDIS.md has it
        redis.call("ACL", "SETUSER", "writer", "on", ">pw", "~leat:*", "~w:*", *rights.split())
        user = {"username": "writer", "password": "pw"}
        streams = {"all": {"from": "in", "to": effects("w")}}
        records = [{"at": i, "k": "k", "n": i} for i in range(10)]
        path = write_pipeline(folder, "w", address(redis) | user, records, streams=streams)
        expect(leat("run", path), 0)
        check(redis.call("GET", "w:count") == "10", "effects of a user with few rights")
        redis.call("ACL", "SETUSER", "writer", "-incrby")  # what a script may not do is refused
        path = write_pipeline(folder, "x", address(redis) | user, records, streams=streams)
        expect(leat("run", path), 0)
        dead = [json.loads(line) for line in (pathlib.Path(folder) / "x-dead.jsonl").open()]
        check(len(dead) == 20 and "redis has refused it" in dead[0]["error"], f"{dead}")


def wrong_servers():
    """What is wrong at the start is said at the start."""
    with tempfile.TemporaryDirectory() as folder, Server(folder, "cluster-enabled yes") as redis:
        path = write_pipeline(folder, "wrong", address(redis), [{"at": 1, "k": "a"}])
        expect(leat("run", path), 78, "Cluster, which is not supported")
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        replica = Server(folder, f"replicaof 127.0.0.1 {redis.port}")
        with replica:
            to = {"redis": {"set": {"key": "k"}}}
            streams = {"all": {"from": "in", "to": to}}
            record = [{"at": 1, "k": "a"}]
            path = write_pipeline(folder, "w", address(replica), record, streams=streams)
            expect(leat("run", path), 69, "is a replica, not a primary")
            both = {"address": [f"127.0.0.1:{s.port}" for s in (replica, redis)]}
            path = write_pipeline(folder, "w", both, record, streams=streams)
            expect(leat("run", path), 0)
            check(json.loads(redis.call("GET", "a")) == record[0], "what was set")
        path = write_pipeline(folder, "w", address(redis) | {"database": 99}, record)
        expect(leat("run", path), 78, "DB index is out of range")
        nowhere = {"address": f"127.0.0.1:{free_port()}"}
        path = write_pipeline(folder, "w", nowhere, record)
        expect(leat("run", path), 69, "redis.main", "Connection refused")
        path = write_pipeline(folder, "w", {"address": f"{BROKERS.split(',')[0]}"}, record)
        expect(leat("run", path), 69, "redis.main")
        for policy, want in (("null", [None]), ("dead_letter", [])):
            step = {"lookup": {"key": "k", "as": "v", "on_error": policy}}
            streams = {"all": {"from": "in", "steps": [step], "to": {"stdout": {}}}}
            path = write_pipeline(folder, "w", nowhere, record, streams=streams)
            got = leat("run", path)
            expect(got, 0, "going on without")
            rows = [json.loads(line)["v"] for line in got[1].splitlines()]
            check(rows == want, f"{policy}: {rows}")


def certificates(folder):
    """An authority and two certificates: redis' for the name "cache", and a worker's."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj")
    openssl(*request, "/CN=ca", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2")
    for name in ("cache", "worker"):
        openssl(*request, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        openssl(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            f"{name}.pem",
        )


def over_tls():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        certificates(folder)
        port = free_port()
        settings = (
            f"tls-port {port}",
            f"tls-cert-file {folder}/cache.pem",
            f"tls-key-file {folder}/cache.key",
            f"tls-ca-cert-file {folder}/ca.pem",
        )
        with Server(folder, *settings, password=SECRET) as redis:
            redis.call("SET", "a", "x" * 300000)
            records = [{"at": i, "k": "a"} for i in range(20)]

            def run(**tls):
                server = {"address": f"127.0.0.1:{port}", "password": "${env:PW}", "tls": tls}
                return leat(
                    "run", write_pipeline(folder, "tls", server, records), env={"PW": SECRET}
                )

            good = {"ca": "ca.pem", "server_name": "cache"}
            own = {"cert": "worker.pem", "key": "worker.key"}
            expect(run(), 78, "not trusted")
            expect(run(ca="ca.pem"), 78, "IP address mismatch")
            expect(run(ca="ca.pem", server_name="other"), 78, "hostname mismatch")
            expect(run(ca="none.pem"), 78, "tls.ca")
            expect(run(**good), 69, "tls.cert")
            expect(run(**good, **own | {"key": "ca.key"}), 78, "tls.key")
            got = run(**good, **own)
            expect(got, 0)
            values = [json.loads(line)["v"] for line in got[1].splitlines()]
            check(values == ["x" * 300000] * 20, f"{len(values)} values")
            expect(run(verify=False, **own), 0)
            plain = write_pipeline(
                folder,
                "tls",
                {"address": f"127.0.0.1:{redis.port}", "tls": {}, "connect_timeout": "500ms"},
                records,
            )
            expect(leat("run", plain), 69, "redis.main")


# ---------------------------------------------------------------- on Kafka


def produce(topic, records):
    """Records with a key, by a client that is not ours."""
    lines = "".join(f"{r['k']}|{json.dumps(r)}\n" for r in records)
    subprocess.run(
        ["kcat", "-P", "-b", BROKERS, "-t", topic, "-K", "|", "-X", "partitioner=murmur2_random"],
        input=lines.encode(),
        check=True,
        timeout=60,
    )


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


def values(topic):
    found = read_topic(topic)
    return [json.loads(record[3]) for records in found.values() for record in records]


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
            return len(values(f"{topics[policy]}-out")) >= count

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
                until(lambda: done() >= count, f"all of them: {done()}", 60)
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
    """Effects behind a step that keeps state: as many as Kafka has of the same alerts, and those."""
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
        check(got == wanted, f"{len(got)} alerts in Redis, {len(wanted)} on Kafka")
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
                until(lambda: done(second) >= len(records), "all of them", 60)
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
            the_example,
            effects_of_a_file,
            many_effects_of_one_record,
            wrong_logins,
            wrong_servers,
            over_tls,
            a_server_that_hangs,
            cached_answers,
            once_under_kills,
            alerts_under_kills,
            a_failover,
        )
    )
