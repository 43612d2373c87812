#include "decide/found.h"

#include "base/macros.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 34, NUMBER_BYTES_MAX = 64 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The byte there; a blank outside the text. */
static char byte_at(struct str text, size_t at)
{
    return at < text.len ? text.at[at] : ' ';
}

static char byte_before(struct str text, size_t at)
{
    return at > 0 ? text.at[at - 1] : ' ';
}

/* Room for as many as there can be. */
static enum rc new_found(struct str text, struct arena *arena, struct found *found, struct err *err)
{
    size_t n_most = text.len / 2 + 1 < FOUND_MAX ? text.len / 2 + 1 : FOUND_MAX;

    *found = (struct found){ .texts = arena_array(arena, struct str, n_most),
                             .values = arena_array(arena, struct feel_value, n_most) };
    return found->texts && found->values ? RC_OK : arena_fail(arena, err, "what is found");
}

static enum rc add(struct found *found, struct str text, struct feel_value value, struct err *err)
{
    if (found->n == FOUND_MAX)
        return err_set(err, RC_LIMIT, "a text with more than %d numbers or dates", FOUND_MAX);
    found->texts[found->n] = text;
    found->values[found->n++] = value;
    return RC_OK;
}

/* ---- numbers ---- */

/* Blanks of typography that group digits: no-break, thin, narrow no-break. */
static bool is_grouping_blank(uint32_t c)
{
    return c == 0xA0 || c == 0x2009 || c == 0x202F;
}

static bool is_currency(uint32_t c)
{
    return c == '$' || (c >= 0xA2 && c <= 0xA5) || (c >= 0x20A0 && c <= 0x20CF);
}

/* The length of what stands there between two words; 0: it is a part of one. */
static size_t separator_at(struct str text, size_t at)
{
    char c = text.at[at];
    uint32_t character;

    if ((unsigned char)c < 0x80)
        return !is_digit(c) && !is_letter(c) && (c == 0 || !strchr(".,:/-#_'", c));
    size_t len = utf8_decode(text.at + at, str_end(text), &character);
    if (len > 0 && is_currency(character))
        return len;
    bool groups = is_digit(byte_before(text, at)) && is_digit(byte_at(text, at + len));
    return len > 0 && is_grouping_blank(character) && !groups ? len : 0;
}

/* Are these digits in groups of three, the first of one to three, with `mark` between them? */
static bool is_grouped(struct str digits, char mark)
{
    size_t since = 0;
    bool is_first = true;

    for (size_t i = 0; i <= digits.len; i++) {
        if (i < digits.len && digits.at[i] != mark) {
            since++;
            continue;
        }
        if (since == 0 || since > 3 || (!is_first && since != 3))
            return false;
        is_first = false;
        since = 0;
    }
    return true;
}

static size_t count(struct str text, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += text.at[i] == c;
    return n;
}

/* Which mark is the decimal one? 0: none. false: the run is no number. */
static bool find_point(struct str run, char *ret_point)
{
    size_t n_points = count(run, '.'), n_commas = count(run, ',');
    const char *point = memrchr(run.at, '.', run.len), *comma = memrchr(run.at, ',', run.len);

    *ret_point = 0;
    if (n_points > 0 && n_commas > 0) {
        *ret_point = point > comma ? '.' : ',';
        return count(run, *ret_point) == 1;
    }
    if (n_points == 1)
        *ret_point = '.';
    else if (n_commas == 1 && (str_end(run) - comma != 4 || comma - run.at > 3 || run.at[0] == '0'))
        *ret_point = ',';
    return true;
}

/* run: digits, with points and commas between them. */
static bool parse_number(struct str run, bool is_negative, struct decimal *ret)
{
    char text[NUMBER_BYTES_MAX], point;
    size_t n = 0, n_whole = run.len;

    if (run.len - count(run, '.') - count(run, ',') > DIGITS_MAX || !find_point(run, &point))
        return false;
    if (point)
        n_whole = (size_t)((const char *)memrchr(run.at, point, run.len) - run.at);
    struct str whole = { run.at, n_whole };
    char mark = count(whole, ',') > 0 ? ',' : '.';
    if (count(whole, mark) > 0 && !is_grouped(whole, mark))
        return false;
    if (whole.len > 1 && whole.at[0] == '0')
        return false;
    if (is_negative)
        text[n++] = '-';
    for (size_t i = 0; i < run.len; i++)
        if (is_digit(run.at[i]) || (point && i == n_whole))
            text[n++] = is_digit(run.at[i]) ? run.at[i] : '.';
    return decimal_parse((struct str){ text, n }, ret);
}

/* May this stand in a word before its number? Letters and . , : but not ".5", which is half a one.
 */
