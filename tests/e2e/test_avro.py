# SPDX-License-Identifier: Apache-2.0
"""Avro's container files against another implementation, in both directions.

fastavro writes files, Leat reads them and writes Avro and JSON, fastavro reads that: it must be
what was written, in every compression; and so must what Leat makes of that JSON."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
os.environ.setdefault("LEAT_BOOTSTRAP", "")  # this test needs no broker
from harness import LEAT, check, run_tests  # pylint: disable=wrong-import-position
from registry import cache  # pylint: disable=wrong-import-position

SECOND = pathlib.Path(__file__).parent / "second.py"
PACKAGES = ("fastavro==1.12.1", "cramjam==2.11.0", "zstandard==0.25.0")
CODECS = ("null", "deflate", "snappy", "zstandard")


def second_python():
    """A Python with fastavro, installed by pip the first time."""
    name = "-".join(PACKAGES).replace("==", "-")
    folder = cache() / f"python-{name}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "venv", folder], capture_output=True, text=True, check=False
        )
        command = [folder / "bin/python", "-m", "pip", "install", "-q", *PACKAGES]
        if done.returncode == 0:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
        check(done.returncode == 0, f"fastavro could not be installed: {done.stderr}")
    return folder / "bin/python"


def run(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    check(done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr}")


def pipeline(folder, codec, source, steps=()):
    target = {"schema": "orders.avsc", "compression": codec}
    document = {
        "name": "again",
        "sources": {"in": {"file": source, "format": "avro"}},
        "streams": {
            "all": {
                "from": "in",
                "steps": list(steps),
                "to": [
                    {"file": f"back-{codec}.jsonl"},
                    {"file": f"back-{codec}.avro", "format": {"avro": target}},
                ],
            }
        },
    }
    (folder / "pipeline.json").write_text(json.dumps(document))
    run([LEAT, "run", "pipeline.json"], folder)


def test_there_and_back():
    python = second_python()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run([python, SECOND, "make", folder], folder)
        for codec in CODECS:
            pipeline(folder, codec, f"orders-{codec}.avro")
        run([python, SECOND, "compare", folder], folder)
        # By way of JSON: what was written as text comes back as the same records.
        document = json.loads((folder / "pipeline.json").read_text())
        document["sources"]["in"] = {"file": "back-null.jsonl"}
        document["streams"]["all"]["to"] = [
            {"file": "again.avro", "format": {"avro": {"schema": "orders.avsc"}}}
        ]
        (folder / "pipeline.json").write_text(json.dumps(document))
        run([LEAT, "run", "pipeline.json"], folder)
        (folder / "again.avro").rename(folder / "back-deflate.avro")
        run([python, SECOND, "compare", folder], folder)


if __name__ == "__main__":
    sys.exit(run_tests(test_there_and_back))
