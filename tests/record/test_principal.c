#include "tests/record/record_fixture.h"

#include <ctype.h>

static struct principal authenticated(struct record_fixture *f, const char *key)
{
    struct principal principal;

    assert_ok(principal_authenticate(f->record, str_of(key), &principal, &f->err), &f->err);
    return principal;
}

static void assert_denied(struct record_fixture *f, const char *key, const char *message)
{
    struct principal principal;

    assert_int_equal(principal_authenticate(f->record, str_of(key), &principal, &f->err),
                     RC_DENIED);
    if (!strstr(f->err.message, message))
        fail_msg("'%s': %s", key, f->err.message);
}

static void a_key_says_whose_it_is_and_what_it_may(void **state)
{
    struct record_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1];

    assert_ok(principal_create(f->record, "anna", PRINCIPAL_DECIDE | PRINCIPAL_READ, PRINCIPAL_ALL,
                               0, key, &f->err),
              &f->err);
    record_fixture_reopen(f);
    struct principal p = authenticated(f, key);
    assert_string_equal(p.name, "anna");
    assert_int_equal(p.scopes, PRINCIPAL_DECIDE | PRINCIPAL_READ);
    assert_int_equal(p.created_ms, f->now_ms);
    assert_memory_equal(p.key_id, key + 5, PRINCIPAL_KEY_ID_LEN);
}

static void a_key_has_the_form_that_scanners_look_for(void **state)
{
    struct record_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1];

    for (int i = 0; i < 20; i++) {
        assert_ok(
            principal_create(f->record, "anna", PRINCIPAL_ADMIN, PRINCIPAL_ALL, 0, key, &f->err),
            &f->err);
        assert_int_equal(strlen(key), 70);
        assert_memory_equal(key, "slm1_", 5);
        assert_int_equal(key[17], '_');
        assert_int_equal(key[61], '_');
        for (int c = 5; c < 70; c++)
            assert_true(isalnum((unsigned char)key[c]) || c == 17 || c == 61);
    }
}

static void whatever_byte_of_a_key_is_wrong_it_is_denied(void **state)
{
    struct record_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1], longer[PRINCIPAL_KEY_LEN + 2];

    assert_ok(principal_create(f->record, "anna", PRINCIPAL_DECIDE, PRINCIPAL_ALL, 0, key, &f->err),
              &f->err);
    for (size_t i = 0; i < PRINCIPAL_KEY_LEN; i++) {
        char was = key[i];
        key[i] = was == 'x' ? 'y' : 'x';
        assert_denied(f, key, "that is no key");
        key[i] = '\0'; /* also: cut short at each byte */
        assert_denied(f, key, "that is no key");
        key[i] = was;
    }
    memcpy(longer, key, PRINCIPAL_KEY_LEN);
    memcpy(longer + PRINCIPAL_KEY_LEN, "0", 2);
    assert_denied(f, longer, "that is no key");
    assert_denied(f, "", "that is no key");
    struct principal principal;
    assert_int_equal(
        principal_authenticate(f->record, (struct str){ NULL, 0 }, &principal, &f->err), RC_DENIED);
}

/* Its CRC is right (zlib.crc32 of Python): that is no secret. */
static void a_well_formed_key_that_was_never_given_out_is_unknown(void **state)
{
    struct record_fixture *f = *state;

    assert_denied(f, "slm1_000000000000_0000000000000000000000000000000000000000000_e1b523f3",
                  "unknown key");
}

