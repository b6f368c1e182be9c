/* SPDX-License-Identifier: Apache-2.0 */
/* From a schema's JSON text to types.
 *
 * The text is read by the same parser as configuration is, so a mistake has a line and a column. A
 * type is entered under its name before its fields are read, which is all that recursion needs:
 *
 *   {"name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
 *     |                                                            |
 *     `-- entered in `names` first                                 `-- found there: a circle
 *
 * bytes_min, by which a decoder refuses an array that claims more items than bytes are left, is
 * computed when all types are there; a record that holds itself with nothing in between has no
 * finite value and is refused then.
 *
 * Refused: the parser of Avro's C library. It forgets aliases, logical types and defaults, which is
 * what this is about, and its errors have no place. */
#include "schemas/avro_schema.h"

#include "core/map.h"

#define NO_SPACE LEAT_STR("")

typedef struct parsing {
    leat_arena *arena;
    leat_err *err;
    leat_map *names; /* full name -> leat_avro_type * */
    leat_avro_type **types;
    uint32_t count, size;
} parsing;

static const struct {
    const char *name;
    leat_avro_kind kind;
} kinds[] = {
    {"null", LEAT_AVRO_NULL},   {"boolean", LEAT_AVRO_BOOLEAN}, {"int", LEAT_AVRO_INT},
    {"long", LEAT_AVRO_LONG},   {"float", LEAT_AVRO_FLOAT},     {"double", LEAT_AVRO_DOUBLE},
    {"bytes", LEAT_AVRO_BYTES}, {"string", LEAT_AVRO_STRING},   {"record", LEAT_AVRO_RECORD},
    {"enum", LEAT_AVRO_ENUM},   {"array", LEAT_AVRO_ARRAY},     {"map", LEAT_AVRO_MAP},
    {"union", LEAT_AVRO_UNION}, {"fixed", LEAT_AVRO_FIXED},
};
#define KINDS_COUNT     (sizeof kinds / sizeof kinds[0])
#define PRIMITIVE_COUNT 8u

static const struct {
    const char *name;
    leat_avro_logical logical;
    leat_avro_kind kind;
} logicals[] = {
    {"decimal", LEAT_AVRO_DECIMAL, LEAT_AVRO_BYTES},
    {"decimal", LEAT_AVRO_DECIMAL, LEAT_AVRO_FIXED},
    {"date", LEAT_AVRO_DATE, LEAT_AVRO_INT},
    {"time-millis", LEAT_AVRO_TIME_MILLIS, LEAT_AVRO_INT},
    {"time-micros", LEAT_AVRO_TIME_MICROS, LEAT_AVRO_LONG},
    {"timestamp-millis", LEAT_AVRO_TIMESTAMP_MILLIS, LEAT_AVRO_LONG},
    {"timestamp-micros", LEAT_AVRO_TIMESTAMP_MICROS, LEAT_AVRO_LONG},
    {"timestamp-nanos", LEAT_AVRO_TIMESTAMP_NANOS, LEAT_AVRO_LONG},
    {"local-timestamp-millis", LEAT_AVRO_TIMESTAMP_MILLIS, LEAT_AVRO_LONG},
    {"local-timestamp-micros", LEAT_AVRO_TIMESTAMP_MICROS, LEAT_AVRO_LONG},
    {"local-timestamp-nanos", LEAT_AVRO_TIMESTAMP_NANOS, LEAT_AVRO_LONG},
    {"uuid", LEAT_AVRO_UUID, LEAT_AVRO_STRING},
    {"uuid", LEAT_AVRO_UUID, LEAT_AVRO_FIXED},
    {"duration", LEAT_AVRO_DURATION, LEAT_AVRO_FIXED},
};

/* --- words ------------------------------------------------------------------------------------ */

const char *leat_avro_kind_name(leat_avro_kind kind)
{
    LEAT_ASSERT(kind < KINDS_COUNT && kinds[kind].kind == kind);
    return kinds[kind].name;
}

leat_str leat_avro_type_text(const leat_avro_type *type, leat_arena *arena)
{
    for (size_t i = 0; type->logical != LEAT_AVRO_PLAIN && i < sizeof logicals / sizeof logicals[0];
         i++)
        if (logicals[i].logical == type->logical) return leat_str_of(logicals[i].name);
    if (type->name.data == NULL) return leat_str_of(leat_avro_kind_name(type->kind));
    return leat_arena_print(arena, "%s %.*s", leat_avro_kind_name(type->kind),
                            LEAT_STR_ARG(type->name));
}

