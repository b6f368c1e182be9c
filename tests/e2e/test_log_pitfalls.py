# SPDX-License-Identifier: Apache-2.0
"""The pitfalls of docs/EXACTLY_ONCE.md, one test each, named after what goes wrong in clients that
fall into it. All on the Kafka log alone, with real brokers; kcat counts the records."""

import json
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import (
    BROKERS,
    CLUSTER,
    STAMP,
    Worker,
    check,
    cluster,
    make_topics,  # pylint: disable=wrong-import-position
    read_topic,
)
from probing import (
    LONG,
    Copy,
    appeared,
    arrived,
    exact,
    must,
    probe,
    probe_tests,  # pylint: disable=wrong-import-position
)

RANGE = ("-p", "partition.assignment.strategy=range")


def topics(name, partitions=4):
    """Input and output of a test, and the name of its group."""
    group = f"{name}-{STAMP}"
    make_topics(f"{group}-in", f"{group}-out", partitions=partitions)
    return group, f"{group}-in", f"{group}-out"


def all_brokers():
    return [line.split()[1] for line in cluster("status").splitlines()]


# ---------------------------------------------------------------- rebalances


def test_abort_in_a_cooperative_revoke():
    """An abort while some partitions go must rewind those that stay, or their records since the
    last commit are lost without a word."""
    group, source, target = topics("revoke")
    must("fill", source, 4000)
    args = ("-g", group, "-c", 600000, "-r")
    one = Copy(*args, "-t", group + "-1", "copy", source, target)
    one.wait_for("running")
    appeared(target)  # a transaction is open, its commit is far
    two = Copy("-g", group, "-t", group + "-2", "-c", 50, "copy", source, target)
    one.wait_for("revoked")
    check(one.said().count("revoked") == 2, "cooperative: two stay")
    arrived(target, 2000)
    one.stop()
    arrived(target, 4000)
    two.stop()
    exact(target, {p: 1000 for p in range(4)})


def test_assignments_of_both_protocols():
    """What a rebalance brings is to be taken the protocol's own way, cooperative or eager."""
    for strategy in ("cooperative-sticky", "range", "roundrobin"):
        group, source, target = topics(strategy)
        args = ("-g", group, "-p", f"partition.assignment.strategy={strategy}")
        one = Copy(*args, "-t", group + "-1", "copy", source, target)
        one.wait_for("running")
        two = Copy(*args, "-t", group + "-2", "copy", source, target)
        two.wait_for("running")
        must("fill", source, 4000)
        arrived(target, 4000)
        one.stop()
        two.stop()
        exact(target, {p: 1000 for p in range(4)})


def test_closing_at_every_moment():
    """A close ends before, in the middle of and after the first assignment, and is no crash."""
    group, source, target = topics("close")
    for extra in ((), RANGE):
        for i in range(6):
            args = ("-g", group + str(len(extra)), "-t", f"{group}-{i}", *extra)
            copy = Copy(*args, "copy", source, target)
            copy.wait_for("open")
            time.sleep(i * 0.05)
            copy.stop(timeout=15)
            check("did not close" not in copy.said(), copy.said())


def test_closing_in_the_middle_of_a_rebalance():
    """What is assigned to a consumer that is closing is not waited for."""
    group, source, target = topics("leaving")
    stays = Copy("-g", group, "-t", group, "copy", source, target)
    stays.wait_for("running")
    for i in range(12 if LONG else 4):
        args = ("-g", group, "-d", 8000)
        one = Copy(*args, "-t", f"{group}-{i}", "copy", source, target)
        one.wait_for("running")
        two = Copy(*args, "-t", f"{group}-{i}x", "copy", source, target)
        two.wait_for("open")
        time.sleep(i * 0.1)
        one.stop(timeout=20)
        two.stop(timeout=20)
    stays.stop(timeout=20)


