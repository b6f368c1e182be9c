# SPDX-License-Identifier: Apache-2.0
"""Formats on a real cluster: what kcat writes, compressed in every way, comes out as what kcat
reads; CloudEvents with their headers, rows of CSV, changes of Debezium with their tombstones.
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (
    BROKERS,
    STAMP,
    check,
    expect,
    leat,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    write,
)



def run(folder, name, sources, streams):
    path = pathlib.Path(folder) / f"{name}.json"
    path.write_text(
        json.dumps(
            {
                "name": name,
                "kafka": {"bootstrap.servers": BROKERS},
                "worker": {"threads": 1},
                "sources": sources,
                "streams": streams,
                "dead_letter": f"{name}-dead",
            }
        )
    )
    expect(leat("run", "--until-end", path), 0)


def read(topic):
    """(key, value, headers), in order of offset."""
    return [
        (key, value, headers)
        for _, records in sorted(read_topic(topic).items())
        for _, _, key, value, headers in records
    ]


def compressed_rows():
    name = f"rows-{STAMP}"
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    outs = [f"{name}-out-{codec}" for codec in codecs]
    make_topics(f"{name}-in", f"{name}-dead", *outs, partitions=1)
    want = []
    for number, codec in enumerate(codecs):
        rows = [f'{number * 1000 + i},"a, ""b"" {i}",{i}.50' for i in range(200)]
        want += rows
        write(f"{name}-in", rows, "-z", codec)
    write(f"{name}-in", ["x,bad,1", "1,short"])
    columns = {"csv": {"columns": {"id": "int", "text": "string", "x": "double"}}}
    with tempfile.TemporaryDirectory() as folder:
        run(
            folder,
            name,
            {"in": {"topic": f"{name}-in", "format": columns}},
            {
                codec: {
                    "from": "in",
                    "to": {
                        "topic": out,
                        "format": "csv",
                    },
                }
                for codec, out in zip(codecs, outs)
            },
        )
    for out in outs:
        got = [value.decode() for _, value, _ in read(out)]
        check(got == want, f"{out}: {len(got)} rows, {set(got) ^ set(want)}")
    dead = [(value, headers) for _, value, headers in read(f"{name}-dead")]
    check([value for value, _ in dead] == [b"x,bad,1", b"1,short"], f"dead letters: {dead}")
    check("line 1, column 1 (id): is no int" in dead[0][1], dead[0][1])


def written_compressed():
    name = f"zip-{STAMP}"
    make_topics(f"{name}-in", f"{name}-dead", f"{name}-out", partitions=1)
    rows = [json.dumps({"n": i, "text": "the same text " * 20}) for i in range(500)]
    write(f"{name}-in", rows)
    with tempfile.TemporaryDirectory() as folder:
        path = {"topic": f"{name}-out", "format": "json"}
        file = pathlib.Path(folder) / "p.json"
        file.write_text(
            json.dumps(
                {
                    "name": name,
                    "kafka": {"bootstrap.servers": BROKERS, "compression.type": "zstd"},
                    "worker": {"threads": 1},
                    "sources": {"in": {"topic": f"{name}-in"}},
                    "streams": {"all": {"from": "in", "to": path}},
                    "dead_letter": f"{name}-dead",
                }
            )
        )
        expect(leat("run", "--until-end", file), 0)
    check([value.decode() for _, value, _ in read(f"{name}-out")] == rows, "rows differ")


def events_and_headers():
    name = f"events-{STAMP}"
    make_topics(f"{name}-in", f"{name}-dead", f"{name}-out", f"{name}-one", partitions=1)
    event = []
    for header in ("specversion=1.0", "id=7", "source=/shop", "type=paid"):
        event += ["-H", f"ce_{header}"]
    typed = ["-H", "content-type=application/json", "-H", "app=x"]
    write(f"{name}-in", ['{"amount":1.50}'], *event, *typed)
    write(f"{name}-in", ['{"amount":0.50}'], *event)
    write(f"{name}-in", ['{"amount":9.50}'])
    with tempfile.TemporaryDirectory() as folder:
        run(
            folder,
            name,
            {"in": {"topic": f"{name}-in", "format": "cloudevents"}},
            {
                "all": {
                    "from": "in",
                    "steps": [{"filter": "data.amount > 1.0"}],
                    "to": [
                        {"topic": f"{name}-out", "format": "cloudevents", "keep_headers": True},
                        {
                            "topic": f"{name}-one",
                            "format": {"cloudevents": {"mode": "structured"}},
                        },
                    ],
                }
            },
        )
    got = read(f"{name}-out")
    check(len(got) == 1 and got[0][1] == b'{"amount":1.50}', f"{got}")
    for header in ("ce_id=7", "ce_type=paid", "content-type=application/json", "app=x"):
        check(header in got[0][2].split(","), f"{header}: {got[0][2]}")
    check(got[0][2].count("ce_id=") == 1, got[0][2])
    got = read(f"{name}-one")
    check("content-type=application/cloudevents+json" in got[0][2], got[0][2])
    check(json.loads(got[0][1])["data"]["amount"] == 1.5, f"{got}")
    dead = read(f"{name}-dead")
    check(len(dead) == 1 and "needs the attribute" in dead[0][2], f"{dead}")


def changes_to_rows():
    name = f"cdc-{STAMP}"
    make_topics(f"{name}-in", f"{name}-dead", f"{name}-out", partitions=1)
    change = [
        '1|{"op":"c","after":{"id":1,"x":1.50}}',
        '2|{"op":"c","after":{"id":2,"x":2.50}}',
        '1|{"payload":{"op":"u","after":{"id":1,"x":3.50}}}',
        '2|{"op":"d","before":{"id":2,"x":2.50},"after":null}',
        "2|",
    ]
    write(f"{name}-in", change, "-K", "|", "-Z")
    with tempfile.TemporaryDirectory() as folder:
        run(
            folder,
            name,
            {"in": {"topic": f"{name}-in", "tombstones": "drop"}},
            {
                "rows": {
                    "from": "in",
                    "steps": [{"unwrap": {"deletes": "mark"}}],
                    "to": {
                        "topic": f"{name}-out",
                        "key": "string(id)",
                        "tombstone": "has(event.__deleted)",
                    },
                }
            },
        )
    got = [(key, value) for key, value, _ in read(f"{name}-out")]
    want = [
        (b"1", b'{"id":1,"x":1.50}'),
        (b"2", b'{"id":2,"x":2.50}'),
        (b"1", b'{"id":1,"x":3.50}'),
        (b"2", None),
    ]
    check(got == want, f"{got}")
    check(read(f"{name}-dead") == [], "a tombstone is a dead letter")


SECRETS = {
    "mask": "a-secret-of-the-mask-7d1c",
    "aes": "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7",
    "password": "a-secret-password-90ab",
}


def secrets_are_never_shown():
    """Every command over good and bad pipelines: no key, no password, no masked value in it."""
    pan = "4111-1111-2222-3333"
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in SECRETS.items():
            (root / name).write_text(text + "\n")
        (root / "in.jsonl").write_text(
            f'{{"pan":"{pan}","n":1}}\n{{"pan":"{pan}","n":"x"}}\n{{"pan":"{pan}"\n'
        )
        pipeline = {
            "name": "secrets",
            "kafka": {
                "bootstrap.servers": "127.0.0.1:1",
                "security.protocol": "SASL_SSL",
                "sasl.username": "u",
                "sasl.password": "${file:password}",
            },
            "mask": {"key_id": "k", "keys": {"k": "${file:aes}", "old": "${file:mask}"}},
            "sources": {"in": {"file": "in.jsonl"}},
            "streams": {
                "all": {
                    "from": "in",
                    "steps": [
                        {"set": {"m": "n + int(pan)"}},
                        {"mask": {"pan": "aes-gcm"}},
                        {"mask": {"n": {"method": "hmac-sha256", "key_id": "old"}}},
                    ],
                    "to": {"stdout": {}},
                }
            },
            "dead_letter": {"file": f"{folder}/dead.jsonl", "payload": "strict"},
        }
        wrong = json.loads(json.dumps(pipeline))
        wrong["mask"] = {"key": "${file:mask}", "key_id": "${file:password}"}
        wrong["sources"]["in"]["start"] = "${file:password}"
        wrong["streams"]["all"]["steps"].append({"filter": "${file:password} +"})
        wrong["streams"]["all"]["steps"].append({"mask": {"a": "${file:password}"}})
        topics = json.loads(json.dumps(pipeline))
        topics["sources"]["in"] = {"topic": "in"}
        topics["dead_letter"] = "dead"
        for name, document in (("right", pipeline), ("wrong", wrong), ("topics", topics)):
            (root / f"{name}.json").write_text(json.dumps(document))
            commands = [["check", "--output", "json"], ["check"], ["explain"], ["graph"]]
            commands += [["run"]] if name != "topics" else []
            commands += [["dlq", "ls"], ["dlq", "show"]] if name == "right" else []
            for command in commands:
                _, out, said = leat(*command, root / f"{name}.json")
                said += out
                for hidden in (*SECRETS.values(), pan, "4111"):
                    check(hidden not in said, f"{command} {name}: {hidden} in {said!r}")
        dead = (root / "dead.jsonl").read_text()
        check(len(dead.splitlines()) == 3, dead)
        for hidden in (*SECRETS.values(), pan, "4111"):
            check(hidden not in dead, dead)


if __name__ == "__main__":
    sys.exit(
        run_tests(
            compressed_rows,
            written_compressed,
            events_and_headers,
            changes_to_rows,
            secrets_are_never_shown,
        )
    )
