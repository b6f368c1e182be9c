# SPDX-License-Identifier: Apache-2.0
"""Avro topics with a schema registry: what is written, what is read, and a registry that is down.

Broker and registry are real. What is on the topics is read by kcat and compared with what the few
lines of Avro in avro_bytes.py make, so that writer and reader are not only each other's witnesses.
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from avro_bytes import framed, long_bytes, record, text_bytes
from harness import (
    BROKERS,
    LEAT,
    ROOT,
    Failed,
    Worker,
    check,
    make_topics,
    read_topic,
    run_tests,
)
from registry import Gate, Registry, free_port

STAMP = str(time.time_ns())
REGISTRY = Registry()


ORDER = record("Order", ("id", "long"), ("who", "string"), ("amount", "double"))
NEWER = record(
    "Order",
    ("who", "string"),
    ("id", "long"),
    ("note", ["null", "string"], None),
    ("amount", "double"),
)


def order_bytes(number, who, amount):
    return long_bytes(number) + text_bytes(who) + struct.pack("<d", amount)


def newer_bytes(number, who, amount, note):
    head = text_bytes(who) + long_bytes(number)
    return head + (b"\x02" + text_bytes(note) if note else b"\x00") + struct.pack("<d", amount)


def produce(topic, payloads, headers=(), key=None):
    """Payloads of any bytes, as kcat takes them: a file each."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, payload in enumerate(payloads):
            path = pathlib.Path(folder) / str(index)
            path.write_bytes(payload)
            paths.append(str(path))
        command = ["kcat", "-P", "-b", BROKERS, "-t", topic, "-p", "0"]
        for name, value in headers:
            command += ["-H", f"{name}={value}"]
        if key is not None:
            command += ["-k", key]
        subprocess.run(command + paths, check=True, timeout=60)


def produce_tombstone(topic, key):
    command = ["kcat", "-P", "-b", BROKERS, "-t", topic, "-p", "0", "-Z", "-K", ":"]
    subprocess.run(command, input=f"{key}:\n", text=True, check=True, timeout=60)


def values(topic):
    return [found[3] for _, rows in sorted(read_topic(topic).items()) for found in rows]


def wait_for(topic, count, worker, seconds=60):
    until = time.monotonic() + seconds
    while True:
        got = values(topic)
        if len(got) >= count:
            return got
        if not worker.alive() or time.monotonic() > until:
            raise Failed(f"{len(got)} of {count} records in {topic}\n{worker.tail()}")
        time.sleep(0.3)


def pipeline(folder, name, source, sink, registry=None, steps=()):
    name = f"{name}-{STAMP}"
    document = {
        "name": name,
        "kafka": {"bootstrap.servers": BROKERS},
        "schema_registry": {"url": REGISTRY.url, "timeout": "20s"} | (registry or {}),
        "sources": {"in": {"topic": f"{name}-in"} | source},
        "streams": {
            "all": {"from": "in", "steps": list(steps), "to": {"topic": f"{name}-out"} | sink}
        },
        "dead_letter": {"topic": f"{name}-dead"},
    }
    make_topics(f"{name}-in", f"{name}-out", f"{name}-dead", partitions=1)
    path = pathlib.Path(folder) / f"{name}.json"
    path.write_text(json.dumps(document))
    return name, path


def write_schema(folder, schema, name="order.avsc"):
    (pathlib.Path(folder) / name).write_text(json.dumps(schema))
    return {"avro": {"schema": name}}


def json_lines(count):
    return [
        json.dumps({"id": i, "who": f"w{i}", "amount": i / 4, "extra": True}).encode()
        for i in range(count)
    ]


