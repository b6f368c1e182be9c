/* SPDX-License-Identifier: Apache-2.0 */
/* order_by: events of equal time take their places by a value of theirs, not by arrival. So they
 * are held until time has passed over them, and fed in order then, at the cost of a millisecond of
 * event time. Only events of one time are ever held: the next time lets them go first.
 *
 * The list is kept sorted as events come in (an insertion from the end, as most come in order);
 * equal values stay in the order of arrival. Numbers are compared as numbers, texts by bytes, and
 * what cannot be compared at all comes first, so that the order is total. */
#include "cep/matcher_inside.h"
#include "core/mem.h"

leat_value leat_matcher_order_value(leat_value value)
{
    int64_t whole = 0;
    switch ((leat_tag)value.tag) {
    case LEAT_INT:
    case LEAT_STRING: return value;
    case LEAT_DOUBLE: return value.as.d == value.as.d ? value : LEAT_VALUE_NULL;
    case LEAT_BOOL: return leat_value_int(value.as.b);
    case LEAT_UINT:
        return value.as.u <= INT64_MAX ? leat_value_int((int64_t)value.as.u)
                                       : leat_value_double((double)value.as.u);
    case LEAT_TIMESTAMP:
    case LEAT_DURATION: /* microseconds, years 1..9999 fit */
        if (__builtin_mul_overflow(value.as.i, 1000000, &whole)) return LEAT_VALUE_NULL;
        return leat_value_int(whole + value.len / 1000);
    case LEAT_MISSING:
    case LEAT_NULL:
    case LEAT_BYTES:
    case LEAT_LIST:
    case LEAT_MAP:
    case LEAT_TYPE:
    case LEAT_OPTIONAL:
    case LEAT_NUMBER:
    case LEAT_JSON:
    case LEAT_OBJECT:
    case LEAT_ERROR:
    case LEAT_TAGS_COUNT: break;
    }
    return LEAT_VALUE_NULL;
}

static int rank(leat_value value)
{
    return value.tag == LEAT_NULL ? 0 : value.tag == LEAT_STRING ? 2 : 1;
}

static double number(leat_value value)
{
    return value.tag == LEAT_INT ? (double)value.as.i : value.as.d;
}

/* Whether a comes after b. */
static bool after(leat_value a, leat_value b)
{
    if (rank(a) != rank(b)) return rank(a) > rank(b);
    if (a.tag == LEAT_NULL) return false;
    if (a.tag == LEAT_STRING) return leat_str_compare(leat_value_str(a), leat_value_str(b)) > 0;
    if (a.tag == LEAT_INT && b.tag == LEAT_INT) return a.as.i > b.as.i;
    return number(a) > number(b);
}

static void order_free(leat_value order)
{
    union {
        const char *in;
        void *out;
    } text = {.in = order.as.text};
    if (order.tag == LEAT_STRING) leat_mem_free(text.out);
}

leat_code leat_matcher_hold(leat_matcher *matcher, leat_event *event, leat_value order,
                            leat_err *err)
{
    LEAT_ASSERT(order.tag == LEAT_NULL || order.tag == LEAT_INT || order.tag == LEAT_DOUBLE ||
                order.tag == LEAT_STRING);
    LEAT_ASSERT(matcher->held_count == 0 ||
                matcher->held[0].event->timestamp_ms == event->timestamp_ms);
    void *items = matcher->held;
    LEAT_TRY(matcher_reserve(&items, &matcher->held_size, matcher->held_count,
                             sizeof *matcher->held, err));
    matcher->held = items;
    if (order.tag == LEAT_STRING) {
        char *copy = leat_mem_try((size_t)order.len + 1);
        if (copy == NULL) return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for an order");
        memcpy(copy, order.as.text, order.len);
        order.as.text = copy;
    }
    size_t at = matcher->held_count++;
    for (; at > 0 && after(matcher->held[at - 1].order, order); at--)
        matcher->held[at] = matcher->held[at - 1];
    matcher->held[at] = (held){leat_event_share(event), order};
    matcher_deadline(matcher);
    return LEAT_OK;
}

bool leat_matcher_unhold(leat_matcher *matcher, int64_t now_ms, leat_event **event)
{
    if (matcher->held_count == 0 || matcher->held[0].event->timestamp_ms >= now_ms) return false;
    *event = matcher->held[0].event;
    order_free(matcher->held[0].order);
    matcher->held_count--;
    memmove(matcher->held, matcher->held + 1, matcher->held_count * sizeof *matcher->held);
    matcher_deadline(matcher);
    return true;
}

void held_clear(leat_matcher *matcher)
{
    for (size_t i = 0; i < matcher->held_count; i++) {
        leat_event_release(&matcher->held[i].event);
        order_free(matcher->held[i].order);
    }
    leat_mem_free(matcher->held);
    matcher->held = NULL;
    matcher->held_count = 0;
    matcher->held_size = 0;
}
