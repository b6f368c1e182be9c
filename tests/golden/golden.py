# SPDX-License-Identifier: Apache-2.0
"""Golden tests: pipelines over files, compared with their expected output byte by byte.

    golden.py PROGRAM [--bless] [FOLDER...]

A case is a folder with an `expected` folder in it, below tests/golden or examples:
    pipeline.json    what is run, as `PROGRAM run pipeline.json`
    args             replaces these arguments (`run pipeline.json`), one a line
    stdin            what the program reads; absent: nothing
    anything else    inputs, which the pipeline finds by relative paths
    expected/        the files that must be there after the run, same names, same bytes; besides
      stdout         what it prints (absent: not looked at)
      exit           its exit code (absent: 0)
      stderr         lines that must occur in what it says, each somewhere
The case is copied into a fresh folder and runs there. --bless writes what came out as the new
`expected` (files that are there already, stdout, exit); read the diff before you commit it.
"""
import concurrent.futures
import difflib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 60
DIFF_LINES = 20
SPECIAL = ("stdout", "exit", "stderr")


def cases(folders):
    roots = [pathlib.Path(f).resolve() for f in folders] or [ROOT / "tests/golden",
                                                             ROOT / "examples"]
    return sorted({path.parent for root in roots for path in root.rglob("expected")
                   if path.is_dir()})


def execute(program, case, folder):
    """Runs the case in a copy of it; (exit code, stdout, stderr)."""
    shutil.copytree(case, folder, ignore=shutil.ignore_patterns("expected"))
    arguments = ["run", "pipeline.json"]
    if (case / "args").exists():
        arguments = (case / "args").read_text().splitlines()
    feed = (case / "stdin").read_bytes() if (case / "stdin").exists() else b""
    try:
        done = subprocess.run([program, *arguments], cwd=folder, input=feed, capture_output=True,
                              timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None, b"", f"no end after {TIMEOUT_S} s".encode()
    return done.returncode, done.stdout, done.stderr


def difference(name, want, got):
    if want == got:
        return []
    lines = difflib.unified_diff(
        want.decode(errors="backslashreplace").splitlines(),
        got.decode(errors="backslashreplace").splitlines(),
        f"expected/{name}", str(name), lineterm="", n=1)
    shown = list(lines)
    rest = [f"... {len(shown) - DIFF_LINES} lines more"] if len(shown) > DIFF_LINES else []
    return shown[:DIFF_LINES] + rest or [f"{name} differs in its line ends"]


def check(program, case, folder):
    """What is wrong with the case's outcome, line by line; nothing if it is as expected."""
    code, out, words = execute(program, case, folder)
    expected = case / "expected"
    if code is None:
        return [words.decode()]
    findings = []
    want = int((expected / "exit").read_text()) if (expected / "exit").exists() else 0
    if code != want:
        findings += [f"exit code {code}, expected {want}"]
        findings += words.decode(errors="replace").splitlines()[-DIFF_LINES:]
    if (expected / "stdout").exists():
        findings += difference("stdout", (expected / "stdout").read_bytes(), out)
    if (expected / "stderr").exists():
        said = words.decode(errors="replace")
        findings += [f"stderr lacks: {line}" for line in
                     (expected / "stderr").read_text().splitlines() if line not in said]
    compared = [path for path in sorted(expected.rglob("*")) if path.is_file()]
    if not compared:
        findings.append("expected/ is empty: nothing would be compared")
    for path in compared:
        name = path.relative_to(expected)
        if str(name) in SPECIAL:
            continue
        if not (folder / name).is_file():
            findings.append(f"{name} was not written")
            continue
        findings += difference(name, path.read_bytes(), (folder / name).read_bytes())
    return findings


def bless(program, case, folder):
    """Writes the outcome as the expectation. An empty `expected` gets stdout and every new file."""
    code, out, words = execute(program, case, folder)
    if code is None:
        return [words.decode()]
    expected = case / "expected"
    known = [path.relative_to(expected) for path in expected.rglob("*") if path.is_file()]
    if not known:
        given = {path.relative_to(case) for path in case.rglob("*")}
        known = [path.relative_to(folder) for path in folder.rglob("*")
                 if path.is_file() and path.relative_to(folder) not in given]
        known += [pathlib.Path("stdout")] if out else []
    for name in known:
        (expected / name).parent.mkdir(parents=True, exist_ok=True)
        if str(name) == "stdout":
            (expected / name).write_bytes(out)
        elif str(name) not in SPECIAL and (folder / name).is_file():
            shutil.copyfile(folder / name, expected / name)
    if code != 0:
        (expected / "exit").write_text(f"{code}\n")
    return []


def run(work, program, case):
    with tempfile.TemporaryDirectory(prefix="leat-golden-") as folder:
        return work(program, case, pathlib.Path(folder) / case.name)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--bless"]
    work = bless if "--bless" in sys.argv else check
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    program, found = str(pathlib.Path(arguments[0]).resolve()), cases(arguments[1:])
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [(case, pool.submit(run, work, program, case)) for case in found]
        for case, job in jobs:
            findings = job.result()
            failed += bool(findings)
            if findings:
                print(f"FAILED: {os.path.relpath(case, ROOT)}")
                print("\n".join("    " + line for line in findings))
    if not found:
        print("FAILED: there is no golden test")
        failed = 1
    print(f"{max(len(found) - failed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
