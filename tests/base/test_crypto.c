#include "tests/support/test.h"

#include "base/crypto.h"

/* FIPS 180-4 examples. */
static void digests_are_those_of_the_standard(void **state)
{
    struct digest whole, parts;
    struct sha256 h;
    struct err err;
    (void)state;

    assert_int_equal(sha256_of("abc", 3, &whole, &err), RC_OK);
    assert_string_equal(whole.hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(sha256_of("", 0, &parts, &err), RC_OK);
    assert_string_equal(parts.hex,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_false(digest_equal(&whole, &parts));
    sha256_init(&h);
    sha256_update(&h, "a", 1);
    sha256_update(&h, "bc", 2);
    assert_int_equal(sha256_end(&h, &parts, &err), RC_OK);
    assert_true(digest_equal(&whole, &parts));
}

static void only_64_lower_case_hex_digits_are_a_digest(void **state)
{
    const char *good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char bad[80];
    struct digest d = { "untouched" };
    (void)state;

    assert_true(digest_parse(str_of(good), &d));
    assert_string_equal(d.hex, good);
    for (size_t i = 0; i < SHA256_HEX_LEN; i++) {
        memcpy(bad, good, SHA256_HEX_LEN + 1);
        bad[i] = "Ag/`:\0"[i % 6];
        assert_false(digest_parse((struct str){ bad, SHA256_HEX_LEN }, &d));
    }
    assert_false(digest_parse((struct str){ good, 63 }, &d));
    assert_false(digest_parse((struct str){ good, 65 }, &d));
}

static void random_bytes_fill_all_and_comparison_sees_each(void **state)
{
    uint8_t a[300] = { 0 }, b[300];
    size_t n_zero = 0;
    (void)state;

    random_bytes(a, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        n_zero += a[i] == 0;
    assert_true(n_zero < 20); /* by chance once in 10^16 */
    memcpy(b, a, sizeof(a));
    assert_true(crypto_equal(a, b, sizeof(a)));
    b[299] ^= 1;
    assert_false(crypto_equal(a, b, sizeof(a)));
}

static void a_missing_context_is_reported_at_the_end(void **state)
{
    struct digest d;
    struct err err;
    (void)state;

    mem_fault_at(0);
    assert_int_equal(sha256_of("abc", 3, &d, &err), RC_NOMEM);
    assert_int_equal(mem_fault_at(-1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(only_64_lower_case_hex_digits_are_a_digest),
        cmocka_unit_test(random_bytes_fill_all_and_comparison_sees_each),
        cmocka_unit_test(a_missing_context_is_reported_at_the_end),
    };
    return cmocka_run_group_tests_name("base/crypto", tests, NULL, NULL);
}
