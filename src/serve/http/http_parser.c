/* http_parser.c - see the header. The head is collected line by line, then read as a whole. */
#include "serve/http/http_parser.h"

#include <stdint.h>
#include <strings.h>

enum line { LINE_GOES_ON, LINE_ENDS, LINE_IS_BAD };

void http_parser_init(struct http_parser *p, size_t body_bytes_max)
{
    *p = (struct http_parser){ .body_bytes_max = body_bytes_max };
    buf_init(&p->head, HTTP_HEAD_BYTES_MAX + HTTP_HEADERS_MAX);
    buf_init(&p->body, body_bytes_max);
    buf_init(&p->line, HTTP_CHUNK_LINE_BYTES_MAX);
}

void http_parser_reset(struct http_parser *p)
{
    size_t body_bytes_max = p->body_bytes_max;

    http_parser_release(p);
    http_parser_init(p, body_bytes_max);
}

void http_parser_release(struct http_parser *p)
{
    buf_release(&p->head);
    buf_release(&p->body);
    buf_release(&p->line);
}

static bool refuse(struct http_parser *p, int status, const char *reason)
{
    p->phase = HTTP_REFUSED;
    p->status = status;
    p->reason = reason;
    return false;
}

static bool refuse_no_memory(struct http_parser *p)
{
    return refuse(p, 503, "out of memory");
}

struct str http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (str_is(request->headers[i].name, name))
            return request->headers[i].value;
    return (struct str){ 0 };
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char(text.at[i]))
            return false;
    return text.len > 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool equal_ignoring_case(struct str text, const char *want)
{
    return text.len == strlen(want) && strncasecmp(text.at, want, text.len) == 0;
}

/* Cuts *rest at the first c: returns what is before it, or all of it when there is none. */
static struct str cut(struct str *rest, char c)
{
    const char *found = rest->len ? memchr(rest->at, c, rest->len) : NULL;
    struct str before = *rest;

    if (found)
        before.len = (size_t)(found - rest->at);
    size_t used = before.len + (found ? 1 : 0);
    rest->at += used;
    rest->len -= used;
    return before;
}

static struct str trimmed(struct str text)
{
    while (text.len && (text.at[0] == ' ' || text.at[0] == '\t'))
        text.at++, text.len--;
    while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Decodes %XX in place; false when a byte is none we accept. */
static bool decode_percent(struct str *text, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < text->len; i++) {
        char c = text->at[i];
        if (c == '%') {
            int high = text->len - i > 2 ? hex_value(text->at[i + 1]) : -1;
            int low = text->len - i > 2 ? hex_value(text->at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            if (c == '\\')
                return false;
            i += 2;
        }
        if (c <= ' ' || c > '~')
            return false;
        out[len++] = c;
    }
    *text = (struct str){ out, len };
    return true;
}

/*
 * What could be read in two ways is refused instead of being normalised: empty and dot segments
 * (also written %2e), an encoded backslash, and every byte that is not printable ASCII, which takes
 * care of NUL and of overlong UTF-8. An encoded slash is a slash, before segments are looked at:
 * OpenAI's clients send the slash of a model's name like that.
 */
static bool read_path(struct http_parser *p, struct str raw)
{
    struct str path = raw;

    if (raw.len == 0 || raw.at[0] != '/')
        return refuse(p, 400, "target must be a path");
    if (!decode_percent(&path, p->head.at + (raw.at - p->head.at)))
        return refuse(p, 400, "path must be printable ASCII without backslashes");

    struct str rest = { path.at + 1, path.len - 1 };
    bool more = path.len > 1;
    while (more) {
        more = memchr(rest.at, '/', rest.len) != NULL;
        struct str segment = cut(&rest, '/');
        if (segment.len == 0 || str_is(segment, ".") || str_is(segment, ".."))
            return refuse(p, 400, "path has an empty or a dot segment");
    }
    p->request.path = path;
    return true;
}

/* "/path?query", or "http://host/path?query", which a server must accept although only proxies are
 * sent it (RFC 9112, 3.2.2). */
static bool read_target(struct http_parser *p, struct str target)
{
    if (target.len > 7 && strncasecmp(target.at, "http://", 7) == 0) {
        const char *path = memchr(target.at + 7, '/', target.len - 7);
        if (!path || path == target.at + 7)
            return refuse(p, 400, "target must be a path");
        target = (struct str){ path, (size_t)(target.at + target.len - path) };
    }
    struct str path = cut(&target, '?');
    p->request.query = target;
    return read_path(p, path);
}

/* Sets *ret_minor to 0 or 1; a higher minor version is spoken to as 1.1 (RFC 9110, 2.5). */
static bool read_version(struct http_parser *p, struct str version, int *ret_minor)
{
    bool is_http = version.len == 8 && str_starts_with(version, "HTTP/") && version.at[6] == '.';

    if (!is_http || version.at[5] < '0' || version.at[5] > '9' || version.at[7] < '0' ||
        version.at[7] > '9')
        return refuse(p, 400, "request line must be METHOD TARGET HTTP/1.1");
    if (version.at[5] != '1')
        return refuse(p, 505, "only HTTP/1.1 is spoken here");
    *ret_minor = version.at[7] > '0';
    return true;
}

static bool read_request_line(struct http_parser *p, struct str line, int *ret_minor)
{
    struct str method = cut(&line, ' ');
    struct str target = cut(&line, ' ');

    if (!is_token(method))
        return refuse(p, 400, "request line must be METHOD TARGET HTTP/1.1");
    p->request.method = method;
    return read_version(p, line, ret_minor) && read_target(p, target);
}

static bool read_field(struct http_parser *p, struct str line, struct http_header *ret_header)
{
    bool has_colon = line.len && memchr(line.at, ':', line.len);
    struct str name = cut(&line, ':');

    if (!has_colon || !is_token(name))
        return refuse(p, 400, "a header field must be 'name: value', not folded");
    *ret_header = (struct http_header){ name, trimmed(line) };
    return true;
}

static void lower(struct http_parser *p, struct str name)
{
    char *at = p->head.at + (name.at - p->head.at);

    for (size_t i = 0; i < name.len; i++)
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] - 'A' + 'a');
}

