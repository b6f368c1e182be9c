/* SPDX-License-Identifier: Apache-2.0 */
/* The product's matcher against the oracle, on random patterns and streams.
 *
 *   differential [--seed N] [--count N] [--show N]   N cases from seed N on; last line the counts
 *   differential FILE...                             cases written down (case_text.c)
 *
 * What is compared is said in case_run.c. The first failures (--show) are made smaller and printed
 * as files to run again. Cases run in a child, so that one that crashes or hangs is a failure like
 * others; a hang is what takes a minute of the processor. Nothing depends on the machine or the
 * time. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/differential/case.h"

#define ARENA_BYTES   ((size_t)1 << 30)
#define FAILURES_MAX  1000
#define SHRINK_TRIES  4000
#define HANG_S        60
#define VALID_LEAST   50 /* per cent of the patterns; fewer test nothing */
#define RULED_LEAST   20
#define PAUSED_LEAST  20
#define LIMITED_LEAST 3  /* in which `limits.matches` holds some back */
#define TELLING_LEAST 40 /* per cent of the cases in which something comes out */

/* What a child tells: it lies in shared memory. */
typedef struct progress {
    uint64_t seed; /* in hand */
    uint64_t same, refused, telling, cut_short, limited, paused, ruled, results;
    size_t failures_count;
    uint64_t failures[FAILURES_MAX]; /* seeds */
} progress;

static _Noreturn void give_up(const char *where, const char *why)
{
    (void)fprintf(stderr, "differential: %s: %s\n", where, why);
    exit(2);
}

static leat_arena *new_arena(void)
{
    leat_arena *arena = NULL;
    leat_err err = {0};
    if (leat_arena_new(&arena, ARENA_BYTES, &err) != LEAT_OK) give_up("arena", err.text);
    return arena;
}

/* The process ends with a signal if it is still at it then. */
static void hang_after(time_t seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    if (setitimer(ITIMER_PROF, &timer, NULL) != 0) give_up("timer", "cannot be set");
}

/* --- many cases --- */

static void run_seeds(progress *p, uint64_t end)
{
    leat_arena *arena = new_arena();
    while (p->seed < end) {
        leat_arena_reset(arena);
        hang_after(HANG_S);
        diff_case c = diff_generate(p->seed, arena);
        diff_outcome outcome = diff_run(&c, arena);
        p->refused += outcome.verdict == DIFF_REFUSED;
        p->same += outcome.verdict == DIFF_SAME;
        p->telling += outcome.results > 0;
        p->results += outcome.results;
        p->cut_short += outcome.cut_short;
        p->limited += outcome.limited;
        p->paused += outcome.paused;
        p->ruled += outcome.ruled;
        if (outcome.verdict > DIFF_REFUSED && p->failures_count < FAILURES_MAX)
            p->failures[p->failures_count++] = p->seed;
        p->seed++;
    }
    hang_after(0);
    leat_arena_free(&arena);
}

static pid_t start_child(void)
{
    struct rlimit none = {0, 0};
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) give_up("fork", "failed");
    if (child == 0) (void)setrlimit(RLIMIT_CORE, &none);
    return child;
}

/* True: it ended by itself, with 0. */
static bool ended_well(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child) give_up("waitpid", "failed");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_all(progress *p, uint64_t end)
{
    while (p->seed < end && p->failures_count < FAILURES_MAX) {
        pid_t child = start_child();
        if (child == 0) {
            run_seeds(p, end);
            exit(0); /* not _exit: leaks are looked for */
        }
        if (ended_well(child)) continue;
        if (p->seed >= end) give_up("a child", "did not end well after its last case");
        p->failures[p->failures_count++] = p->seed++;
    }
}

/* --- one case --- */

/* In a child, as it may crash. */
static bool fails(void *self, const diff_case *c)
{
    (void)self;
    pid_t child = start_child();
    if (child == 0) {
        leat_arena *arena = new_arena();
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(3);
        hang_after(HANG_S);
        diff_verdict verdict = diff_run(c, arena).verdict;
        _exit(verdict == DIFF_SAME || verdict == DIFF_REFUSED ? 0 : 1);
    }
    return !ended_well(child);
}

