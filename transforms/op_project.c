/* SPDX-License-Identifier: Apache-2.0 */
/* keep, drop, rename: which fields there are, and what they are called. All three are edits of the
 * layout, made once; the records of keep and drop pass untouched.
 *
 * rename may have something to do per record: "a missing source is ignored" means that an existing
 * target stays, and which of the two it is only the record can tell:
 *
 *   {"rename": {"a": "b"}}    {"a":1}        -> {"b":1}
 *                             {"a":1,"b":2}  -> {"b":1}
 *                             {"b":2}        -> {"b":2}
 *
 * So the new name gets a slot of its own, into which the one or the other is copied. Where the
 * layout says that there can be no old value (after a keep; a target that is a source too has moved
 * away), the new name stands for the source's slot, and nothing is copied.
 * Cost: keep and drop nothing; rename ~2 ns a pair. */
#include "core/path.h"
#include "transforms/operator.h"

#define PATHS_MAX 10000

/* --- keep and drop --- */

static bool project_paths(leat_planner *planner, const leat_node *json, const char *name,
                          leat_path **paths, size_t *count)
{
    if (json->kind != LEAT_NODE_LIST || json->child == NULL) {
        leat_findings_add(leat_planner_findings(planner), json, false,
                          "%s needs a list of fields, such as [\"id\", \"card.number\"]", name);
        return false;
    }
    *count = 0;
    for (const leat_node *item = json->child; item != NULL; item = item->next)
        ++*count;
    *paths = leat_planner_alloc(planner, *count * sizeof **paths);
    bool good = true;
    size_t at = 0;
    for (const leat_node *item = json->child; item != NULL; item = item->next)
        good &= leat_planner_path(planner, item, &(*paths)[at++]);
    return good;
}

static bool keep_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    leat_path *paths = NULL;
    size_t count = 0;
    if (!project_paths(planner, json, "keep", &paths, &count)) return false;
    leat_planner_keep(planner, step, paths, count);
    return true;
}

static bool drop_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    leat_path *paths = NULL;
    size_t count = 0;
    if (!project_paths(planner, json, "drop", &paths, &count)) return false;
    for (size_t i = 0; i < count; i++)
        leat_planner_drop(planner, step, paths[i]);
    return true;
}

/* --- rename --- */

typedef struct rename_pair {
    leat_path from, to;
    uint32_t slot;        /* of the source */
    uint32_t old;         /* of the target's value so far; LEAT_SLOT_NONE: there is none */
    uint32_t target;      /* where the one or the other is copied to; LEAT_SLOT_NONE: nowhere */
    leat_parents parents; /* of `to` */
} rename_pair;

typedef struct rename_config {
    rename_pair *pairs;
    size_t count;
} rename_config;

static bool rename_read(leat_planner *planner, const leat_node *json, rename_config *config)
{
    bool good = true;
    for (const leat_node *member = json->child; member != NULL; member = member->next) {
        rename_pair *pair = &config->pairs[config->count];
        good &= leat_planner_path_key(planner, member, &pair->from);
        good &= leat_planner_path(planner, member, &pair->to);
        if (!good) continue;
        for (size_t i = 0; i < config->count; i++) {
            if (!leat_path_equal(config->pairs[i].to, pair->to)) continue;
            leat_findings_add(leat_planner_findings(planner), member, false,
                              "two fields cannot both be renamed to '%.*s'",
                              LEAT_STR_ARG(member->text));
            good = false;
        }
        config->count++;
    }
    return good;
}

static bool is_source(const rename_config *config, leat_path path)
{
    for (size_t i = 0; i < config->count; i++)
        if (leat_path_equal(config->pairs[i].from, path)) return true;
    return false;
}

/* Whether no record can have a field there. */
static bool never_there(const leat_field *field, leat_path path)
{
    for (size_t i = 0; i < path.count; i++) {
        if (field->kind != LEAT_FIELD_OBJECT) return field->kind == LEAT_FIELD_REMOVED;
        const leat_field *member = leat_field_find(field, path.names[i]);
        if (member == NULL) return !field->open;
        field = member;
    }
    return field->kind == LEAT_FIELD_REMOVED;
}

static void rename_slots(leat_planner *planner, leat_step *step, const rename_config *config,
                         rename_pair *pair)
{
    pair->slot = leat_planner_read(planner, step, pair->from);
    bool stays = !is_source(config, pair->to) && !never_there(step->layout_out, pair->to);
    pair->old = stays ? leat_planner_read(planner, step, pair->to) : LEAT_SLOT_NONE;
    pair->parents = leat_planner_parents(planner, step, pair->to);
}