leat_str leat_avro_unqualified(leat_str full)
{
    const char *dot = full.len == 0 ? NULL : memrchr(full.data, '.', full.len);
    return dot == NULL ? full : leat_str_slice(full, (size_t)(dot + 1 - full.data), full.len);
}

const leat_avro_field *leat_avro_field_find(const leat_avro_type *record, leat_str name)
{
    for (size_t i = 0; i < record->fields_count; i++)
        if (leat_str_equal(record->fields[i].name, name)) return &record->fields[i];
    return NULL;
}

const leat_avro_type *leat_avro_present(const leat_avro_type *type, bool *null)
{
    *null = type->kind == LEAT_AVRO_NULL;
    if (type->kind != LEAT_AVRO_UNION) return type;
    for (size_t i = 0; i < type->branches_count; i++)
        *null = *null || type->branches[i]->kind == LEAT_AVRO_NULL;
    if (type->branches_count == 1) return type->branches[0];
    if (type->branches_count != 2 || !*null) return type;
    return type->branches[type->branches[0]->kind == LEAT_AVRO_NULL ? 1 : 0];
}

/* --- mistakes --------------------------------------------------------------------------------- */

static leat_code wrong(parsing *p, const leat_node *node, const char *format, ...)
    LEAT_PRINTF(3, 4);
static leat_code wrong(parsing *p, const leat_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)leat_err_set_v(p->err, LEAT_ERR_CONFIG, format, arguments);
    va_end(arguments);
    return leat_err_prefix(p->err, "Avro schema, line %u, column %u", node->line, node->column);
}

static leat_code need_text(parsing *p, const leat_node *object, const char *key,
                           const leat_node **member)
{
    *member = leat_node_member(object, key);
    if (*member == NULL) return wrong(p, object, "'%s' is missing", key);
    if ((*member)->kind == LEAT_NODE_STRING) return LEAT_OK;
    return wrong(p, *member, "'%s' must be a string, not %s", key,
                 leat_node_kind_name((*member)->kind));
}

static leat_code need_list(parsing *p, const leat_node *object, const char *key,
                           const leat_node **member)
{
    *member = leat_node_member(object, key);
    if (*member == NULL) return wrong(p, object, "'%s' is missing", key);
    if ((*member)->kind == LEAT_NODE_LIST) return LEAT_OK;
    return wrong(p, *member, "'%s' must be a list, not %s", key,
                 leat_node_kind_name((*member)->kind));
}

static size_t children_of(const leat_node *node)
{
    size_t count = 0;
    for (const leat_node *child = node->child; child != NULL; child = child->next)
        count++;
    return count;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_name(leat_str name, bool dots)
{
    bool fresh = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (c == '.' && dots && !fresh)
            fresh = true;
        else if (letter || (c >= '0' && c <= '9' && !fresh))
            fresh = false;
        else
            return false;
    }
    return !fresh;
}

static leat_str space_of(leat_str full)
{
    const char *dot = full.len == 0 ? NULL : memrchr(full.data, '.', full.len);
    return dot == NULL ? NO_SPACE : leat_str_slice(full, 0, (size_t)(dot - full.data));
}

static leat_code full_name(parsing *p, leat_str name, leat_str space, leat_str *full)
{
    bool whole = name.len == 0 || memchr(name.data, '.', name.len) != NULL || space.len == 0;
    *full = whole
                ? leat_arena_copy(p->arena, name)
                : leat_arena_print(p->arena, "%.*s.%.*s", LEAT_STR_ARG(space), LEAT_STR_ARG(name));
    return full->data != NULL ? LEAT_OK : leat_arena_full(p->arena, p->err);
}

/* Texts of a list. qualify: they are names, made full in space. */
static leat_code read_names(parsing *p, const leat_node *list, bool qualify, leat_str space,
                            const leat_str **names, size_t *count)
{
    *names = NULL;
    *count = 0;
    if (list == NULL) return LEAT_OK;
    if (list->kind != LEAT_NODE_LIST)
        return wrong(p, list, "must be a list, not %s", leat_node_kind_name(list->kind));
    leat_str *made = leat_arena_array(p->arena, children_of(list) + 1, sizeof *made);
    if (made == NULL) return leat_arena_full(p->arena, p->err);
    for (const leat_node *child = list->child; child != NULL; child = child->next) {
        if (child->kind != LEAT_NODE_STRING || !is_name(child->text, qualify))
            return wrong(p, child, "must be a name: letters, digits and _, no digit first");
        made[*count] = child->text;
        if (qualify) LEAT_TRY(full_name(p, child->text, space, &made[*count]));
        ++*count;
    }
    *names = made;
    return LEAT_OK;
}

