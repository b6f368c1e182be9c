# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that no compiler checks. `tidy.py` looks at every file that git knows.

A rule is a function from a tree ({path: text}) to findings (path, line, message), and knows nothing
of the disk, so that tidy_test.py can show each of them a bad sample. Text is matched with comments
and literals blanked out, where a rule is about code. No parser: clang-format has made function
bodies begin and end at the first column, and that is all the structure needed here.
"""
import fnmatch
import os
import pathlib
import re
import subprocess
import sys

LAYERS = ("core", "schemas", "transforms", "cep", "worker")
FUNCTION_LINES, FILE_LINES, COLUMNS = 70, 600, 100
ESSAY_LINES, ESSAY_SMALL = (5, 30), 60  # a smaller file may say it in two lines
ASSERTS_PER_1000 = 15

# The step interpreter: one switch, read from top to bottom.
LONG_FUNCTIONS = {("transforms/expr_eval.c", "expr_run")}

STANDARD_HEADERS = set("""
assert ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string threads time uchar wchar wctype
dirent dlfcn fcntl fnmatch getopt glob netdb poll pthread pwd sched semaphore strings syslog
termios unistd regex execinfo malloc immintrin emmintrin smmintrin nmmintrin tmmintrin x86intrin
cpuid arm_neon endian byteswap linux/futex
""".split())
CPP_HEADERS = set("cstddef cstdint cstring memory new string string_view vector utility".split())

BANNED = {
    "strcpy": "leat_buf", "strcat": "leat_buf", "strncpy": "memcpy", "strncat": "leat_buf",
    "sprintf": "snprintf or leat_buf", "vsprintf": "vsnprintf", "gets": "fgets",
    "strtok": "leat_str", "atoi": "leat_str", "atol": "leat_str", "atoll": "leat_str",
    "atof": "leat_str", "localtime": "core/time.h", "gmtime": "core/time.h",
    "ctime": "core/time.h", "asctime": "core/time.h", "mktime": "core/time.h",
    "rand": "a seeded generator", "srand": "a seeded generator", "alloca": "an arena",
    "longjmp": "leat_code", "setjmp": "leat_code",
}
HEAP = ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign "
        "aligned_alloc").split()
HEAP_OWNERS = {"core/mem.c"}
HEAP_ALLOWED = {"worker/cmd_eval.c": {"free"},         # of a line that getline allocated
                "worker/dlq.c": {"free"}, "worker/eval_repl.c": {"free"},
                "worker/line_editor.c": {"free", "strndup"}}  # what libedit takes and gives
GLOBALS_ALLOWED = {"worker/line_editor.c"}             # libedit's callbacks get no context
OUTSIDE = """
time clock_gettime gettimeofday clock nanosleep sleep usleep timer_create
pthread_create pthread_mutex_lock pthread_cond_wait thrd_create mtx_lock fork execve system popen
socket connect bind listen accept send recv sendto recvfrom poll select epoll_wait getaddrinfo
fopen freopen fdopen fclose fread fwrite fgets fputs fputc putchar puts printf fprintf vfprintf
vprintf perror open openat read write pread pwrite close mmap stat lstat opendir unlink rename
getenv setenv rand random getrandom exit _exit syslog
""".split()
# Last words before abort(), and the seed of the hash, which only the kernel can give.
OUTSIDE_ALLOWED = {"core/err.c": {"fprintf", "write"}, "core/mem.c": {"fprintf", "write"},
                   "core/str.c": {"getrandom"}}

SPDX = "SPDX-License-Identifier: " + "Apache-2.0"
FOREIGN = [
    (re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/"), "a path of some machine"),
    (re.compile(r"\.\./shared"), "a folder outside the project"),
    (re.compile(r"(?i)co-?author|\bissue\s*#\s*\d|\bthe C[A-Z]O\b"), "about its making, not Leat"),
]
UNREAD = ("tests/conformance/cel/", "tests/conformance/cep/", "tests/tidy", "LICENSE")


def in_product(path):
    return path.split("/")[0] in LAYERS


def is_c(path):
    return path.endswith((".c", ".h", ".cc"))


def is_ours(path):
    """Peers are measured, not maintained: only their licence line is ours to check."""
    return not path.startswith("bench/peers/")


def is_text(path):
    suffixes = (".c", ".h", ".cc", ".py", ".sh", ".def", ".cmake")
    return path.endswith(suffixes) or path.startswith(("script/", ".ci/")) \
        or path in ("CMakeLists.txt", "tests/kafka/cluster")


def blank(text):
    """C text with comments and the insides of literals turned to spaces; lines stay lines."""
    def spaces(match):
        token = match.group()
        if token.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, spaces, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, spelling, is it <...>) of each include."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)', text, re.M):
        yield line_of(text, match.start()), match.group(2), match.group(1) == "<"


def functions(text):
    """(name, first line, lines between the braces) of each function body."""
    lines = blank(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and not line.startswith("{ "):
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 8):start - 1])
            named = re.findall(r"(\w+)\s*\(", head.rsplit("}", 1)[-1].rsplit(";", 1)[-1])
            named = [n for n in named if n != "__attribute__"]
            if named:
                yield named[0], start, number - start - 1
            start = None


def calls(text, names):
    code = blank(text)
    own = set(re.findall(r"^(?:static|leat)[^\n;={]*?\b(\w+)\(", code, re.M))
    pattern = r"(?<![\w.>])(" + "|".join(map(re.escape, names)) + r")\s*\("
    for match in re.finditer(pattern, code):
        if match.group(1) not in own:      # a function of the file's own may be called `accept`
            yield line_of(code, match.start()), match.group(1)


# ---------------------------------------------------------------- the rules

def rule_include_direction(tree):
    """core <- schemas <- transforms <- cep <- worker, and spelled from the root."""
    for path in filter(is_c, filter(in_product, tree)):
        own = LAYERS.index(path.split("/")[0])
        for line, name, system in includes(tree[path]):
            layer = name.split("/")[0]
            if system:
                continue
            if layer in LAYERS and LAYERS.index(layer) > own:
                yield path, line, f"{LAYERS[own]}/ must not include {name}"
            elif layer not in LAYERS:
                yield path, line, f'"{name}": includes are spelled from the root of the tree'
            elif name not in tree:
                yield path, line, f'"{name}": no such file'


def third_party(path, name):
    stem = name.removesuffix(".h")
    known = stem in STANDARD_HEADERS or stem.split("/")[0] in ("sys", "netinet", "arpa", "net")
    return not (known or path.endswith(".cc") and name in CPP_HEADERS)


# Headers inside one module that is split into several files: they may know its library, and only
# files of that module may include them (rule_private_headers).
PRIVATE_HEADERS = {"worker/log_kafka_client.h": "worker/log_kafka",
                   "transforms/script_inside.h": "transforms/script"}


def rule_private_headers(tree):
    """A module's private header is included by the files of that module alone."""
    for path in filter(is_c, filter(in_product, tree)):
        for line, name, _ in includes(tree[path]):
            if name in PRIVATE_HEADERS and not path.startswith(PRIVATE_HEADERS[name]):
                yield path, line, f"{name} is private to {PRIVATE_HEADERS[name]}*.c"


