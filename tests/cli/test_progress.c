#include "tests/support/test.h"

#include "base/macros.h"
#include "cli/progress.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int64_t time_us;

static int64_t monotonic(void *self)
{
    (void)self;
    return time_us;
}

static struct progress progress_to(int fd, bool is_terminal)
{
    struct clock clock = { .monotonic_us = monotonic };

    time_us = 0;
    return (struct progress){ .clock = clock, .fd = fd, .is_terminal = is_terminal, .columns = 79 };
}

/* What is in the file from offset `from` on; ret_text has room for 8191 bytes. */
static const char *written(int fd, size_t from, char ret_text[8192])
{
    ssize_t n = pread(fd, ret_text, 8191, (off_t)from);

    assert_true(n >= 0);
    ret_text[n] = '\0';
    return ret_text;
}

static void the_line_has_bar_amount_rate_and_time_left(void **state)
{
    struct progress p = progress_to(-1, false);
    char line[PROGRESS_LINE_MAX];
    (void)state;

    memcpy(p.label, "download", sizeof("download"));
    progress_format(&p, 25000000, 100000000, 5000000, line);
    assert_string_equal(line,
                        "download  [######..................]  25.0 MB of 100.0 MB  5.0 MB/s  "
                        "0:15 left");
    progress_format(&p, 25000000, 0, 500000, line);
    assert_string_equal(line, "download  25.0 MB");
    p.unit = PROGRESS_STEPS;
    memcpy(p.note, "loss 0.412", sizeof("loss 0.412"));
    progress_format(&p, 30, 90, 60000000, line);
    assert_string_equal(line, "download  [########................]  30 of 90  0.5/s  2:00 left  "
                              "loss 0.412");
}

static void a_download_that_goes_on_counts_its_rate_from_there(void **state)
{
    int fd = memfd_create("progress", MFD_CLOEXEC);
    struct progress p = progress_to(fd, false);
    char line[PROGRESS_LINE_MAX];
    (void)state;

    progress_update(&p, "download", 80000000, 100000000, PROGRESS_BYTES);
    progress_format(&p, 90000000, 100000000, 10000000, line);
    assert_non_null(strstr(line, "1.0 MB/s  0:10 left"));
    close(fd);
}

static void a_terminal_sees_one_line_redrawn_at_most_ten_times_a_second(void **state)
{
    int fd = memfd_create("progress", MFD_CLOEXEC);
    struct progress p = progress_to(fd, true);
    char text[8192];
    (void)state;

    for (time_us = 0; time_us < 1000000; time_us += 1000)
        progress_update(&p, "train", (uint64_t)time_us, 1000000, PROGRESS_STEPS);
    size_t drawn = 0;
    written(fd, 0, text);
    for (const char *c = text; (c = strchr(c, '\r')); c++)
        drawn++;
    assert_int_equal(drawn, 10);
    assert_null(strchr(text, '\n'));
    progress_update(&p, "train", 1000000, 1000000, PROGRESS_STEPS);
    size_t end = strlen(written(fd, 0, text));
    assert_int_equal(text[end - 1], '\n');
    progress_update(&p, "train", 1000000, 1000000, PROGRESS_STEPS);
    assert_string_equal(written(fd, end, text), ""); /* done is shown once */
    close(fd);
}

static void a_file_gets_a_plain_line_per_tenth_of_what_takes_long(void **state)
{
    int fd = memfd_create("progress", MFD_CLOEXEC);
    struct progress p = progress_to(fd, false);
    char text[8192];
    size_t lines = 0;
    (void)state;

    for (uint64_t step = 0; step <= 1000; step++, time_us += 100000)
        progress_update(&p, "train", step, 1000, PROGRESS_STEPS);
    for (uint64_t step = 0; step <= 1000; step++, time_us += 100) /* in a tenth of a second */
        progress_update(&p, "judge", step, 1000, PROGRESS_STEPS);
    written(fd, 0, text);
    for (const char *c = text; (c = strchr(c, '\n')); c++)
        lines++;
    assert_int_equal(lines, 10 + 1);
    assert_null(strchr(text, '\r'));
    close(fd);
}

static void a_line_longer_than_the_terminal_is_cut(void **state)
{
    int fd = memfd_create("progress", MFD_CLOEXEC);
    struct progress p = progress_to(fd, true);
    char text[8192];
    (void)state;

    p.columns = 20;
    progress_update(&p, "download", 1, 100, PROGRESS_STEPS);
    assert_int_equal(strlen(written(fd, 0, text)), strlen("\r\033[K") + 19);
    close(fd);
}

static void quiet_is_quiet(void **state)
{
    int fd = memfd_create("progress", MFD_CLOEXEC);
    struct progress p = progress_to(fd, false);
    char text[8192];
    (void)state;

    p.is_quiet = true;
    progress_update(&p, "download", 100, 100, PROGRESS_STEPS);
    assert_string_equal(written(fd, 0, text), "");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_has_bar_amount_rate_and_time_left),
        cmocka_unit_test(a_download_that_goes_on_counts_its_rate_from_there),
        cmocka_unit_test(a_terminal_sees_one_line_redrawn_at_most_ten_times_a_second),
        cmocka_unit_test(a_file_gets_a_plain_line_per_tenth_of_what_takes_long),
        cmocka_unit_test(a_line_longer_than_the_terminal_is_cut),
        cmocka_unit_test(quiet_is_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
