/* SPDX-License-Identifier: Apache-2.0 */
/* sketch.c - what a matcher would cost that had nothing else to do: events are four integers read
 * beforehand, which condition an event meets is looked up in a table by one of them, a partial
 * match holds numbers of events and no events, nothing is ever written down, let go or limited. No
 * engine, and no aim: a measure of the machine, to compare figures that were taken on two of them.
 *
 *   sketch DATA CASE W INCL [ENUM REPS LOG2NODES]
 *
 * DATA: a stream of gen.py. CASE: q1 q2 q2n q3 q4 q5 q6 q7 (README.md). W: the window in ms; of q5
 * the number of patterns. INCL 0: an event W after the first is
 * outside. ENUM 1: matches are walked through.
 *
 * States of the automaton are registers, each one root in a graph that only grows: extend puts an
 * event in front of a root, unite holds two, and each node knows the latest start below it. A node
 * that is older than the window is dead whoever points at it, so the nodes are a ring. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
typedef struct {
    int32_t sym, card, amount, ts;
} Ev;
typedef struct {
    uint32_t l, r, max, ev;
} Node; /* union: ev == NONE, l and r set; extend: l = previous part or 0, ev = event */
enum { NONE = 0xffffffffu };
static Node *A;
static uint32_t amask, atop = 1, tail = 1,
                       *first; /* a ring of nodes, numbered for ever (compare numbers, index by
                                  number & amask); first[e]: first node number at event e */
static uint32_t bound;         /* starts below this event number are out of the window */
static uint64_t nodes;
#define N(i) A[(i)&amask]
static inline int dead(uint32_t i)
{
    return (int32_t)(i - tail) < 0 || N(i).max < bound;
} /* older than the window: dead whoever points at it */
static inline uint32_t alloc_(void)
{
    if (atop - tail > amask) {
        fprintf(stderr, "ring too small\n");
        exit(2);
    }
    nodes++;
    return atop++;
}
static inline uint32_t extend(uint32_t prev, uint32_t ev)
{
    uint32_t i = alloc_();
    N(i) = (Node){prev, 0, prev ? N(prev).max : ev, ev};
    return i;
}
static inline uint32_t unite(uint32_t a, uint32_t b)
{
    if (!a || dead(a)) return b && !dead(b) ? b : 0;
    if (!b || dead(b)) return a;
    if (N(a).max < N(b).max) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    uint32_t i = alloc_();
    N(i) = (Node){a, b, N(a).max, NONE};
    return i;
}
static uint32_t *stk;
static size_t cap = 1 << 16;
static uint64_t sum;
static uint64_t enumerate(uint32_t root)
{ /* output-linear: every branch entered holds a live start */
    uint64_t n = 0;
    size_t sp = 0;
    if (!root || dead(root)) return 0;
    stk[sp++] = root;
    while (sp) {
        uint32_t i = stk[--sp];
        for (;;) {
            Node *x = &N(i);
            if (x->ev == NONE) {
                if (!dead(x->r)) {
                    if (sp + 1 > cap) {
                        cap *= 2;
                        stk = realloc(stk, cap * 4);
                    }
                    stk[sp++] = x->r;
                }
                i = x->l;
            } else {
                sum += x->ev;
                if (!x->l) {
                    n++;
                    break;
                }
                i = x->l;
            }
        }
    }
    return n;
}
enum { START, KEEP, MOVE, LOOP, OUT_KEEP, OUT_MOVE, START_ORD, KEEP_ORD, START_HASH, KEEP_HASH };
static uint32_t T[2048], H[10000]; /* correlated predicates: registers split by a remembered value,
                                      ordered (a tree of roots) or hashed */