def test_json_becomes_avro():
    """The sink registers its schema; each record has its number and the bytes it should."""
    with tempfile.TemporaryDirectory() as folder:
        name, path = pipeline(folder, "write", {}, {"format": write_schema(folder, ORDER)})
        produce(f"{name}-in", json_lines(50) + [b'{"id":"x","who":"w","amount":1.0}'])
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 50, worker)
            dead = wait_for(f"{name}-dead", 1, worker)
        finally:
            worker.stop()
        latest = REGISTRY.call(f"/subjects/{name}-out-value/versions/latest")
        check(json.loads(latest["schema"]) == ORDER, f"registered: {latest}")
        want = [framed(latest["id"], order_bytes(i, f"w{i}", i / 4)) for i in range(50)]
        check(got == want, f"written: {got[:2]}, not {want[:2]}")
        check(dead == [b'{"id":"x","who":"w","amount":1.0}'], f"dead letters: {dead}")


def test_two_versions_in_one_topic():
    """Each record is read by the schema that it was written with, under the reader's."""
    with tempfile.TemporaryDirectory() as folder:
        reader = write_schema(
            folder, record("Order", ("who", "string"), ("id", "long"), ("note", "string", "none"))
        )
        name, path = pipeline(folder, "read", {"format": reader}, {})
        old = REGISTRY.register(f"{name}-in-value", ORDER)
        other = record("Order", ("note", "string"), ("id", "int"), ("who", "string"))
        new = REGISTRY.register(f"{name}-in-value", other)
        mixed = []
        for i in range(20):
            mixed.append(framed(old, order_bytes(i, f"a{i}", 0.5)))
            mixed.append(framed(new, text_bytes(f"n{i}") + long_bytes(i) + text_bytes(f"b{i}")))
        produce(f"{name}-in", mixed)
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 40, worker)
        finally:
            worker.stop()
        want = []
        for i in range(20):
            want.append({"who": f"a{i}", "id": i, "note": "none"})
            want.append({"who": f"b{i}", "id": i, "note": f"n{i}"})
        check([json.loads(line) for line in got] == want, f"read: {got[:4]}")


def test_what_no_schema_can_read():
    """Unknown numbers, other framing, damaged records: dead letters; the rest goes on."""
    with tempfile.TemporaryDirectory() as folder:
        name, path = pipeline(folder, "bad", {"format": "avro"}, {})
        known = REGISTRY.register(f"{name}-in-value", ORDER)
        good = framed(known, order_bytes(1, "a", 0.5))
        bad = [
            (framed(4000000, b"xyz"), "schema 4000000 does not exist there"),
            (b'{"id":1}', "does not begin with 0 and the number of a schema"),
            (b"", "does not begin with 0"),
            (good[:-1], "'amount': the record ends inside of this value"),
            (good + b"!", "but 1 bytes follow"),
            (framed(4000000, b"xyz"), "schema 4000000 does not exist there"),
        ]
        produce(f"{name}-in", [part for payload, _ in bad for part in (payload, good) if part])
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", len(bad), worker)
            wait_for(f"{name}-dead", len(bad) - 1, worker)
        finally:
            worker.stop()
        check(len(got) == len(bad), f"{len(got)} records")
        rows = [row for found in read_topic(f"{name}-dead").values() for row in found]
        words = [str(row[4]) for row in rows]
        for (payload, want), row, text in zip([b for b in bad if b[0]], rows, words):
            check(row[3] == payload and want in text, f"'{want}' is not in {text}")


def test_incompatible_schema():
    """A sink whose schema the registry refuses does not start to write, and says why."""
    with tempfile.TemporaryDirectory() as folder:
        name, path = pipeline(folder, "refused", {}, {"format": write_schema(folder, ORDER)})
        subject = f"{name}-out-value"
        REGISTRY.register(subject, record("Order", ("id", "long")))
        REGISTRY.call(f"/config/{subject}", {"compatibility": "FULL"}, method="PUT")
        produce(f"{name}-in", json_lines(3))
        worker = Worker(name, path)
        code = worker.process.wait(60)
        check(code == 78, f"exit code {code}\n{worker.tail()}")
        check(
            f"subject '{subject}': the schema is not compatible with what is registered there"
            in worker.tail(),
            worker.tail(),
        )
        check(values(f"{name}-out") == [], "something was written")


