# SPDX-License-Identifier: Apache-2.0
"""Dead letters on a real cluster: a pipeline fails on some records, `leat dlq` lists, shows and
sends them back once the cause is gone, each once, and what still fails says how often it has; from
a topic and from a file.
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
    leat,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
    run_tests,
    write,
)

GOOD, BAD, WORSE = 40, 30, 10


def put(topic, partition, lines):
    """With key and a header, as an application would."""
    keyed = (f"k{partition}|{line}" for line in lines)
    write(topic, keyed, "-p", partition, "-K", "|", "-H", "app=1")


def pipeline(folder, name, condition, dead=None):
    path = pathlib.Path(folder) / f"{name}.json"
    path.write_text(
        json.dumps(
            {
                "name": name,
                "kafka": {"bootstrap.servers": BROKERS},
                "worker": {"threads": 1},
                "sources": {"in": {"topic": f"{name}-in"}},
                "streams": {
                    "all": {"from": "in", "steps": [{"filter": condition}], "to": f"{name}-out"}
                },
                "dead_letter": dead or f"{name}-dead",
            }
        )
    )
    return path


def numbers(topic):
    topics = read_topic(topic).values()
    return sorted(json.loads(value)["n"] for records in topics for _, _, _, value, _ in records)


def letters_come_back():
    name = f"dlq-{STAMP}"
    make_topics(f"{name}-in", f"{name}-out", f"{name}-dead", partitions=2)
    with tempfile.TemporaryDirectory() as folder:
        path = pipeline(folder, name, "amount > 1.0")
        for partition in (0, 1):
            put(
                f"{name}-in",
                partition,
                [f'{{"n":{i},"amount":2.5}}' for i in range(partition, GOOD, 2)]
                + [f'{{"n":{i},"sum":2.5}}' for i in range(100 + partition, 100 + BAD, 2)]
                + [f'{{"n":{i},"amount":"x"}}' for i in range(200 + partition, 200 + WORSE, 2)],
            )
        check(leat("run", "--until-end", path)[0] == 0, "run")

        code, out, err = leat("dlq", "ls", "--output", "json", path)
        check(code == 0, err)
        groups = [json.loads(line) for line in out.splitlines()]
        check([group["count"] for group in groups] == [BAD, WORSE], f"groups: {groups}")
        check(all(group["step"] == "streams.all.steps[0].filter" for group in groups), f"{groups}")

        code, out, err = leat("dlq", "show", "--code", "no_field", "--output", "json", path)
        check(code == 0, err)
        letter = json.loads(out)
        check(letter["topic"] == f"{name}-in" and letter["attempt"] == 1, out)
        check(json.loads(letter["value"])["n"] >= 100 and letter["key"][0] == "k", out)
        check({"name": "app", "value": "1"} in letter["headers"], out)

        code, out, err = leat("dlq", "redrive", "--code", "no_field", path)
        check(code == 0 and f"would go to {name}-in" in out, out + err)
        check(len(numbers(f"{name}-in")) == GOOD + BAD + WORSE, "a dry run has sent something")

        fixed = pipeline(folder, name, "(has(event.sum) ? event.sum : amount) > 1.0")
        for expected in (BAD, 0):
            code, out, err = leat("dlq", "redrive", "--code", "no_field", "--execute", fixed)
            check(code == 0, err)
            check((f"{expected}  sent to" in out) == (expected > 0), out + err)
        check(leat("run", "--until-end", fixed)[0] == 0, "run of what came back")
        check(
            numbers(f"{name}-out") == list(range(GOOD)) + list(range(100, 100 + BAD)),
            f"output: {numbers(f'{name}-out')}",
        )
        for records in read_topic(f"{name}-in").values():
            keys = {key for _, _, key, _, _ in records}
            check(len(keys) == 1, f"a record came back to another partition: {keys}")

        # What fails again says so, and is a letter of its own.
        code, out, err = leat("dlq", "redrive", "--execute", fixed)
        check(code == 0 and f"{WORSE}  sent to" in out, out + err)
        check(leat("run", "--until-end", fixed)[0] == 0, "run of what fails again")
        code, out, err = leat("dlq", "ls", "--output", "json", fixed)
        groups = [json.loads(line) for line in out.splitlines()]
        check([(g["count"], g["attempts"]) for g in groups] == [(WORSE, 2)], f"groups: {groups}")
        code, out, err = leat("dlq", "ls", "--redriven", "--output", "json", fixed)
        check(sum(json.loads(line)["count"] for line in out.splitlines()) == BAD + 2 * WORSE, out)

        code, out, err = leat("dlq", "ls", "--topic", "dlq-there-is-none", "--kafka",
                              f"bootstrap.servers={BROKERS}")
        check(code == 78 and "does not exist" in err, f"{code} {err}")


def letters_in_a_file_come_back():
    """As above, but that two branches fail on each bad record; and what cannot be sent stays."""
    name = f"dlq-file-{STAMP}"
    make_topics(f"{name}-in", f"{name}-out", partitions=2)
    with tempfile.TemporaryDirectory() as folder:
        dead = pathlib.Path(folder) / "dead.jsonl"
        path = pipeline(folder, name, "amount > 1.0", {"file": "dead.jsonl"})
        document = json.loads(path.read_text())
        document["streams"]["more"] = {"from": "in", "steps": [{"filter": "amount > 9.0"}],
                                       "to": f"{name}-out"}
        path.write_text(json.dumps(document))
        for partition in (0, 1):
            put(
                f"{name}-in",
                partition,
                [f'{{"n":{i},"amount":2.5}}' for i in range(partition, GOOD, 2)]
                + [f'{{"n":{i},"sum":2.5}}' for i in range(100 + partition, 100 + BAD, 2)],
            )
        check(leat("run", "--until-end", path)[0] == 0, "run")
        first = dead.read_bytes()
        with dead.open("ab") as file:
            file.write(first[:70])  # as a worker leaves it that was killed while it wrote

        code, out, err = leat("dlq", "ls", "--code", "no_field", "--output", "json", path)
        check(code == 1 and "1 line(s) are no dead letters" in err, err)
        groups = [json.loads(line) for line in out.splitlines()]
        check([group["count"] for group in groups] == [BAD, BAD], f"groups: {groups}")
        code, out, err = leat("dlq", "redrive", path)
        check(f"{BAD}  would go to {name}-in" in out, out + err)
        check(len(numbers(f"{name}-in")) == GOOD + BAD, "a dry run has sent something")
        code, out, err = leat("dlq", "redrive", "--since", "2h", path)
        check(code == 78 and "do not say when" in err, err)
        code, out, err = leat("dlq", "redrive", "--execute", "--file", dead)
        check(code == 78 and "--kafka" in err, f"{code} {err}")

        fixed = pipeline(folder, f"{name}", "(has(event.sum) ? event.sum : amount) > 1.0")
        kafka = ("--kafka", f"bootstrap.servers={BROKERS}", "--execute", "--file", dead)
        code, out, err = leat("dlq", "redrive", "--to", f"{name}-there-is-none", *kafka)
        check(code == 78 and "does not exist" in err, f"{code} {err}")
        for expected in (BAD, 0):
            code, out, err = leat("dlq", "redrive", "--step", "streams", *kafka)
            check(code == 1 and "no dead letters" in err, err)
            check((f"{expected}  sent to {name}-in" in out) == (expected > 0), out + err)
        sent = sorted([*range(GOOD), *range(100, 100 + BAD), *range(100, 100 + BAD)])
        check(numbers(f"{name}-in") == sent, f"input: {numbers(f'{name}-in')}")
        for records in read_topic(f"{name}-in").values():
            keys = {key for _, _, key, _, _ in records}
            check(len(keys) == 1, f"a record came back to another partition: {keys}")
        check(dead.read_bytes().startswith(first), "letters were changed")
        make_topics(f"{name}-dead", partitions=1)
        check(leat("run", "--until-end", fixed)[0] == 0, "run of what came back")
        check(
            numbers(f"{name}-out") == [*range(GOOD), *range(100, 100 + BAD)],
            f"output: {numbers(f'{name}-out')}",
        )


if __name__ == "__main__":
    sys.exit(run_tests(letters_come_back, letters_in_a_file_come_back))
