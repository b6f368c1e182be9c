# SPDX-License-Identifier: Apache-2.0
"""Whole pipelines on a real broker, Leat beside its peers, in one run on one machine.

    script/bench pipeline [--events N] [--engines leat,limit,kstreams] [--workloads w1,w3]

Starts a broker of its own (tests/kafka/cluster), writes N seeded payments into a topic of four
partitions, and then runs the engines one after the other over the same input, each exactly once and
with one worker thread:

    limit     bench/peers/c/limit.c: librdkafka alone. Copies bytes of the same number and size
              as the workload's output, reads nothing of them: no worker on librdkafka does less.
    leat      build/pgo/leat run --until-end, bench/pipelines/w1.json and w3.json
    kstreams  Kafka Streams, bench/peers/kstreams, tuned, with a hand-written JSON reader and
              pattern

Prints one JSON line a run. cpu_s_per_M is user + system time of the whole process, from its start
to its end, per million input events. Of a JVM that is mostly compiling when the input is small, so
there steady_cpu_s_per_M leaves out the first half of the input. startup_cpu_s is what the process
took until it had its partitions (limit, Kafka Streams: its first record). CPU of the broker counts
for nobody. load is the machine's load average at the end of the run: above its cores, figures are
too high.

What each engine committed is read back and compared with bench/peers/c/expect.c: another number of
records, or alerts and records of other content than the other engine's, end the benchmark with 1.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
WORK = ROOT / "build" / "bench"
BIN = WORK / "bin"
CLUSTER = ROOT / "tests" / "kafka" / "cluster"
RUN_S = 900            # no run takes longer
BYTES_OUT = {"w1": 155, "w3": 100}  # of one output record, for `limit`
JAVA_WORK = {"w1": "etl", "w3": "cep"}


class Failed(Exception):
    """A run that failed or gave a wrong answer."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def command(*parts, **options):
    return subprocess.run([str(p) for p in parts], check=True, **options)


# ---------------------------------------------------------------- the broker and its topics


class Broker:
    """A broker in a folder of its own, with the input in it."""

    def __init__(self, port):
        self.folder, self.port = WORK / "kafka", port
        self.address = f"127.0.0.1:{port}"

    def start(self):
        if (self.folder / "cluster.json").exists():
            self.stop()
        say(f"starting a broker on {self.address}")
        command(CLUSTER, "start", 1, "--dir", self.folder, "--port", self.port, "--heap", "1g",
                # The events carry fixed times: of the future, for a clock that is behind.
                "--set", "log.message.timestamp.after.max.ms=9223372036854775807",
                stdout=subprocess.DEVNULL)

    def stop(self):
        command(CLUSTER, "stop", "--dir", self.folder)

    def topic(self, name):
        command(CLUSTER, "topic", name, "-p", 4, "--dir", self.folder, "-c", "retention.ms=-1",
                stdout=subprocess.DEVNULL)

    def fill(self, events):
        say(f"writing {events} payments")
        self.topic("pay")
        command(BIN / "produce", "pay", "pay", events, self.address, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)


# ---------------------------------------------------------------- one process, measured