static bool rename_plan(leat_planner *planner, leat_step *step, const leat_node *json)
{
    size_t count = 0;
    if (json->kind == LEAT_NODE_OBJECT)
        for (const leat_node *member = json->child; member != NULL; member = member->next)
            count++;
    if (count == 0 || count > PATHS_MAX) {
        leat_findings_add(
            leat_planner_findings(planner), json, false,
            "rename needs an object of old and new names, such as {\"old\": \"new\"}");
        return false;
    }
    rename_config *config = leat_planner_alloc(planner, sizeof *config);
    config->pairs = leat_planner_alloc(planner, count * sizeof *config->pairs);
    step->config = config;
    if (!rename_read(planner, json, config)) return false;
    /* All at once: every slot is looked up before the first field moves. */
    for (size_t i = 0; i < count; i++)
        rename_slots(planner, step, config, &config->pairs[i]);
    for (size_t i = 0; i < count; i++)
        leat_planner_drop(planner, step, config->pairs[i].from);
    for (size_t i = 0; i < count; i++) {
        rename_pair *pair = &config->pairs[i];
        pair->target = LEAT_SLOT_NONE;
        if (pair->old == LEAT_SLOT_NONE)
            leat_planner_alias(planner, step, pair->to, pair->slot);
        else
            pair->target = leat_planner_assign(planner, step, pair->to);
        if (pair->target == LEAT_SLOT_NONE) continue;
        leat_planner_copies(planner, step, pair->target, pair->slot);
        leat_planner_copies(planner, step, pair->target, pair->old);
    }
    return true;
}

static leat_code rename_record(const rename_config *config, leat_record *record, leat_err *err)
{
    for (size_t i = 0; i < config->count; i++) {
        const rename_pair *pair = &config->pairs[i];
        leat_value value = record->slots[pair->slot];
        bool moves = value.tag != LEAT_MISSING;
        if (pair->target != LEAT_SLOT_NONE)
            record->slots[pair->target] = moves ? value : record->slots[pair->old];
        if (LEAT_UNLIKELY(moves && !leat_parents_good(pair->parents, record)))
            return leat_err_set(err, LEAT_ERR_TYPE,
                                "cannot rename '%.*s': a field on the way to its new name is "
                                "no object",
                                LEAT_STR_ARG(pair->from.names[pair->from.count - 1]));
    }
    return LEAT_OK;
}

static leat_code rename_process(leat_run *run, const leat_batch *in, leat_err *err)
{
    const rename_config *config = run->step->config;
    for (size_t i = 0; i < in->count; i++) {
        leat_record *record = in->records[i];
        leat_err why;
        if (LEAT_UNLIKELY(rename_record(config, record, &why) != LEAT_OK))
            LEAT_TRY(leat_run_reject(run, record, &why, err));
        else
            LEAT_TRY(leat_run_emit(run, 0, record, err));
    }
    return LEAT_OK;
}

/* --- the types --- */

#define PATHS_SCHEMA                                                                               \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\",\"description\":"           \
    "\"A field path, such as card.number\"}}"

const leat_operator_type leat_operator_keep = {
    .name = "keep",
    .doc = "Keeps the fields that are listed, and drops all others. Paths may be nested; what is "
           "not there is ignored.\n\n```json\n{ \"keep\": [\"id\", \"card.number\"] }\n```\n",
    .schema = PATHS_SCHEMA,
    .plan = keep_plan,
};

const leat_operator_type leat_operator_drop = {
    .name = "drop",
    .doc =
        "Drops the fields that are listed. Paths may be nested; what is not there is ignored; an "
        "object whose last field is dropped stays as `{}`.\n\n"
        "```json\n{ \"drop\": [\"cvv\", \"card.pin\"] }\n```\n",
    .schema = PATHS_SCHEMA,
    .plan = drop_plan,
};

const leat_operator_type leat_operator_rename = {
    .name = "rename",
    .doc = "Gives fields other names, all at once, so that two can change places. A target that "
           "exists is replaced; a source that is missing is ignored.\n\n"
           "```json\n{ \"rename\": { \"amt\": \"amount\", \"card.no\": \"card.number\" } }\n```\n",
    .schema = "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"type\":"
              "\"string\",\"description\":\"The new path\"}}",
    .plan = rename_plan,
    .process = rename_process,
};
