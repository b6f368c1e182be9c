# SPDX-License-Identifier: Apache-2.0
"""Runs the checks of the project, stage by stage, and counts what passed and failed.

Each stage returns its counts; a stage that ends in an exception, in a failed command or without
having counted anything is a failure. Where a stage has nothing to do yet, that is said and counted
as skipped, never as passed. Nothing here decides what is right: the stages run the tools and tests
of the other folders. Output goes to build/test/STAGE.log; of a failed stage its end is shown.

What the tests of other folders find in their environment:
    LEAT                the program under test (golden, e2e)
    LEAT_SEED           first seed of the random tests (differential, sim)
    LEAT_KAFKA_DIR, LEAT_KAFKA_VERSION, LEAT_BOOTSTRAP    the running cluster (e2e)
A test program ends with 0 or 1; if its last line is `N passed, N failed[, N skipped]`, that is
what counts, else the program counts as one.
"""
import concurrent.futures
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test"
LAYERS = ("core", "schemas", "transforms", "cep", "worker")
KAFKA_VERSIONS = ("3.9.1", "4.1.0")
# What depends on the brokers' version; the others run on the last one (script/soak: on all).
EACH_VERSION = {"test_chaos.py", "test_failures.py", "test_log_port.py", "test_log_pitfalls.py"}
LONG = "LEAT_LONG" in os.environ     # script/soak: tests that take too long for every change
CORES = len(os.sched_getaffinity(0))
SHOWN_LINES = 60           # of a failed stage's log
COMMAND_S = 1500           # no single command of a test run takes longer


class Failed(Exception):
    """A command that failed, or a stage that could not do its work."""


class Stage:
    """One stage while it runs: its log and its counts."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped = name, 0, 0, 0
        self.path = LOGS / f"{name}.log"
        self.log = self.path.open("w")

    def say(self, text):
        self.log.write(text + "\n")
        self.log.flush()

    def run(self, *command, env=None, timeout=COMMAND_S):
        """Runs a command; its output goes to the log and is returned with its exit code."""
        self.say("$ " + " ".join(str(part) for part in command))
        try:
            done = subprocess.run(
                [str(part) for part in command], cwd=ROOT, env=os.environ | (env or {}), text=True,
                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            self.say(str(error.output or ""))
            raise Failed(f"{command[0]}: no end after {timeout} s") from None
        self.say(done.stdout)
        return done.returncode, done.stdout

    def must(self, *command, env=None):
        code, out = self.run(*command, env=env)
        if code != 0:
            raise Failed(f"{command[0]} ended with {code}")
        return out

    def build(self, preset, *targets):
        self.must(ROOT / "script" / "build", preset, *targets)

    def built(self, preset, target):
        """Whether the target could be built; if not, that is a failure, and the stage goes on."""
        code, _ = self.run(ROOT / "script" / "build", preset, target)
        if code != 0:
            self.count(False, f"{target} could not be built")
        return code == 0

    def count(self, good, what):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            self.say(f"FAILED: {what}")

    def skip(self, why):
        self.skipped += 1
        self.say(f"skipped: {why}")

    def program(self, *command, env=None):
        """Runs a test program and takes over its counts."""
        code, out = self.run(*command, env=env)
        lines = out.rstrip().rsplit("\n", 1)[-1:]
        counts = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", "".join(lines))
        if not counts:
            self.count(code == 0, f"{command[0]} ended with {code}")
            return
        passed, failed, skipped = (int(number or 0) for number in counts.groups())
        self.passed, self.skipped = self.passed + passed, self.skipped + skipped
        self.failed += failed
        if (code == 0) != (failed == 0):
            self.count(False, f"{command[0]} ended with {code} and counted {failed} failed")


def files(*patterns):
    """Files of the project, as git sees them, that match; new ones that are not ignored too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in out.splitlines() if (ROOT / name).is_file()})


def names(folder, prefix):
    """Test programs of a folder by the names of their sources, without prefix and suffix."""
    found = glob.glob(str(ROOT / folder / f"{prefix}*.c"))
    return sorted(pathlib.Path(name).stem.removeprefix(prefix) for name in found)


# ---------------------------------------------------------------- the stages, in order

def stage_format(stage):
    """clang-format leaves every C file as it is."""
    for name in files("*.c", "*.h", "*.cc"):
        code, _ = stage.run("clang-format", "--dry-run", "-Werror", name)
        stage.count(code == 0, f"{name} is not formatted: clang-format -i {name}")


