/* SPDX-License-Identifier: Apache-2.0 */
/* The value of `format`: a name, or an object with the name and its settings.
 *
 * JSON has no codec here: it is what the engine speaks itself. Of the others each is a line of
 * formats.def. What a format knows of a source's fields (columns, a schema) goes to the shape, so
 * that expressions are checked against it; a name that is not among them is warned of and not
 * refused, as has() may ask for it. */
#include "transforms/format.h"
#include "transforms/plan_inside.h"

#define LEAT_FORMAT(name) extern const leat_format_type leat_format_##name;
#include "transforms/formats.def"
#undef LEAT_FORMAT
#define LEAT_FORMAT(name) &leat_format_##name,
const leat_format_type *const leat_formats[] = {
#include "transforms/formats.def"
};
#undef LEAT_FORMAT
const size_t leat_formats_count = sizeof leat_formats / sizeof leat_formats[0];

#define NAMES_MAX 16

static const leat_format_type *find(leat_str name)
{
    for (size_t i = 0; i < leat_formats_count; i++)
        if (leat_str_is(name, leat_formats[i]->name)) return leat_formats[i];
    return NULL;
}

static void unknown(leat_planner *planner, const leat_node *node, leat_str name, bool key)
{
    LEAT_ASSERT(leat_formats_count < NAMES_MAX);
    leat_str known[NAMES_MAX] = {LEAT_STR_INIT("json")};
    size_t count = 1;
    for (; count <= leat_formats_count && count < NAMES_MAX; count++)
        known[count] = leat_str_of(leat_formats[count - 1]->name);
    leat_finding *finding = key ? leat_findings_add_key(planner->findings, node, false,
                                                        "unknown format '%.*s'", LEAT_STR_ARG(name))
                                : leat_findings_add(planner->findings, node, false,
                                                    "unknown format '%.*s'", LEAT_STR_ARG(name));
    finding->suggestion = node->secret ? LEAT_STR_NONE : leat_str_nearest(name, known, count);
}

bool plan_format(leat_planner *planner, const leat_node *node, leat_format_site *site)
{
    LEAT_ASSERT(site->shape != NULL);
    if (node == NULL || plan_unresolved(planner, node)) return true;
    const leat_node *options = NULL;
    leat_str name = node->text;
    if (node->kind == LEAT_NODE_OBJECT && node->child != NULL && node->child->next == NULL) {
        options = node->child;
        name = options->key;
        if (options->kind != LEAT_NODE_OBJECT) {
            leat_findings_add(planner->findings, options, false,
                              "must be an object with settings of the format, not %s",
                              leat_node_kind_name(options->kind));
            return false;
        }
    } else if (node->kind != LEAT_NODE_STRING) {
        leat_findings_add(planner->findings, node, false,
                          "must be a format's name, or an object with one name and its settings");
        return false;
    }
    if (leat_str_is(name, "json")) {
        if (options != NULL && options->child != NULL)
            leat_findings_unknown(planner->findings, options->child, NULL, 0);
        return options == NULL || options->child == NULL;
    }
    const leat_format_type *type = find(name);
    if (type == NULL) {
        unknown(planner, options != NULL ? options : node,
                options != NULL ? name : plan_shown(node), options != NULL);
        return false;
    }
    bool good = type->plan(planner, node, options, site);
    LEAT_ASSERT(!good || site->codec != NULL);
    return good;
}

leat_str leat_planner_file_head(leat_planner *planner, leat_str path, size_t bytes_max)
{
    leat_str head = LEAT_STR_NONE;
    leat_err err = {0};
    const leat_plan_env *env = planner->env;
    if (env->head == NULL) return head;
    if (env->head(env->self, path, bytes_max, planner->arena, &head, &err) != LEAT_OK)
        return LEAT_STR_NONE;
    return head;
}

const leat_known_field *plan_known_find(const leat_shape *shape, leat_str name)
{
    for (size_t i = 0; i < shape->known_count; i++)
        if (leat_str_equal(shape->known[i].name, name)) return &shape->known[i];
    return NULL;
}

bool plan_known_path(leat_planner *planner, const leat_shape *shape, leat_path path, size_t *at,
                     leat_str *nearest)
{
    const leat_known_field *list = shape->known;
    size_t count = shape->known_count;
    for (*at = 0; *at < path.count && count > 0; (*at)++) {
        const leat_known_field *found = NULL;
        for (size_t i = 0; i < count && found == NULL; i++)
            if (leat_str_equal(list[i].name, path.names[*at])) found = &list[i];
        if (found == NULL) {
            leat_str *names = leat_planner_alloc(planner, count * sizeof *names);
            for (size_t i = 0; i < count; i++)
                names[i] = list[i].name;
            *nearest = leat_str_nearest(path.names[*at], names, count);
            return false;
        }
        list = found->fields;
        count = found->fields_count;
    }
    return true;
}

/* --- the published schema and the manual --- */

void plan_format_schema(leat_buf *out)
{
    leat_buf_add_text(out, "{\"oneOf\": [{\"enum\": [\"json\"");
    for (size_t i = 0; i < leat_formats_count; i++)
        leat_buf_add_format(out, ", \"%s\"", leat_formats[i]->name);
    leat_buf_add_text(out, "]}, {\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 1, "
                           "\"additionalProperties\": false, \"properties\": {\"json\": {\"type\": "
                           "\"object\", \"maxProperties\": 0}");
    for (size_t i = 0; i < leat_formats_count; i++) {
        leat_buf_add_format(out, ", \"%s\": ", leat_formats[i]->name);
        leat_options_schema(leat_formats[i]->options, leat_formats[i]->options_count, out);
    }
    leat_buf_add_text(out, "}}]}");
}

void plan_format_manual(leat_buf *out)
{
    leat_buf_add_text(out, "# Formats\n\n`format` of a source or sink is a name, or an object with "
                           "the name and its settings: `{\"csv\": {\"delimiter\": \";\"}}`. "
                           "Default: `json`.\n\n");
    for (size_t i = 0; i < leat_formats_count; i++) {
        leat_buf_add_format(out, "## %s\n\n%s\n\n", leat_formats[i]->name, leat_formats[i]->doc);
        leat_options_manual(leat_formats[i]->options, leat_formats[i]->options_count, out);
        if (leat_formats[i]->options_count > 0) leat_buf_add_char(out, '\n');
    }
}
