/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request to a schema registry; libcurl is known to this file alone.
 *
 * One handle is kept, and with it the connection. An answer is bounded, as is the time for it;
 * redirects are not followed (they would take the password elsewhere); a stop of the worker breaks
 * off what is under way. Passwords never reach a message: curl's reasons name hosts only. */
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/mem.h"
#include "worker/registry_client.h"

#define REPLY_BYTES_MAX ((size_t)8 << 20)
#define TEXT_BYTES_MAX  ((size_t)16 << 20)

struct leat_registry_http {
    CURL *curl;
    struct curl_slist *headers;
    const leat_registry_settings *settings;
    const _Atomic bool *stopping;
    leat_buf text; /* scratch: texts ended by NUL */
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
    leat_buf *body = context;
    leat_buf_add(body, (leat_str){data, size * count});
    return body->overflow ? 0 : size * count;
}

static int look(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const leat_registry_http *http = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(http->stopping) ? 1 : 0;
}

static const char *terminated(leat_registry_http *http, leat_str text)
{
    leat_buf_reset(&http->text);
    leat_buf_add(&http->text, text);
    leat_buf_add_char(&http->text, '\0');
    return http->text.overflow ? "" : http->text.data;
}

/* curl copies texts. */
static void set_text(leat_registry_http *http, CURLoption option, leat_str text)
{
    if (text.len > 0) (void)curl_easy_setopt(http->curl, option, terminated(http, text));
}

static void set_up(leat_registry_http *http)
{
    const leat_registry_settings *settings = http->settings;
    CURL *curl = http->curl;
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "leat/" LEAT_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
    set_text(http, CURLOPT_CAINFO, settings->ca);
    set_text(http, CURLOPT_SSLCERT, settings->certificate);
    set_text(http, CURLOPT_SSLKEY, settings->private_key);
    if (settings->token.len > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        set_text(http, CURLOPT_XOAUTH2_BEARER, settings->token);
    } else if (settings->user.len > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        set_text(http, CURLOPT_USERNAME, settings->user);
        set_text(http, CURLOPT_PASSWORD, settings->password);
    }
}

leat_code leat_registry_http_open(const leat_registry_settings *settings,
                                  const _Atomic bool *stopping, leat_registry_http **opened,
                                  leat_err *err)
{
    *opened = NULL;
    leat_registry_http *http = leat_mem_need(sizeof *http);
    http->settings = settings;
    http->stopping = stopping;
    leat_buf_init(&http->text, TEXT_BYTES_MAX);
    http->curl = curl_easy_init();
    http->headers =
        curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    if (http->headers != NULL) {
        struct curl_slist *more = curl_slist_append(
            http->headers, "Content-Type: application/vnd.schemaregistry.v1+json");
        if (more != NULL) http->headers = more;
    }
    if (http->curl == NULL || http->headers == NULL) {
        leat_registry_http_close(&http);
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a client of the schema registry");
    }
    set_up(http);
    *opened = http;
    return LEAT_OK;
}

void leat_registry_http_close(leat_registry_http **http)
{
    if (*http == NULL) return;
    curl_easy_cleanup((*http)->curl);
    curl_slist_free_all((*http)->headers);
    leat_buf_release(&(*http)->text);
    leat_mem_free(*http);
    *http = NULL;
}

void leat_registry_http_call(leat_registry_http *http, leat_str url, leat_str path, leat_str body,
                             leat_registry_reply *reply)
{
    char why[CURL_ERROR_SIZE] = "";
    CURL *curl = http->curl;
    while (url.len > 0 && url.data[url.len - 1] == '/')
        url.len--;
    leat_buf_init(&reply->body, REPLY_BYTES_MAX);
    reply->status = 0;
    leat_buf_reset(&http->text);
    leat_buf_add(&http->text, url);
    leat_buf_add(&http->text, path);
    leat_buf_add_char(&http->text, '\0');
    (void)curl_easy_setopt(curl, CURLOPT_URL, http->text.data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply->body);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    if (body.data != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK) (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    (void)snprintf(reply->why, sizeof reply->why, "%s",
                   why[0] != '\0' ? why : curl_easy_strerror(code));
}

void leat_registry_http_escape(leat_str text, leat_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            leat_buf_add_char(out, c);
        else
            leat_buf_add_format(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}