def rule_third_party_once(tree):
    """Each third-party header is included by exactly one source file of the product."""
    users = {}
    for path in filter(is_c, filter(in_product, tree)):
        for line, name, system in includes(tree[path]):
            if system and third_party(path, name):
                users.setdefault(name, []).append((path, line))
    for name, places in sorted(users.items()):
        for path, line in places:
            others = sorted({other for other, _ in places if other != path})
            if path in PRIVATE_HEADERS:
                continue
            if path.endswith(".h"):
                yield path, line, f"<{name}> in a header: only one source file may know it"
            elif others:
                yield path, line, f"<{name}> is included by {', '.join(others)} too"


def rule_function_length(tree):
    """In the product; a test may be one long table of cases."""
    for path in filter(is_c, filter(in_product, tree)):
        for name, line, length in functions(tree[path]):
            if length > FUNCTION_LINES and (path, name) not in LONG_FUNCTIONS:
                yield path, line, f"{name} has {length} lines, {FUNCTION_LINES} are allowed"


def rule_file_length(tree):
    for path in filter(is_text, filter(is_ours, tree)):
        length = tree[path].count("\n")
        if length > FILE_LINES and path != "tests/kafka/cluster":
            yield path, FILE_LINES, f"{length} lines, {FILE_LINES} are allowed"


