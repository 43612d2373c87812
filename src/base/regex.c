#include "base/regex.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct regex {
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
};

static void *allocate(size_t size, void *self)
{
    (void)self;
    return mem_alloc(size);
}

static void release(void *block, void *self)
{
    (void)self;
    mem_free(block);
}

static uint32_t options_of(unsigned flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;

    if (flags & REGEX_LITERAL) /* which allows few other options */
        return PCRE2_UTF | PCRE2_LITERAL | (flags & REGEX_CASELESS ? PCRE2_CASELESS : 0U);
    options |= PCRE2_UCP;
    options |= flags & REGEX_CASELESS ? PCRE2_CASELESS : 0U;
    options |= flags & REGEX_MULTILINE ? PCRE2_MULTILINE : PCRE2_DOLLAR_ENDONLY;
    options |= flags & REGEX_DOT_ALL ? PCRE2_DOTALL : 0U;
    return options;
}

static enum rc compile(struct regex *regex, struct str pattern, unsigned flags, struct err *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(regex->memory);
    PCRE2_SIZE offset;
    char reason[120];
    int code;

    if (!context)
        return err_set(err, RC_NOMEM, "regular expression");
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    regex->code = pcre2_compile((PCRE2_SPTR)(pattern.at ? pattern.at : ""), pattern.len,
                                options_of(flags), &code, &offset, context);
    pcre2_compile_context_free(context);
    if (regex->code)
        return RC_OK;
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return err_set(err, RC_NOMEM, "regular expression");
    pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof(reason));
    return err_set(err, RC_INVALID, "offset %zu: %s", (size_t)offset, reason);
}

static enum rc prepare(struct regex *regex, struct err *err)
{
    uint32_t n_groups = 0;

    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &n_groups);
    if (n_groups > REGEX_GROUPS_MAX)
        return err_set(err, RC_LIMIT, "more than %d groups", REGEX_GROUPS_MAX);
    regex->limits = pcre2_match_context_create(regex->memory);
    regex->data = pcre2_match_data_create_from_pattern(regex->code, regex->memory);
    if (!regex->limits || !regex->data)
        return err_set(err, RC_NOMEM, "regular expression");
    pcre2_set_match_limit(regex->limits, REGEX_MATCH_STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, REGEX_MATCH_STEPS_MAX);
    pcre2_set_heap_limit(regex->limits, REGEX_HEAP_KIB_MAX);
    return RC_OK;
}

enum rc regex_open(struct str pattern, unsigned flags, struct regex **ret_regex, struct err *err)
{
    CLEANUP(regex_closep) struct regex *regex = NULL;

    if (pattern.len > REGEX_PATTERN_MAX)
        return err_set(err, RC_LIMIT, "pattern of %zu bytes, at most %d", pattern.len,
                       REGEX_PATTERN_MAX);
    regex = mem_alloc(sizeof(*regex));
    if (!regex)
        return err_set(err, RC_NOMEM, "regular expression");
    regex->memory = pcre2_general_context_create(allocate, release, NULL);
    if (!regex->memory)
        return err_set(err, RC_NOMEM, "regular expression");
    enum rc rc = compile(regex, pattern, flags, err);
    if (!rc)
        rc = prepare(regex, err);
    if (rc)
        return rc;
    *ret_regex = TAKE(regex);
    return RC_OK;
}

void regex_close(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->data);
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    mem_free(regex);
}

enum rc regex_find(const struct regex *regex, struct str subject, size_t from,
                   struct regex_match *ret, struct err *err)
{
    const char *text = subject.at ? subject.at : "";
    int n = pcre2_match(regex->code, (PCRE2_SPTR)text, subject.len, from, 0, regex->data,
                        regex->limits);

    if (n == PCRE2_ERROR_NOMEMORY)
        return err_set(err, RC_NOMEM, "regular expression");
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return err_set(err, RC_LIMIT, "the regular expression takes too long on %zu bytes",
                       subject.len);

    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(regex->data);
    *ret = (struct regex_match){ .found = n > 0 };
    ret->n_groups = n > 0 ? pcre2_get_ovector_count(regex->data) : 0;
    for (size_t i = 0; i < ret->n_groups; i++)
        if (i < (size_t)n && offsets[2 * i] != PCRE2_UNSET && offsets[2 * i] <= offsets[2 * i + 1])
            ret->groups[i] =
                (struct str){ text + offsets[2 * i], offsets[2 * i + 1] - offsets[2 * i] };
    return RC_OK;
}
