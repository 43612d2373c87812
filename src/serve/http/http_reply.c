#include "serve/http/http_reply.h"

#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to the CRLF at or behind `at`; its length in *ret_line. false: there is none. */
static bool next_line(struct str head, size_t at, struct str *ret_line)
{
    const char *end = memmem(head.at + at, head.len - at, "\r\n", 2);

    if (!end)
        return false;
    *ret_line = (struct str){ head.at + at, (size_t)(end - head.at) - at };
    return true;
}

static bool read_status(struct str line, int *ret_status)
{
    if (!str_starts_with(line, "HTTP/1.1 ") || line.len < 12 ||
        (line.len > 12 && line.at[12] != ' '))
        return false;
    if (!is_digit(line.at[9]) || !is_digit(line.at[10]) || !is_digit(line.at[11]))
        return false;
    *ret_status = (line.at[9] - '0') * 100 + (line.at[10] - '0') * 10 + (line.at[11] - '0');
    return *ret_status >= 200 && *ret_status <= 599;
}

static bool read_length(struct str value, size_t *ret_length)
{
    size_t length = 0;

    if (value.len == 0 || value.len > 9)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.at[i]))
            return false;
        length = length * 10 + (size_t)(value.at[i] - '0');
    }
    *ret_length = length;
    return length <= HTTP_REPLY_BODY_BYTES_MAX;
}

static struct str trim(struct str text)
{
    while (text.len > 0 && (*text.at == ' ' || *text.at == '\t'))
        text = (struct str){ text.at + 1, text.len - 1 };
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool is_named(struct str name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp(name.at, wanted, name.len) == 0;
}

struct framing {
    size_t length;
    bool has_length, keep_alive;
};

static bool read_field(struct str line, struct framing *f)
{
    const char *colon = memchr(line.at, ':', line.len);
    struct str name, value;

    if (!colon || colon == line.at)
        return false;
    name = (struct str){ line.at, (size_t)(colon - line.at) };
    value = trim((struct str){ colon + 1, line.len - name.len - 1 });
    if (is_named(name, "transfer-encoding"))
        return false;
    if (is_named(name, "connection"))
        f->keep_alive = !is_named(value, "close");
    if (!is_named(name, "content-length"))
        return true;
    if (f->has_length)
        return false;
    f->has_length = true;
    return read_length(value, &f->length);
}

enum http_reply_state http_reply_read(struct str bytes, struct http_reply *ret)
{
    const char *end = bytes.len ? memmem(bytes.at, bytes.len, "\r\n\r\n", 4) : NULL;
    size_t head_len = end ? (size_t)(end - bytes.at) + 4 : bytes.len;
    struct framing framing = { .keep_alive = true };
    struct http_reply reply = { 0 };
    struct str line;

    if (head_len > HTTP_REPLY_HEAD_BYTES_MAX)
        return HTTP_REPLY_BROKEN;
    if (!end)
        return HTTP_REPLY_MORE;
    struct str head = { bytes.at, head_len - 2 }; /* with the CRLF of its last line */
    if (!next_line(head, 0, &line) || !read_status(line, &reply.status))
        return HTTP_REPLY_BROKEN;
    for (size_t at = line.len + 2; at < head.len; at += line.len + 2)
        if (!next_line(head, at, &line) || !read_field(line, &framing))
            return HTTP_REPLY_BROKEN;
    if (!framing.has_length)
        return HTTP_REPLY_BROKEN;
    if (bytes.len - head_len < framing.length)
        return HTTP_REPLY_MORE;
    reply.keep_alive = framing.keep_alive;
    reply.body = (struct str){ bytes.at + head_len, framing.length };
    reply.len = head_len + framing.length;
    *ret = reply;
    return HTTP_REPLY_WHOLE;
}
