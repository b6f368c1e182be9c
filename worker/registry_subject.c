/* SPDX-License-Identifier: Apache-2.0 */
/* The schema that a registry has under a subject, for a step that names it so.
 *
 *   GET /subjects/SUBJECT/versions/N|latest     -> the schema, its number, what it refers to
 *   GET /schemas/ids/NUMBER?format=resolved...  of one of Avro that refers to others: in one piece
 *
 * A plan cannot be made without it, so this waits, unlike the client for records (which shares the
 * HTTP with it, and the codes of a no): for a pipeline that starts, until the registry answers,
 * with pauses that double from 100 ms to 10 s, as a task would wait; for `leat check`, through all
 * addresses once. What decides is an answer of the registry itself: 40401 and 40402 are "there is
 * no such subject" and "no such version"; a bare 404, 401, 403 and 5xx are no answer. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/buf.h"
#include "schemas/codec_json.h"
#include "worker/cli.h"
#include "worker/logger.h"
#include "worker/registry_client.h"

#define PAUSE_MS_MIN     100
#define PAUSE_MS_MAX     10000
#define CHECK_TIMEOUT_MS 3000
#define PATH_BYTES_MAX   ((size_t)1 << 20)

typedef struct question {
    const char *pipeline; /* for log lines */
    leat_registry_http *http;
    leat_str url;
    leat_str subject;
    int64_t version;
    leat_arena *arena;
    leat_planned_schema *schema;
} question;

/* Why an answer gives no schema; body MISSING: it is no JSON. */
static leat_code not_there(const question *of, leat_value body, long status, leat_err *err)
{
    leat_str message = leat_json_member_text(body, "message");
    int64_t number = leat_registry_refusal(body);
    if (status == 404 && number == LEAT_REGISTRY_NO_SUBJECT)
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "the schema registry has no subject '%.*s'",
                            LEAT_STR_ARG(of->subject));
    if (status == 404 && number == LEAT_REGISTRY_NO_VERSION)
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "the schema registry has no %.*s",
                            LEAT_STR_ARG(of->schema->name));
    return leat_err_set(
        err, LEAT_ERR_UNAVAILABLE,
        "schema registry %.*s gives no answer that could be used: HTTP status %ld%s%.*s",
        LEAT_STR_ARG(of->url), status, message.len > 0 ? ": " : "", LEAT_STR_ARG(message));
}

/* The answer's JSON, and HTTP's status; UNAVAILABLE: it is none. */
static leat_code get(const question *of, leat_str path, leat_value *body, long *status,
                     leat_err *err)
{
    leat_registry_reply reply;
    leat_json_limits limits = {64, UINT32_MAX};
    leat_err why;
    leat_registry_http_call(of->http, of->url, path, LEAT_STR_NONE, &reply);
    *status = reply.status;
    leat_str text = leat_arena_copy(of->arena, leat_buf_str(&reply.body));
    leat_buf_release(&reply.body);
    if (text.data == NULL) return leat_arena_full(of->arena, err);
    if (reply.status == 0)
        return leat_err_set(err, LEAT_ERR_UNAVAILABLE, "schema registry %.*s: %s",
                            LEAT_STR_ARG(of->url), reply.why);
    if (leat_json_value(text, limits, of->arena, body, &why) == LEAT_OK) return LEAT_OK;
    return not_there(of, LEAT_VALUE_MISSING, reply.status, err);
}

/* It refers to others: it is asked for in one piece. */
static leat_code resolve(const question *of, leat_value body, leat_str *text, leat_err *err)
{
    leat_value id = leat_json_member(body, "id");
    leat_value whole = LEAT_VALUE_MISSING;
    long status = 0;
    if (of->schema->json || id.tag != LEAT_INT)
        return leat_err_set(err, LEAT_ERR_NO_FIELD,
                            "%.*s refers to other schemas, which only one of Avro can",
                            LEAT_STR_ARG(of->schema->name));
    leat_str path = leat_arena_print(
        of->arena, "/schemas/ids/%" PRId64 "?format=resolved&dereference=true", id.as.i);
    if (path.data == NULL) return leat_arena_full(of->arena, err);
    LEAT_TRY(get(of, path, &whole, &status, err));
    *text = leat_json_member_text(whole, "schema");
    return status == 200 && text->data != NULL ? LEAT_OK : not_there(of, whole, status, err);
}

