#include "tests/support/test.h"

#include "base/json.h"
#include "base/log.h"

#include <unistd.h>

static int64_t now_ms = 1777800600000;

/* What one call wrote, NUL-terminated. */
static const char *written(int fds[2], char *text, size_t size)
{
    close(fds[1]);
    ssize_t len = read(fds[0], text, size - 1);
    close(fds[0]);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static struct log log_to(int fds[2], enum log_format format)
{
    assert_int_equal(pipe(fds), 0);
    return (struct log){ clock_fixed(&now_ms), LOG_LEVEL_INFO, format, fds[1] };
}

static void a_logged_value_cannot_forge_a_line(void **state)
{
    char text[20000];
    int fds[2];
    (void)state;

    struct log log = log_to(fds, LOG_FORMAT_TEXT);
    log_printf(&log, LOG_LEVEL_ERROR, "no '%s'", "x\r\n2026 \x1b[31m\xC2\x9B\x7F\xFF\\");
    assert_string_equal(written(fds, text, sizeof(text)),
                        "2026-05-03T09:30:00.000Z error no 'x\\u000d\\u000a2026 "
                        "\\u001b[31m\\u009b\\u007f\xEF\xBF\xBD\\\\'\n");
}

static void json_lines_read_back(void **state)
{
    char text[20000];
    struct arena arena;
    struct json *v;
    struct err err;
    int fds[2];
    (void)state;

    struct log log = log_to(fds, LOG_FORMAT_JSON);
    log_printf(&log, LOG_LEVEL_WARNING, "%s", "a\"b\\\n\xC3\xA9");
    arena_init(&arena, 1 << 20);
    assert_int_equal(json_parse(str_of(written(fds, text, sizeof(text))), JSON_DUPLICATES_REFUSED,
                                &arena, &v, &err),
                     RC_OK);
    assert_true(str_is(json_find(v, "message")->text, "a\"b\\\n\xC3\xA9"));
    assert_true(str_is(json_find(v, "level")->text, "warning"));
    arena_release(&arena);
}

static void long_messages_are_cut_and_low_levels_dropped(void **state)
{
    static char text[20000], message[5000];
    int fds[2];
    (void)state;

    memset(message, '\n', sizeof(message) - 1);
    struct log log = log_to(fds, LOG_FORMAT_TEXT);
    log_printf(&log, LOG_LEVEL_DEBUG, "unseen");
    log_printf(&log, LOG_LEVEL_INFO, "%s", message);
    written(fds, text, sizeof(text));
    assert_int_equal(strlen(text), strlen("2026-05-03T09:30:00.000Z info ...\n") + 6 * 2000);
    assert_string_equal(text + strlen(text) - 10, "\\u000a...\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logged_value_cannot_forge_a_line),
        cmocka_unit_test(json_lines_read_back),
        cmocka_unit_test(long_messages_are_cut_and_low_levels_dropped),
    };
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