/* Fields of which two copies could be understood differently by two readers. */
static bool check_repeated(struct http_parser *p)
{
    static const char *const single[] = {
        "authorization", "content-encoding", "content-length",     "content-type",     "expect",
        "host",          "idempotency-key",  "shoal-time-left-ms", "transfer-encoding"
    };

    for (size_t s = 0; s < ARRAY_LEN(single); s++) {
        size_t n = 0;
        for (size_t i = 0; i < p->request.n_headers; i++)
            n += str_is(p->request.headers[i].name, single[s]);
        if (n > 1)
            return refuse(p, 400, "a header field that must be single is repeated");
    }
    return true;
}

static bool has_option(struct str list, const char *option)
{
    while (list.len)
        if (equal_ignoring_case(trimmed(cut(&list, ',')), option))
            return true;
    return false;
}

static bool read_length(struct http_parser *p, struct str text)
{
    size_t length = 0;

    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return refuse(p, 400, "Content-Length must be a number");
    if (text.len == 0)
        return refuse(p, 400, "Content-Length must be a number");
    for (size_t i = 0; i < text.len; i++) {
        length = length * 10 + (size_t)(text.at[i] - '0');
        if (length > p->body_bytes_max)
            return refuse(p, 413, "body is too long");
    }
    p->left = length;
    p->phase = length ? HTTP_BODY : HTTP_COMPLETE;
    return true;
}

static bool read_coding(struct http_parser *p, struct str codings, int minor)
{
    struct str last = { 0 }, rest = codings;

    while (rest.len)
        last = trimmed(cut(&rest, ','));
    if (minor == 0 || !equal_ignoring_case(last, "chunked"))
        return refuse(p, 400, "Transfer-Encoding must be chunked");
    if (!equal_ignoring_case(codings, "chunked"))
        return refuse(p, 501, "Transfer-Encoding must be chunked");
    p->phase = HTTP_CHUNK_SIZE;
    return true;
}

