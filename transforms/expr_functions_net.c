/* SPDX-License-Identifier: Apache-2.0 */
/* The network extension: ip(), cidr() and what can be asked of them.
 *
 * An address or a network is an OBJECT of a type of its own, opaque to everything but the functions
 * here. Texts are read strictly: no leading zeros in IPv4, no zones, no IPv4 in dotted form inside
 * IPv6; they are written as RFC 5952 wants them. An IPv6 address that maps an IPv4 one stays IPv6,
 * so that two spellings of one family never compare equal across families. */
#include <stdio.h>

#include "transforms/expr_function.h"

typedef struct net {
    leat_object object;
    uint8_t bytes[16]; /* IPv4: the first four */
    uint8_t len;       /* 4 or 16 */
    uint8_t prefix;    /* of a network */
    bool network;
} net;

#define NET_TEXT_MAX 64

/* --- text -------------------------------------------------------------------------------- */

/* A decimal number without leading zeros, at most `max`; *at moves behind it. */
static bool read_number(leat_str text, size_t *at, uint32_t max, uint32_t *number)
{
    size_t start = *at;
    *number = 0;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        *number = *number * 10 + (uint32_t)(text.data[(*at)++] - '0');
        if (*number > max) return false;
    }
    return *at > start && (*at == start + 1 || text.data[start] != '0');
}

static bool read_ipv4(leat_str text, net *made)
{
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t number = 0;
        if (i > 0 && (at >= text.len || text.data[at++] != '.')) return false;
        if (!read_number(text, &at, 255, &number)) return false;
        made->bytes[i] = (uint8_t)number;
    }
    made->len = 4;
    return at == text.len;
}

/* One to four hexadecimal digits. */
static bool read_group(leat_str text, size_t *at, uint32_t *group)
{
    size_t start = *at;
    *group = 0;
    for (; *at < text.len && *at < start + 4; (*at)++) {
        int digit = leat_str_hex_digit(text.data[*at]);
        if (digit < 0) break;
        *group = *group * 16 + (uint32_t)digit;
    }
    return *at > start;
}

static bool read_ipv6(leat_str text, net *made)
{
    uint8_t bytes[16] = {0};
    size_t used = 0; /* of bytes, two for each group */
    bool gap = false;
    size_t head = 0; /* bytes before :: */
    size_t at = 0;
    if (text.len >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = true;
        at = 2;
    }
    while (at < text.len) {
        uint32_t group = 0;
        if (used == sizeof bytes || !read_group(text, &at, &group)) return false;
        bytes[used++] = (uint8_t)(group >> 8);
        bytes[used++] = (uint8_t)group;
        if (at == text.len) break;
        if (text.data[at++] != ':' || at == text.len) return false;
        if (text.data[at] == ':') {
            if (gap) return false;
            gap = true;
            head = used;
            at++;
        }
    }
    if (gap == (used == sizeof bytes)) return false; /* :: stands for one group at least */
    size_t tail = used - head;
    memset(made->bytes, 0, 16);
    memcpy(made->bytes, bytes, head);
    memcpy(made->bytes + 16 - tail, bytes + head, tail);
    made->len = 16;
    return true;
}

static bool read_address(leat_str text, net *made)
{
    bool colon = text.len > 0 && memchr(text.data, ':', text.len) != NULL;
    return colon ? read_ipv6(text, made) : read_ipv4(text, made);
}

static bool read_network(leat_str text, net *made)
{
    const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    uint32_t prefix = 0;
    if (slash == NULL) return false;
    size_t at = (size_t)(slash - text.data);
    if (!read_address(leat_str_slice(text, 0, at), made)) return false;
    at++;
    if (!read_number(text, &at, made->len * 8u, &prefix) || at != text.len) return false;
    made->prefix = (uint8_t)prefix;
    made->network = true;
    return true;
}