static leat_code ask(const question *of, leat_err *err)
{
    leat_planned_schema *schema = of->schema;
    leat_value body = LEAT_VALUE_MISSING;
    long status = 0;
    leat_buf path;
    leat_buf_init(&path, PATH_BYTES_MAX);
    leat_buf_add_text(&path, "/subjects/");
    leat_registry_http_escape(of->subject, &path);
    leat_buf_add_text(&path, "/versions/");
    if (of->version == 0)
        leat_buf_add_text(&path, "latest");
    else
        leat_buf_add_int(&path, of->version);
    leat_code code = leat_buf_check(&path, "a subject", err);
    if (code == LEAT_OK) code = get(of, leat_buf_str(&path), &body, &status, err);
    leat_buf_release(&path);
    LEAT_TRY(code);
    leat_str text = leat_json_member_text(body, "schema");
    leat_str type = leat_json_member_text(body, "schemaType");
    if (status != 200 || text.data == NULL) return not_there(of, body, status, err);
    schema->json = leat_str_is(type, "JSON");
    if (type.data != NULL && !schema->json && !leat_str_is(type, "AVRO"))
        return leat_err_set(err, LEAT_ERR_NO_FIELD, "%.*s is of type %.*s, not AVRO or JSON",
                            LEAT_STR_ARG(schema->name), LEAT_STR_ARG(type));
    leat_value references = leat_json_member(body, "references");
    if (references.tag == LEAT_LIST && references.len > 0) LEAT_TRY(resolve(of, body, &text, err));
    leat_value version = leat_json_member(body, "version");
    if (of->version == 0 && version.tag == LEAT_INT) {
        schema->name = leat_arena_print(of->arena, "subject '%.*s', version %" PRId64,
                                        LEAT_STR_ARG(of->subject), version.as.i);
        if (schema->name.data == NULL) return leat_arena_full(of->arena, err);
    }
    schema->text = text;
    return LEAT_OK;
}

/* Through all addresses, until one gives an answer that decides. */
static leat_code ask_all(question *of, const leat_registry_settings *settings, leat_err *err)
{
    leat_code code = LEAT_ERR_UNAVAILABLE;
    for (size_t i = 0; i < settings->urls_count && code == LEAT_ERR_UNAVAILABLE; i++) {
        of->url = settings->urls[i];
        code = ask(of, err);
    }
    return code;
}

static leat_code ask_until_answered(question *of, const leat_registry_settings *settings,
                                    leat_err *err)
{
    for (int64_t pause = PAUSE_MS_MIN;;
         pause = pause * 2 < PAUSE_MS_MAX ? pause * 2 : PAUSE_MS_MAX) {
        leat_arena_mark mark = leat_arena_save(of->arena);
        leat_code code = ask_all(of, settings, err);
        if (code == LEAT_OK)
            leat_log_line(LEAT_LEVEL_INFO, "schemas", of->pipeline,
                          "%.*s is what records are checked by", LEAT_STR_ARG(of->schema->name));
        bool again =
            code == LEAT_ERR_UNAVAILABLE || (code == LEAT_ERR_NO_FIELD && settings->unknown);
        if (!again || leat_cli_stopped()) return code;
        leat_arena_restore(of->arena, mark);
        leat_log_repeat(LEAT_LEVEL_WARN, "schemas", of->pipeline, "subject",
                        "%s; the pipeline does not start without it", err->text);
        leat_cli_wait(pause);
        if (leat_cli_stopped()) return leat_err_prefix(err, "stopped");
    }
}

leat_code leat_registry_subject(const leat_plan *plan, leat_str subject, int64_t version,
                                bool patient, leat_arena *arena, leat_planned_schema *schema,
                                leat_err *err)
{
    leat_registry_settings used = *plan->registry;
    _Atomic bool stopping = false;
    LEAT_ASSERT(used.urls_count > 0 && version >= 0);
    if (!patient && used.timeout_ms > CHECK_TIMEOUT_MS) used.timeout_ms = CHECK_TIMEOUT_MS;
    *schema = (leat_planned_schema){0};
    schema->name = version == 0 ? leat_arena_print(arena, "subject '%.*s'", LEAT_STR_ARG(subject))
                                : leat_arena_print(arena, "subject '%.*s', version %" PRId64,
                                                   LEAT_STR_ARG(subject), version);
    if (schema->name.data == NULL) return leat_arena_full(arena, err);
    leat_str name = leat_arena_copy(arena, plan->name);
    if (name.data == NULL) return leat_arena_full(arena, err);
    question of = {.pipeline = name.data,
                   .subject = subject,
                   .version = version,
                   .arena = arena,
                   .schema = schema};
    LEAT_TRY(leat_registry_http_open(&used, &stopping, &of.http, err));
    leat_code code = patient ? ask_until_answered(&of, &used, err) : ask_all(&of, &used, err);
    leat_registry_http_close(&of.http);
    return code;
}