def test_closing_while_brokers_hang():
    """A close does not wait for brokers that do not answer."""
    group, source, target = topics("silent")
    copies = [
        Copy("-g", group, "-t", f"{group}-{i}", "-d", 3000, "copy", source, target)
        for i in range(2)
    ]
    for copy in copies:
        copy.wait_for("running")
    nodes = all_brokers()
    try:
        for node in nodes:
            cluster("pause", node)
        time.sleep(1)
        for copy in copies:
            copy.process.send_signal(signal.SIGTERM)
        for copy in copies:
            copy.process.wait(60)
    finally:
        for node in nodes:
            cluster("resume", node)
        cluster("wait")


def test_closing_in_a_callback():
    """It would hang, so it is an assertion."""
    group, source, target = topics("inside")
    copy = Copy("-g", group, "-t", group, "-x", "copy", source, target)
    copy.ended(code=-signal.SIGABRT)
    check("calling" in copy.said(), copy.said())


def orphans(group, source, target):
    """Two static members of one group, w-0 and w-1, killed when the first has learnt that it is to
    give up two of its four partitions, and before it has: nobody owns them, and nobody knows."""
    args = ("-g", group, "-r", "-c", 600000, "-k", "abort:1:before")
    one = Copy(*args, "-i", "w-0", "-t", f"{group}-w-0", "copy", source, target)
    one.wait_for("running")
    appeared(target)  # in a transaction that the revoke will abort
    two = Copy("-g", group, "-i", "w-1", "-t", f"{group}-w-1", "copy", source, target)
    one.ended(code=-signal.SIGKILL)
    two.signal(signal.SIGKILL)
    check("assigned" not in two.said(), f"the rebalance was over\n{two.said()}")


def test_killed_amid_a_rebalance():
    """Static members come back to what they had without a rebalance: also to half of one, where
    what was on its way from one to the other belongs to nobody, for ever."""
    group, source, target = topics("orphans")
    must("fill", source, 4000)
    orphans(group, source, target)
    copies = [
        Copy("-g", group, "-i", f"w-{i}", "-t", f"{group}-w-{i}", "copy", source, target)
        for i in range(2)
    ]
    arrived(target, 4000)
    check(any("have no owner" in copy.said() for copy in copies), copies[0].said())
    for copy in copies:
        copy.stop()
    exact(target, {p: 1000 for p in range(4)})


def test_bounded_run_amid_a_rebalance():
    """A run to the end of the input does not take what has no owner for read."""
    group, source, target = topics("bounded")
    must("fill", source, 4000)
    orphans(group, source, target)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "pipeline.json"
        document = {
            "name": group,
            "kafka": {"bootstrap.servers": BROKERS},
            "sources": {"in": {"topic": source, "format": "raw"}},
            "streams": {"all": {"from": "in", "to": {"topic": target, "format": "raw"}}},
        }
        path.write_text(json.dumps(document))
        worker = Worker("w", path, "worker.threads=2", flags=("--until-end",))
        worker.wait(60)
    found = read_topic(target).values()
    got = sorted(record[3].decode() for records in found for record in records)
    want = sorted(f"{partition}-{i}" for partition in range(4) for i in range(1000))
    check(got == want, f"{len(got)} records of {len(want)}\n{worker.tail()}")


# ---------------------------------------------------------------- transactions


def test_commit_over_a_silent_coordinator():
    """A commit that gets no answer is repeated, and is not begun, aborted or done twice."""
    group, source, target = topics("slow")
    copy = Copy("-g", group, "-i", "w", "-t", group, "-c", 50, "copy", source, target)
    copy.wait_for("running")
    node = cluster("coordinator", "txn", group)
    must("fill", source, 4000)
    cluster("pause", node)
    time.sleep(4)
    cluster("resume", node)
    arrived(target, 4000)
    check("outcome is not known" not in copy.said(), copy.said())
    copy.stop()
    exact(target, {p: 1000 for p in range(4)})