def stage_tidy(stage):
    """The rules of the house, and that each of them can fail."""
    stage.program(sys.executable, "tests/run_test.py")
    stage.program(sys.executable, "tests/tidy_test.py")
    stage.program(sys.executable, "tests/tidy.py")


def local_includes(name, seen):
    """Contents of a file and of every project header it includes, as one digestible text."""
    path = ROOT / name
    if name in seen or not path.is_file():
        return
    seen[name] = path.read_bytes()
    for include in re.findall(rb'^\s*#\s*include\s+"([^"]+)"', seen[name], re.M):
        include = include.decode()
        local_includes(include, seen)
        local_includes(os.path.normpath(os.path.join(os.path.dirname(name), include)), seen)


def lint_one(stage, entry, salt):
    """clang-tidy on one file; a file that was clean in this very form is not looked at again."""
    name = os.path.relpath(entry["file"], ROOT)
    seen = {}
    local_includes(name, seen)
    digest = hashlib.sha256(salt + entry["command"].encode())
    for part in sorted(seen):
        digest.update(part.encode() + b"\0" + seen[part] + b"\0")
    clean = ROOT / "build" / "lint" / digest.hexdigest()
    if clean.exists():
        return
    code, out = stage.run("clang-tidy", "--quiet", "-p", "build/dev", name)
    if code != 0 or "warning:" in out:
        raise Failed(name)
    clean.parent.mkdir(parents=True, exist_ok=True)
    clean.touch()


def stage_lint(stage):
    """clang-tidy on every C file that is compiled, in parallel, with a cache in build/lint."""
    stage.must("cmake", "--preset", "dev")
    commands = json.loads((ROOT / "build/dev/compile_commands.json").read_text())
    entries = {e["file"]: e for e in commands}
    salt = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    for name in files("*.clang-tidy"):
        salt += (ROOT / name).read_bytes()
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        jobs = [(name, pool.submit(lint_one, stage, entry, salt))
                for name, entry in sorted(entries.items())]
        for name, job in jobs:
            stage.count(job.exception() is None, f"clang-tidy: {os.path.relpath(name, ROOT)}")


def run_unit(stage, preset, env):
    if not names("tests/unit", ""):
        stage.skip("there are no unit tests")
        return
    stage.build(preset, "unit")
    code, out = stage.run(f"build/{preset}/unit", f"-j{CORES}", "--ascii", "--timeout", "120",
                          env=env)
    counts = re.findall(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)",
                        out)
    if not counts:
        raise Failed(f"the unit tests ended with {code} before their summary")
    tested, passing, failing, crashing = (int(number) for number in counts[-1])
    stage.passed += passing
    stage.failed += failing + crashing
    if tested != passing + failing + crashing or (code == 0) != (failing + crashing == 0):
        stage.count(False, f"unit tests: exit code {code} does not fit {counts[-1]}")


def stage_unit(stage):
    """Unit tests as they come."""
    run_unit(stage, "dev", {})