static leat_code name_type(parsing *p, const leat_node *node, leat_str space, leat_avro_type *type)
{
    const leat_node *name, *own = leat_node_member(node, "namespace");
    LEAT_TRY(need_text(p, node, "name", &name));
    if (!is_name(name->text, true))
        return wrong(p, name, "'%.*s' is no name: letters, digits and _, no digit first",
                     LEAT_STR_ARG(name->text));
    if (own != NULL && own->kind == LEAT_NODE_STRING) {
        if (own->text.len > 0 && !is_name(own->text, true))
            return wrong(p, own, "'%.*s' is no namespace", LEAT_STR_ARG(own->text));
        space = own->text;
    }
    LEAT_TRY(full_name(p, name->text, space, &type->name));
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++)
        if (leat_str_is(type->name, kinds[i].name))
            return wrong(p, name, "'%s' is the name of a primitive type", kinds[i].name);
    uint64_t other;
    if (leat_map_get(p->names, type->name, &other))
        return wrong(p, name, "'%.*s' is defined twice", LEAT_STR_ARG(type->name));
    LEAT_TRY(leat_map_put(p->names, type->name, (uint64_t)(uintptr_t)type, p->err));
    return read_names(p, leat_node_member(node, "aliases"), true, space_of(type->name),
                      &type->aliases, &type->aliases_count);
}

/* --- types ------------------------------------------------------------------------------------ */

static leat_code read_type(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                           const leat_avro_type **type);

static leat_code new_type(parsing *p, const leat_node *node, leat_avro_kind kind,
                          leat_avro_type **type)
{
    if (p->count == LEAT_AVRO_TYPES_MAX)
        return wrong(p, node, "a schema has at most %u types", LEAT_AVRO_TYPES_MAX);
    if (p->count == p->size) {
        uint32_t size = p->size == 0 ? 16 : p->size * 2;
        leat_avro_type **types = leat_arena_array(p->arena, size, sizeof(leat_avro_type *));
        if (types == NULL) return leat_arena_full(p->arena, p->err);
        if (p->count > 0) memcpy(types, p->types, p->count * sizeof(leat_avro_type *));
        p->types = types;
        p->size = size;
    }
    leat_avro_type *made = leat_arena_zero(p->arena, sizeof *made);
    if (made == NULL) return leat_arena_full(p->arena, p->err);
    made->kind = kind;
    made->index = p->count;
    p->types[p->count++] = made;
    *type = made;
    return LEAT_OK;
}

static leat_code read_field(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                            leat_avro_field *field)
{
    if (node->kind != LEAT_NODE_OBJECT)
        return wrong(p, node, "a field must be an object, not %s", leat_node_kind_name(node->kind));
    const leat_node *name;
    LEAT_TRY(need_text(p, node, "name", &name));
    if (!is_name(name->text, false))
        return wrong(p, name, "'%.*s' is no name: letters, digits and _, no digit first",
                     LEAT_STR_ARG(name->text));
    const leat_node *type = leat_node_member(node, "type");
    if (type == NULL) return wrong(p, node, "'type' is missing");
    field->name = name->text;
    field->fallback = leat_node_member(node, "default");
    LEAT_TRY(read_names(p, leat_node_member(node, "aliases"), false, space, &field->aliases,
                        &field->aliases_count));
    return read_type(p, type, space, depth, &field->type);
}

