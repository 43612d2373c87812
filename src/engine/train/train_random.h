/*
 * train_random.h - random numbers as a function of (key, number), so that training resumes at any
 * step without a generator's state. The mixing is splitmix64's (Steele, Lea & Flood 2014).
 */
#ifndef ENGINE_TRAIN_RANDOM_H
#define ENGINE_TRAIN_RANDOM_H

#include <stdint.h>

#define TRAIN_RANDOM_STEP 0x9E3779B97F4A7C15u /* from one number to the next, added to the key */

static inline uint64_t train_random(uint64_t key, uint64_t number)
{
    uint64_t z = key + (number + 1) * TRAIN_RANDOM_STEP;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* In [0, 1), a multiple of 2^-24. */
static inline float train_random_unit(uint64_t key, uint64_t number)
{
    return (float)(train_random(key, number) >> 40) / 16777216.0f;
}

#endif
