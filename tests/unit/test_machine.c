/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations and trees of decisions (cep/machine.h), without a matcher: what tells
 * configurations apart, which slots they need, and that a walk through a tree comes to what the
 * rules themselves (places_step) say, asking for the same conditions in the same order.
 *
 * Conditions are sets of letters and events are letters, as in cep_harness.h. */
#include "cep/machine.h"
#include "tests/unit/cep_harness.h"
#include "tests/unit/leak.h"
#include "tests/unit/random.h"

LEAT_SUITE(machine);

#define P(steps)             "{\"name\":\"p\",\"steps\":[" steps "]}"
#define S(name, where, more) "{\"name\":\"" name "\",\"where\":\"" where "\"" more "}"
#define NOT(where, more)     "{\"not\":true,\"where\":\"" where "\"" more "}"
#define NEXT                 ",\"contiguity\":\"next\""
#define ANY                  ",\"contiguity\":\"followed_by_any\""
#define PLUS                 ",\"times\":{\"min\":1}"

#define ASKED_MAX 128

/* The conditions that were asked for, and the event that answers them. */
typedef struct asker {
    cep_bed *bed;
    uint32_t asked[ASKED_MAX];
    uint32_t count;
} asker;

static bool holds(const cep_bed *bed, uint32_t condition)
{
    leat_str text = bed->pattern->conditions[condition].node->text;
    return memchr(text.data, bed->letter, text.len) != NULL || leat_str_is(text, "*");
}

static leat_code ask(void *self, uint32_t condition, bool *result, leat_err *err)
{
    asker *a = self;
    (void)err;
    cr_assert_lt(a->count, ASKED_MAX);
    a->asked[a->count++] = condition;
    *result = holds(a->bed, condition);
    return LEAT_OK;
}

static machine *open_machine(cep_bed *bed, const char *pattern)
{
    leat_err err;
    cr_assert(cep_read(bed, pattern), "%.*s", LEAT_STR_ARG(leat_buf_str(&bed->out)));
    machine *m = machine_new(bed->nfa, &err);
    cr_assert_not_null(m);
    return m;
}

/* What the event does to a configuration, by its tree; the conditions along the way are noted. */
static const machine_leaf *walk(machine *m, uint32_t config, asker *a)
{
    leat_err err;
    machine_known path = {{0}, {0}};
    uint32_t above = 0, at = m->configs[config]->tree;
    bool yes = false;
    a->count = 0;
    for (;;) {
        if (at == 0) {
            cr_assert_eq(machine_grow(m, config, &path, &at, &err), LEAT_OK, "%s", err.text);
            cr_assert_neq(at, 0);
            *(above == 0 ? &m->configs[config]->tree : &m->branches[above].next[yes]) = at;
        }
        if ((at & MACHINE_LEAF) != 0) return m->leaves[at & ~MACHINE_LEAF];
        uint32_t condition = m->branches[at].condition;
        uint64_t bit = (uint64_t)1 << (condition & 63);
        cr_assert_eq(path.known[condition >> 6] & bit, 0, "asked for what is known");
        yes = holds(a->bed, condition);
        path.known[condition >> 6] |= bit;
        if (yes) path.holds[condition >> 6] |= bit;
        a->asked[a->count++] = condition;
        above = at;
        at = m->branches[at].next[yes];
    }
}

static const machine_leaf *walk_letter(machine *m, uint32_t config, cep_bed *bed, char letter)
{
    asker a = {.bed = bed};
    bed->letter = letter;
    return walk(m, config, &a);
}

/* --- configurations --- */

