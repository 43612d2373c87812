/*
 * lanes_scalar_internal.h - 16 f32 lanes as plain C: what the other lanes_*_internal.h must equal.
 *
 * Private to rows_internal.h, whose text is compiled once per instruction set.
 */
#ifndef ENGINE_LANES_INTERNAL_H
#define ENGINE_LANES_INTERNAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lanes {
    float at[16];
};

#define LANES_EACH(expression)      \
    struct lanes y;                 \
    for (size_t i = 0; i < 16; i++) \
        y.at[i] = (expression);     \
    return y

static inline struct lanes lanes_load(const float *x)
{
    LANES_EACH(x[i]);
}

static inline void lanes_store(float *y, struct lanes a)
{
    memcpy(y, a.at, sizeof(a.at));
}

static inline struct lanes lanes_set(float x)
{
    LANES_EACH(x);
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    LANES_EACH(a.at[i] + b.at[i]);
}

static inline struct lanes lanes_sub(struct lanes a, struct lanes b)
{
    LANES_EACH(a.at[i] - b.at[i]);
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    LANES_EACH(a.at[i] * b.at[i]);
}

static inline struct lanes lanes_div(struct lanes a, struct lanes b)
{
    LANES_EACH(a.at[i] / b.at[i]);
}

/* a * b + c, rounded once */
static inline struct lanes lanes_fma(struct lanes a, struct lanes b, struct lanes c)
{
    LANES_EACH(fmaf(a.at[i], b.at[i], c.at[i]));
}

/* b when either is NaN or both are zeros, as the instruction does */
static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    LANES_EACH(a.at[i] > b.at[i] ? a.at[i] : b.at[i]);
}

static inline struct lanes lanes_abs(struct lanes a)
{
    LANES_EACH(fabsf(a.at[i]));
}

/* to the nearest whole number, halves to even */
static inline struct lanes lanes_round(struct lanes a)
{
    LANES_EACH(rintf(a.at[i]));
}

/* 2^a for whole a in [-126, 127] */
static inline struct lanes lanes_power_of_two(struct lanes a)
{
    struct lanes y;

    for (size_t i = 0; i < 16; i++) {
        uint32_t bits = (uint32_t)((int32_t)a.at[i] + 127) << 23;
        memcpy(&y.at[i], &bits, sizeof(bits));
    }
    return y;
}

/* per lane: a where x has its sign bit set, else b */
static inline struct lanes lanes_where_negative(struct lanes x, struct lanes a, struct lanes b)
{
    LANES_EACH(signbit(x.at[i]) ? a.at[i] : b.at[i]);
}

/* per lane: a in the first n, else b */
static inline struct lanes lanes_first(size_t n, struct lanes a, struct lanes b)
{
    LANES_EACH(i < n ? a.at[i] : b.at[i]);
}

static inline float lanes_sum(struct lanes a)
{
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            a.at[i] += a.at[i + half];
    return a.at[0];
}

static inline float lanes_highest(struct lanes a)
{
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            a.at[i] = a.at[i] > a.at[i + half] ? a.at[i] : a.at[i + half];
    return a.at[0];
}

/* The largest |x| of both, compared as bits: an infinity, and above it a NaN, are never lost. */
static inline float lanes_highest_abs(struct lanes a, struct lanes b)
{
    uint32_t highest = 0;
    float y;

    for (size_t i = 0; i < 32; i++) {
        uint32_t bits;
        memcpy(&bits, i < 16 ? &a.at[i] : &b.at[i - 16], sizeof(bits));
        bits &= 0x7fffffff;
        highest = bits > highest ? bits : highest;
    }
    memcpy(&y, &highest, sizeof(y));
    return y;
}

/* The 32 whole numbers in [-127, 127] as int8; returns their sum. */
static inline int32_t lanes_store_int8(int8_t *y, struct lanes a, struct lanes b)
{
    int32_t sum = 0;

    for (size_t i = 0; i < 32; i++) {
        y[i] = (int8_t)(i < 16 ? a.at[i] : b.at[i - 16]);
        sum += y[i];
    }
    return sum;
}

#endif
