/*
 * exact_math.h - ln, exp, sine and cosine that give the same bytes on every CPU.
 *
 * Made of +, -, * and / alone, which IEEE 754 fixes to the bit (the whole project is compiled with
 * -ffp-contract=off); libm chooses its code by CPU. For the few places outside the kernels whose
 * result is part of a decision. Within 2 units of the last place of a double.
 */
#ifndef BASE_EXACT_MATH_H
#define BASE_EXACT_MATH_H

double exact_ln(double x);  /* x > 0 and finite (asserted) */
double exact_exp(double x); /* x < 700 (asserted); 0 below -700 */

/* 0 <= x <= 2^19 (asserted); within 3e-16. */
void exact_sin_cos(double x, double *ret_sin, double *ret_cos);

#endif