def outcome(name, call, meanwhile=None):
    """The coordinator falls silent just before a call, for longer than a commit is waited for; what
    happens meanwhile is called with the group, the topics and the copy."""
    group, source, target = topics(f"silent-{name}")
    must("fill", source, 4000)
    answering = None
    if meanwhile:
        make_topics(f"{group}-away", partitions=4)
        answering = cluster("coordinator", "group", group)
    for i in range(100):
        ident = f"{group}-{i}"
        node = cluster("coordinator", "txn", ident)
        if node != answering:
            break
    os.environ["PROBE_COMMAND"] = f"{CLUSTER} pause {node}"
    args = ("-g", group, "-i", "w", "-t", ident, "-c", 50, "-k", f"{call}:1:command")
    try:
        copy = Copy(*args, "copy", source, target)
        copy.wait_for("command " + call)
        if meanwhile:
            meanwhile(group, source, copy)
        copy.wait_for("2 commit: ", timeout=90)
    finally:
        cluster("resume", node)
    cluster("wait")
    arrived(target, 4000)
    copy.stop()
    exact(target, {p: 1000 for p in range(4)})
    return copy.said()


def test_outcome_nobody_tells():
    """Nobody says whether a commit has happened: a new producer of the same id makes the brokers
    end it, and then the group's offsets tell."""
    said = outcome("commit", "commit")
    check("outcome is not known" in said, said)
    check("it had committed" in said or "it had not committed" in said, said)


def test_outcome_when_the_consumer_has_died():
    """A consumer that is fenced while its session waits for a commit cannot ask how it ended."""

    def taken(group, source, copy):
        """By one that reads for another topic and commits nothing."""
        taker = Copy("-g", group, "-i", "w", "-c", 600000, "copy", source, f"{group}-away")
        copy.wait_for("FATAL")
        check("outcome is not known" not in copy.said(), "fenced too late")
        taker.signal(signal.SIGKILL)

    said = outcome("fenced", "commit", taken)
    check("outcome is not known" in said, said)
    check("it had committed" in said or "it had not committed" in said, said)
    check("made anew" in said, said)


def long_test_offsets_nobody_takes():
    """Before it was asked to end, a transaction without an answer has not happened."""
    said = outcome("offsets", "offsets")
    check("outcome is not known" not in said, said)


def test_killed_at_every_step_of_a_transaction():
    """Whatever a killed producer was about to do, the next of its id aborts or finishes it, and its
    reader begins at what was committed."""
    group, source, target = topics("steps")
    args = ("-g", group, "-i", "w", "-t", group, "-c", 50)
    steps = [
        f"{call}:{at}:{when}"
        for call in ("begin", "offsets", "commit")
        for at in (1, 3)
        for when in ("before", "after")
    ]
    steps += ["abort:1:before", "abort:1:after"]
    for step in steps:
        extra = ("-a", 2) if step.startswith("abort") else ()
        copy = Copy(*args, *extra, "-k", step, "copy", source, target)
        feed = [Copy("fill", source, 400)]
        end = time.monotonic() + 60
        while copy.process.poll() is None:
            check(time.monotonic() < end, f"{step} never came\n{copy.said()[-2000:]}")
            if feed[-1].process.poll() is not None:
                feed.append(Copy("fill", source, 400))
            time.sleep(0.05)
        check(copy.process.poll() == -signal.SIGKILL, f"{step}: {copy.said()[-2000:]}")
        for one in feed:
            one.ended()
    copy = Copy(*args, "copy", source, target)
    copy.wait_for("running")
    want = read_topic(source)
    arrived(target, sum(map(len, want.values())))
    copy.stop()
    got = read_topic(target)
    for partition, records in want.items():
        keys = [[key for _, _, key, _, _ in topic[partition]] for topic in (want, got)]
        check(keys[0] == keys[1], f"{partition}: {len(keys[1])} records of {len(keys[0])}")
        check(len(records) > 400, "hardly anything was read")