Test(machine, a_configuration_goes_on_or_ends)
{
    cep_bed bed;
    machine *m = open_machine(&bed, P(S("A", "a", "") "," S("B", "b", "")));
    const machine_leaf *leaf = walk_letter(m, 0, &bed, 'x');
    cr_expect_eq(leaf->takes_count, 0);
    cr_expect_eq(leaf->config, MACHINE_NONE, "the start is nobody's state");
    leaf = walk_letter(m, 0, &bed, 'a');
    cr_assert_eq(leaf->takes_count, 1);
    cr_expect_eq(leaf->takes[0].step, 0);
    cr_expect_not(leaf->takes[0].completes);
    uint32_t waits = leaf->takes[0].config;
    cr_assert_neq(waits, MACHINE_NONE);
    cr_expect_eq(machine_config_at(m, waits)->step, 0);
    leaf = walk_letter(m, waits, &bed, 'x');
    cr_expect_eq(leaf->config, waits, "what is passed over changes nothing");
    cr_expect_eq(leaf->takes_count, 0);
    leaf = walk_letter(m, waits, &bed, 'b');
    cr_assert_eq(leaf->takes_count, 1);
    cr_expect(leaf->takes[0].completes);
    cr_expect_eq(leaf->takes[0].config, MACHINE_NONE, "nothing comes after the last step");
    cr_expect_eq(leaf->config, MACHINE_NONE, "followed_by takes the first that fits");
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, any_leaves_the_partial_match_as_it_is)
{
    cep_bed bed;
    machine *m = open_machine(&bed, P(S("A", "a", "") "," S("B", "b", ANY)));
    uint32_t waits = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    const machine_leaf *leaf = walk_letter(m, waits, &bed, 'b');
    cr_expect_eq(leaf->config, waits);
    cr_assert_eq(leaf->takes_count, 1);
    cr_expect(leaf->takes[0].completes);
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, equal_configurations_have_one_number)
{
    cep_bed bed;
    leat_err err;
    uint32_t first = 0, second = 0;
    machine *m = open_machine(&bed, P(S("A", "a", PLUS) "," S("B", "b", "")));
    uint32_t waits = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    const machine_config *config = machine_config_at(m, waits);
    size_t count = m->configs_count;
    cr_expect_eq(machine_config_of(m, config->places, config->places_count, true, &first, &err),
                 LEAT_OK);
    cr_expect_eq(first, waits, "fresh does not matter here");
    place fewer = config->places[0];
    cr_assert_gt(__builtin_popcountll(fewer.alive), 1);
    fewer.alive &= fewer.alive - 1;
    cr_expect_eq(machine_config_of(m, &fewer, 1, false, &second, &err), LEAT_OK);
    cr_expect_neq(second, waits, "another set of living edges is another configuration");
    cr_expect_eq(m->configs_count, count + 1);
    place lifted = fewer;
    lifted.lifted = ~fewer.alive;
    cr_expect_eq(machine_config_of(m, &lifted, 1, false, &first, &err), LEAT_OK);
    cr_expect_eq(first, second, "bans of edges that are gone tell nothing apart");
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, fresh_matters_before_a_not_next)
{
    cep_bed bed;
    machine *m = open_machine(&bed, P(S("A", "a", "") "," NOT("n", NEXT) "," S("B", "b", "")));
    uint32_t fresh = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    cr_expect(machine_config_at(m, fresh)->fresh);
    cr_expect_eq(walk_letter(m, fresh, &bed, 'n')->config, MACHINE_NONE);
    uint32_t later = walk_letter(m, fresh, &bed, 'x')->config;
    cr_assert_neq(later, MACHINE_NONE);
    cr_expect_neq(later, fresh);
    cr_expect_not(machine_config_at(m, later)->fresh);
    cr_expect_eq(walk_letter(m, later, &bed, 'n')->config, later);
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, slots_are_what_is_still_read)
{
    cep_bed bed;
    machine *m = open_machine(&bed, P(S("A", "a", PLUS) "," S("B", "=A", "") "," S("C", "c", "")));
    cr_assert_eq(m->slots_count, 1);
    cr_expect_eq(m->slots[0].kind, SLOT_LAST);
    cr_expect_eq(m->slots[0].step, 0);
    cr_expect_eq(machine_config_at(m, 0)->slots, 0, "nothing was taken that could be read");
    uint32_t one = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    cr_expect_eq(machine_config_at(m, one)->slots, 1);
    bed.letter = 'A'; /* "=A" is a set of letters here */
    asker a = {.bed = &bed};
    const machine_leaf *leaf = walk(m, one, &a);
    cr_assert_eq(leaf->takes_count, 1);
    cr_expect_eq(leaf->takes[0].step, 1);
    cr_expect_eq(machine_config_at(m, leaf->takes[0].config)->slots, 0, "C reads nothing");
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, conditions_that_read_everything_leave_no_slots)
{
    cep_bed bed;
    leat_err err;
    cr_assert(cep_read(&bed, P(S("A", "a", PLUS) "," S("B", "b", "") "," S("C", "c", ""))));
    bed.pattern->conditions[1].reading.whole = 1; /* B's reads all of A */
    machine *m = machine_new(bed.nfa, &err);
    cr_expect_eq(m->slots_count, 0);
    cr_expect_eq(m->once[0], 5, "A's and C's conditions read no step");
    uint32_t one = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    cr_expect(machine_config_at(m, one)->whole);
    uint32_t two = walk_letter(m, one, &bed, 'b')->takes[0].config;
    cr_expect_not(machine_config_at(m, two)->whole);
    machine_free(&m);
    cep_close(&bed);
}

