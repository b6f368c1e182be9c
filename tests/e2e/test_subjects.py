# SPDX-License-Identifier: Apache-2.0
"""Schemas that a step names by their subject in a registry; broker and registry are real."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from avro_bytes import record  # pylint: disable=wrong-import-position
from harness import LEAT, Worker, check, run_tests
from registry import free_port
from test_registry import (
    ORDER,
    REGISTRY,
    STAMP,
    json_lines,
    pipeline,
    produce,
    values,
    wait_for,
)


def run_until_end(path):
    command = [LEAT, "run", "--until-end", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def check_file(path):
    command = [LEAT, "check", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def on_files(folder, step):
    document = {
        "name": "valid",
        "schema_registry": {"url": REGISTRY.url, "timeout": "20s"},
        "sources": {"in": {"file": "in.jsonl"}},
        "streams": {
            "all": {"from": "in", "steps": [{"validate": step}], "to": {"file": "out.jsonl"}}
        },
        "dead_letter": {"file": "dead.jsonl"},
    }
    path = pathlib.Path(folder) / "valid.json"
    path.write_text(json.dumps(document))
    (path.parent / "in.jsonl").touch()
    return path


def test_validate_by_subject():
    """What is checked is the version that is asked for; others know what the latest asks for only
    when they are started anew. JSON Schemas; what there is of others."""
    with tempfile.TemporaryDirectory() as folder:
        subject = f"checked-{STAMP}"
        path = on_files(folder, {"subject": subject})
        check_code, words = check_file(path)
        check(check_code == 1 and f"no subject '{subject}'" in words, words)
        done = run_until_end(path)
        check(done.returncode == 78 and f"no subject '{subject}'" in done.stderr, done.stderr)

        def run(step, lines):
            on_files(folder, step)
            (path.parent / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
            done = run_until_end(path)
            check(done.returncode == 0, done.stderr)
            out, dead = ((path.parent / f"{x}.jsonl").read_text() for x in ("out", "dead"))
            amounts = [json.loads(line)["amount"] for line in out.splitlines()]
            return amounts, [json.loads(line)["value"].encode() for line in dead.splitlines()]

        narrow = ORDER | {"fields": ORDER["fields"][:2] + [{"name": "amount", "type": "int"}]}
        REGISTRY.register(subject, ORDER)
        lines = [b'{"id":1,"who":"a","amount":0.5}', b'{"id":1,"who":"a","amount":7}']
        check(run({"subject": subject}, lines) == ([0.5, 7], []), "the first version")
        REGISTRY.call(f"/config/{subject}", {"compatibility": "NONE"}, method="PUT")
        REGISTRY.register(subject, narrow)
        check(run({"subject": subject}, lines) == ([7], lines[:1]), "the latest is the second")
        check(run({"subject": subject, "version": 1}, lines) == ([0.5, 7], []), "pinned")
        check(check_file(path) == (0, f"leat: {path}: nothing wrong\n"), "check")
        step = {"subject": subject, "version": 9}
        on_files(folder, step)
        check_code, words = check_file(path)
        check(check_code == 1 and f"no subject '{subject}', version 9" in words, words)

        person = record("Person", ("name", "string"))
        REGISTRY.register(f"{subject}-person", person)
        body = {
            "schema": json.dumps(record("Sale", ("who", "Person"), ("amount", "int"))),
            "references": [{"name": "Person", "subject": f"{subject}-person", "version": 1}],
        }
        REGISTRY.call(f"/subjects/{subject}-sale/versions", body)
        on_files(folder, {"subject": f"{subject}-sale"})
        check_code, words = check_file(path)  # this registry gives no schema in one piece
        check(check_code == 1 and "version 1: Avro schema, " in words, words)
        check("unknown type 'Person'" in words, words)

        schema = {"type": "object", "properties": {"amount": {"minimum": 5}}}
        body = {"schema": json.dumps(schema), "schemaType": "JSON"}
        REGISTRY.call(f"/subjects/{subject}-json/versions", body)
        lines = [b'{"amount":4}', b'{"amount":5}']
        check(run({"subject": f"{subject}-json"}, lines) == ([5], lines[:1]), "a JSON Schema")
        body = {"schema": 'syntax = "proto3"; message M { int32 a = 1; }', "schemaType": "PROTOBUF"}
        REGISTRY.call(f"/subjects/{subject}-proto/versions", body)
        on_files(folder, {"subject": f"{subject}-proto"})
        check_code, words = check_file(path)
        check(check_code == 1 and "is of type PROTOBUF, not AVRO or JSON" in words, words)


def test_validate_waits_for_the_registry():
    """A pipeline does not start without its schema; `check` says what it could not check."""
    with tempfile.TemporaryDirectory() as folder:
        subject = f"late-{STAMP}"
        settings = {"url": [f"http://127.0.0.1:{free_port()}", REGISTRY.url], "timeout": "1s"}
        steps = [{"validate": {"subject": subject}}]
        name, path = pipeline(folder, "late", {}, {}, registry=settings, steps=steps)
        REGISTRY.register(subject, ORDER)
        produce(f"{name}-in", json_lines(5) + [b'{"id":1}'])
        REGISTRY.pause()
        try:
            check_code, words = check_file(path)
            check(check_code == 0 and "is not checked" in words, words)
            worker = Worker(name, path)
            until = time.monotonic() + 30
            while "does not start without it" not in worker.tail() and time.monotonic() < until:
                time.sleep(0.2)
            check(worker.alive() and "does not start without it" in worker.tail(), worker.tail())
            stopped = Worker(f"{name}-stopped", path)
            while "does not start without it" not in stopped.tail() and time.monotonic() < until:
                time.sleep(0.2)
            stopped.process.terminate()
            check(stopped.process.wait(30) == 69, stopped.tail())
            check(values(f"{name}-out") == [], "written without its schema")
        finally:
            REGISTRY.resume()
        try:
            wait_for(f"{name}-out", 5, worker)
            dead = wait_for(f"{name}-dead", 1, worker)
        finally:
            worker.stop()
        check(dead == [b'{"id":1}'], f"dead letters: {dead}")


if __name__ == "__main__":
    with REGISTRY:
        CODE = run_tests(test_validate_by_subject, test_validate_waits_for_the_registry)
    sys.exit(CODE)