def test_registering_is_switched_off():
    with tempfile.TemporaryDirectory() as folder:
        sink = {"format": write_schema(folder, ORDER)}
        sink["format"]["avro"]["subject"] = "record"
        name, path = pipeline(folder, "noreg", {}, sink, registry={"register": False})
        document = json.loads(path.read_text())
        schema = ORDER | {"name": f"Order{STAMP}"}
        write_schema(folder, schema)
        produce(f"{name}-in", json_lines(3))
        worker = Worker(name, path)
        code = worker.process.wait(60)
        check(code == 78, f"exit code {code}\n{worker.tail()}")
        check("is not registered there" in worker.tail(), worker.tail())
        number = REGISTRY.register(f"Order{STAMP}", schema)
        check(document["schema_registry"]["register"] is False, "the file")
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 3, worker)
        finally:
            worker.stop()
        check(got[2] == framed(number, order_bytes(2, "w2", 0.5)), f"written: {got}")


def test_registry_that_is_down():
    """Records wait; none is lost, none becomes a dead letter; another source goes on meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        urls = [f"http://127.0.0.1:{free_port()}", REGISTRY.url]
        settings = {"url": urls, "timeout": "1s"}
        name, path = pipeline(folder, "down", {"format": "avro"}, {}, registry=settings)
        document = json.loads(path.read_text())
        make_topics(f"{name}-plain", f"{name}-plain-out", partitions=1)
        document["sources"]["plain"] = {"topic": f"{name}-plain"}
        document["streams"]["others"] = {"from": "plain", "to": f"{name}-plain-out"}
        path.write_text(json.dumps(document))
        numbers = [
            REGISTRY.register(f"{name}-in-value", ORDER),
            REGISTRY.register(f"{name}-in-value", NEWER),
        ]
        REGISTRY.pause()
        try:
            first = [framed(numbers[0], order_bytes(i, "a", 0.5)) for i in range(500)]
            produce(f"{name}-in", first)
            produce(f"{name}-plain", [b'{"n":1}'] * 20)
            worker = Worker(name, path)
            wait_for(f"{name}-plain-out", 20, worker)
            time.sleep(4)  # several time-outs
            check(worker.alive(), worker.tail())
            check(values(f"{name}-out") == [], "read without its schema")
            check("records wait for their schema" in worker.tail(), worker.tail())
        finally:
            REGISTRY.resume()
        try:
            wait_for(f"{name}-out", 500, worker)
            # What is known stays known; what is new waits.
            REGISTRY.pause()
            more = [framed(numbers[0], order_bytes(i, "b", 0.5)) for i in range(10)]
            produce(f"{name}-in", more)
            wait_for(f"{name}-out", 510, worker)
            produce(f"{name}-in", [framed(numbers[1], newer_bytes(7, "c", 1.5, "x"))] + more)
            time.sleep(2)
            check(len(values(f"{name}-out")) == 510, "read without its schema")
            REGISTRY.resume()
            got = wait_for(f"{name}-out", 521, worker)
        finally:
            REGISTRY.resume()
            worker.stop()
        check(len(got) == 521, f"{len(got)} records")
        want = {"who": "c", "id": 7, "note": "x", "amount": 1.5}
        check(json.loads(got[510]) == want, f"read: {got[510]}")
        check(values(f"{name}-dead") == [], "dead letters")


def test_a_new_version_rebuilds_what_waits():
    """Records wait in a reorder buffer; the next version of the pipeline reads them anew, with
    schemas that it has to fetch while it restores."""
    with tempfile.TemporaryDirectory() as folder:
        source = {"format": "avro", "timestamp": "id", "key": "who", "out_of_orderness": "1h"}
        steps = [{"dedupe": {"key": "id", "within": "1h"}}]
        name, path = pipeline(folder, "held", source, {}, steps=steps)
        number = REGISTRY.register(f"{name}-in-value", ORDER)
        rows = [framed(number, order_bytes(1790000000000 + i, "a", i / 2)) for i in range(20)]
        produce(f"{name}-in", rows)
        worker = Worker(name, path)
        until = time.monotonic() + 60
        while time.monotonic() < until and "1 partition(s) assigned" not in worker.tail():
            time.sleep(0.3)
        while time.monotonic() < until and len(values(f"{name}-in-changelog")) < 20:
            time.sleep(0.5)
        worker.stop()
        check(values(f"{name}-out") == [], "nothing may come before its time")
        document = json.loads(path.read_text())
        document["streams"]["all"]["steps"].append({"set": {"twice": "amount * 2.0"}})
        path.write_text(json.dumps(document))
        later = 1790000000000 + 3 * 3600 * 1000
        produce(f"{name}-in", [framed(number, order_bytes(later, "a", 1.0))])
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 20, worker)
        finally:
            worker.stop()
        twice = [json.loads(line)["twice"] for line in got]
        check(twice == [float(i) for i in range(20)], f"{got}")
        check(values(f"{name}-dead") == [], "dead letters")


CARD = record(
    "Card",
    ("card", "string"),
    ("since", {"type": "long", "logicalType": "timestamp-millis"}),
    ("limit", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
)
# Its writers have added a field in the middle, and the table is read as it was written.
NEWER_CARD = CARD | {"fields": [CARD["fields"][0], {"name": "kind", "type": "string"}]}
NEWER_CARD["fields"] += CARD["fields"][1:]


def card_bytes(card, since, cents, kind=None):
    decimal = cents.to_bytes(2, "big")
    middle = text_bytes(kind) if kind else b""
    return text_bytes(card) + middle + long_bytes(since) + long_bytes(len(decimal)) + decimal


def test_a_table_in_avro():
    """A stream in JSON joins a table in Avro: both wait for a schema while the registry is down,
    and for one that is registered after it was written with; then each record finds what held at
    its time, with its types; a tombstone removes."""
    with tempfile.TemporaryDirectory() as folder:
        join = {"join": {"table": "cards", "on": "card", "as": "c", "kind": "left"}}
        known = "c != null ? c.since < timestamp(t) && c.limit > 1.0 : false"
        source = {"timestamp": "t", "out_of_orderness": "0s"}
        name, path = pipeline(
            folder,
            "table",
            source,
            {},
            registry={"timeout": "1s", "unknown": "wait"},
            steps=[join, {"set": {"known": known}}],
        )
        document = json.loads(path.read_text())
        make_topics(f"{name}-cards", partitions=1)
        table = {"topic": f"{name}-cards", "format": "avro", "timestamp": "since"}
        document["tables"] = {"cards": table}
        path.write_text(json.dumps(document))
        begin = 1790000000000

        def event(card, second):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin // 1000 + second))
            return json.dumps({"t": stamp + "Z", "card": card}).encode()

        old = REGISTRY.register(f"{name}-cards-value", CARD)
        REGISTRY.pause()
        try:
            for index, card in enumerate("AB"):
                payload = framed(old, card_bytes(card, begin + 10000 * index, 250 + index))
                produce(f"{name}-cards", [payload], key=card)
            events = [event("A", 5), event("B", 5), event("A", 20), event("B", 20)]
            produce(f"{name}-in", events + [event("C", 30)])
            worker = Worker(name, path)
            time.sleep(6)
            check(worker.alive(), worker.tail())
            check(values(f"{name}-out") == [], "joined without the table's schema")
            check("waits for a schema" in worker.tail(), worker.tail())
        finally:
            REGISTRY.resume()
        try:
            wait_for(f"{name}-out", 4, worker)
            # A schema that the registry is told of only now, and then a tombstone.
            new = old + 1
            late = framed(new, card_bytes("A", begin + 40000, 999, "gold"))
            produce(f"{name}-cards", [late], key="A")
            time.sleep(3)
            produce(f"{name}-in", [event("A", 50), event("C", 60)])
            time.sleep(3)
            check(len(values(f"{name}-out")) == 4, "joined without the table's schema")
            number = REGISTRY.register(f"{name}-cards-newer", NEWER_CARD)
            check(number == new, f"the registry has given the number {number}, not {new}")
            wait_for(f"{name}-out", 6, worker)
            produce_tombstone(f"{name}-cards", "A")
            time.sleep(2)
            far = int(time.time()) - begin // 1000 + 3600  # the tombstone's time is now
            produce(f"{name}-in", [event("A", far), event("C", far + 10)])
            got = wait_for(f"{name}-out", 8, worker)
        finally:
            worker.stop()
        rows = [json.loads(line) for line in got]
        want = [True, False, True, True, False, True, False, False]
        check([row["known"] for row in rows] == want, got)
        check([row["c"] and row["c"]["card"] for row in rows][:2] == ["A", None], got)
        check(b'"limit":2.50' in got[0] and b'"limit":2.51' in got[3], got)
        check(rows[5]["c"]["kind"] == "gold" and rows[7]["c"] is None, got)
        check(values(f"{name}-dead") == [], "dead letters")


def run_to_end(folder, pipeline_file, *settings):
    command = [LEAT, "run", "--until-end", pipeline_file]
    for setting in settings:
        command += ["--set", setting]
    env = os.environ | {"KAFKA_BROKERS": BROKERS, "SCHEMA_REGISTRY": REGISTRY.url}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    check(done.returncode == 0, f"{pipeline_file}: {done.returncode}\n{done.stderr}")


def test_the_clickstream_example():
    """On topics with a registry the example writes the records that it writes on files, byte for
    byte, and dead letters that show nobody."""
    example = ROOT / "examples/clickstream"
    clicks, out, dead = (f"clicks-{STAMP}", f"page-events-{STAMP}", f"clicks-dead-{STAMP}")
    make_topics(clicks, partitions=2)
    make_topics(out, dead, partitions=1)
    steps = [
        json.loads((example / name).read_text())["streams"]["clean"]["steps"]
        for name in ("pipeline.json", "kafka.json")
    ]
    check(steps[0] == steps[1], "the two pipelines of the example have different steps")
    run_to_end(example, "feed.json", f"name=feed-{STAMP}", f"streams.all.to.topic={clicks}")
    run_to_end(
        example,
        "kafka.json",
        f"name=clickstream-{STAMP}",
        f"sources.clicks.topic={clicks}",
        f"streams.clean.to.topic={out}",
        f"dead_letter.topic={dead}",
    )
    registered = REGISTRY.call(f"/subjects/{out}-value/versions/latest")
    wanted = json.loads((example / "page-event.avsc").read_text())
    check(json.loads(registered["schema"]) == wanted, f"registered: {registered}")
    block = (example / "expected/page-events.avro").read_bytes()
    lines = (example / "expected/page-events.jsonl").read_text().splitlines()
    got = values(out)
    check(len(got) == len(set(got)) == len(lines), f"{len(got)} records, not {len(lines)}")
    for value in got:
        check(value[:5] == framed(registered["id"], b""), f"framing: {value[:5]}")
        check(value[5:] in block, f"{value} is none of the records on files")
    letters = [row for rows in read_topic(dead).values() for row in rows]
    check(len(letters) == 2, f"{len(letters)} dead letters")
    for _, _, key, value, headers in letters:
        masked = json.loads(value)
        check(len(masked["user"]) == len(masked["ip"]) == 64, f"{value}")
        check(b"u-2077" not in value and "leat.masked=user,ip" in headers, f"{key} {headers}")


def test_a_registry_without_guids():
    """This registry names schemas by numbers: a sink that needs GUIDs says so and ends; records
    with a GUID wait, and are read once a gateway knows it."""
    with tempfile.TemporaryDirectory() as folder:
        header = write_schema(folder, ORDER)
        header["avro"]["framing"] = "header"
        name, path = pipeline(folder, "noguid", {}, {"format": header})
        produce(f"{name}-in", json_lines(3))
        worker = Worker(name, path)
        code = worker.process.wait(60)
        check(code == 78 and "gives schemas no names (GUIDs)" in worker.tail(), worker.tail())
        check(values(f"{name}-out") == [], "something was written")
        name, path = pipeline(folder, "guid", {"format": {"avro": {"framing": "header"}}}, {})
        # kcat cannot put bytes of zero into a header: our own sink does, through the gateway.
        gate = Gate(REGISTRY, folder)
        document = json.loads(path.read_text())
        certificate = str(pathlib.Path(folder) / "gate.crt")
        registry = {"url": gate.url, "token": "t0ken", "ca": certificate}
        feed = document | {"name": f"{name}-feed", "schema_registry": registry}
        make_topics(f"{name}-json", partitions=1)
        feed["sources"] = {"in": {"topic": f"{name}-json"}}
        to = {"topic": f"{name}-in", "format": header}
        feed["streams"] = {"all": {"from": "in", "to": to}}
        (pathlib.Path(folder) / "feed.json").write_text(json.dumps(feed))
        produce(f"{name}-json", json_lines(5))
        run_to_end(folder, "feed.json")
        check(values(f"{name}-in")[1] == order_bytes(1, "w1", 0.25), "what was fed")
        worker = Worker(name, path)
        time.sleep(6)
        check(worker.alive() and "HTTP status 404" in worker.tail(), worker.tail())
        check(values(f"{name}-out") == values(f"{name}-dead") == [], "read without its schema")
        worker.stop()
        document["schema_registry"] = registry
        path.write_text(json.dumps(document))
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 5, worker)
        finally:
            worker.stop()
        check(json.loads(got[4])["who"] == "w4", f"read: {got[4]}")
        gate.close()


def test_registry_behind_a_gate():
    """TLS by a certificate of one's own, a password, a token, schemas named in a header."""
    with tempfile.TemporaryDirectory() as folder:
        gate = Gate(REGISTRY, folder)
        settings = {
            "url": gate.url,
            "user": "leat",
            "password": "${file:password}",
            "ca": str(pathlib.Path(folder) / "gate.crt"),
        }
        (pathlib.Path(folder) / "password").write_text("s3cret\n")
        header = write_schema(folder, ORDER)
        header["avro"]["framing"] = "header"
        name, path = pipeline(folder, "gate", {}, {"format": header}, registry=settings)
        produce(f"{name}-in", json_lines(10))
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-out", 10, worker)
        finally:
            worker.stop()
        check(got[3] == order_bytes(3, "w3", 0.75), f"written: {got[3]}")
        check(gate.refused == 0 and len(gate.requests) == 1, f"{gate.requests}")
        # Back again, by the name in the header and a token.
        document = json.loads(path.read_text())
        document["name"] = f"{name}-back"
        document["schema_registry"] = {"url": gate.url, "token": "t0ken", "ca": settings["ca"]}
        document["sources"]["in"] = {
            "topic": f"{name}-out",
            "format": {"avro": {"framing": "header"}},
        }
        document["streams"]["all"]["to"] = f"{name}-back"
        make_topics(f"{name}-back", partitions=1)
        path.write_text(json.dumps(document))
        worker = Worker(name, path)
        try:
            got = wait_for(f"{name}-back", 10, worker)
        finally:
            worker.stop()
        check(json.loads(got[9]) == {"id": 9, "who": "w9", "amount": 2.25}, f"read: {got[9]}")
        # A wrong password delays, loudly, and is in no log.
        document["schema_registry"] |= {"token": "wr0ng"}
        document["name"] = f"{name}-wrong"
        path.write_text(json.dumps(document))
        worker = Worker(name, path)
        until = time.monotonic() + 30
        while "HTTP status 401" not in worker.tail() and time.monotonic() < until:
            time.sleep(0.3)
        check(worker.alive() and "HTTP status 401" in worker.tail(), worker.tail())
        worker.stop()
        check("wr0ng" not in worker.tail(), "the token is in the log")
        gate.close()


if __name__ == "__main__":
    with REGISTRY:
        CODE = run_tests(
            test_json_becomes_avro,
            test_two_versions_in_one_topic,
            test_what_no_schema_can_read,
            test_incompatible_schema,
            test_registering_is_switched_off,
            test_registry_that_is_down,
            test_a_new_version_rebuilds_what_waits,
            test_a_table_in_avro,
            test_the_clickstream_example,
            test_a_registry_without_guids,
            test_registry_behind_a_gate,
        )
    sys.exit(CODE)
