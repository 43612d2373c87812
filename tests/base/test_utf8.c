#include "tests/support/test.h"

#include "base/macros.h"
#include "base/utf8.h"

static void every_scalar_value_survives_encode_and_decode(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[UTF8_BYTES_MAX];
        uint32_t back = 0xFFFFFFFF;

        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        size_t len = utf8_encode(c, bytes);
        if (utf8_decode(bytes, bytes + len, &back) != len || back != c)
            fail_msg("U+%04X came back as U+%04X", c, back);
        if (utf8_decode(bytes, bytes + len - 1, &back) != 0)
            fail_msg("U+%04X was read although it is cut", c);
    }
}

static void what_rfc_3629_excludes_is_refused(void **state)
{
    static const char *const cases[] = {
        "\x80",             /* continuation alone */
        "\xC0\x80",         /* overlong NUL */
        "\xC1\xBF",         /* overlong */
        "\xE0\x9F\xBF",     /* overlong */
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xED\xA0\x80",     /* surrogate */
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xF5\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xE2\x28\xA1",
        "a\xC3",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (utf8_valid(str_of(cases[i])))
            fail_msg("case %zu was accepted", i);
    assert_true(utf8_valid(STR("Gr\xC3\xBC\xC3\x9F"
                               "e \xF0\x9F\x98\x80")));
    assert_int_equal(utf8_count(STR("Gr\xC3\xBC\xC3\x9F"
                                    "e")),
                     5);
    assert_true(utf8_valid((struct str){ 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_survives_encode_and_decode),
        cmocka_unit_test(what_rfc_3629_excludes_is_refused),
    };
    return cmocka_run_group_tests_name("base/utf8", tests, NULL, NULL);
}
