# SPDX-License-Identifier: Apache-2.0
"""Shows that run.py hides no failure: programs and stages that fail in every way it knows."""
import contextlib
import io
import pathlib
import sys
import tempfile

import run

# name, shell program, (passed, failed, skipped)
PROGRAMS = [
    ("silent success", "true", (1, 0, 0)),
    ("silent failure", "exit 1", (0, 1, 0)),
    ("killed", "kill -SEGV $$", (0, 1, 0)),
    ("counts", "echo text; echo 7 passed, 0 failed", (7, 0, 0)),
    ("counts with skipped", "echo 7 passed, 0 failed, 2 skipped", (7, 0, 2)),
    ("counted failures", "echo 7 passed, 2 failed; exit 1", (7, 2, 0)),
    ("failures, but exit 0", "echo 7 passed, 2 failed", (7, 3, 0)),
    ("no failures, but exit 1", "echo 7 passed, 0 failed; exit 1", (7, 1, 0)),
    ("counts are not the last line", "echo 7 passed, 0 failed; echo oops; exit 1", (0, 1, 0)),
]


def raises(_):
    raise KeyError("a bug of the stage")


# name, stage, (passed, failed, skipped)
STAGES = [
    ("a bug", raises, (0, 1, 0)),
    ("a failed build", lambda stage: stage.must("false"), (0, 1, 0)),
    ("no such program", lambda stage: stage.run("/no/such/program"), (0, 1, 0)),
    ("does not end", lambda stage: stage.run("sleep", "9", timeout=0.2), (0, 1, 0)),
    ("counts nothing", lambda stage: None, (0, 0, 1)),
    ("passes, then fails", lambda stage: (stage.count(True, "a"), stage.count(False, "b")),
     (1, 1, 0)),
]

# name, ids that departures.txt names, ids that fail of a b c, (passed, failed, skipped)
DEPARTURES = [
    ("all pass", "", "", (3, 0, 0)),
    ("a known departure", "b", "b", (2, 0, 1)),
    ("one of another file of cases", "z", "b", (2, 1, 0)),
    ("one more fails", "b", "bc", (1, 1, 1)),
    ("one is gone", "bc", "b", (2, 1, 1)),
]


def departures(listed, failing):
    """The stage of conformance over three cases, with a program that fails the given ones."""
    def stage_of_cases(stage):
        beside = run.ROOT / "tests" / "conformance" / "kind"
        beside.mkdir(parents=True)
        (beside / "departures.txt").write_text("".join(f"{name} # why\n" for name in listed))
        (beside / "cases.jsonl").write_text("".join(f'{{"id": "{name}"}}\n' for name in "abc"))
        script = run.ROOT / "script" / "conformance"
        script.parent.mkdir()
        lines = ["#!/bin/sh", *(f"echo failed: {name}" for name in failing),
                 f"echo {3 - len(failing)} passed, {len(failing)} failed",
                 f"exit {1 if failing else 0}"]
        script.write_text("\n".join(lines))
        script.chmod(0o755)
        run.conformance(stage, "kind", "tests/conformance/kind/cases.jsonl")
    return stage_of_cases


def outcome(function):
    """Counts of a stage, and the exit code that a run of it alone would have."""
    with tempfile.TemporaryDirectory() as folder:
        run.LOGS, run.STAGES = pathlib.Path(folder), {"stage": function}
        run.ROOT = run.LOGS
        sys.argv = ["run.py", "stage"]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = run.main()
        last = said.getvalue().strip().split("\n")[-1]
        counts = [int(word) for word in last.replace(",", "").split() if word.isdigit()]
        return tuple(counts + [0] * (3 - len(counts))), code


def main():
    cases = [(name, lambda stage, text=text: stage.program("sh", "-c", text), want)
             for name, text, want in PROGRAMS] + STAGES
    cases += [(f"departures: {name}", departures(listed, failing), want)
              for name, listed, failing, want in DEPARTURES]
    failed = 0
    for name, function, want in cases:
        counts, code = outcome(function)
        if counts != want or (code == 0) != (want[1] == 0):
            print(f"FAILED: {name}: want {want}, got {counts} and exit code {code}")
            failed += 1
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
