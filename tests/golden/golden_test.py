# SPDX-License-Identifier: Apache-2.0
"""Shows golden.py finding what it must: each case runs a small shell script in place of leat."""
import pathlib
import sys
import tempfile

import golden

# name, what the program does, the case's files, findings expected
CASES = [
    ("same", "cat in > out", {"in": "a\n", "expected/out": "a\n"}, False),
    ("other bytes", "echo b > out", {"expected/out": "a\n"}, True),
    ("line end", "printf a > out", {"expected/out": "a\n"}, True),
    ("not written", "true", {"expected/out": "a\n"}, True),
    ("an input is no output", "true", {"in": "a\n", "expected/out": "a\n"}, True),
    ("exit code", "exit 3", {"expected/stdout": ""}, True),
    ("expected exit code", "exit 3", {"expected/exit": "3\n"}, False),
    ("stdout", "cat", {"stdin": "x\n", "expected/stdout": "x\n"}, False),
    ("other stdout", "cat", {"stdin": "y\n", "expected/stdout": "x\n"}, True),
    ("stderr", "echo one two >&2", {"expected/stderr": "two\n"}, False),
    ("stderr lacks", "echo one >&2", {"expected/stderr": "two\n"}, True),
    ("args", 'echo "$1,$2"', {"args": "check\na b\n", "expected/stdout": "check,a b\n"}, False),
    ("default args", 'echo "$*"', {"expected/stdout": "run pipeline.json\n"}, False),
    ("nothing to compare", "true", {"expected/": ""}, True),
    ("hangs", "sleep 30", {"expected/exit": "0\n"}, True),
]


def main():
    golden.TIMEOUT_S = 2
    failed = 0
    for name, script, files, wrong in CASES:
        with tempfile.TemporaryDirectory() as folder:
            top = pathlib.Path(folder)
            program = top / "program"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            for path, text in files.items():
                file = top / "case" / path
                (file if path.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
                if not path.endswith("/"):
                    file.write_text(text)
            findings = golden.check(str(program), top / "case", top / "run")
            if bool(findings) != wrong:
                print(f"FAILED: {name}: {findings}")
                failed += 1
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