static uint32_t group_of(const net *address, int i)
{
    const uint8_t *bytes = address->bytes + (ptrdiff_t)i * 2;
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* The longest run of two or more zero groups, the first of them. */
static void longest_gap(const net *address, int *start, int *len)
{
    *start = -1;
    *len = 1;
    for (int i = 0; i < 8;) {
        int end = i;
        while (end < 8 && group_of(address, end) == 0)
            end++;
        if (end - i > *len) {
            *start = i;
            *len = end - i;
        }
        i = end + 1;
    }
}

static size_t write_net(const net *address, char text[NET_TEXT_MAX])
{
    int used = 0;
    int gap = -1;
    int gap_len = 0;
    if (address->len == 4) {
        used = snprintf(text, NET_TEXT_MAX, "%u.%u.%u.%u", address->bytes[0], address->bytes[1],
                        address->bytes[2], address->bytes[3]);
    } else {
        longest_gap(address, &gap, &gap_len);
        for (int i = 0; i < 8; i++) {
            if (i == gap) {
                used += snprintf(text + used, NET_TEXT_MAX - (size_t)used, "::");
                i += gap_len - 1;
                continue;
            }
            bool colon = i > 0 && i != gap + gap_len;
            used += snprintf(text + used, NET_TEXT_MAX - (size_t)used, "%s%x", colon ? ":" : "",
                             group_of(address, i));
        }
        if (gap < 0) LEAT_ASSERT(used > 0);
    }
    if (address->network) {
        used += snprintf(text + used, NET_TEXT_MAX - (size_t)used, "/%u", address->prefix);
    }
    LEAT_ASSERT(used > 0 && used < NET_TEXT_MAX);
    return (size_t)used;
}

/* --- values ------------------------------------------------------------------------------ */

static leat_code no_field(const leat_object *object, leat_str name, leat_arena *arena,
                          leat_value *value, leat_err *err)
{
    (void)object;
    (void)name;
    (void)arena;
    (void)err;
    *value = LEAT_VALUE_MISSING;
    return LEAT_OK;
}

static leat_code as_text(const leat_object *object, leat_arena *arena, leat_value *value,
                         leat_err *err)
{
    char text[NET_TEXT_MAX];
    net address;
    memcpy(&address, object, sizeof address);
    leat_str copy = leat_arena_copy(arena, (leat_str){text, write_net(&address, text)});
    if (copy.data == NULL) return leat_arena_full(arena, err);
    *value = leat_value_string(copy);
    return LEAT_OK;
}

static const leat_object_type ip_type = {"net.IP", no_field, as_text};
static const leat_object_type cidr_type = {"net.CIDR", no_field, as_text};

static leat_value make_value(leat_expr_run *run, net made)
{
    net *kept = leat_arena_alloc(run->arena, sizeof *kept);
    if (kept == NULL) return leat_expr_fail_full(run);
    *kept = made;
    kept->object.type = made.network ? &cidr_type : &ip_type;
    return (leat_value){.tag = LEAT_OBJECT, .flags = LEAT_EXPR_OPAQUE, .as.object = &kept->object};
}

/* The address or network in a value, or false. */
static bool net_of(leat_value value, const leat_object_type *type, net *made)
{
    if (value.tag != LEAT_OBJECT || value.as.object->type != type) return false;
    memcpy(made, value.as.object, sizeof *made);
    return true;
}

/* Of an OBJECT of that type, or of a text that spells one. */
static bool net_or_text(leat_expr_run *run, leat_value value, bool network, net *made,
                        leat_value *error)
{
    memset(made, 0, sizeof *made);
    if (value.tag != LEAT_STRING) {
        if (net_of(value, network ? &cidr_type : &ip_type, made)) return true;
        *error = leat_expr_no_overload(run, network ? "cidr" : "ip", &value, 1);
        return false;
    }
    leat_str text = leat_value_str(value);
    if (network ? read_network(text, made) : read_address(text, made)) return true;
    *error = leat_expr_fail_format(run, LEAT_ERR_INVALID, "'%.*s' is no %s",
                                   text.len > 64 ? 64 : (int)text.len, text.data,
                                   network ? "network in CIDR notation" : "IP address");
    return false;
}

/* --- functions --------------------------------------------------------------------------- */

leat_value leat_expr_ip(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net made;
    leat_value error;
    LEAT_ASSERT(count == 1);
    return net_or_text(run, args[0], false, &made, &error) ? make_value(run, made) : error;
}

leat_value leat_expr_cidr(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net made;
    leat_value error;
    LEAT_ASSERT(count == 1);
    return net_or_text(run, args[0], true, &made, &error) ? make_value(run, made) : error;
}

leat_value leat_expr_is_ip(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net made;
    (void)run;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_STRING);
    return leat_value_bool(read_address(leat_value_str(args[0]), &made));
}

leat_value leat_expr_is_cidr(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net made;
    (void)run;
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_STRING);
    return leat_value_bool(read_network(leat_value_str(args[0]), &made));
}

leat_value leat_expr_is_canonical(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net made;
    leat_value error;
    char text[NET_TEXT_MAX];
    LEAT_ASSERT(count == 1);
    if (!net_or_text(run, args[0], false, &made, &error)) return error;
    leat_str canonical = {text, write_net(&made, text)};
    return leat_value_bool(leat_str_equal(canonical, leat_value_str(args[0])));
}

