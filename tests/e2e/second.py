# SPDX-License-Identifier: Apache-2.0
"""Avro by another implementation (fastavro): makes container files, and compares what came back.

    second.py make FOLDER       orders-CODEC.avro and orders.avsc, by seed
    second.py compare FOLDER    back-CODEC.avro and .jsonl hold what orders-CODEC.avro has

Runs in a virtual environment of its own (test_avro.py makes it); Leat needs nothing of it."""

import base64
import datetime
import decimal
import json
import pathlib
import random
import sys
import uuid

import fastavro

CODECS = ("null", "deflate", "snappy", "zstandard")
UTC = datetime.timezone.utc


def field(name, kind, **more):
    return {"name": name, "type": kind} | more


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name} | more


SCHEMA = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        field("id", logical("string", "uuid")),
        field("amount", logical("bytes", "decimal", precision=38, scale=9)),
        field("fee", logical({"type": "fixed", "name": "Fee", "size": 8}, "decimal", precision=18)),
        field("millis", logical("long", "timestamp-millis")),
        field("micros", logical("long", "timestamp-micros")),
        field("day", logical("int", "date")),
        field("of_day", logical("long", "time-micros")),
        field("small", "int"),
        field("large", "long"),
        field("single", "float"),
        field("double", "double"),
        field("flag", "boolean"),
        field("raw", "bytes"),
        field("text", ["null", "string"]),
        field("kind", {"type": "enum", "name": "Kind", "symbols": ["NEW", "PAID", "LOST"]}),
        field("tags", {"type": "array", "items": {"type": "map", "values": "long"}}),
        field(
            "buyer",
            [
                "null",
                {
                    "type": "record",
                    "name": "Buyer",
                    "fields": [
                        field("name", "string"),
                        field("friend", ["null", "Buyer"]),
                        field("any", ["null", "int", "string", "double", "boolean"]),
                    ],
                },
            ],
        ),
    ],
}
SCHEMA["fields"][2]["type"] = {
    "type": "fixed",
    "name": "Fee",
    "size": 8,
    "logicalType": "decimal",
    "precision": 18,
    "scale": 0,
}


def buyer(rng, depth):
    if depth == 0 or rng.random() < 0.3:
        return None
    anything = rng.choice([None, rng.randint(-9, 9), "t", 1.5, True])
    return {"name": "n" * rng.randint(0, 9), "friend": buyer(rng, depth - 1), "any": anything}


def order(rng):
    moment = datetime.datetime(1, 1, 2, tzinfo=UTC) + datetime.timedelta(
        days=rng.randint(0, 3650000), microseconds=rng.randint(0, 86399999999)
    )
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "amount": decimal.Decimal(rng.randint(-(10**37), 10**37)).scaleb(-9, decimal.Context(60)),
        "fee": decimal.Decimal(rng.randint(-(10**17), 10**17)),
        "millis": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        "micros": moment,
        "day": moment.date(),
        "of_day": moment.time().replace(tzinfo=None),
        "small": rng.choice([0, -1, 2**31 - 1, -(2**31), rng.randint(-999, 999)]),
        "large": rng.choice([0, 2**63 - 1, -(2**63), rng.randint(-(10**15), 10**15)]),
        "single": rng.choice([0.0, 1.5, -0.25, 2.0**100]),
        "double": rng.choice([0.0, 0.1, 1e300, 5e-324, rng.random()]),
        "flag": rng.random() < 0.5,
        "raw": rng.randbytes(rng.randint(0, 40)),
        "text": rng.choice([None, "", "\u20ac\U0001f600\"\\\n", "x" * rng.randint(0, 200)]),
        "kind": rng.choice(["NEW", "PAID", "LOST"]),
        "tags": [{f"k{i}": i for i in range(rng.randint(0, 3))} for _ in range(rng.randint(0, 4))],
        "buyer": buyer(rng, 4),
    }


def make(folder):
    rng = random.Random(7)
    schema = fastavro.parse_schema(SCHEMA)
    orders = [order(rng) for _ in range(2000)]
    (folder / "orders.avsc").write_text(json.dumps(SCHEMA))
    for codec in CODECS:
        with open(folder / f"orders-{codec}.avro", "wb") as file:
            fastavro.writer(file, schema, orders, codec=codec, sync_interval=5000)


def as_json(value):
    """What Leat writes for it; decimals and floats are compared as numbers."""
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        text = value.strftime("%H:%M:%S") + f".{value.microsecond:06d}".rstrip("0").rstrip(".")
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{text}Z"
    if isinstance(value, datetime.date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}T00:00:00Z"
    if isinstance(value, datetime.time):
        whole = value.hour * 3600 + value.minute * 60 + value.second
        return f"{whole}" + f".{value.microsecond:06d}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, float):
        return decimal.Decimal(repr(value))
    return value


def compare(folder):
    wrong = 0
    for codec in CODECS:
        with open(folder / f"orders-{codec}.avro", "rb") as file:
            want = list(fastavro.reader(file))
        with open(folder / f"back-{codec}.avro", "rb") as file:
            back = fastavro.reader(file)
            codec_is = back.metadata["avro.codec"]
            got = list(back)
        lines = (folder / f"back-{codec}.jsonl").read_text().splitlines()
        texts = [json.loads(line, parse_float=decimal.Decimal) for line in lines]
        wrong += got != want or codec_is != codec or texts != [as_json(one) for one in want]
        for one, other, text in zip(want, got, texts):
            if one != other or as_json(one) != text:
                print(f"{codec}: {one}\n    {other}\n    {text}")
                break
    return wrong


if __name__ == "__main__":
    WHERE = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(WHERE)
    else:
        sys.exit(compare(WHERE))