def test_commit_of_a_zombie():
    """Who has slept through a rebalance must not commit what another has done meanwhile: offsets
    are sent with the member's own generation, and the brokers refuse an old one."""
    group, source, target = topics("zombie")
    args = ("-g", group, "-c", 3000, "-p", "transaction.timeout.ms=120000")
    one = Copy(*args, "-t", group + "-1", "copy", source, target)
    one.wait_for("running")
    must("fill", source, 4000)
    appeared(target)
    one.signal(signal.SIGSTOP)
    two = Copy(*args, "-t", group + "-2", "copy", source, target)
    two.wait_for_count("running", 4)
    time.sleep(4)  # for its commit, which nobody sees before the zombie's transaction has gone
    one.signal(signal.SIGCONT)
    arrived(target, 4000)
    one.wait_for("commit failed", "lost")
    one.stop()
    two.stop()
    exact(target, {p: 1000 for p in range(4)})


def test_stall_longer_than_a_transaction():
    """It looks like a second instance; the words name the time-out too."""
    group, source, target = topics("stall", partitions=1)
    args = ("-p", "transaction.timeout.ms=3000", "-c", 8000)
    copy = Copy("-g", group, "-i", "w", "-t", group, *args, "copy", source, target)
    copy.wait_for("running")
    must("fill", source, 100)
    appeared(target)
    copy.signal(signal.SIGSTOP)
    time.sleep(6)
    copy.signal(signal.SIGCONT)
    copy.ended(code=70)
    check("transaction.timeout.ms" in copy.said(), copy.said())


def test_record_that_cannot_be_delivered():
    """Its commit fails with the reason, at once; and nothing waits for its report for ever."""
    topic = f"small-{STAMP}"
    cluster("topic", topic, "-p", 1, "-c", "max.message.bytes=1000")
    code, out, _ = probe("fill", topic, 5, 1500)
    check(code == 78 and "max.message.bytes" in out, f"{code}: {out}")
    check(not read_topic(topic), "something was delivered")


def test_times_that_brokers_refuse():
    """Some take no times of tomorrow: once one has said so, such records are written with today's,
    and the transaction is done again. Times before 1970 are no times to Kafka."""
    group = f"times-{STAMP}"
    for name, most in ((f"{group}-in", 2**63 - 1), (f"{group}-out", 3600000)):
        cluster("topic", name, "-p", 1, "-c", f"message.timestamp.after.max.ms={most}")
    now = int(time.time() * 1000)
    copy = Copy("-g", group, "-t", group, "copy", f"{group}-in", f"{group}-out")
    copy.wait_for("running")
    must("-b", now + 10**9, "fill", f"{group}-in", 100)
    arrived(f"{group}-out", 100)
    exact(f"{group}-out", {0: 100})
    check("times in the future" in copy.said(), copy.said())
    for _, at, _, _, _ in read_topic(f"{group}-out")[0]:
        check(now - 60000 < at < now + 10**8, f"time {at}")
    must("-b", -(10**6), "fill", f"{group}-in", 10)
    arrived(f"{group}-out", 110)
    copy.stop()


def test_aborted_records_are_done_again():
    """Every second transaction is aborted; positions go back with it, and nothing comes twice."""
    group, source, target = topics("again")
    args = ("-g", group, "-t", group, "-c", 20, "-a", 2)
    copy = Copy(*args, "copy", source, target)
    copy.wait_for("running")
    for turn in range(8):  # a transaction each at least: some are aborted, however slow it is
        must("fill", source, 1000)
        arrived(target, 1000 * (turn + 1))
    copy.stop()
    said = json.loads(copy.said().strip().splitlines()[-1])
    check(said["aborts"] > 3, f"{said}")
    for partition, records in read_topic(target).items():
        keys = [key.decode() for _, _, key, _, _ in records]
        want = [f"{partition}-{i}" for _ in range(8) for i in range(250)]
        check(keys == want, f"{partition}: {len(keys)} records, or in disorder")


