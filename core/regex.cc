/* SPDX-License-Identifier: Apache-2.0 */
/* The door to RE2, the only C++ of the project: it compiles to automata, so that no pattern and no
 * text can make a match cost more than linear time. Memory of a compiled regex is bounded by
 * REGEX_BYTES_MAX; a pattern that needs more is refused when it is compiled. Errors are returned
 * and not logged. Groups are slices of the text that was searched.
 *
 * RE2 allocates with `new`, outside core/mem.h: what it holds is bounded per regex, and a regex is
 * made when a plan is, not per record. */
#include "core/regex.h"

#include <re2/re2.h>

#include <new>
#include <string>

namespace
{
constexpr int64_t REGEX_BYTES_MAX = 8 << 20;
constexpr size_t REGEX_GROUPS_MAX = 100;
} // namespace

struct leat_regex {
    re2::RE2 re;
    leat_regex(const re2::StringPiece &pattern, const re2::RE2::Options &options)
        : re(pattern, options)
    {
    }
};

extern "C" leat_code leat_regex_new(leat_regex **regex, leat_str pattern, leat_err *err)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(REGEX_BYTES_MAX);
    if (!leat_str_utf8_valid(pattern))
        return leat_err_set(err, LEAT_ERR_CONFIG, "a regular expression is not valid UTF-8");
    leat_regex *made =
        new (std::nothrow) leat_regex(re2::StringPiece(pattern.data, pattern.len), options);
    if (made == nullptr)
        return leat_err_set(err, LEAT_ERR_MEMORY, "no memory for a regular expression");
    if (!made->re.ok()) {
        leat_err_set(err, LEAT_ERR_CONFIG, "regular expression `%.*s`: %s", LEAT_STR_ARG(pattern),
                     made->re.error().c_str());
        delete made;
        return LEAT_ERR_CONFIG;
    }
    if (leat_regex_groups(made) >= REGEX_GROUPS_MAX) {
        delete made;
        return leat_err_set(err, LEAT_ERR_CONFIG, "a regular expression has %zu groups or more",
                            REGEX_GROUPS_MAX);
    }
    *regex = made;
    return LEAT_OK;
}

extern "C" void leat_regex_free(leat_regex **regex)
{
    delete *regex;
    *regex = nullptr;
}

extern "C" bool leat_regex_find_from(const leat_regex *regex, leat_str text, size_t from,
                                     leat_str *groups, size_t count)
{
    LEAT_ASSERT(from <= text.len);
    LEAT_ASSERT(count <= REGEX_GROUPS_MAX);
    re2::StringPiece found[REGEX_GROUPS_MAX];
    /* An empty group of no text must differ from a group that took no part. */
    re2::StringPiece in(text.data != nullptr ? text.data : "", text.len);
    if (!regex->re.Match(in, from, text.len, re2::RE2::UNANCHORED, found, static_cast<int>(count)))
        return false;
    for (size_t i = 0; i < count; i++)
        groups[i] = leat_str{found[i].data(), found[i].size()};
    return true;
}

extern "C" bool leat_regex_find(const leat_regex *regex, leat_str text, leat_str *groups,
                                size_t count)
{
    return leat_regex_find_from(regex, text, 0, groups, count);
}

extern "C" bool leat_regex_matches(const leat_regex *regex, leat_str text)
{
    return leat_regex_find_from(regex, text, 0, nullptr, 0);
}

extern "C" size_t leat_regex_groups(const leat_regex *regex)
{
    return static_cast<size_t>(regex->re.NumberOfCapturingGroups());
}

extern "C" leat_str leat_regex_group_name(const leat_regex *regex, size_t group)
{
    const auto &names = regex->re.CapturingGroupNames();
    auto found = names.find(static_cast<int>(group));
    if (found == names.end()) return LEAT_STR_NONE;
    return leat_str{found->second.data(), found->second.size()};
}