leat_value leat_expr_net_string(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 1 && args[0].tag == LEAT_OBJECT);
    return leat_expr_whole(run, args[0]);
}

static bool is_loopback(const net *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->len == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}

static bool is_unspecified(const net *a)
{
    static const uint8_t zero[16] = {0};
    return memcmp(a->bytes, zero, a->len) == 0;
}

static bool is_link_local_unicast(const net *a)
{
    if (a->len == 4) return a->bytes[0] == 169 && a->bytes[1] == 254;
    return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool is_link_local_multicast(const net *a)
{
    if (a->len == 4) return a->bytes[0] == 224 && a->bytes[1] == 0 && a->bytes[2] == 0;
    return a->bytes[0] == 0xff && (a->bytes[1] & 0x0f) == 2;
}

static bool is_global_unicast(const net *a)
{
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    bool multicast = a->len == 4 ? (a->bytes[0] & 0xf0) == 224 : a->bytes[0] == 0xff;
    if (a->len == 4 && memcmp(a->bytes, broadcast, 4) == 0) return false;
    return !multicast && !is_unspecified(a) && !is_loopback(a) && !is_link_local_unicast(a);
}

/* Functions of one address. */
#define OF_ADDRESS(function, make, expression)                                                     \
    leat_value function(leat_expr_run *run, const leat_value *args, uint32_t count)                \
    {                                                                                              \
        net a;                                                                                     \
        LEAT_ASSERT(count == 1);                                                                   \
        if (!net_of(args[0], &ip_type, &a)) return leat_expr_no_overload(run, "net.IP", args, 1);  \
        return make(expression);                                                                   \
    }
OF_ADDRESS(leat_expr_ip_family, leat_value_int, a.len == 4 ? 4 : 6)
OF_ADDRESS(leat_expr_ip_loopback, leat_value_bool, is_loopback(&a))
OF_ADDRESS(leat_expr_ip_unspecified, leat_value_bool, is_unspecified(&a))
OF_ADDRESS(leat_expr_ip_link_local, leat_value_bool, is_link_local_unicast(&a))
OF_ADDRESS(leat_expr_ip_link_multicast, leat_value_bool, is_link_local_multicast(&a))
OF_ADDRESS(leat_expr_ip_global, leat_value_bool, is_global_unicast(&a))
#undef OF_ADDRESS

/* The address with all bits behind the prefix zero. */
static net masked(net a, uint32_t prefix)
{
    LEAT_ASSERT(prefix <= a.len * 8u);
    for (uint32_t i = 0; i < a.len; i++) {
        uint32_t bits = prefix > i * 8 ? prefix - i * 8 : 0;
        if (bits < 8) a.bytes[i] &= (uint8_t)(0xff00u >> bits);
    }
    return a;
}

static bool network_holds(const net *network, const net *other, uint32_t prefix)
{
    if (network->len != other->len || prefix < network->prefix) return false;
    net a = masked(*network, network->prefix);
    net b = masked(*other, network->prefix);
    return memcmp(a.bytes, b.bytes, a.len) == 0;
}

static leat_value contains(leat_expr_run *run, const leat_value *args, bool network)
{
    net outer;
    net inner;
    leat_value error;
    if (!net_of(args[0], &cidr_type, &outer))
        return leat_expr_no_overload(run, "net.CIDR", args, 2);
    if (!net_or_text(run, args[1], network, &inner, &error)) return error;
    uint32_t prefix = network ? inner.prefix : inner.len * 8u;
    return leat_value_bool(network_holds(&outer, &inner, prefix));
}

leat_value leat_expr_contains_ip(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    return contains(run, args, false);
}

leat_value leat_expr_contains_cidr(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    LEAT_ASSERT(count == 2);
    return contains(run, args, true);
}

leat_value leat_expr_cidr_ip(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net a;
    LEAT_ASSERT(count == 1);
    if (!net_of(args[0], &cidr_type, &a)) return leat_expr_no_overload(run, "ip", args, 1);
    a.network = false;
    a.prefix = 0;
    return make_value(run, a);
}

leat_value leat_expr_cidr_masked(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net a;
    LEAT_ASSERT(count == 1);
    if (!net_of(args[0], &cidr_type, &a)) return leat_expr_no_overload(run, "masked", args, 1);
    return make_value(run, masked(a, a.prefix));
}

leat_value leat_expr_prefix_length(leat_expr_run *run, const leat_value *args, uint32_t count)
{
    net a;
    LEAT_ASSERT(count == 1);
    if (!net_of(args[0], &cidr_type, &a)) return leat_expr_no_overload(run, "net.CIDR", args, 1);
    return leat_value_int(a.prefix);
}