static leat_code read_record(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                             leat_avro_type *type)
{
    const leat_node *list;
    LEAT_TRY(name_type(p, node, space, type));
    LEAT_TRY(need_list(p, node, "fields", &list));
    leat_avro_field *fields = leat_arena_array(p->arena, children_of(list) + 1, sizeof *fields);
    leat_map *seen = leat_map_new();
    leat_code code = fields != NULL ? LEAT_OK : leat_arena_full(p->arena, p->err);
    size_t count = 0;
    for (const leat_node *child = list->child; child != NULL && code == LEAT_OK;
         child = child->next, count++) {
        uint64_t at;
        code = read_field(p, child, space_of(type->name), depth, &fields[count]);
        if (code == LEAT_OK && leat_map_get(seen, fields[count].name, &at))
            code = wrong(p, child, "field '%.*s' is there twice", LEAT_STR_ARG(fields[count].name));
        if (code == LEAT_OK) code = leat_map_put(seen, fields[count].name, count, p->err);
    }
    leat_map_free(&seen);
    type->fields = fields;
    type->fields_count = count;
    return code;
}

static leat_code read_enum(parsing *p, const leat_node *node, leat_str space, leat_avro_type *type)
{
    const leat_node *list, *fallback = leat_node_member(node, "default");
    LEAT_TRY(name_type(p, node, space, type));
    LEAT_TRY(need_list(p, node, "symbols", &list));
    LEAT_TRY(read_names(p, list, false, space, &type->symbols, &type->symbols_count));
    if (type->symbols_count == 0) return wrong(p, list, "an enum has at least one symbol");
    leat_map *seen = leat_map_new();
    leat_code code = LEAT_OK;
    uint64_t at;
    for (size_t i = 0; i < type->symbols_count && code == LEAT_OK; i++) {
        if (leat_map_get(seen, type->symbols[i], &at))
            code = wrong(p, list, "symbol '%.*s' is there twice", LEAT_STR_ARG(type->symbols[i]));
        else
            code = leat_map_put(seen, type->symbols[i], i, p->err);
    }
    if (code == LEAT_OK && fallback != NULL) {
        if (fallback->kind != LEAT_NODE_STRING || !leat_map_get(seen, fallback->text, &at))
            code = wrong(p, fallback, "the default is none of the symbols");
        else
            type->symbol_default = fallback->text;
    }
    leat_map_free(&seen);
    return code;
}

static leat_code read_fixed(parsing *p, const leat_node *node, leat_str space, leat_avro_type *type)
{
    LEAT_TRY(name_type(p, node, space, type));
    const leat_node *size = leat_node_member(node, "size");
    if (size == NULL) return wrong(p, node, "'size' is missing");
    if (size->kind != LEAT_NODE_INT || size->i < 0 || size->i > LEAT_AVRO_FIXED_MAX)
        return wrong(p, size, "'size' must be 0 to %u bytes", LEAT_AVRO_FIXED_MAX);
    type->size = (uint32_t)size->i;
    return LEAT_OK;
}

/* Two branches of one kind, or of one name, could not be told apart. */
static leat_code check_branches(parsing *p, const leat_node *node, const leat_avro_type *type)
{
    leat_map *seen = leat_map_new();
    leat_code code = LEAT_OK;
    for (size_t i = 0; i < type->branches_count && code == LEAT_OK; i++) {
        const leat_avro_type *branch = type->branches[i];
        leat_str name = branch->name.data != NULL ? branch->name
                                                  : leat_str_of(leat_avro_kind_name(branch->kind));
        uint64_t at;
        if (branch->kind == LEAT_AVRO_UNION)
            code = wrong(p, node, "a union cannot stand right in a union");
        else if (leat_map_get(seen, name, &at))
            code = wrong(p, node, "the union has '%.*s' twice", LEAT_STR_ARG(name));
        else
            code = leat_map_put(seen, name, i, p->err);
    }
    leat_map_free(&seen);
    return code;
}

static leat_code read_union(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                            const leat_avro_type **type)
{
    leat_avro_type *made = NULL;
    LEAT_TRY(new_type(p, node, LEAT_AVRO_UNION, &made));
    LEAT_ASSERT(made != NULL);
    const leat_avro_type **branches =
        leat_arena_array(p->arena, children_of(node) + 1, sizeof(leat_avro_type *));
    if (branches == NULL) return leat_arena_full(p->arena, p->err);
    if (node->child == NULL) return wrong(p, node, "the union is empty");
    for (const leat_node *child = node->child; child != NULL; child = child->next)
        LEAT_TRY(read_type(p, child, space, depth, &branches[made->branches_count++]));
    made->branches = branches;
    *type = made;
    return check_branches(p, node, made);
}

/* --- logical types ---------------------------------------------------------------------------- */

