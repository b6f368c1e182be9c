# SPDX-License-Identifier: Apache-2.0
"""Runs the examples of docs/PATTERNS.md: a pattern, events, and the matches that the page promises.

    patterns_doc.py PROGRAM [--show]

An example is a block of `json` with a whole pattern, followed by a block of `text`:
    events   a1 b2=5 a3@x     kind and time in ms, then the field v, and the field k, the key
    matches  a1 b2            the events of one match, by time; a line for each, in order
             timeout 9: a1    what had run out, and when
             none             there is no match
    emits    {"n": 2}         what the matches emit beside the events, a line for each (optional)
    dead     a3               events that go to the dead letter (optional)
--show prints what came out instead of comparing.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "PATTERNS.md"
BLOCKS = re.compile(r"```json\n((?:(?!```).)*?)```\n+```text\n(.*?)```", re.DOTALL)
WORD = re.compile(r"([a-z]+)(\d+)(?:=(-?[\w.]+))?(?:@(\w+))?$")
FIELDS = {"pattern", "version", "key", "severity", "tags", "start", "end", "timed_out", "match_id",
          "events"}
WORDS = ("events", "matches", "emits", "dead")


def sections(text):
    """The lines of each word; a line without one goes on with the word before."""
    found, word = {}, None
    for line in text.splitlines():
        head, _, rest = line.partition(" ")
        if head in WORDS:
            word, line = head, rest
        if word is None:
            raise ValueError(f"what is '{line}'?")
        found.setdefault(word, []).append(line.strip())
    return found


def event(word):
    match = WORD.match(word)
    if match is None:
        raise ValueError(f"'{word}' is no event")
    kind, time, value, key = match.groups()
    made = {"id": word, "kind": kind, "t": int(time), "k": key or "-"}
    if value is not None:
        made["v"] = json.loads(value) if re.match(r"-?[\d.]+$", value) else value
    return made


def run(program, pattern, words, folder):
    """What comes out: matches, emits, dead letters, as lines of the page."""
    pipeline = {
        "name": "example",
        "sources": {"in": {"file": "in.jsonl", "timestamp": "t", "key": "k"}},
        "streams": {"out": {"from": "in", "steps": [{"detect": {"patterns": ["pattern.json"]}}],
                            "to": {"file": "out.jsonl"}}},
        "dead_letter": {"file": "dead.jsonl"}}
    (folder / "pipeline.json").write_text(json.dumps(pipeline))
    (folder / "pattern.json").write_text(pattern)
    (folder / "in.jsonl").write_text("".join(json.dumps(event(w)) + "\n" for w in words))
    done = subprocess.run([program, "run", "pipeline.json"], cwd=folder, capture_output=True,
                          text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ValueError(f"it ended with {done.returncode}: {done.stderr}")
    alerts = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    dead = [json.loads(line) for line in (folder / "dead.jsonl").read_text().splitlines()]
    got = {"matches": [], "emits": [], "dead": []}
    for alert in alerts:
        taken = sorted((e for step in alert["events"].values() for e in step),
                       key=lambda e: e["t"])  # of one time: by step
        line = " ".join(e["id"] for e in taken)
        got["matches"].append(f"timeout {alert['timed_out']}: {line}" if "timed_out" in alert
                              else line)
        got["emits"].append({k: v for k, v in alert.items() if k not in FIELDS})
    got["matches"] = got["matches"] or ["none"]
    got["dead"] = [json.loads(letter["value"])["id"] for letter in dead]
    return got


def check(program, pattern, text):
    want = sections(text)
    with tempfile.TemporaryDirectory() as folder:
        got = run(program, pattern, " ".join(want["events"]).split(), pathlib.Path(folder))
    findings = []
    if got["matches"] != want.get("matches"):
        findings.append(f"matches {got['matches']}, the page says {want.get('matches')}")
    if "emits" in want and got["emits"] != [json.loads(line) for line in want["emits"]]:
        findings.append(f"emits {got['emits']}, the page says {want['emits']}")
    if got["dead"] != " ".join(want.get("dead", [])).split():
        findings.append(f"dead letters {got['dead']}, the page says {want.get('dead', [])}")
    return got, findings


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    show = "--show" in sys.argv[2:]
    failed, examples = 0, BLOCKS.findall(PAGE.read_text())
    for pattern, text in examples:
        try:
            got, findings = check(program, pattern, text)
        except (ValueError, KeyError) as error:
            got, findings = None, [str(error)]
        if show:
            print(pattern + text, got)
        elif findings:
            failed += 1
            print(f"{PAGE.name}:\n{pattern}{text}  " + "\n  ".join(findings))
    if len(examples) < 20:
        print(f"only {len(examples)} examples were found in {PAGE.name}")
        failed += 1
    print(f"{len(examples) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
