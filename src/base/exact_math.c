#include "base/exact_math.h"

#include "base/macros.h"

#include <math.h>
#include <stddef.h>

/* ln 2 in two parts: k * HIGH is exact for |k| < 2^21. */
static const double LN2_HIGH = 0x1.62e42fee00000p-1;
static const double LN2_LOW = 0x1.a39ef35793c76p-33;
static const double ODD_INVERSES[] = { 1.0,        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,
                                       1.0 / 9.0,  1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0,
                                       1.0 / 17.0, 1.0 / 19.0, 1.0 / 21.0, 1.0 / 23.0 };
static const double INVERSE_FACTORIALS[] = {
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5040.0,
    1.0 / 40320.0,
    1.0 / 362880.0,
    1.0 / 3628800.0,
    1.0 / 39916800.0,
    1.0 / 479001600.0,
    1.0 / 6227020800.0,
};

double exact_ln(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* [0.5, 1); exact */

    ASSERT(x > 0.0 && isfinite(x));
    if (m < 0x1.6a09e667f3bcdp-1) { /* below sqrt(1/2): keep m near 1 */
        m *= 2.0;
        exponent--;
    }
    /* ln m = 2 artanh(t) = 2 (t + t^3/3 + t^5/5 + ...), |t| < 0.172 */
    double t = (m - 1.0) / (m + 1.0);
    double square = t * t;
    double sum = 0.0;

    for (size_t i = ARRAY_LEN(ODD_INVERSES); i-- > 0;)
        sum = sum * square + ODD_INVERSES[i];
    return exponent * LN2_HIGH + (2.0 * t * sum + exponent * LN2_LOW);
}

double exact_exp(double x)
{
    if (x < -700.0)
        return 0.0;
    ASSERT(x < 700.0);

    double k = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW; /* |r| <= 0.35: 14 terms reach the last place */
    double sum = 0.0;

    for (size_t i = ARRAY_LEN(INVERSE_FACTORIALS); i-- > 0;)
        sum = sum * r + INVERSE_FACTORIALS[i];
    return ldexp(sum, (int)k);
}

/* pi / 2 in three parts: k * HIGH and k * MIDDLE are exact for k < 2^20. */
static const double HALF_PI_HIGH = 0x1.921fb544p+0;
static const double HALF_PI_MIDDLE = 0x1.0b4611a6p-34;
static const double HALF_PI_LOW = 0x1.3198a2e037073p-69;

/* Of |r| <= pi / 4: the Taylor series, whose next term is below 3e-18. */
static void sin_cos_near_0(double r, double *ret_sin, double *ret_cos)
{
    double square = r * r, sine = 1.0, cosine = 1.0;

    for (int n = 17; n >= 3; n -= 2) {
        sine = 1.0 - sine * square / (double)(n * (n - 1));
        cosine = 1.0 - cosine * square / (double)((n - 1) * (n - 2));
    }
    *ret_sin = r * sine;
    *ret_cos = cosine;
}

void exact_sin_cos(double x, double *ret_sin, double *ret_cos)
{
    ASSERT(x >= 0.0 && x <= 0x1p19);

    double k = floor(x / HALF_PI_HIGH + 0.5), sine, cosine;

    sin_cos_near_0(((x - k * HALF_PI_HIGH) - k * HALF_PI_MIDDLE) - k * HALF_PI_LOW, &sine, &cosine);
    switch ((int)k & 3) {
    case 0: *ret_sin = sine, *ret_cos = cosine; break;
    case 1: *ret_sin = cosine, *ret_cos = -sine; break;
    case 2: *ret_sin = -sine, *ret_cos = -cosine; break;
    case 3: *ret_sin = -cosine, *ret_cos = sine; break;
    }
}
