# SPDX-License-Identifier: Apache-2.0
"""Shows every rule of tidy.py one tree that it must refuse and one that it must let pass."""
import sys

import tidy

HEAD = "/* " + tidy.SPDX + " */\n"
ESSAY = "/* A file that says\n * why\n * it is\n * as it\n * is. */\n"


def function(lines):
    return "int long_one(int a)\n{\n" + "    a++;\n" * lines + "}\n"


# rule: (name, tree, number of findings)
CASES = {
    "include_direction": [
        ("right to left", {"core/a.c": '#include "worker/b.h"\n', "worker/b.h": ""}, 1),
        ("to the left neighbour", {"cep/a.c": '#include "core/b.h"\n', "core/b.h": ""}, 0),
        ("not from the root", {"core/a.c": '#include "b.h"\n', "core/b.h": ""}, 1),
        ("not there", {"core/a.c": '#include "core/b.h"\n'}, 1),
        ("tests may", {"tests/unit/a.c": '#include "worker/b.h"\n'}, 0),
    ],
    "third_party_once": [
        ("two users", {"core/a.c": "#include <jansson.h>\n",
                       "worker/b.c": "#include <jansson.h>\n"}, 2),
        ("one user", {"core/a.c": "#include <jansson.h>\n#include <sys/stat.h>\n",
                      "core/b.c": "#include <sys/stat.h>\n#include <string.h>\n"}, 0),
        ("in a header", {"core/a.h": "#include <jansson.h>\n"}, 1),
        ("C++ library", {"core/a.cc": "#include <memory>\n",
                         "core/b.cc": "#include <memory>\n"}, 0),
        ("tests may", {"core/a.c": "#include <jansson.h>\n",
                       "tests/unit/b.c": "#include <jansson.h>\n"}, 0),
    ],
    "private_headers": [
        ("a stranger", {"worker/shard.c": '#include "worker/log_kafka_client.h"\n'}, 1),
        ("its own", {"worker/log_kafka_commit.c": '#include "worker/log_kafka_client.h"\n'}, 0),
    ],
    "file_groups": [
        ("none", {"core/a.c": ""}, 1),
        ("another folder's", {"core/a.c": "", "docs/ARCHITECTURE.md": "| `cep/` | `a` is |\n"}, 1),
        ("named", {"core/a.c": "", "core/a_b.h": "",
                   "docs/ARCHITECTURE.md": "| `core/` more | `a` is; `a_*` are |\n"}, 0),
        ("gone", {"core/a.c": "", "docs/ARCHITECTURE.md": "| `core/` | `a`, `b*` |\n"}, 1),
    ],
    "function_length": [
        ("71 lines", {"core/a.c": function(71)}, 1),
        ("70 lines", {"core/a.c": function(70)}, 0),
        ("a test may", {"tests/unit/a.c": function(90)}, 0),
        ("after another", {"core/a.c": function(3) + "\n" + function(80)}, 1),
        ("the interpreter", {path: f"int {name}(int a)\n" + function(90).split("\n", 1)[1]
                             for path, name in tidy.LONG_FUNCTIONS}, 0),
        ("another in its file", {path: function(90) for path, _ in tidy.LONG_FUNCTIONS}, 1),
        ("a table", {"core/a.c": "static const int t[] =\n{\n" + "1,\n" * 90 + "};\n"}, 0),
    ],
    "file_length": [
        ("601 lines", {"core/a.c": "\n" * 601}, 1),
        ("600 lines", {"core/a.c": "\n" * 600}, 0),
        ("a data file", {"examples/a.jsonl": "\n" * 9000}, 0),
    ],
    "columns": [
        ("101", {"core/a.c": "x" * 101 + "\n"}, 1),
        ("100", {"core/a.c": "x" * 100 + "\n"}, 0),
        ("python too", {"tests/a.py": "x" * 101 + "\n"}, 1),
    ],
    "essay": [
        ("none", {"core/a.c": HEAD + "#include <string.h>\n"}, 1),
        ("too short", {"core/a.c": HEAD + "/* Short,\n * for so much. */\n" + "\n" * 60}, 1),
        ("short in a small file", {"core/a.c": HEAD + "/* Short,\n * for this. */\n"}, 0),
        ("too long", {"core/a.c": HEAD + "/* Long.\n" + " * x\n" * 40 + " */\n"}, 1),
        ("good", {"core/a.c": HEAD + ESSAY}, 0),
        ("header without", {"core/a.h": HEAD + "#ifndef A\n"}, 1),
        ("header with", {"core/a.h": HEAD + "/* What it is. */\n"}, 0),
        ("test without", {"tests/unit/a.c": HEAD + "int x;\n"}, 1),
    ],
    "banned_calls": [
        ("strcpy", {"core/a.c": "    strcpy(a, b);\n"}, 1),
        ("in a comment", {"core/a.c": "/* strcpy(a, b) */ // atoi(x)\n"}, 0),
        ("in a text", {"core/a.c": '    f("atoi(x)");\n'}, 0),
        ("a longer name", {"core/a.c": "    leat_strcpy(a, b); t->atoi(1);\n"}, 0),
        ("tests may", {"tests/unit/a.c": "    rand();\n"}, 0),
    ],
    "heap": [
        ("malloc", {"cep/a.c": "    x = malloc(3);\n"}, 1),
        ("free", {"worker/a.c": "    free(x);\n"}, 1),
        ("getline's", {"worker/cmd_eval.c": "    free(line);\n"}, 0),
        ("not this one", {"worker/cmd_eval.c": "    x = malloc(3);\n"}, 1),
        ("behind the door", {"core/mem.c": "    x = malloc(3);\n"}, 0),
        ("ours", {"worker/a.c": "    leat_mem_free(x); doc->free(x);\n"}, 0),
    ],
    "pure": [
        ("clock", {"transforms/a.c": "    clock_gettime(CLOCK_REALTIME, &t);\n"}, 1),
        ("file", {"core/a.c": '    f = fopen("a", "r");\n'}, 1),
        ("thread", {"cep/a.c": "    pthread_create(&t, NULL, f, NULL);\n"}, 1),
        ("worker may", {"worker/a.c": '    f = fopen("a", "r");\n'}, 0),
        ("last words", {"core/err.c": '    fprintf(stderr, "x");\n'}, 0),
        ("its own", {"core/a.c": "static bool accept(int a)\n{\n    return accept(a);\n}\n"}, 0),
        ("not these", {"core/err.c": '    fopen("x", "r");\n'}, 1),
    ],
    "globals": [
        ("counter", {"core/a.c": "static int counter;\n"}, 1),
        ("pointer", {"worker/a.c": "static char *name = NULL;\n"}, 1),
        ("array", {"worker/a.c": "static uint8_t seen[256];\n"}, 1),
        ("constant", {"core/a.c": "static const int table[] = {1};\n"}, 0),
        ("atomic", {"core/a.c": "static _Atomic int counter;\n"}, 0),
        ("local", {"core/a.c": "int f(void)\n{\n    int a = 0;\n    return a;\n}\n"}, 0),
        ("prototype", {"core/a.c": "static int f(int a);\n"}, 0),
        ("type", {"core/a.c": "typedef struct a a;\nstruct a;\n"}, 0),
    ],
    "licence": [
        ("without", {"core/a.c": "/* Hello. */\n"}, 1),
        ("with", {"core/a.c": HEAD}, 0),
        ("script", {"script/a": "#!/bin/sh\n# " + tidy.SPDX + "\n"}, 0),
        ("script without", {"script/a": "#!/bin/sh\n"}, 1),
    ],
    "stands_alone": [
        ("path", {"docs/a.md": "see /" + "root/x\n"}, 1),
        ("outside", {"docs/a.md": "see .." + "/shared\n"}, 1),
        ("organised", {"docs/a.md": "as issue" + " #12 says\n"}, 1),
        ("good", {"docs/a.md": "see /var/lib/leat and network/x, /homework/x\n"}, 0),
    ],
    "registry": [
        ("neither", {"worker/registry.def": "LEAT_OPERATOR(keep)\n"}, 2),
        ("both", {"worker/registry.def": "LEAT_OPERATOR(keep)\n",
                  "examples/a/pipeline.json": '{"keep": []}',
                  "tests/golden/a/p.json": '{"keep" :1}'}, 0),
        ("no golden", {"worker/registry.def": "LEAT_OPERATOR(keep)\n",
                       "examples/a/pipeline.json": '{"keep": []}'}, 1),
    ],
    "dead_headers": [
        ("dead", {"core/a.h": ""}, 1),
        ("alive", {"core/a.h": "", "core/a.c": '#include "core/a.h"\n'}, 0),
    ],
    "assertions": [
        ("none", {"core/a.c": "x\n" * 2000}, 1),
        ("enough", {"core/a.c": "LEAT_ASSERT(a);\n" * 30 + "x\n" * 1900}, 0),
        ("worker may", {"worker/a.c": "x\n" * 2000}, 0),
    ],
    "links": [
        ("dead", {"docs/a.md": "[b](b.md)\n"}, 1),
        ("alive", {"docs/a.md": "[b](../b.md#c) [f](../docs) [w](https://x.org)\n", "b.md": ""}, 0),
    ],
}


def main():
    passed = failed = 0
    for rule in sorted(set(tidy.RULES) | set(CASES)):
        cases = CASES.get(rule, [])
        wants = {min(want, 1) for _, _, want in cases}
        if rule not in tidy.RULES or wants != {0, 1}:
            print(f"FAILED: {rule}: needs a tree to refuse and one to let pass")
            failed += 1
            continue
        for name, tree, want in cases:
            findings = list(tidy.RULES[rule](tree))
            if len(findings) == want:
                passed += 1
            else:
                print(f"FAILED: {rule}: {name}: want {want} findings, got {findings}")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
