# SPDX-License-Identifier: Apache-2.0
"""The Kafka log alone, without a pipeline: probe_log copies a topic through the port while sessions
come, go, are killed, frozen and fenced and brokers die; kcat then counts every record.

With LEAT_LONG also what takes long: more of the same, and every kind of broker."""

import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (
    CLUSTER,
    STAMP,
    Failed,
    check,
    cluster,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
)
from probing import (
    LONG,
    RANDOM,
    Copy,
    appeared,
    arrived,
    exact,
    must,
    probe,
    probe_tests,  # pylint: disable=wrong-import-position
)


def churn_of_sessions(name, *extra):
    """Kills, freezes and restarts sessions of one group while records flow."""
    source, target = f"{name}-in-{STAMP}", f"{name}-out-{STAMP}"
    changelog = f"{name}-log-{STAMP}"
    make_topics(source, target)
    must("create", changelog, 4)

    def start(number):
        return Copy(
            "-g",
            f"{name}-{STAMP}",
            "-i",
            f"w{number}",
            "-t",
            f"{name}-{STAMP}-{number}",
            "-c",
            50,
            "-a",
            9,
            "-l",
            changelog,
            *extra,
            "copy",
            source,
            target,
            ident=number,
        )

    copies = [start(0), start(1)]
    rounds, each = 8 if LONG else 5, 4000
    for _ in range(rounds):
        must("fill", source, each)
        victim = RANDOM.randrange(2)
        deed = RANDOM.choice(["kill", "term", "freeze"])
        if deed == "kill":
            copies[victim].signal(signal.SIGKILL)
            copies[victim] = start(victim)
        elif deed == "term":
            copies[victim].stop()
            copies[victim] = start(victim)
        else:
            copies[victim].signal(signal.SIGSTOP)
            time.sleep(RANDOM.choice([1, 9]))
            copies[victim].signal(signal.SIGCONT)
        time.sleep(RANDOM.random() * 3)
        for number, copy in enumerate(copies):  # a fenced one is restarted, as its pod would be
            if copy.process.poll() is not None:
                check("fenced" in copy.said(), f"ended:\n{copy.said()[-2000:]}")
                copies[number] = start(number)
    total = rounds * each
    arrived(target, total)
    for copy in copies:
        if copy.process.poll() is None:
            copy.stop()
    # fill numbers each round from 0: the n-th record of a round is n
    for topic in (target, changelog):
        for partition, records in read_topic(topic).items():
            keys = [key.decode() for _, _, key, _, _ in records]
            want = [f"{partition}-{i}" for _ in range(rounds) for i in range(each // 4)]
            if topic == target:
                check(
                    keys == want,
                    f"{topic}/{partition}: {len(keys)} records, {len(want)} wanted,"
                    " first difference at "
                    f"{next((i for i, (a, b) in enumerate(zip(keys, want)) if a != b), -1)}",
                )


def test_sessions_come_and_go():
    churn_of_sessions("coop")


def long_test_sessions_come_and_go_eagerly():
    churn_of_sessions("range", "-p", "partition.assignment.strategy=range")


def test_partitions_are_shared():
    source, target = f"share-in-{STAMP}", f"share-out-{STAMP}"
    make_topics(source, target)
    one = Copy("-g", f"share-{STAMP}", "-t", f"share-{STAMP}-1", "copy", source, target)
    one.wait_for("running")
    two = Copy("-g", f"share-{STAMP}", "-t", f"share-{STAMP}-2", "copy", source, target)
    two.wait_for("running")
    one.wait_for("revoked")
    check(one.said().count("revoked") == 2, "cooperative: only what moves is revoked")
    must("fill", source, 4000)
    arrived(target, 4000)
    two.stop()
    one.wait_for_count("running", 6)  # what the other had comes back
    one.stop()
    exact(target, {p: 1000 for p in range(4)})


def test_fencing():
    source, target = f"fence-in-{STAMP}", f"fence-out-{STAMP}"
    make_topics(source, target)
    args = ("-t", f"fence-{STAMP}", "copy", source, target)
    old = Copy("-g", f"fence-a-{STAMP}", *args)
    old.wait_for("running")
    must("fill", source, 400)
    young = Copy("-g", f"fence-b-{STAMP}", *args)
    young.wait_for("running")
    must("fill", source, 400)
    old.ended(timeout=30, code=70)
    check("error fenced" in old.said(), old.said())
    young.stop()


def test_restore():
    topic = f"churn-{STAMP}"
    must("create", topic, 1)
    must("-t", f"churn-{STAMP}", "churn", topic, 50, 40)
    out = must("dump", topic)
    state = {}
    for line in out.splitlines():
        if line.startswith("#"):
            continue
        _, _, key, value = line.split(" ")
        if value == "null":
            state.pop(key, None)
        else:
            state[key] = int(value)
    want = {}
    for number in range(40):
        if number % 3 == 2:
            continue
        for k in range(50):
            if number % 5 == 4 and k % 2 == 0:
                want.pop(f"k{k}", None)
            else:
                want[f"k{k}"] = number
    check(state == want, f"{len(state)} cells, {len(want)} wanted")


def test_restore_waits_for_an_open_transaction():
    """The end is the read-uncommitted one: a killed writer's transaction has to go first."""
    source, target = f"open-in-{STAMP}", f"open-out-{STAMP}"
    make_topics(source, target, partitions=1)
    must("fill", source, 100)
    writer = Copy(
        "-g",
        f"open-{STAMP}",
        "-t",
        f"open-{STAMP}",
        "-c",
        600000,
        "-p",
        "transaction.timeout.ms=8000",
        "copy",
        source,
        target,
    )
    writer.wait_for("running")
    appeared(target)  # its commit is far
    writer.signal(signal.SIGKILL)
    check(not read_topic(target, whole=False), "nothing was committed")
    _, out, took = probe("dump", target)
    check("# 0 records" in out, out)
    check(took > 1, f"it did not wait for the transaction's end ({took:.1f} s)")


def test_start_policies():
    source, target = f"start-in-{STAMP}", f"start-out-{STAMP}"
    make_topics(source, target, partitions=2)
    base = int(time.time() * 1000) - 60000
    must("-b", base, "fill", source, 200)
    cases = [
        ("earliest", [0, 0]),
        ("latest", [100, 100]),
        (base + 100, [50, 50]),
        (base + 10**9, [100, 100]),
    ]
    for start, want in cases:
        name = f"start-{start}-{STAMP}"
        copy = Copy("-g", name, "-t", name, "-s", start, "copy", source, target)
        copy.wait_for("running start-in-" + STAMP + "/1")
        copy.wait_for("running start-in-" + STAMP + "/0")
        got = {
            int(p): int(at) for p, at in re.findall(r"assigned \S+/(\d) at (-?\d+)", copy.said())
        }
        copy.stop()
        check([got[0], got[1]] == want, f"{start}: {got}")


def test_closing_at_once():
    source, target = f"close-in-{STAMP}", f"close-out-{STAMP}"
    make_topics(source, target)
    for i in range(6):
        copy = Copy("-g", f"close-{STAMP}", "-t", f"close-{STAMP}-{i}", "copy", source, target)
        copy.wait_for("open")
        time.sleep(i * 0.05)
        copy.stop(timeout=15)


def test_at_least_once():
    source, target = f"alo-in-{STAMP}", f"alo-out-{STAMP}"
    make_topics(source, target)
    args = ("-g", f"alo-{STAMP}", "-i", "w", "-c", 50, "copy", source, target)
    must("fill", source, 40000)
    for _ in range(4):
        copy = Copy(*args)
        copy.wait_for("running")
        time.sleep(0.3)
        copy.signal(signal.SIGKILL)
    copy = Copy(*args)
    arrived(target, 40000, distinct=True)
    copy.stop()


def test_brokers_die():
    """The brokers of the group, of the transactions and of a partition, one after the other; in a
    short run the first of them."""
    name = f"brokers-{STAMP}"
    source, target = f"{name}-in", f"{name}-out"
    make_topics(source, target)
    copy = Copy("-g", name, "-i", "w", "-t", name, "-c", 50, "copy", source, target)
    copy.wait_for("running")
    victims = [
        ("leader", target, 0),
        ("coordinator", "txn", name),
        ("coordinator", "group", name),
    ]
    victims = victims if LONG else victims[:1]
    for number, victim in enumerate(victims):
        node = cluster(*victim)
        must("fill", source, 4000)
        cluster("kill", "-9", node)
        try:
            must("fill", source, 4000)
            arrived(target, (number + 1) * 8000)  # two of three brokers are enough
        except Failed as error:
            raise Failed(f"{error}\n{copy.said()[-6000:]}") from None
        finally:
            cluster("restart", node)
    check(copy.process.poll() is None, copy.said()[-2000:])
    copy.stop()
    for partition, records in read_topic(target).items():
        keys = [key.decode() for _, _, key, _, _ in records]
        check(
            keys == [f"{partition}-{i}" for _ in range(2 * len(victims)) for i in range(1000)],
            f"{partition}: {len(keys)} records of {len(victims) * 2000}",
        )


def long_test_who_cannot_log_in():
    """Every refusal comes soon, with the property to look at."""
    folder = tempfile.mkdtemp(prefix="leat-sasl-")
    port = RANDOM.randrange(30000, 32000, 40)
    first = subprocess.run(
        [CLUSTER, "start", "1", "--sasl", "--port", str(port), "--dir", folder + "/c"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    sasl = (
        "-p",
        "security.protocol=sasl_plaintext",
        "-p",
        "sasl.mechanism=PLAIN",
        "-p",
        "sasl.username=leat",
    )
    try:
        cases = [
            (sasl + ("-p", "sasl.password=leat-secret"), 0, "exists 0", 15),
            (sasl + ("-p", "sasl.password=wrong"), 77, "sasl.password", 8),
            (
                (
                    "-p",
                    "security.protocol=SASL_PLAINTEXT",
                    "-p",
                    "sasl.mechanism=PLAIN",
                    "-p",
                    'sasl.jaas.config=org.apache.kafka.common.security.plain.'
                    'PlainLoginModule required '
                    'username="leat" password="leat-secret";',
                ),
                0,
                "exists 0",
                15,
            ),
            (("-p", "security.protocol=plaintext"), 69, "security.protocol", 15),
        ]
        for args, code, text, seconds in cases:
            got, out, took = probe(*args, "describe", "t", brokers=first)
            check(got == code and text in out, f"{args[-1]}: {got}\n{out}")
            check(took < seconds, f"{args[-1]}: took {took:.1f} s")
            check("wrong" not in out, "a password was said")
        got, out, took = probe(
            *sasl,
            "-p",
            "sasl.password=wrong",
            "-t",
            "x",
            "-g",
            "x",
            "copy",
            "a",
            "b",
            brokers=first,
        )
        check(got == 77 and took < 10, f"session: {got} in {took:.1f} s\n{out}")
    finally:
        subprocess.run([CLUSTER, "stop", "--dir", folder + "/c"], check=True)


def test_who_is_not_there():
    got, out, took = probe("describe", "t", 3000, brokers="127.0.0.1:1")
    check(got == 69 and "bootstrap.servers" in out and took < 6, f"{got} {took:.1f} s {out}")
    got, out, took = probe("describe", "t", 3000, brokers="no-such-host.invalid:9092")
    check(got == 69 and "no-such-host.invalid" in out and took < 10, f"{got} {took:.1f} s {out}")


def test_properties():
    cases = [
        ("sesion.timeout.ms=6000", "session.timeout.ms"),
        ("linger.ms=soon", "linger.ms"),
        ("enable.auto.commit=true", "enable.auto.commit"),
        ("auto.offset.reset=earliest", "start"),
        ("ssl.truststore.location=/x/trust.jks", "keytool"),
    ]
    for text, want in cases:
        code, out, _ = probe("-p", text, "describe", "t")
        check(code == 78 and want in out, f"{text}: {code}\n{out}")


if __name__ == "__main__":
    sys.exit(probe_tests(dict(globals())))