def cpu_of(pid):
    """CPU seconds of a living process, to the nanosecond where the kernel says it."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text().split()[0])
        except (OSError, ValueError):
            pass
    return total / 1e9


class Measured:
    """A child process: its output, exit code, CPU, memory and wall time."""

    def __init__(self, parts, env=None, mark=None):
        self.startup_cpu_s = None
        began = time.monotonic()
        with subprocess.Popen([str(p) for p in parts], env={**os.environ, **(env or {})},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            self.errors = []
            reader = threading.Thread(target=self.listen, args=(child, mark), daemon=True)
            reader.start()
            killer = threading.Timer(RUN_S, child.kill)
            killer.start()
            self.output = child.stdout.read()
            reader.join()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = self.code = os.waitstatus_to_exitcode(status)
            killer.cancel()
        self.wall_s = time.monotonic() - began
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.rss_mib = usage.ru_maxrss / 1024
        if self.code != 0:
            raise Failed(f"{parts[0]} ended with {self.code}:\n" + "".join(self.errors[-20:]))

    def listen(self, child, mark):
        """Keeps what is said; at the first line that holds mark, looks at the clock of the CPU."""
        for line in child.stderr:
            if mark and self.startup_cpu_s is None and mark in line:
                self.startup_cpu_s = cpu_of(child.pid)
            self.errors.append(line)


def line_of(engine, workload, events, run, more):
    return {"engine": engine, "workload": workload, "events": events,
            "cpu_s_per_M": round(run.cpu_s * 1e6 / events, 3), "rss_MiB": round(run.rss_mib),
            "wall_s": round(run.wall_s, 2), **more}


# ---------------------------------------------------------------- the engines


def run_limit(broker, workload, events, topic, options):
    kept = options.expected[workload]
    run = Measured([BIN / "limit", "-m", "txn", "-n", events, "-k", max(1, round(events / kept)),
                    "-b", BYTES_OUT[workload], "-l", "50", "-c", options.commit, "-o", topic,
                    "-s", broker.address])
    said = json.loads(run.output)
    return line_of("limit", workload, events, run,
                   {"startup_cpu_s": said["startup_cpu_s"], "out": said["out"]}), None


def run_leat(broker, workload, events, topic, options):
    stream = {"w1": "clean", "w3": "alerts"}[workload]
    sets = [f"name={topic}", f"streams.{stream}.to={topic}",
            f"commit_interval={options.commit}ms", f"worker.threads={options.threads}",
            *options.set]
    parts = [options.leat, "run", "--until-end"]
    for value in sets:
        parts += ["--set", value]
    run = Measured(parts + [ROOT / "bench" / "pipelines" / f"{workload}.json"],
                   {"KAFKA_BROKERS": broker.address}, mark="assigned")
    return line_of("leat", workload, events, run,
                   {"startup_cpu_s": round(run.startup_cpu_s, 3)}), topic


def run_kstreams(broker, workload, events, topic, options):
    state = WORK / "state"
    shutil.rmtree(state, ignore_errors=True)
    run = Measured([PEERS / "bench.sh", "ks", JAVA_WORK[workload], f"-Dn={events}", "-Deos=true",
                    f"-Dcommit={options.commit}", f"-Dthreads={options.threads}", "-Djson=stream",
                    "-Dtuned=true", f"-Dout={topic}"],
                   {"BROKERS": broker.address, "STATE": str(state)})
    said = json.loads(run.output.splitlines()[-1])
    return line_of("kstreams", workload, events, run,
                   {"startup_cpu_s": said["startup_cpu_s"],
                    "steady_cpu_s_per_M": round(said["steady_cpu_s_per_M"], 3)}), topic


ENGINES = {"limit": run_limit, "leat": run_leat, "kstreams": run_kstreams}


# ---------------------------------------------------------------- the answers


def content(workload, value):
    """What two engines must agree on in one output record."""
    if workload == "w1":  # Kafka Streams' program masks with the first 16 digits
        return tuple(value[k] for k in ("id", "t", "amt", "merchant", "cc", "fee")) + (
            value["card"][:16],)
    return tuple(value[k] for k in ("id", "card", "t", "small"))


def committed(broker, workload, topic):
    """How many records were committed, and a sum over their contents whatever their order."""
    count, total = 0, 0
    with subprocess.Popen([BIN / "dump", topic, broker.address], stdout=subprocess.PIPE) as child:
        for line in child.stdout:
            count += 1
            total += hash(content(workload, json.loads(line)))
    if child.returncode != 0:
        raise Failed(f"{topic} could not be read")
    return count, total


def check(broker, line, topic, expected, sums):
    workload = line["workload"]
    line["out"], total = committed(broker, workload, topic)
    if line["out"] != expected[workload]:
        line["wrong"] = f"expected {expected[workload]} records"
    elif sums.setdefault(workload, total) != total:
        line["wrong"] = "the same number of records as the other engine, of other content"
    return "wrong" not in line


# ---------------------------------------------------------------- the run


def prepare(options):
    say("building the peers")
    command("make", "-s", "-C", PEERS / "c", f"BUILD={BIN}", stdout=sys.stderr)
    if "kstreams" in options.engines:
        command("mvn", "-q", "-B", "-Dstyle.color=never", "-f", PEERS / "pom.xml",
                "-pl", "common,kstreams", "package", stdout=sys.stderr)
    said = json.loads(command(BIN / "expect", options.events, capture_output=True).stdout)
    options.expected = {"w1": said["etl_kept"], "w3": said["alerts"]}


def measure(broker, options):
    sums, right = {}, True
    broker.fill(options.events)
    broker.topic("bench-dead-letter")
    for turn in range(options.repeat):
        for workload in options.workloads:
            for engine in options.engines:
                topic = f"out-{engine}-{workload}-{turn}"
                broker.topic(topic)
                line, output = ENGINES[engine](broker, workload, options.events, topic, options)
                if output is not None:
                    right &= check(broker, line, output, options.expected, sums)
                line["load"] = round(os.getloadavg()[0], 1)
                print(json.dumps(line), flush=True)
    return right


def arguments():
    parser = argparse.ArgumentParser(
        prog="script/bench pipeline", description=__doc__.splitlines()[0])
    words = lambda text: text.split(",")
    parser.add_argument("--events", type=int, default=1000000, help="payments in the input")
    parser.add_argument("--engines", type=words, default=list(ENGINES), metavar="A,B",
                        help=",".join(ENGINES))
    parser.add_argument("--workloads", type=words, default=["w1", "w3"], metavar="A,B")
    parser.add_argument("--commit", type=int, default=1000, metavar="MS",
                        help="commit interval; 1000, for throughput")
    parser.add_argument("--threads", type=int, default=1, help="worker threads of an engine")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="handed on to leat run")
    parser.add_argument("--leat", default=ROOT / "build" / "pgo" / "leat",
                        help="the program to measure")
    parser.add_argument("--port", type=int, default=19392, help="of the broker")
    options = parser.parse_args()
    for engine in options.engines:
        if engine not in ENGINES:
            parser.error(f"no engine '{engine}': {', '.join(ENGINES)}")
    for workload in options.workloads:
        if workload not in JAVA_WORK:
            parser.error(f"no workload '{workload}': {', '.join(JAVA_WORK)}")
    return options


def main():
    options = arguments()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prepare(options)
    broker = Broker(options.port)
    broker.start()
    try:
        return 0 if measure(broker, options) else 1
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
