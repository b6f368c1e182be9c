/* SPDX-License-Identifier: Apache-2.0 */
/* A client of a schema registry (the REST interface of Confluent's, which others speak too).
 *
 * Asking never waits: what is not known yet is fetched by a thread of the client's own, and whoever
 * asked asks again. A registry that cannot be reached is tried again and again, at each of its
 * addresses, with growing pauses; that is told in the log and by no answer, so that nobody takes
 * "not now" for "no such schema". What the registry says does not exist is remembered for a while.
 *
 * (worker/registry.h is something else: the list of operators.)
 * Thread: any. Owner: the pipeline. */
#ifndef LEAT_WORKER_REGISTRY_CLIENT_H
#define LEAT_WORKER_REGISTRY_CLIENT_H

#include "schemas/codec.h"
#include "transforms/plan.h"

typedef struct leat_registry_client leat_registry_client;

/* settings: borrowed. name: the pipeline's, for log lines; borrowed. */
leat_code leat_registry_client_open(const leat_registry_settings *settings, const char *name,
                                    leat_registry_client **client, leat_err *err) LEAT_CHECKED;
void leat_registry_client_close(leat_registry_client **client);
/* want: ID, GUID or REGISTER. *ready: answer is there, its texts in arena. A schema that the
 * registry refuses to register is LEAT_ERR_CONFIG. */
leat_code leat_registry_client_ask(leat_registry_client *client, const leat_want *want,
                                   leat_arena *arena, leat_answer *answer, bool *ready,
                                   leat_err *err) LEAT_CHECKED;

/* --- registry_subject.c: a schema by its subject, for a plan --- */
/* version 0: the latest. Texts are in arena. LEAT_ERR_NO_FIELD: the registry has none, or none that
 * could be used; UNAVAILABLE: it gives no answer. patient: asks until it does, or leat_cli_stopped,
 * and waits for what does not exist if the settings say so; else for a few seconds at most. */
leat_code leat_registry_subject(const leat_plan *plan, leat_str subject, int64_t version,
                                bool patient, leat_arena *arena, leat_planned_schema *schema,
                                leat_err *err) LEAT_CHECKED;

/* --- what a registry says no with, in answers of status 404 --- */
#define LEAT_REGISTRY_NO_SUBJECT 40401
#define LEAT_REGISTRY_NO_VERSION 40402
#define LEAT_REGISTRY_NO_SCHEMA  40403
int64_t leat_registry_refusal(leat_value body); /* 0: there is no code */

/* --- registry_http.c: one request, as far as HTTP goes --- */
typedef struct leat_registry_http leat_registry_http;
typedef struct leat_registry_reply {
    long status; /* of HTTP; 0: no answer, for the reason in why */
    leat_buf body;
    char why[256];
} leat_registry_reply;
leat_code leat_registry_http_open(const leat_registry_settings *settings,
                                  const _Atomic bool *stopping, leat_registry_http **http,
                                  leat_err *err) LEAT_CHECKED;
void leat_registry_http_close(leat_registry_http **http);
/* path: behind the address; body data NULL: GET, else POST. Takes at most the settings' timeout. */
void leat_registry_http_call(leat_registry_http *http, leat_str url, leat_str path, leat_str body,
                             leat_registry_reply *reply);
/* text as a part of a path. */
void leat_registry_http_escape(leat_str text, leat_buf *out);

#endif