/* How the body's end is found, and whether we take such a body. */
static bool read_framing(struct http_parser *p, int minor)
{
    struct str coding = http_request_header(&p->request, "transfer-encoding");
    struct str length = http_request_header(&p->request, "content-length");
    struct str encoding = http_request_header(&p->request, "content-encoding");

    if (coding.at && length.at)
        return refuse(p, 400, "Content-Length and Transfer-Encoding exclude each other");
    p->request.has_body = coding.at || length.at;
    if (encoding.at && !equal_ignoring_case(encoding, "identity"))
        return refuse(p, 415, "compressed bodies are not taken");
    if (coding.at)
        return read_coding(p, coding, minor);
    if (length.at)
        return read_length(p, length);
    p->phase = HTTP_COMPLETE;
    return true;
}

static bool read_expectation(struct http_parser *p, int minor)
{
    struct str expect = http_request_header(&p->request, "expect");

    if (!expect.at || minor == 0)
        return true;
    if (!equal_ignoring_case(expect, "100-continue"))
        return refuse(p, 417, "the only expectation known is 100-continue");
    p->request.expects_100 = true;
    return true;
}

/* How long the client still waits, from its head on. */
static bool read_time_left(struct http_parser *p)
{
    struct str text = http_request_header(&p->request, "shoal-time-left-ms");
    unsigned time_ms = 0;
    bool is_number = text.len > 0;

    p->request.time_left_ms = HTTP_TIME_LEFT_MS_MAX;
    if (!text.at)
        return true;
    for (size_t i = 0; i < text.len && is_number; i++) {
        is_number = text.at[i] >= '0' && text.at[i] <= '9' && time_ms <= HTTP_TIME_LEFT_MS_MAX / 10;
        time_ms = is_number ? time_ms * 10 + (unsigned)(text.at[i] - '0') : 0;
    }
    if (!is_number)
        return refuse(p, 400, "Shoal-Time-Left-Ms must be a number of at most 999999999");
    p->request.time_left_ms = time_ms;
    return true;
}

/* The collected head: lines separated by '\n', which no line can contain. */
static bool read_head(struct http_parser *p)
{
    struct str rest = buf_str(&p->head);
    int minor = 1;

    if (!read_request_line(p, cut(&rest, '\n'), &minor))
        return false;
    while (rest.len) {
        struct http_header *header = &p->request.headers[p->request.n_headers];
        if (!read_field(p, cut(&rest, '\n'), header))
            return false;
        lower(p, header->name);
        p->request.n_headers++;
    }
    if (!check_repeated(p) || !read_expectation(p, minor) || !read_time_left(p))
        return false;

    struct str host = http_request_header(&p->request, "host");
    struct str connection = http_request_header(&p->request, "connection");
    if (minor == 1 && host.len == 0)
        return refuse(p, 400, "Host is missing");
    p->request.keep_alive = minor == 1 && !has_option(connection, "close");
    return read_framing(p, minor);
}

/* Adds one byte to the line that is being collected in `into`; a byte no line may hold is bad. */
static enum line push(struct http_parser *p, struct buf *into, char c)
{
    if (p->after_cr) {
        p->after_cr = false;
        return c == '\n' ? LINE_ENDS : LINE_IS_BAD;
    }
    if (c == '\r') {
        p->after_cr = true;
        return LINE_GOES_ON;
    }
    if ((c >= 0 && c < ' ' && c != '\t') || c == 0x7f)
        return LINE_IS_BAD;
    buf_append_char(into, c);
    p->line_len++;
    return LINE_GOES_ON;
}

static bool take_head_line(struct http_parser *p)
{
    bool is_empty = p->line_len == 0;

    p->line_len = 0;
    if (is_empty && p->n_lines == 0)
        return refuse(p, 400, "request line is empty");
    if (is_empty)
        return read_head(p);
    if (++p->n_lines > 1 + HTTP_HEADERS_MAX)
        return refuse(p, 431, "too many header fields");
    buf_append_char(&p->head, '\n');
    return true;
}

/* Each of these takes bytes while its phase lasts and returns how many. */
static size_t feed_head(struct http_parser *p, const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && p->phase == HTTP_HEAD) {
        enum line line = push(p, &p->head, bytes[i++]);
        if (line == LINE_IS_BAD)
            refuse(p, 400, "lines must end in CRLF and hold no control characters");
        else if (line == LINE_ENDS)
            take_head_line(p);
        else if (p->n_lines == 0 && p->line_len > HTTP_LINE_BYTES_MAX)
            refuse(p, 414, "request line is too long");
        else if (p->head.len > HTTP_HEAD_BYTES_MAX)
            refuse(p, 431, "header fields are too long");
        if (p->head.failed && p->phase != HTTP_REFUSED)
            refuse_no_memory(p);
    }
    return i;
}