typedef struct {
    uint8_t op;
    uint32_t src, dst;
} Op;
static struct {
    uint32_t off, n;
} cls[8192];
static Op *ops;
static uint32_t nops, cops;
static void add(Op o)
{
    if (nops == cops) ops = realloc(ops, (cops = cops ? cops * 2 : 64) * sizeof(Op));
    ops[nops++] = o;
}
static void when(int class, Op o)
{
    if (cls[class].n++ == 0) cls[class].off = nops;
    add(o);
}
/* A B C, by three operations on the registers base + 1 and base + 2. */
static void steps(int class, int last, uint32_t base, uint8_t a, uint8_t b, uint8_t c)
{
    when(class, (Op){a, 0, base + 1});
    when(class + 1, (Op){b, base + 1, base + 2});
    when(last, (Op){c, base + 2, 0});
}
static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
int main(int c, char **v)
{
    FILE *f = fopen(v[1], "rb");
    fseek(f, 0, 2);
    size_t n = ftell(f) / 16;
    rewind(f);
    Ev *e = malloc(n * 16);
    if (fread(e, 16, n, f) != n) return 1;
    const char *q = v[2];
    int w = atoi(v[3]), incl = atoi(v[4]), en = c > 5 ? atoi(v[5]) : 1,
        reps = c > 6 ? atoi(v[6]) : 1;
    amask = (1u << (c > 7 ? atoi(v[7]) : 18)) - 1;
    A = calloc(amask + 1ull, sizeof(Node));
    first = malloc(n * 4);
    stk = malloc(cap * 4);
    int W = w, keyed = 0, mode = 0, nreg = 8; /* mode 0: class = sym; 1: by amount */
    for (int i = 0; i < 8192; i++)
        cls[i].off = cls[i].n = 0;
    if (!strcmp(q, "q1")) steps(0, 2, 0, START, MOVE, OUT_MOVE);
    if (!strcmp(q, "q2") || !strcmp(q, "q2n")) steps(0, q[2] ? 9 : 2, 0, START, KEEP, OUT_KEEP);
    if (!strcmp(q, "q3")) steps(0, 2, 0, START, LOOP, OUT_KEEP);
    if (!strcmp(q, "q6")) steps(0, 2, 0, START_ORD, KEEP_ORD, OUT_KEEP);   /* b.amount > a.amount */
    if (!strcmp(q, "q7")) steps(0, 2, 0, START_HASH, KEEP_HASH, OUT_KEEP); /* b.card = a.card */
    if (!strcmp(q, "q4")) {
        W = 60000;
        keyed = mode = 1;
        nreg = 4;
        when(0, (Op){MOVE, 2, 3}); /* first what is further, or an event would move it twice */
        when(0, (Op){MOVE, 1, 2});
        when(0, (Op){START, 0, 1});
        when(1, (Op){OUT_MOVE, 3, 0});
    }
    if (!strcmp(q, "q5")) {
        W = 10000;
        nreg = 4 * w;
        for (int i = 0; i < w; i++)
            steps(3 * i, 3 * i + 2, 4 * i, START, MOVE, OUT_MOVE);
    }
    if (nops == 0) return 2; /* no such case */
    uint32_t *R0 = calloc((size_t)nreg * (keyed ? 10000 : 1), 4);
    uint64_t out = 0, fires = 0;
    double c0 = 0, cs = 0;
    for (int rep = 0; rep < reps; rep++) {
        memset(R0, 0, (size_t)nreg * (keyed ? 10000 : 1) * 4);
        memset(T, 0, sizeof T);
        memset(H, 0, sizeof H);
        bound = 0;
        atop = tail = 1;
        nodes = out = fires = 0;
        uint32_t lo = 0;
        c0 = cpu();
        for (uint32_t i = 0; i < n; i++) {
            const Ev *x = &e[i];
            uint32_t k = mode == 0         ? (uint32_t)x->sym
                         : x->amount < 10  ? 0
                         : x->amount > 500 ? 1
                                           : 2;
            uint32_t m = cls[k].n;
            first[i] = atop;
            if (!m) continue;
            while (incl ? x->ts - e[lo].ts > W : x->ts - e[lo].ts >= W)
                lo++;
            bound = lo;
            tail = first[lo];
            uint32_t *R = keyed ? R0 + (size_t)nreg * x->card : R0;
            const Op *o = ops + cls[k].off;
            for (; m; m--, o++)
                switch (o->op) {
#define LIVE(r) (R[r] && (!dead(R[r]) || (R[r] = 0)))
                case START: R[o->dst] = unite(extend(0, i), R[o->dst]); break;
                case KEEP:
                    if (LIVE(o->src)) R[o->dst] = unite(extend(R[o->src], i), R[o->dst]);
                    break;
                case MOVE:
                    if (LIVE(o->src)) {
                        R[o->dst] = unite(extend(R[o->src], i), R[o->dst]);
                        R[o->src] = 0;
                    }
                    break;
                case LOOP: {
                    uint32_t s = 0;
                    if (LIVE(o->src)) s = R[o->src];
                    if (LIVE(o->dst)) s = unite(s, R[o->dst]);
                    if (s) R[o->dst] = unite(extend(s, i), R[o->dst]);
                    break;
                }
                case START_ORD: {
                    uint32_t b = extend(0, i);
                    for (uint32_t t = 1024 + x->amount; t; t >>= 1)
                        T[t] = unite(b, T[t]);
                    break;
                }
                case KEEP_ORD: {
                    uint32_t s = 0;
                    for (uint32_t a = 1024, b = 1024 + x->amount; a < b; a >>= 1, b >>= 1) {
                        if (a & 1) {
                            s = unite(s, T[a]);
                            a++;
                        }
                        if (b & 1) {
                            b--;
                            s = unite(s, T[b]);
                        }
                    }
                    if (s && !dead(s)) R[o->dst] = unite(extend(s, i), R[o->dst]);
                    break;
                }
                case START_HASH: H[x->card] = unite(extend(0, i), H[x->card]); break;
                case KEEP_HASH: {
                    uint32_t s = H[x->card];
                    if (s && !dead(s)) R[o->dst] = unite(extend(s, i), R[o->dst]);
                    break;
                }
                case OUT_KEEP:
                case OUT_MOVE:
                    if (LIVE(o->src)) {
                        fires++;
                        if (en) out += enumerate(R[o->src]);
                        if (o->op == OUT_MOVE) R[o->src] = 0;
                    }
                    break;
                }
        }
        cs += cpu() - c0;
    }
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    printf(
        "SKETCH %s %d events=%zu cpu=%.4f ev/cpus=%.0f fires=%lu matches=%lu nodes=%lu rssMB=%ld\n",
        q, w, n, cs / reps, n / (cs / reps), fires, out, nodes, ru.ru_maxrss >> 10);
    return sum == 42;
}