def rule_columns(tree):
    for path in filter(is_text, filter(is_ours, tree)):
        for number, line in enumerate(tree[path].split("\n"), 1):
            if len(line) > COLUMNS:
                yield path, number, f"{len(line)} columns, {COLUMNS} are allowed"


def rule_essay(tree):
    """A .c file opens with why it is as it is; a header with what it is."""
    for path in filter(is_c, filter(is_ours, tree)):
        match = re.match(r"/\*[^\n]*\*/\n\s*(/\*.*?\*/)", tree[path], re.S)
        length = match.group(1).count("\n") + 1 if match else 0
        if in_product(path) and not path.endswith(".h"):
            least = 2 if tree[path].count("\n") < ESSAY_SMALL else ESSAY_LINES[0]
            if not least <= length <= ESSAY_LINES[1]:
                yield path, 2, (f"opens with a comment of {length} lines; "
                                f"{least} to {ESSAY_LINES[1]} say why it is as it is")
        elif length == 0:
            yield path, 2, "opens without a comment that says what it is"


def rule_banned_calls(tree):
    for path in filter(is_c, filter(in_product, tree)):
        for line, name in calls(tree[path], BANNED):
            yield path, line, f"{name} is banned: {BANNED[name]}"


def rule_heap(tree):
    """The heap has one door."""
    for path in filter(is_c, filter(in_product, tree)):
        if path in HEAP_OWNERS:
            continue
        for line, name in calls(tree[path], HEAP):
            if name in HEAP_ALLOWED.get(path, ()):
                continue
            yield path, line, f"{name}: memory comes from core/mem.h or an arena"


def rule_pure(tree):
    """Left of worker: no clock, thread, file, socket or print."""
    for path in filter(is_c, filter(in_product, tree)):
        if path.startswith("worker/"):
            continue
        for line, name in calls(tree[path], OUTSIDE):
            if name not in OUTSIDE_ALLOWED.get(path, ()):
                yield path, line, f"{name}: only worker/ touches the outside world"


def rule_globals(tree):
    """No mutable globals, but atomics."""
    pattern = re.compile(r"^(?:static |extern )?(?!.*\b(?:const|_Atomic|typedef|return)\b)"
                         r"(?:static |extern |unsigned |struct |enum )*"
                         r"\w+(?: \*?| \*+)\w+(?:\[[^\]]*\])*\s*(?:=|;)", re.M)
    for path in filter(is_c, filter(in_product, tree)):
        code = blank(tree[path])
        for match in () if path in GLOBALS_ALLOWED else pattern.finditer(code):
            what = match.group().strip()
            if not re.fullmatch(r"(?:struct|enum|union) \w+;", what):
                yield path, line_of(code, match.start()), f"a mutable global: {what}"


def rule_licence(tree):
    for path in filter(is_text, tree):
        if SPDX not in "\n".join(tree[path].split("\n")[:3]):
            yield path, 1, f"the first lines lack `{SPDX}`"


def rule_stands_alone(tree):
    for path, text in tree.items():
        if path.startswith(UNREAD):
            continue
        for pattern, what in FOREIGN:
            for match in pattern.finditer(text):
                yield path, line_of(text, match.start()), f"{what}: {match.group()}"