/* Tells what a case does, in a child. */
static void tell(const diff_case *c)
{
    pid_t child = start_child();
    if (child == 0) {
        leat_arena *arena = new_arena();
        hang_after(HANG_S);
        diff_outcome outcome = diff_run(c, arena);
        (void)printf("%s\ngot:\n%.*swanted:\n%.*s", diff_verdict_names[outcome.verdict],
                     LEAT_STR_ARG(outcome.got), LEAT_STR_ARG(outcome.want));
        (void)fflush(stdout);
        _exit(0);
    }
    if (!ended_well(child)) (void)printf("%s\n", diff_verdict_names[DIFF_CRASHED]);
}

static void show(const diff_case *c)
{
    leat_arena *arena = new_arena();
    leat_buf text;
    leat_buf_init(&text, (size_t)1 << 24);
    diff_write(c, arena, &text);
    (void)printf("%.*s", LEAT_STR_ARG(leat_buf_str(&text)));
    leat_buf_release(&text);
    leat_arena_free(&arena);
    tell(c);
}

static void show_smallest(uint64_t seed)
{
    leat_arena *arena = new_arena();
    diff_case c = diff_generate(seed, arena);
    diff_case smallest = diff_shrink(&c, fails, NULL, SHRINK_TRIES, arena);
    (void)printf("--- seed %llu\n", (unsigned long long)seed);
    show(&smallest);
    leat_arena_free(&arena);
}

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "r");
    leat_arena *arena = new_arena();
    diff_case c;
    leat_buf text;
    int byte = 0;
    leat_buf_init(&text, (size_t)1 << 24);
    if (file == NULL) give_up(path, "cannot be read");
    while ((byte = getc(file)) != EOF)
        leat_buf_add_char(&text, (char)byte);
    (void)fclose(file);
    if (!diff_read(leat_buf_str(&text), arena, &c)) give_up(path, "is no case");
    bool good = !fails(NULL, &c);
    if (!good) {
        (void)printf("--- %s\n", path);
        show(&c);
    }
    leat_buf_release(&text);
    leat_arena_free(&arena);
    return good;
}

/* --- main --- */

static uint64_t number_of(const char *text, const char *what)
{
    char *end = NULL;
    uint64_t number = strtoull(text, &end, 10);
    if (end == text || *end != '\0') give_up(what, "needs a number");
    return number;
}

static int run_range(uint64_t seed, uint64_t count, uint64_t shown)
{
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) give_up("memory", "none to share");
    p->seed = seed;
    run_all(p, seed + count);
    for (size_t i = 0; i < p->failures_count; i++) {
        if (i < shown)
            show_smallest(p->failures[i]);
        else
            (void)printf("--- seed %llu\n", (unsigned long long)p->failures[i]);
    }
    (void)printf("%llu results; %llu patterns refused, %llu cases with results, %llu cut short, "
                 "%llu with too many matches, %llu with pauses, %llu held against the rules\n",
                 (unsigned long long)p->results, (unsigned long long)p->refused,
                 (unsigned long long)p->telling, (unsigned long long)p->cut_short,
                 (unsigned long long)p->limited, (unsigned long long)p->paused,
                 (unsigned long long)p->ruled);
    unsigned long long failed = p->failures_count;
    if (failed == 0 && count >= 1000 &&
        ((count - p->refused) * 100 < VALID_LEAST * count ||
         p->telling * 100 < TELLING_LEAST * (count - p->refused) ||
         p->paused * 100 < PAUSED_LEAST * (count - p->refused) ||
         p->limited * 100 < LIMITED_LEAST * (count - p->refused) ||
         p->ruled * 100 < RULED_LEAST * (count - p->refused))) {
        (void)printf("FAILED: the cases tell too little\n");
        failed++;
    }
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)p->same, failed);
    return failed > 0;
}

int main(int count, char **arguments)
{
    uint64_t seed = 1;
    uint64_t cases = 4000;
    uint64_t shown = 5;
    unsigned good = 0;
    unsigned bad = 0;
    for (int i = 1; i < count; i++) {
        uint64_t *number = strcmp(arguments[i], "--seed") == 0    ? &seed
                           : strcmp(arguments[i], "--count") == 0 ? &cases
                           : strcmp(arguments[i], "--show") == 0  ? &shown
                                                                  : NULL;
        if (number != NULL) {
            if (i + 1 == count) give_up(arguments[i], "needs a number");
            *number = number_of(arguments[i + 1], arguments[i]);
            i++;
        } else if (run_file(arguments[i])) {
            good++;
        } else {
            bad++;
        }
    }
    if (good + bad == 0) return run_range(seed, cases, shown);
    (void)printf("%u passed, %u failed\n", good, bad);
    return bad > 0;
}