static size_t feed_data(struct http_parser *p, const char *bytes, size_t len)
{
    size_t n = len < p->left ? len : p->left;

    buf_append(&p->body, bytes, n);
    p->left -= n;
    if (p->body.failed)
        refuse_no_memory(p);
    else if (p->left == 0)
        p->phase = p->phase == HTTP_BODY ? HTTP_COMPLETE : HTTP_CHUNK_END;
    return n;
}

/* "1a;name=value": the extension is ignored, as it must be when it is not known. */
static bool take_chunk_size(struct http_parser *p)
{
    struct str line = buf_str(&p->line);
    struct str digits = trimmed(cut(&line, ';'));
    size_t size = 0;

    if (digits.len == 0 || digits.at != p->line.at)
        return refuse(p, 400, "chunk size must be hexadecimal");
    for (size_t i = 0; i < digits.len; i++) {
        int value = hex_value(digits.at[i]);
        if (value < 0)
            return refuse(p, 400, "chunk size must be hexadecimal");
        size = size << 4 | (size_t)value;
        if (size > p->body_bytes_max - p->body.len)
            return refuse(p, 413, "body is too long");
    }
    p->left = size;
    p->phase = size ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    p->n_lines = 0;
    return true;
}

/* Trailer fields are checked like the others and dropped: nothing here asks for one. */
static bool take_trailer(struct http_parser *p)
{
    struct http_header ignored;

    if (p->line_len == 0) {
        p->phase = HTTP_COMPLETE;
        return true;
    }
    if (++p->n_lines > HTTP_HEADERS_MAX)
        return refuse(p, 431, "too many trailer fields");
    return read_field(p, buf_str(&p->line), &ignored);
}

static bool take_chunk_line(struct http_parser *p)
{
    switch (p->phase) {
    case HTTP_CHUNK_SIZE: return take_chunk_size(p);
    case HTTP_TRAILER: return take_trailer(p);
    case HTTP_CHUNK_END:
        p->phase = HTTP_CHUNK_SIZE;
        return p->line_len == 0 || refuse(p, 400, "chunk is longer than its size");
    case HTTP_HEAD:
    case HTTP_BODY:
    case HTTP_CHUNK_DATA:
    case HTTP_COMPLETE:
    case HTTP_REFUSED: break;
    }
    assert_fail("the phase reads lines of a chunked body", __FILE__, __LINE__);
}

static size_t feed_chunk_line(struct http_parser *p, const char *bytes, size_t len)
{
    enum line line = LINE_GOES_ON;
    size_t i = 0;

    while (i < len && line == LINE_GOES_ON && p->phase != HTTP_REFUSED) {
        line = push(p, &p->line, bytes[i++]);
        if (p->line.failed == RC_NOMEM)
            refuse_no_memory(p);
        else if (p->line.failed)
            refuse(p, p->phase == HTTP_TRAILER ? 431 : 400,
                   "a line of the chunked body is too long");
        else if (line == LINE_IS_BAD)
            refuse(p, 400, "lines must end in CRLF and hold no control characters");
        else if (line == LINE_ENDS)
            take_chunk_line(p);
    }
    if (line == LINE_ENDS) {
        buf_reset(&p->line);
        p->line_len = 0;
    }
    return i;
}

size_t http_parser_feed(struct http_parser *p, const char *bytes, size_t len)
{
    bool had_head = p->phase != HTTP_HEAD;
    size_t used = 0;

    while (used < len && p->phase < HTTP_COMPLETE) {
        if (p->phase == HTTP_HEAD)
            used += feed_head(p, bytes + used, len - used);
        else if (p->phase == HTTP_BODY || p->phase == HTTP_CHUNK_DATA)
            used += feed_data(p, bytes + used, len - used);
        else
            used += feed_chunk_line(p, bytes + used, len - used);
        if (!had_head && p->phase != HTTP_HEAD)
            break;
    }
    if (p->phase == HTTP_COMPLETE)
        p->request.body = buf_str(&p->body);
    return used;
}