/* Decimal digits that so many bytes can always hold. */
static uint32_t digits_of(uint32_t bytes)
{
    uint64_t bits = bytes == 0 ? 0 : (uint64_t)bytes * 8 - 1;
    uint64_t digits = bits * 30103 / 100000;
    return digits > LEAT_AVRO_DECIMAL_MAX ? LEAT_AVRO_DECIMAL_MAX : (uint32_t)digits;
}

static bool read_decimal(const leat_node *node, leat_avro_type *type)
{
    const leat_node *precision = leat_node_member(node, "precision");
    const leat_node *scale = leat_node_member(node, "scale");
    if (precision == NULL || precision->kind != LEAT_NODE_INT || precision->i < 1) return false;
    if (precision->i > LEAT_AVRO_DECIMAL_MAX) return false;
    if (scale != NULL && (scale->kind != LEAT_NODE_INT || scale->i < 0)) return false;
    int64_t places = scale != NULL ? scale->i : 0;
    if (places > precision->i) return false;
    if (type->kind == LEAT_AVRO_FIXED && precision->i > digits_of(type->size)) return false;
    type->precision = (uint32_t)precision->i;
    type->scale = (uint32_t)places;
    return true;
}

static void read_logical(const leat_node *node, leat_avro_type *type)
{
    const leat_node *name = leat_node_member(node, "logicalType");
    if (name == NULL || name->kind != LEAT_NODE_STRING) return;
    for (size_t i = 0; i < sizeof logicals / sizeof logicals[0]; i++) {
        if (logicals[i].kind != type->kind || !leat_str_is(name->text, logicals[i].name)) continue;
        leat_avro_logical logical = logicals[i].logical;
        if (logical == LEAT_AVRO_DECIMAL && !read_decimal(node, type)) return;
        if (logical == LEAT_AVRO_DURATION && type->size != 12) return;
        if (logical == LEAT_AVRO_UUID && type->kind == LEAT_AVRO_FIXED && type->size != 16) return;
        type->logical = logical;
        return;
    }
}

/* --- any type --------------------------------------------------------------------------------- */

static leat_code read_reference(parsing *p, const leat_node *node, leat_str space,
                                const leat_avro_type **type)
{
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++) {
        if (!leat_str_is(node->text, kinds[i].name)) continue;
        leat_avro_type *made = NULL;
        LEAT_TRY(new_type(p, node, kinds[i].kind, &made));
        *type = made;
        return LEAT_OK;
    }
    uint64_t found = 0;
    leat_str full;
    LEAT_TRY(full_name(p, node->text, space, &full));
    if (!leat_map_get(p->names, full, &found) && !leat_map_get(p->names, node->text, &found))
        return wrong(p, node, "unknown type '%.*s'", LEAT_STR_ARG(node->text));
    *type = (const leat_avro_type *)(uintptr_t)found;
    return LEAT_OK;
}

static leat_code read_complex(parsing *p, const leat_node *node, leat_avro_kind kind,
                              leat_str space, unsigned depth, leat_avro_type *type)
{
    if (kind == LEAT_AVRO_RECORD) return read_record(p, node, space, depth, type);
    if (kind == LEAT_AVRO_ENUM) return read_enum(p, node, space, type);
    if (kind == LEAT_AVRO_FIXED) return read_fixed(p, node, space, type);
    if (kind != LEAT_AVRO_ARRAY && kind != LEAT_AVRO_MAP) return LEAT_OK;
    const char *key = kind == LEAT_AVRO_ARRAY ? "items" : "values";
    const leat_node *items = leat_node_member(node, key);
    if (items == NULL) return wrong(p, node, "'%s' is missing", key);
    return read_type(p, items, space, depth, &type->items);
}

static leat_code read_object(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                             const leat_avro_type **type)
{
    const leat_node *name = leat_node_member(node, "type");
    if (name == NULL) return wrong(p, node, "'type' is missing");
    if (name->kind != LEAT_NODE_STRING) return read_type(p, name, space, depth, type);
    for (size_t i = 0; i < KINDS_COUNT; i++) {
        bool named = leat_str_is(name->text, kinds[i].name) ||
                     (kinds[i].kind == LEAT_AVRO_RECORD && leat_str_is(name->text, "error"));
        if (!named || kinds[i].kind == LEAT_AVRO_UNION) continue;
        leat_avro_type *made = NULL;
        LEAT_TRY(new_type(p, node, kinds[i].kind, &made));
        LEAT_ASSERT(made != NULL);
        LEAT_TRY(read_complex(p, node, kinds[i].kind, space, depth, made));
        read_logical(node, made);
        *type = made;
        return LEAT_OK;
    }
    return read_reference(p, name, space, type);
}