def rule_registry(tree):
    """Each kind of step has its file, an example and a golden test."""
    registry = tree.get("worker/registry.def", "")
    for match in re.finditer(r"^LEAT_OPERATOR\((\w+)\)", registry, re.M):
        kind, line = match.group(1), line_of(registry, match.start())
        used = re.compile(rf'"{kind}"\s*:')
        for folder in ("examples/", "tests/golden/"):
            if not any(used.search(text) for path, text in tree.items()
                       if path.startswith(folder) and path.endswith(".json")):
                yield "worker/registry.def", line, f"no pipeline in {folder} has the step {kind}"


def rule_dead_headers(tree):
    """A header of the product that nobody includes is dead."""
    used = {name for path in filter(is_c, tree) for _, name, _ in includes(tree[path])}
    for path in filter(in_product, tree):
        if path.endswith(".h") and path not in used:
            yield path, 1, "no file includes it"


def rule_assertions(tree):
    """Boundaries are asserted: enough LEAT_ASSERT left of worker, folder by folder."""
    for layer in LAYERS[:-1]:
        sources = [p for p in tree if p.startswith(layer + "/") and p.endswith((".c", ".cc"))]
        lines = sum(tree[path].count("\n") for path in sources)
        asserts = sum(len(re.findall(r"\bLEAT_ASSERT\(", blank(tree[path]))) for path in sources)
        if lines >= 1000 and asserts * 1000 < ASSERTS_PER_1000 * lines:
            yield layer, 0, (f"{asserts} assertions in {lines} lines, "
                             f"{ASSERTS_PER_1000} in 1,000 are asked for")


def rule_links(tree):
    """What a page links to is there."""
    folders = {os.path.dirname(path) for path in tree}
    folders |= {str(up) for folder in folders for up in pathlib.PurePath(folder).parents}
    for path, text in tree.items():
        if not path.endswith(".md") or not is_ours(path):
            continue
        for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            target = match.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            there = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if there not in tree and there not in folders:
                yield path, line_of(text, match.start()), f"links to {target}, which is not there"


def rule_file_groups(tree):
    """docs/ARCHITECTURE.md names each file of the product, or a group that it belongs to, in a row
    of its folder; and no group of which there is no file."""
    page = "docs/ARCHITECTURE.md"
    stems = {}
    for path in filter(is_c, filter(in_product, tree)):
        folder, name = path.split("/", 1)
        stems.setdefault(folder, {})[name.rsplit(".", 1)[0]] = path
    for folder, names in stems.items():
        named = {}
        for row in re.finditer(rf"^\| `{folder}/`[^|\n]*\|([^|\n]*)\|$", tree.get(page, ""), re.M):
            for name in re.findall(r"`([a-z0-9_]+\*?)`", row[1]):
                named[name] = line_of(tree[page], row.start())
        for name, path in sorted(names.items()):
            if not any(fnmatch.fnmatchcase(name, group) for group in named):
                yield path, 1, f"{page} names no group of {folder}/ that it belongs to"
        for group, line in named.items():
            if not fnmatch.filter(names, group):
                yield page, line, f"there is no {folder}/{group}"


RULES = {name.removeprefix("rule_"): rule for name, rule in list(globals().items())
         if name.startswith("rule_")}


def load(root):
    """Every text file that git knows or would take up, by its path."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    tree = {}
    for path in sorted(set(out.decode().split("\0")) - {""}):
        file = root / path
        if not file.is_file() or path.startswith("tests/fuzz/corpus/"):
            continue
        data = file.read_bytes()
        if b"\0" not in data[:8000]:
            tree[path] = data.decode("utf-8", errors="replace")
    return tree


def main():
    tree = load(pathlib.Path(__file__).resolve().parent.parent)
    wanted = sys.argv[1:] or list(RULES)
    failed = 0
    for name in wanted:
        findings = list(RULES[name](tree))
        failed += bool(findings)
        for path, line, message in findings:
            print(f"{path}:{line}: {message} [{name}]")
        if findings:
            print(f"FAILED: {name}: {len(findings)} findings")
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