static bool may_precede(struct str before)
{
    if (before.len == 0)
        return true;
    for (size_t i = 0; i < before.len; i++)
        if (!is_letter(before.at[i]) && !strchr(".,:", before.at[i]))
            return false;
    char last = before.at[before.len - 1];
    return is_letter(last) || last == ':';
}

static bool may_follow(struct str behind)
{
    for (size_t i = 0; i < behind.len; i++)
        if (!is_letter(behind.at[i]) && !strchr(".,:", behind.at[i]))
            return false;
    return true;
}

/* The sign of a word's number; false: nobody can say. Currency signs may stand between. */
static bool find_sign(struct str text, size_t word, bool *ret_negative)
{
    uint32_t c;

    *ret_negative = false;
    while (word > 0) {
        size_t begin = word - 1;

        while (begin > 0 && ((unsigned char)text.at[begin] & 0xC0) == 0x80)
            begin--;
        if (utf8_decode(text.at + begin, text.at + word, &c) != word - begin)
            return false;
        if (!is_currency(c)) {
            *ret_negative = c == '-' && (begin == 0 || separator_at(text, begin - 1));
            return c == '-' ? *ret_negative : c < 0x80 || is_grouping_blank(c);
        }
        word = begin;
    }
    return true;
}

/* The number of a word, if it has one. */
static enum rc add_number_of(struct str text, size_t begin, size_t end, struct arena *arena,
                             struct found *found, struct err *err)
{
    size_t first = begin, last = end;
    struct feel_value value = { .kind = FEEL_NUMBER };
    bool is_negative;

    while (first < end && !is_digit(text.at[first]))
        first++;
    while (last > first && !is_digit(text.at[last - 1]))
        last--;
    if (first == end)
        return RC_OK;
    struct str run = { text.at + first, last - first };
    struct str before = { text.at + begin, first - begin };
    bool has_sign = str_is(before, "-");
    for (size_t i = 0; i < run.len; i++)
        if (!is_digit(run.at[i]) && run.at[i] != '.' && run.at[i] != ',')
            return RC_OK;
    if (!find_sign(text, begin, &is_negative) || (has_sign && is_negative) ||
        !(has_sign || may_precede(before)) ||
        !may_follow((struct str){ text.at + last, end - last }))
        return RC_OK;
    is_negative |= has_sign;
    if (!parse_number(run, is_negative, &value.number))
        return RC_OK;
    char *kept = arena_array(arena, char, run.len + 1);
    if (!kept)
        return arena_fail(arena, err, "numbers");
    if (is_negative)
        kept[0] = '-';
    memcpy(kept + is_negative, run.at, run.len);
    return add(found, (struct str){ kept, run.len + is_negative }, value, err);
}

enum rc found_numbers(struct str text, struct arena *arena, struct found *ret_found,
                      struct err *err)
{
    enum rc rc = new_found(text, arena, ret_found, err);

    for (size_t begin = 0, end; begin < text.len && rc == RC_OK; begin = end) {
        size_t skipped = separator_at(text, begin);

        end = begin + skipped;
        if (skipped > 0)
            continue;
        while (end < text.len && separator_at(text, end) == 0)
            end++;
        rc = add_number_of(text, begin, end, arena, ret_found, err);
    }
    return rc;
}

/* ---- dates ---- */

/* Reads one date from a place on. */
struct date_reader {
    struct str text;
    size_t at;
    unsigned year, month, day;
};

/* min to max digits, and no digit behind them. */
static bool read_digits(struct date_reader *r, size_t min, size_t max, unsigned *ret_value,
                        size_t *ret_n)
{
    size_t n = 0;

    *ret_value = 0;
    for (; is_digit(byte_at(r->text, r->at)); r->at++, n++)
        if (n < max)
            *ret_value = *ret_value * 10 + (unsigned)(r->text.at[r->at] - '0');
    *ret_n = n;
    return n >= min && n <= max;
}

static bool read_one_of(struct date_reader *r, const char *marks, char *ret_mark)
{
    *ret_mark = byte_at(r->text, r->at);
    if (r->at >= r->text.len || *ret_mark == 0 || !strchr(marks, *ret_mark))
        return false;
    r->at++;
    return true;
}

static bool read_month_name(struct date_reader *r)
{
    static const char *const names[] = { "january",   "february", "march",    "april",
                                         "may",       "june",     "july",     "august",
                                         "september", "october",  "november", "december" };
    size_t n = 0;

    while (is_letter(byte_at(r->text, r->at + n)))
        n++;
    for (unsigned m = 0; m < ARRAY_LEN(names); m++) {
        if (n != 3 && n != strlen(names[m]))
            continue;
        size_t same = 0;
        while (same < n && (r->text.at[r->at + same] | 0x20) == names[m][same])
            same++;
        if (same == n) {
            r->month = m + 1;
            r->at += n;
            return true;
        }
    }
    return false;
}