/* Recursion is bounded by LEAT_AVRO_DEPTH_MAX. */
static leat_code read_type(parsing *p, const leat_node *node, leat_str space, unsigned depth,
                           const leat_avro_type **type)
{
    if (depth >= LEAT_AVRO_DEPTH_MAX)
        return wrong(p, node, "nested deeper than %u types", LEAT_AVRO_DEPTH_MAX);
    if (node->kind == LEAT_NODE_STRING) return read_reference(p, node, space, type);
    if (node->kind == LEAT_NODE_LIST) return read_union(p, node, space, depth + 1, type);
    if (node->kind == LEAT_NODE_OBJECT) return read_object(p, node, space, depth + 1, type);
    return wrong(p, node, "a type is a name, an object or a list, not %s",
                 leat_node_kind_name(node->kind));
}

/* --- the least a value takes ------------------------------------------------------------------ */

#define MIN_OPEN   UINT32_MAX       /* being computed */
#define MIN_UNSEEN (UINT32_MAX - 1) /* not yet */
#define MIN_CAP    (1u << 24)

/* Recursion: a record in a record in a record, each another type. */
static bool find_min(parsing *p, leat_avro_type *type, unsigned depth)
{
    static const uint32_t sizes[] = {0, 1, 1, 1, 4, 8, 1, 1, 0, 1, 1, 1, 1, 0};
    if (type->bytes_min == MIN_OPEN || depth > LEAT_AVRO_TYPES_MAX) return false;
    if (type->bytes_min != MIN_UNSEEN) return true;
    type->bytes_min = MIN_OPEN;
    uint64_t sum = type->kind == LEAT_AVRO_FIXED ? type->size : sizes[type->kind];
    for (size_t i = 0; i < type->fields_count; i++) {
        leat_avro_type *inner = p->types[type->fields[i].type->index];
        if (!find_min(p, inner, depth + 1)) return false;
        sum += inner->bytes_min;
    }
    type->bytes_min = sum > MIN_CAP ? MIN_CAP : (uint32_t)sum;
    return true;
}

static leat_code find_mins(parsing *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        p->types[i]->bytes_min = MIN_UNSEEN;
    for (uint32_t i = 0; i < p->count; i++) {
        if (find_min(p, p->types[i], 0)) continue;
        return leat_err_set(p->err, LEAT_ERR_CONFIG,
                            "Avro schema: record '%.*s' holds itself, so that it has no end; let "
                            "it hold a union with null",
                            LEAT_STR_ARG(p->types[i]->name));
    }
    return LEAT_OK;
}

leat_code leat_avro_schema_parse(leat_str text, leat_arena *arena, const leat_avro_schema **schema,
                                 leat_err *err)
{
    parsing p = {.arena = arena, .err = err};
    leat_node *root = NULL;
    uint32_t line = 1, column = 1;
    *schema = NULL;
    if (text.len > LEAT_AVRO_SCHEMA_MAX)
        return leat_err_set(err, LEAT_ERR_CONFIG, "Avro schema: longer than %zu bytes",
                            LEAT_AVRO_SCHEMA_MAX);
    leat_avro_schema *made = leat_arena_zero(arena, sizeof *made);
    if (made == NULL) return leat_arena_full(arena, err);
    made->text = leat_arena_copy(arena, text);
    if (made->text.data == NULL) return leat_arena_full(arena, err);
    leat_code code = leat_doc_parse(text, LEAT_STR("schema"), arena, &root, err, &line, &column);
    if (code != LEAT_OK) {
        if (leat_code_blame(code) == LEAT_BLAME_TASK) return code;
        err->code = LEAT_ERR_CONFIG;
        return leat_err_prefix(err, "Avro schema, line %u, column %u", line, column);
    }
    p.names = leat_map_new();
    code = read_type(&p, root, NO_SPACE, 0, &made->root);
    leat_map_free(&p.names);
    if (code == LEAT_OK) code = find_mins(&p);
    LEAT_ASSERT(code != LEAT_OK || (made->root != NULL && p.count > 0));
    made->types_count = p.count;
    if (code == LEAT_OK) *schema = made;
    return code;
}
