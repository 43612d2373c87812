#include "cli/answer_view.h"

#include <string.h>

enum { NAME_WIDTH = 14, VALUE_WIDTH = 22, RESULT_WIDTH = 16, TEXT_BYTES_MAX = 1 << 20 };

void answer_view_append_value(struct buf *out, const struct json *v)
{
    struct buf quoted;

    if (!v || v->type != JSON_STRING) {
        if (v)
            json_append(out, v);
        return;
    }
    buf_init(&quoted, TEXT_BYTES_MAX);
    json_append_string(&quoted, v->text);
    if (quoted.len >= 2)
        buf_append(out, quoted.at + 1, quoted.len - 2);
    buf_release(&quoted);
}

static void pad(struct buf *out, size_t begin, size_t width)
{
    do
        buf_append_char(out, ' ');
    while (out->len - begin < width && !out->failed);
}

static bool is_set(const struct json *v)
{
    if (v->type != JSON_ARRAY)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].type != JSON_STRING)
            return false;
    return true;
}

/* A set as its members, "price, terms". */
static void append_output(struct buf *out, const struct json *v)
{
    if (!is_set(v)) {
        answer_view_append_value(out, v);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        buf_append_text(out, i ? ", " : "");
        answer_view_append_value(out, &v->items[i]);
    }
    if (v->n == 0)
        buf_append_text(out, "none");
}

static void append_fields(struct buf *out, const struct json *output, const struct json *confidence)
{
    for (size_t i = 0; output && output->type == JSON_OBJECT && i < output->n; i++) {
        const struct json *sure = NULL;
        size_t begin = out->len;

        for (size_t j = 0; confidence && confidence->type == JSON_OBJECT && j < confidence->n; j++)
            if (str_equal(confidence->members[j].key, output->members[i].key))
                sure = &confidence->members[j].value;
        buf_append_str(out, output->members[i].key);
        pad(out, begin, NAME_WIDTH);
        begin = out->len;
        append_output(out, &output->members[i].value);
        if (sure) {
            pad(out, begin, VALUE_WIDTH);
            buf_append_text(out, "confidence ");
            json_append(out, sure);
        }
        buf_append_char(out, '\n');
    }
}

static void append_abstained(struct buf *out, const struct json *abstained,
                             const struct json *confidence)
{
    const struct json *suggestion = json_find(abstained, "suggestion");

    buf_append_text(out, "abstained: ");
    answer_view_append_value(out, json_find(abstained, "reason"));
    buf_append_text(out, "\n  ");
    answer_view_append_value(out, json_find(abstained, "text"));
    buf_append_char(out, '\n');
    if (suggestion && suggestion->type == JSON_OBJECT) {
        buf_append_text(out, "suggestion, not an answer:\n");
        append_fields(out, suggestion, confidence);
    }
}

static void append_facts(struct buf *out, const struct json *facts)
{
    for (size_t i = 0; facts && facts->type == JSON_OBJECT && i < facts->n; i++) {
        buf_append_text(out, i ? "        " : "facts   ");
        buf_append_str(out, facts->members[i].key);
        buf_append_text(out, " = ");
        answer_view_append_value(out, &facts->members[i].value);
        buf_append_char(out, '\n');
    }
}

static void append_rules(struct buf *out, const struct json *rules)
{
    for (size_t i = 0; rules && rules->type == JSON_ARRAY && i < rules->n; i++) {
        size_t begin;

        buf_append_text(out, i ? "        " : "rules   ");
        begin = out->len;
        answer_view_append_value(out, json_find(&rules->items[i], "id"));
        pad(out, begin, 6);
        begin = out->len;
        answer_view_append_value(out, json_find(&rules->items[i], "result"));
        pad(out, begin, RESULT_WIDTH);
        answer_view_append_value(out, json_find(&rules->items[i], "text"));
        buf_append_char(out, '\n');
    }
}

void answer_view_append(struct buf *out, const struct json *answer)
{
    const struct json *abstained = json_find(answer, "abstained");
    const struct json *confidence = json_find(answer, "confidence");

    if (abstained && abstained->type == JSON_OBJECT)
        append_abstained(out, abstained, confidence);
    else
        append_fields(out, json_find(answer, "output"), confidence);
    append_facts(out, json_find(answer, "facts"));
    append_rules(out, json_find(answer, "rules"));
}