def stage_asan(stage):
    """Unit tests under ASan and UBSan. Criterion ignores a leak, so the reports are looked for."""
    with tempfile.TemporaryDirectory() as reports:
        options = f"log_path={reports}/report:detect_stack_use_after_return=1"
        run_unit(stage, "asan", {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"})
        found = sorted(pathlib.Path(reports).iterdir())
        for report in found:
            stage.say(report.read_text(errors="replace"))
        if stage.passed or found:
            stage.count(not found, f"{len(found)} sanitizer reports in the unit tests")


def stage_golden(stage):
    """Pipelines over files against their expected output, examples included; also under ASan."""
    stage.program(sys.executable, "tests/golden/golden_test.py")
    if not (ROOT / "worker/main.c").exists():
        stage.skip("there is no program yet")
        return
    for preset in ("dev", "asan"):
        stage.build(preset, "leat")
        stage.program(sys.executable, "tests/golden/golden.py", f"build/{preset}/leat")
        stage.program(sys.executable, "tests/golden/patterns_doc.py", f"build/{preset}/leat")


def conformance(stage, kind, cases):
    """A file of cases. What fails must be just what departures.txt beside it names, with reasons:
    a further failure fails, and so does a departure that passes by now and is still listed."""
    listed = ROOT / "tests/conformance" / kind / "departures.txt"
    known = set()
    if listed.exists():
        ids = (line.split("#")[0].strip() for line in listed.read_text().splitlines())
        held = {json.loads(line)["id"] for line in (ROOT / cases).read_text().splitlines() if line}
        known = {name for name in ids if name} & held
    code, out = stage.run("script/conformance", kind, cases)
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed", out.rstrip().rsplit("\n", 1)[-1])
    failing = set(re.findall(r"^failed: (\S+)", out, re.M))
    if not counts or (code == 0) != (int(counts[2]) == 0):
        stage.count(False, f"{cases}: ended with {code} and no fitting counts")
        return
    stage.passed += int(counts[1])
    if not known:
        stage.failed += int(counts[2])
        return
    if len(failing) != int(counts[2]):
        stage.count(False, f"{cases}: {counts[2]} failed, but {len(failing)} are named")
    for name in sorted(failing - known):
        stage.count(False, f"{cases}: {name}")
    for name in sorted(known - failing):
        stage.count(False, f"{cases}: {name} passes: take it out of departures.txt")
    stage.skipped += len(known & failing)


def stage_conformance(stage):
    """The case files of the expression language and of patterns."""
    for kind in ("cel", "cep"):
        if not (ROOT / f"tests/conformance/conformance_{kind}.c").exists():
            stage.skip(f"there is no conformance_{kind}.c yet")
            continue
        for cases in files(f"tests/conformance/{kind}/*.jsonl"):
            conformance(stage, kind, cases)


def stage_differential(stage):
    """The matcher against the oracle on random patterns and streams; also under ASan."""
    cases = files("tests/differential/cases/*.jsonl")
    seed = os.environ.get("LEAT_SEED", "1")
    counts = (("pgo", 100000), ("asan", 10000)) if LONG else (("dev", 20000), ("asan", 4000))
    for preset, count in counts:
        stage.build(preset, "differential")
        stage.program(f"build/{preset}/differential", *cases)
        stage.program(f"build/{preset}/differential", "--seed", seed, "--count", count)


def stage_sim(stage):
    """Simulated fleets, seed by seed; also under ASan."""
    seed = os.environ.get("LEAT_SEED", "1")
    counts = (("pgo", 20000), ("asan", 4000)) if LONG else (("dev", 1000), ("asan", 300))
    for name in names("tests/sim", "sim_"):
        for preset, count in counts:
            if stage.built(preset, f"sim_{name}"):
                stage.program(f"build/{preset}/sim_{name}", "--seed", seed, "--count", count)


def stage_fuzz(stage):
    """Every harness over its corpus under ASan; a harness without corpus is a failure."""
    for name in names("tests/fuzz", "fuzz_"):
        if not stage.built("asan", f"fuzz_{name}"):
            continue
        corpus = ROOT / "tests/fuzz/corpus" / name
        if not corpus.is_dir() or not any(corpus.iterdir()):
            stage.count(False, f"fuzz_{name} has no corpus in tests/fuzz/corpus/{name}")
            continue
        program = f"build/asan/fuzz_{name}"
        code, _ = stage.run(program, corpus)
        if code != 0:
            stage.run(program, "-v", corpus)         # the last name printed is the culprit
        stage.count(code == 0, f"replay of tests/fuzz/corpus/{name}")


def stage_race(stage):
    """Programs with threads under TSan."""
    for name in names("tests/race", ""):
        target = name if name.startswith("race_") else f"race_{name}"
        if stage.built("tsan", target):
            stage.program(f"build/tsan/{target}", env={"TSAN_OPTIONS": "halt_on_error=1"})


def free_ports():
    """First of a run of ports that a cluster can have, so that two test runs do not meet."""
    for first in random.sample(range(20000, 30000, 40), 50):
        try:
            for port in range(first, first + 30):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise Failed("no 30 free ports in a row between 20000 and 30000")


def stage_e2e(stage):
    """The release program against real Kafka clusters, one version after the other."""
    tests = files("tests/e2e/test_*.py")
    if not tests:
        stage.skip("there are no end-to-end tests yet")
        return
    preset = "pgo" if LONG else "release"
    stage.build(preset, "leat")
    for version in KAFKA_VERSIONS:
        with tempfile.TemporaryDirectory(prefix="leat-kafka-") as folder:
            env = {"LEAT": str(ROOT / f"build/{preset}/leat"), "LEAT_KAFKA_VERSION": version,
                   "LEAT_KAFKA_DIR": f"{folder}/cluster", "PYTHONUNBUFFERED": "1"}
            cluster = ROOT / "tests/kafka/cluster"
            try:
                out = stage.must(cluster, "start", "3", "--port", free_ports(), env=env)
                env["LEAT_BOOTSTRAP"] = out.strip().rsplit("\n", 1)[-1]
                for test in tests:
                    everywhere = LONG or pathlib.Path(test).name in EACH_VERSION
                    if not everywhere and version != KAFKA_VERSIONS[-1]:
                        continue
                    stage.say(f"== {test} on Kafka {version}")
                    stage.program(sys.executable, test, env=env)
            finally:
                stage.run(cluster, "stop", env=env)


def image_sources(stage, folder):
    """A copy of what docker/Dockerfile copies into the image that compiles."""
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "docker/Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] != ["COPY"] or words[1].startswith("--"):
            continue
        for name in words[1:-1]:
            stage.count(f"!{name}" in allowed, f".dockerignore keeps {name} from the image")
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)


def image_libraries(stage):
    """What the program is linked with is installed in the image that ships."""
    stage.build("release", "leat")
    out = stage.must("readelf", "-d", "build/release/leat")
    installed = (ROOT / "docker/Dockerfile").read_text().rpartition("FROM")[2].split()
    installed += ["libc6", "libgcc-s1", "libstdc++6"]  # of every Debian, and of RE2's package
    for library in re.findall(r"NEEDED.*\[(.*)\]", out):
        packages = re.findall(r"^(\S+?)[:,]", stage.must("dpkg", "-S", f"*/{library}"), re.M)
        stage.count(any(package in installed for package in packages),
                    f"docker/Dockerfile installs no {library} ({', '.join(packages)})")


def image(stage):
    """The image's sources are all that its program needs; script/soak compiles it from them."""
    with tempfile.TemporaryDirectory(prefix="leat-image-") as name:
        folder = pathlib.Path(name)
        image_sources(stage, folder)
        steps = [["script/build", "pgo"], ["build/pgo/leat", "--version"]]
        if not LONG:  # every target of the two builds is known, and every file that it is made of
            steps = [["cmake", "--preset", preset] for preset in ("training", "pgo")]
            steps += [["ninja", "-n", "-C", "build/training", "leat", "bench_all"],
                      ["ninja", "-n", "-C", "build/pgo", "leat"]]
        for step in steps:
            code, _ = stage.run("env", "-C", folder, *step)
            stage.count(code == 0, f"the image is not built: {' '.join(step)}")


def stage_deploy(stage):
    """Scripts, image recipe and chart, as far as the tools for it are at hand."""
    for name in files("script/*", ".ci/*", "docker/*.sh"):
        python = name.endswith(".py")
        check = [sys.executable, "-m", "py_compile"] if python else ["sh", "-n"]
        code, _ = stage.run(*check, name)
        stage.count(code == 0, f"{name}: syntax")
    image(stage)
    image_libraries(stage)
    if shutil.which("helm") is None:
        stage.skip("helm is not installed: the chart is not rendered")
        return
    kube = ("--kube-version", "1.34.0")
    for values in files("helm/ci/*.yaml"):
        for command in (("lint", "--strict", "helm"), ("template", "leat", "helm")):
            code, _ = stage.run("helm", *command, *kube, "-f", values)
            stage.count(code == 0, f"helm {command[0]} with {values}")
    code, _ = stage.run("helm", "template", "leat", "helm", *kube)
    stage.count(code != 0, "a chart without a pipeline is refused")


STAGES = {name.removeprefix("stage_"): function for name, function in list(globals().items())
          if name.startswith("stage_")}


def run_stage(name):
    stage = Stage(name)
    begin = time.monotonic()
    try:
        STAGES[name](stage)
    except Failed as error:
        stage.count(False, str(error))
    except Exception as error:  # pylint: disable=broad-except # a broken stage must not end the run
        stage.count(False, f"{type(error).__name__}: {error}")
    if not stage.passed + stage.failed + stage.skipped:
        stage.skip("nothing to run yet")
    stage.log.close()
    counts = f"{stage.passed} passed, {stage.failed} failed, {stage.skipped} skipped"
    print(f"{name:12} {counts} in {time.monotonic() - begin:.1f} s", flush=True)
    lines = stage.path.read_text().splitlines()
    if stage.failed:
        for line in lines[-SHOWN_LINES:]:
            print("    " + line)
        failures = [line for line in lines[:-SHOWN_LINES] if line.startswith("FAILED: ")]
        for line in failures[-SHOWN_LINES:]:
            print("    " + line)
        print(f"    (all of it: {stage.path.relative_to(ROOT)})")
    for line in lines:
        if line.startswith("skipped: "):
            print("    " + line)
    return stage


def main():
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        for name, function in STAGES.items():
            print(f"{name:12} {function.__doc__.splitlines()[0]}")
        return 0
    unknown = [name for name in wanted if name not in STAGES]
    if unknown:
        print(f"no such stage: {unknown[0]}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    stages = [run_stage(name) for name in wanted or STAGES]
    passed, failed, skipped = (sum(getattr(stage, what) for stage in stages)
                               for what in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