Test(machine, windows_of_steps_make_the_last_take_a_slot)
{
    cep_bed bed;
    machine *m = open_machine(
        &bed, P(S("A", "a", "") "," S("B", "b", ",\"within\":\"10ms\"") "," S("C", "c", "")));
    cr_assert_eq(m->slots_count, 1);
    cr_expect_eq(m->slots[0].kind, SLOT_TAKE);
    cr_expect(m->steps_timed);
    uint32_t one = walk_letter(m, 0, &bed, 'a')->takes[0].config;
    cr_expect_eq(machine_config_at(m, one)->within_ms, 10);
    cr_expect_eq(machine_config_at(m, one)->slots, 1);
    uint32_t two = walk_letter(m, one, &bed, 'b')->takes[0].config;
    cr_expect_eq(machine_config_at(m, two)->within_ms, 0);
    cr_expect_eq(machine_config_at(m, two)->slots, 0);
    machine_free(&m);
    cep_close(&bed);
}

/* --- trees --- */

/* The configuration that the options of one step lead to, as the rules' result has it. */
static uint32_t config_of_step(machine *m, const option_list *list, uint32_t step, bool *completes)
{
    leat_err err;
    place places[64];
    uint32_t count = 0, number = MACHINE_NONE;
    *completes = false;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].step != step) continue;
        const leat_nfa_state *state = m->nfa->states[list->items[i].target];
        *completes = *completes || state->accepts;
        if (state->edges_count == 0) continue;
        cr_assert_lt(count, 64);
        places[count++] = (place){.state = list->items[i].target,
                                  .alive = UINT64_MAX >> (64 - state->edges_count)};
    }
    if (count > 0) cr_assert_eq(machine_config_of(m, places, count, true, &number, &err), LEAT_OK);
    return number;
}

/* Runs the rules on the configuration's places; every single thing must be as in the leaf. */
static void compare(machine *m, uint32_t config, cep_bed *bed)
{
    leat_err err;
    place places[64];
    asker tree = {.bed = bed}, rules = {.bed = bed};
    step_host host = {&rules, ask};
    option_list list = {0};
    const machine_config *from = machine_config_at(m, config);
    uint32_t count = from->places_count, number = MACHINE_NONE;
    bool fresh = from->fresh, completes = false;
    cr_assert_leq(count, 64);
    memcpy(places, from->places, count * sizeof *places);
    const machine_leaf *leaf = walk(m, config, &tree);
    cr_assert_eq(places_step(m->nfa, places, &count, fresh, config == 0, &host, &list, &err),
                 LEAT_OK);
    /* The rules may ask again for what the tree knows. */
    uint32_t at = 0;
    for (uint32_t i = 0; i < rules.count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++)
            again = again || rules.asked[j] == rules.asked[i];
        if (again) continue;
        cr_assert_lt(at, tree.count);
        cr_assert_eq(tree.asked[at++], rules.asked[i]);
    }
    cr_assert_eq(at, tree.count);
    cr_assert_eq(leaf->completes, list.complete);
    if (config != 0 && count > 0)
        cr_assert_eq(machine_config_of(m, places, count, false, &number, &err), LEAT_OK);
    cr_assert_eq(leaf->config, number);
    uint64_t steps = 0;
    for (size_t i = 0; i < list.count; i++)
        steps |= (uint64_t)1 << list.items[i].step;
    cr_assert_eq((uint32_t)__builtin_popcountll(steps), leaf->takes_count);
    for (uint32_t i = 0; i < leaf->takes_count; i++) {
        const machine_take *take = &leaf->takes[i];
        cr_assert(steps >> take->step & 1);
        cr_assert_eq(config_of_step(m, &list, take->step, &completes), take->config);
        cr_assert_eq(completes, take->completes);
    }
    leat_mem_free(list.items);
}

static const char *const patterns[] = {
    P(S("A", "a", "") "," S("B", "b", NEXT) "," S("C", "c", ANY)),
    P(S("A", "ab", PLUS) "," S("B", "b", "") "," S("C", "bc", "")),
    P(S("A", "a", PLUS ",\"repeat\":\"followed_by_any\"") "," S("B", "ab", ANY)),
    P(S("X", "x", "") "," S("A", "a", PLUS ",\"until\":\"u\"") "," S("B", "b", "")),
    P(S("X", "x", "") "," S("A", "ac", PLUS ",\"greedy\":true") "," S("C", "c", "")),
    P(S("A", "a", "") "," NOT("n", NEXT) "," S("B", "b", "") "," NOT("nx", "") "," S("C", "c", "")),
    P("{\"steps\":[" S("A", "a", "") "," S("B", "b", NEXT) "],\"times\":{\"min\":1,\"max\":3}}," S(
        "C", "c", "")),
    P(S("A", "a", "") "," S("B", "b", ",\"optional\":true") "," S("C", "*", "")),
};

