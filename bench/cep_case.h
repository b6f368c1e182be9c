/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of bench_cep: a stream of events, a question, and the number of matches that is right.
 */
#ifndef LEAT_BENCH_CEP_CASE_H
#define LEAT_BENCH_CEP_CASE_H

#include "core/buf.h"
#include "core/value.h"

#define CEP_EVENTS_MAX 1000000u

/* One event. Fields that conditions read besides: price = amount + sym % 1000 / 1000, kind = 'k'
 * and sym, and unless sym is the last of three, part = card % 7. */
typedef struct cep_event {
    int32_t sym, card, amount, at_ms;
} cep_event;

typedef enum cep_stream {
    CEP_ABC,   /* sym 0 and 1 a tenth each, 2 one in 50,000 events; one event a millisecond */
    CEP_KLE,   /* the same, sym 0 a hundredth */
    CEP_FRAUD, /* 10,000 cards; amount below 10 in 30 %, above 500 in 1 %; one event in 1.2 ms */
    CEP_MULTI, /* sym one of 3,000, 10,000 cards; one event a millisecond */
    CEP_STREAMS,
} cep_stream;

/* What is asked. A, B and C are kinds of events. */
typedef enum cep_rule {
    CEP_NEXT,    /* A, the next B after it, the next C after that */
    CEP_STRICT,  /* the same with nothing between them */
    CEP_ANY,     /* each A with each B after it with each C after that */
    CEP_STEP,    /* CEP_ANY where B comes within half of the window after A */
    CEP_LOOP,    /* A, any set of B that is not empty, C */
    CEP_GREATER, /* CEP_ANY where b.amount > a.amount */
    CEP_SAME,    /* CEP_ANY where b.card == a.card */
    CEP_FRAUD_3, /* each small payment, the next two small ones, the next large one */
} cep_rule;

/* By what the steps know their events. */
typedef enum cep_ask {
    CEP_BY_SYM,   /* pattern n's A, B and C are 3n, 3n + 1, 3n + 2; payments go by amount */
    CEP_BY_LAST,  /* the same, and the last condition reads the last event before: it differs */
    CEP_BY_PRICE, /* the same, A is a narrow band of prices, another one for each pattern */
    CEP_BY_KIND,  /* A and B by kind, and by part, which C does not have */
    CEP_OPEN,     /* by sym, and C never comes */
    CEP_NEVER,    /* by sym, and none of them ever comes */
} cep_ask;

typedef struct cep_case {
    const char *name;
    cep_stream stream;
    cep_rule rule;
    cep_ask ask;
    int64_t window_ms; /* between the first and the last event of a match, less than this */
    uint32_t keys;     /* 1: one sequence of all; else per card, of so many */
    uint32_t patterns;
    int64_t peers; /* matches that other engines find in CEP_EVENTS_MAX events; -1: not known */
} cep_case;

/* All streams, CEP_EVENTS_MAX events each. They are the same wherever this runs. */
typedef struct cep_streams cep_streams;
cep_streams *cep_streams_new(void);
void cep_streams_free(cep_streams **streams);
/* Those of a case: with its number of cards. events: for `count` of them. */
void cep_streams_get(const cep_streams *streams, const cep_case *c, cep_event *events,
                     uint32_t count);

/* The right number of matches, found without any automaton. */
uint64_t cep_count(const cep_case *c, const cep_event *events, uint32_t count);
/* Pattern n of the case, as a JSON object. */
void cep_pattern(const cep_case *c, uint32_t n, bool enabled, leat_buf *out);

/* The event as it comes: JSON, and decoded. Borrows the text. */
#define CEP_TEXT_MAX 128u
enum { CEP_SYM, CEP_CARD, CEP_AMOUNT, CEP_PRICE, CEP_KIND, CEP_PART, CEP_SLOTS };
extern const char *const cep_slot_names[CEP_SLOTS];
leat_str cep_text(const cep_event *event, char text[CEP_TEXT_MAX]);
void cep_slots(const cep_event *event, leat_str text, leat_value slots[CEP_SLOTS]);

#endif