# ---------------------------------------------------------------- reading


def test_gaps_in_the_input():
    """Markers and aborted records leave gaps in offsets: passed over, and not read."""
    group, source, target = topics("gaps", partitions=1)
    must("-t", group + "-w", "churn", source, 20, 30)  # each third transaction is aborted
    copy = Copy("-g", group, "-t", group, "copy", source, target)
    want = [(key, value) for _, _, key, value, _ in read_topic(source)[0]]
    check(len(want) == 400, f"{len(want)} records of 20 committed transactions")
    arrived(target, len(want))
    copy.stop()
    got = [(key, value) for _, _, key, value, _ in read_topic(target)[0]]
    check(got == want, f"{len(got)} records, {len(want)} wanted, or in disorder")


def test_input_deleted_before_it_was_read():
    """Reading does not go on somewhere else without a word."""
    group, source, target = topics("deleted", partitions=1)
    args = ("-g", group, "-i", "w", "-t", group, "copy", source, target)
    must("fill", source, 100)
    copy = Copy(*args)
    arrived(target, 100)
    copy.stop()
    must("fill", source, 400)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
        places = [{"topic": source, "partition": 0, "offset": 300}]
        json.dump({"version": 1, "partitions": places}, plan)
        plan.flush()
        cluster("tool", "delete-records", "--offset-json-file", plan.name)
    copy = Copy(*args)
    copy.ended(code=74)
    check("deleted before they were read" in copy.said(), copy.said())


def test_restore_after_a_leader_died():
    """Where a changelog ends is asked of its leader of today, not of yesterday."""
    group, source, target = topics("heir")
    changelog = f"{group}-log"
    must("create", changelog, 4)
    args = ("-g", group, "-l", changelog)
    one = Copy(*args, "-t", group + "-1", "copy", source, target)
    one.wait_for("running")
    must("fill", source, 400)
    arrived(target, 400)
    two = Copy(*args, "-t", group + "-2", "copy", source, target)
    two.wait_for("running")
    moved = {line.split("/")[-1].split()[0] for line in two.said().splitlines() if "assig" in line}
    node = cluster("leader", changelog, sorted(moved)[0])
    cluster("kill", "-9", node)
    try:
        two.signal(signal.SIGKILL)
        one.wait_for_count("running", 6, 90)
    finally:
        cluster("restart", node)
    must("fill", source, 400)
    arrived(target, 800)
    one.stop()


def test_instance_fenced_from_outside():
    """A member whose instance was taken by somebody who is gone takes it back, without loss."""
    group, source, target = topics("taken")
    copy = Copy("-g", group, "-i", "w", "-t", group, "-c", 50, "copy", source, target)
    copy.wait_for("running")
    for turn in range(2):
        must("fill", source, 4000)
        idle = ("-t", group + "-x", "-c", 600000, "-p", "transaction.timeout.ms=2000")
        taker = Copy("-g", group, "-i", "w", *idle, "copy", source, target)
        taker.wait_for("assigned")
        taker.signal(signal.SIGKILL)
        arrived(target, 4000 * (turn + 1))
    check("made anew" in copy.said(), copy.said()[-2000:])
    copy.stop()
    for partition, records in read_topic(target).items():
        keys = [key.decode() for _, _, key, _, _ in records]
        check(keys == [f"{partition}-{i}" for _ in range(2) for i in range(1000)], f"{len(keys)}")


def test_long_client_id():
    """Some versions of the library write behind the end of a buffer."""
    group, source, target = topics("long", partitions=1)
    copy = Copy("-p", "client.id=" + "x" * 500, "-g", group, "-t", group, "copy", source, target)
    must("fill", source, 10)
    arrived(target, 10)
    copy.stop()


if __name__ == "__main__":
    sys.exit(probe_tests(dict(globals())))
