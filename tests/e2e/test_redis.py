# SPDX-License-Identifier: Apache-2.0
"""Redis over files: the example, effects of repeated runs, logins, wrong servers, TLS."""

import json
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import BROKERS, ROOT, check, leat, run_tests  # pylint: disable=wrong-import-position
from redis_bed import (  # pylint: disable=wrong-import-position
    SECRET,
    address,
    effects,
    expect,
    write_pipeline,
)
from redis_server import Server, free_port  # pylint: disable=wrong-import-position


def the_example():
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        example = pathlib.Path(folder) / "enrich-redis"
        shutil.copytree(ROOT / "examples/enrich-redis", example)
        for line in (example / "seed.redis").read_text().splitlines():
            redis.call("EVAL", "return redis.call(unpack(ARGV))", 0, *shlex.split(line))
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


def silent_addresses():
    """One that takes connections and never answers does not keep from the next."""
    with tempfile.TemporaryDirectory() as folder, Server(folder) as redis:
        redis.call("SET", "a", "1")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            places = [f"127.0.0.1:{port}" for port in (silent.getsockname()[1], redis.port)]
            for order in (places, places[::-1]):
                path = write_pipeline(folder, "s", {"address": order}, [{"at": 1, "k": "a"}])
                got = leat("run", path)
                expect(got, 0)
                check(json.loads(got[1])["v"] == "1", f"output: {got[1]}")
            path = write_pipeline(folder, "s", {"address": places[0]}, [{"at": 1, "k": "a"}])
            expect(leat("run", path), 69, "redis.main", "timed out")


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


if __name__ == "__main__":
    sys.exit(
        run_tests(
            the_example,
            effects_of_a_file,
            many_effects_of_one_record,
            wrong_logins,
            wrong_servers,
            silent_addresses,
            over_tls,
        )
    )