/* A year of four digits, or of two. */
static bool read_year(struct date_reader *r)
{
    size_t n;

    if (!read_digits(r, 2, 4, &r->year, &n) || n == 3)
        return false;
    r->year += n == 2 ? 2000 : 0;
    return true;
}

/* 2018-12-25, 20181225 */
static bool read_year_first(struct date_reader *r)
{
    char mark, again;
    size_t n;
    unsigned whole;

    if (!read_digits(r, 4, 8, &whole, &n) || (n != 4 && n != 8))
        return false;
    r->year = n == 8 ? whole / 10000 : whole;
    r->month = whole / 100 % 100;
    r->day = whole % 100;
    if (n == 8)
        return r->year >= 1900 && r->year < 2100;
    return read_one_of(r, "-/.", &mark) && read_digits(r, 1, 2, &r->month, &n) &&
           read_one_of(r, "-/.", &again) && mark == again && read_digits(r, 1, 2, &r->day, &n);
}

/* 25/12/2018, 12/25/2018 */
static bool read_day_first(struct date_reader *r)
{
    char mark, again;
    size_t n;

    if (!read_digits(r, 1, 2, &r->day, &n) || !read_one_of(r, "-/.", &mark) ||
        !read_digits(r, 1, 2, &r->month, &n) || !read_one_of(r, "-/.", &again) || mark != again ||
        !read_year(r))
        return false;
    if (mark == '/' && r->month > 12) {
        unsigned day = r->month;

        r->month = r->day;
        r->day = day;
    }
    return true;
}

/* 25 Dec 2018, 25-DEC-18, 25Dec2018 */
static bool read_day_and_name(struct date_reader *r)
{
    char mark;
    size_t n;

    if (!read_digits(r, 1, 2, &r->day, &n))
        return false;
    read_one_of(r, " -/.", &mark);
    if (!read_month_name(r))
        return false;
    read_one_of(r, " -/.,", &mark);
    return read_year(r);
}

/* Dec 25, 2018 */
static bool read_name_first(struct date_reader *r)
{
    char mark;
    size_t n;

    if (!read_month_name(r) || !read_one_of(r, " ", &mark) || !read_digits(r, 1, 2, &r->day, &n))
        return false;
    bool has_comma = read_one_of(r, ",", &mark), has_blank = read_one_of(r, " ", &mark);
    return (has_comma || has_blank) && read_digits(r, 4, 4, &r->year, &n);
}

static bool may_begin_date(struct str text, size_t at)
{
    char before = byte_before(text, at);
    bool is_mark = before != 0 && strchr("-/.:,'_#", before) != NULL;

    if (!is_digit(text.at[at]) && !is_letter(text.at[at]))
        return false;
    if (is_digit(before) || is_letter(before) || (unsigned char)before >= 0x80)
        return false;
    return !is_mark || (at >= 2 && !is_digit(text.at[at - 2])) || at == 1;
}

static bool may_end_date(struct str text, size_t at)
{
    char behind = byte_at(text, at), next = byte_at(text, at + 1);

    if (is_digit(behind) || (unsigned char)behind >= 0x80)
        return false;
    if (is_letter(behind))
        return behind == 'T' && is_digit(next);
    return !(behind != 0 && strchr("-/.:'_#", behind) && is_digit(next));
}

static bool to_date(const struct date_reader *r, struct feel_value *ret_value)
{
    char text[32];

    snprintf(text, sizeof(text), "%04u-%02u-%02u", r->year, r->month, r->day);
    return r->year > 0 && feel_parse_temporal(str_of(text), ret_value) &&
           ret_value->kind == FEEL_DATE;
}

/* The date that begins there; false: none does. */
static bool read_date(struct str text, size_t at, size_t *ret_end, struct feel_value *ret_value)
{
    static bool (*const forms[])(struct date_reader * r) = { read_year_first, read_day_first,
                                                             read_day_and_name, read_name_first };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct date_reader r = { .text = text, .at = at };

        if (forms[i](&r) && may_end_date(text, r.at) && to_date(&r, ret_value)) {
            *ret_end = r.at;
            return true;
        }
    }
    return false;
}

enum rc found_dates(struct str text, struct arena *arena, struct found *ret_found, struct err *err)
{
    enum rc rc = new_found(text, arena, ret_found, err);
    struct feel_value value;
    size_t end;

    for (size_t at = 0; at < text.len && rc == RC_OK; at++) {
        if (!may_begin_date(text, at) || !read_date(text, at, &end, &value))
            continue;
        rc = add(ret_found, (struct str){ text.at + at, end - at }, value, err);
        at = end - 1;
    }
    return rc;
}