static void a_right_id_with_another_secret_is_unknown(void **state)
{
    struct record_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1], other[PRINCIPAL_KEY_LEN + 1];

    assert_ok(principal_create(f->record, "anna", PRINCIPAL_DECIDE, PRINCIPAL_ALL, 0, key, &f->err),
              &f->err);
    assert_ok(
        principal_create(f->record, "eve", PRINCIPAL_DECIDE, PRINCIPAL_ALL, 0, other, &f->err),
        &f->err);
    memcpy(other + 5, key + 5, PRINCIPAL_KEY_ID_LEN); /* Anna's id, Eve's secret */
    for (uint32_t crc = 0xffffffff, i = 0; i <= 61; i++) {
        if (i == 61) {
            snprintf(other + 62, 9, "%08x", ~crc);
            break;
        }
        crc ^= (uint8_t)other[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    assert_denied(f, other, "unknown key");
}

static void an_expired_or_revoked_key_is_denied(void **state)
{
    struct record_fixture *f = *state;
    char expiring[PRINCIPAL_KEY_LEN + 1], revoked[PRINCIPAL_KEY_LEN + 1], id[13] = { 0 };

    assert_ok(principal_create(f->record, "anna", PRINCIPAL_DECIDE, PRINCIPAL_ALL, f->now_ms + 1000,
                               expiring, &f->err),
              &f->err);
    assert_ok(
        principal_create(f->record, "anna", PRINCIPAL_READ, PRINCIPAL_ALL, 0, revoked, &f->err),
        &f->err);
    f->now_ms += 999;
    authenticated(f, expiring);
    f->now_ms += 1;
    assert_denied(f, expiring, "has expired");

    authenticated(f, revoked);
    memcpy(id, revoked + 5, 12);
    assert_ok(principal_revoke(f->record, id, &f->err), &f->err);
    assert_denied(f, revoked, "was revoked");
    f->now_ms += 5;
    assert_ok(principal_revoke(f->record, id, &f->err), &f->err);
    assert_int_equal(principal_revoke(f->record, "nobody", &f->err), RC_NOT_FOUND);

    struct principal *list;
    size_t n;
    assert_ok(principal_list(f->record, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(list[0].revoked_ms, f->now_ms - 5);
    assert_int_equal(list[1].revoked_ms, 0);
}

static void what_cannot_be_a_principal_is_refused(void **state)
{
    static char too_long[RECORD_PRINCIPAL_MAX + 2];
    memset(too_long, 'a', RECORD_PRINCIPAL_MAX + 1);
    const struct {
        const char *name;
        unsigned scopes;
        int64_t expires_ms;
        enum rc rc;
    } cases[] = {
        { "", PRINCIPAL_READ, 0, RC_INVALID },
        { too_long, PRINCIPAL_READ, 0, RC_LIMIT },
        { "a\xff", PRINCIPAL_READ, 0, RC_INVALID },
        { "a\nb", PRINCIPAL_READ, 0, RC_INVALID },
        { "a\x7f", PRINCIPAL_READ, 0, RC_INVALID },
        { "anna", 0, 0, RC_INVALID },
        { "anna", 32, 0, RC_INVALID },
        { "anna", PRINCIPAL_READ, 1764000000000, RC_INVALID },
        { "anna", PRINCIPAL_READ, -1, RC_INVALID },
        { "an'na\"; drop table principal; --", PRINCIPAL_READ, 0, RC_OK },
    };
    struct record_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = principal_create(f->record, cases[i].name, cases[i].scopes, PRINCIPAL_ALL,
                                      cases[i].expires_ms, key, &f->err);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %s", i, rc_name(rc));
    }
    assert_string_equal(authenticated(f, key).name, cases[9].name);
}

static void nobody_gives_scopes_that_they_do_not_have(void **state)
{
    struct record_fixture *f = *state;
    const unsigned maker = PRINCIPAL_ADMIN | PRINCIPAL_READ;
    char key[PRINCIPAL_KEY_LEN + 1];

    assert_int_equal(principal_create(f->record, "bot", PRINCIPAL_READ | PRINCIPAL_DECIDE, maker, 0,
                                      key, &f->err),
                     RC_DENIED);
    assert_int_equal(principal_create(f->record, "bot", PRINCIPAL_READ, 0, 0, key, &f->err),
                     RC_DENIED);
    assert_ok(principal_create(f->record, "bot", PRINCIPAL_READ, maker, 0, key, &f->err), &f->err);
    assert_int_equal(authenticated(f, key).scopes, PRINCIPAL_READ);
}

static void the_file_does_not_hold_the_secret(void **state)
{
    struct record_fixture *f = *state;
    static const char *const names[] = { "record.db", "record.db-wal" };
    char key[PRINCIPAL_KEY_LEN + 1], path[TEMP_PATH_MAX];
    bool has_id = false;

    assert_ok(principal_create(f->record, "anna", PRINCIPAL_DECIDE, PRINCIPAL_ALL, 0, key, &f->err),
              &f->err);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str bytes;

        assert_ok(
            fs_read_file(temp_path(&f->dir, names[i], path), 16 << 20, &f->arena, &bytes, &f->err),
            &f->err);
        has_id |= memmem(bytes.at, bytes.len, key + 5, PRINCIPAL_KEY_ID_LEN) != NULL;
        for (size_t part = 18; part + 8 <= 61; part++)
            assert_null(memmem(bytes.at, bytes.len, key + part, 8));
    }
    assert_true(has_id); /* we did look where it is kept */
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, record_fixture_set_up, record_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_says_whose_it_is_and_what_it_may),
        TEST(a_key_has_the_form_that_scanners_look_for),
        TEST(whatever_byte_of_a_key_is_wrong_it_is_denied),
        TEST(a_well_formed_key_that_was_never_given_out_is_unknown),
        TEST(a_right_id_with_another_secret_is_unknown),
        TEST(an_expired_or_revoked_key_is_denied),
        TEST(what_cannot_be_a_principal_is_refused),
        TEST(nobody_gives_scopes_that_they_do_not_have),
        TEST(the_file_does_not_hold_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