Test(machine, trees_say_what_the_rules_say)
{
    static const char letters[] = "abcxnu";
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        cep_bed bed;
        machine *m = open_machine(&bed, patterns[i]);
        leat_random random = {i + 1};
        for (int step = 0; step < 3000; step++) {
            /* Configurations are met as they are made, the start among them. */
            uint32_t config = (uint32_t)leat_random_below(&random, m->configs_count);
            bed.letter = letters[leat_random_below(&random, sizeof letters - 1)];
            compare(m, config, &bed);
        }
        cr_expect_gt(m->configs_count, 1, "%s", patterns[i]);
        cr_expect_lt(m->configs_count, 200, "%s", patterns[i]);
        size_t branches = m->branches_count, leaves = m->leaves_count;
        for (uint32_t config = 0; config < m->configs_count; config++)
            for (const char *letter = letters; *letter != '\0'; letter++)
                (void)walk_letter(m, config, &bed, *letter);
        cr_expect_eq(m->branches_count, branches, "a way that was gone is not grown again");
        cr_expect_eq(m->leaves_count, leaves);
        machine_free(&m);
        cep_close(&bed);
    }
}

/* --- automata that are alike --- */

/* Whether the automaton of the second pattern gets the first one as its kin. */
static bool akin(const char *first, const char *second)
{
    cep_bed a, b;
    leat_err err;
    leat_map *forms = leat_map_new();
    cr_assert(cep_read(&a, first), "%.*s", LEAT_STR_ARG(leat_buf_str(&a.out)));
    cr_assert(cep_read(&b, second), "%.*s", LEAT_STR_ARG(leat_buf_str(&b.out)));
    cr_assert_eq(a.nfa->kin, a.nfa);
    cr_assert_eq(leat_nfa_kin(forms, a.nfa, &err), LEAT_OK);
    cr_assert_eq(leat_nfa_kin(forms, b.nfa, &err), LEAT_OK);
    cr_assert_eq(a.nfa->kin, a.nfa);
    bool shared = b.nfa->kin == a.nfa;
    cr_assert(shared || b.nfa->kin == b.nfa);
    leat_map_free(&forms);
    cep_close(&a);
    cep_close(&b);
    return shared;
}

#define AB(more) P(S("A", "a", "") "," S("B", "b", more))
#define WITH(fields)                                                                               \
    "{\"name\":\"p\"," fields ",\"steps\":[" S("A", "a", "") "," S("B", "b", "") "]}"

Test(machine, alike_is_what_differs_in_its_conditions_alone)
{
    cr_expect(akin(AB(""), AB("")));
    cr_expect(akin(AB(""), P(S("X", "x", "") "," S("Y", "yz", ""))));
    cr_expect(
        akin(P(S("A", "a", "") "," S("B", "=A", "")), P(S("X", "x", "") "," S("Y", "=X", ""))));
    static const char *const others[] = {
        AB(NEXT),
        AB(ANY),
        AB(PLUS),
        AB(",\"optional\":true"),
        AB(",\"within\":\"5ms\""),
        P(S("A", "a", "") "," S("B", "a", "")), /* one condition */
        P(S("A", "a", "") ","
                          "{\"name\":\"B\"}"),   /* any event */
        P(S("A", "a", "") "," S("B", "=A", "")), /* reads an earlier step */
        P(S("A", "a", "") "," NOT("c", "") "," S("B", "b", "")),
        P(S("A", "a", "") "," S("B", "b", "") "," S("C", "c", "")),
        WITH("\"within\":\"5ms\""),
        WITH("\"skip\":\"skip_to_next\""),
        WITH("\"skip\":\"skip_to_last\",\"skip_to\":\"A\""),
        WITH("\"limits\":{\"partial_matches\":7}"),
        WITH("\"limits\":{\"events\":7}"),
        WITH("\"limits\":{\"matches\":7}"),
        WITH("\"limits\":{\"beyond\":\"fail\"}"),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cr_expect_not(akin(AB(""), others[i]), "%s", others[i]);
        cr_expect(akin(others[i], others[i]), "%s", others[i]);
    }
}
