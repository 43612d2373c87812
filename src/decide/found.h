/*
 * found.h - the numbers and dates that stand in a text, as they stand there and as what they mean.
 * What is not surely one number or one date is none, so that no part of a longer one is ever found.
 *
 * A number is the only run of digits, and of points and commas between them, of its word; letters
 * and the marks . , : may stand before it ("RM9.00", "TOTAL:9.00"; a point or comma not directly),
 * and behind it ("9.00SR"). So "25/12/2018", "12:30", "03-7729", "INV-7", "1e5", ".5" and "9.00-"
 * have none.
 *   1234  1234.5  0.50   as it is
 *   12,5  12,50          a comma and not three digits behind it: the decimal comma
 *   1,234  1,234,567.80  commas before groups of three digits: thousands
 *   1.234,50  1.234.567  points likewise, when a comma follows or there are two
 * A '-' directly before it, or before its currency sign, is its sign; parentheses are none. Digits
 * are 0 to 9, at most 34 of them, and no whole number of two or more digits begins with 0.
 *
 * A date is one of
 *   2018-12-25  2018/12/25  2018.12.25  20181225
 *   25/12/2018  25-12-18  25.12.18       day first; 12/25/2018 too, which else were none
 *   25 Dec 2018  25-DEC-18  25Dec2018    English names of months, whole or of three letters
 *   Dec 25, 2018  December 25 2018
 * with one or two digits for days and months; a year of two digits is one of this century. It is a
 * day of the calendar, stands between characters that are neither letters nor digits (a 'T' and a
 * time may follow), and is no part of a longer row of numbers.
 */
#ifndef DECIDE_FOUND_H
#define DECIDE_FOUND_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "expr/feel.h"

enum { FOUND_MAX = 1024 /* of one text */ };

struct found {
    size_t n;
    struct str *texts;         /* (n,) as they stand in the text; a sign stands directly before */
    struct feel_value *values; /* (n,) FEEL_NUMBER or FEEL_DATE */
};

/* In the order of the text, as often as they stand there. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc found_numbers(struct str text, struct arena *arena, struct found *ret_found,
                                 struct err *err);
MUST_CHECK enum rc found_dates(struct str text, struct arena *arena, struct found *ret_found,
                               struct err *err);

#endif
