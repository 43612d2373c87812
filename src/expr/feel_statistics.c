/* feel_statistics.c - one value out of a list: sum, mean, min, all and their kin. */
#include "expr/feel_internal.h"

static enum rc not_all_numbers(struct feel_evaluation *ev, const char *name, struct feel_value *ret)
{
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "%s(): needs a list of numbers, not empty",
                        name);
}

static bool are_numbers(const struct feel_value *list)
{
    for (size_t i = 0; i < list->list.n; i++)
        if (list->list.items[i].kind != FEEL_NUMBER)
            return false;
    return true;
}

static enum rc give(struct feel_evaluation *ev, bool ok, struct decimal number,
                    struct feel_value *ret)
{
    if (!ok)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "the result is too big");
    *ret = (struct feel_value){ .kind = FEEL_NUMBER, .number = number };
    return RC_OK;
}

/* ---- min, max ---- */

static enum rc find_extreme(struct feel_evaluation *ev, const struct feel_value *list, int wanted,
                            struct feel_value *ret)
{
    const struct feel_value *best = list->list.items;
    int order;

    if (list->list.n == 0)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "an empty list has no smallest item");
    for (size_t i = 0; i < list->list.n; i++) {
        if (!feel_order(&list->list.items[i], best, &order))
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "two items have no order");
        if (order == wanted)
            best = &list->list.items[i];
    }
    *ret = *best;
    return feel_spend(ev, list->list.n);
}

enum rc feel_builtin_min(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    return find_extreme(ev, &args[0], -1, ret);
}

enum rc feel_builtin_max(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    return find_extreme(ev, &args[0], 1, ret);
}

/* ---- sums ---- */

typedef bool fold_fn(struct decimal a, struct decimal b, struct decimal *ret);

static bool fold(const struct feel_value *list, struct decimal start, fold_fn *step,
                 struct decimal *ret)
{
    *ret = start;
    for (size_t i = 0; i < list->list.n; i++)
        if (!step(*ret, list->list.items[i].number, ret))
            return false;
    return true;
}

static enum rc sum_durations(struct feel_evaluation *ev, const struct feel_value *list,
                             struct feel_value *ret)
{
    *ret = list->list.items[0];
    for (size_t i = 1; i < list->list.n && ret->kind != FEEL_NULL; i++) {
        struct feel_value so_far = *ret;
        enum rc rc = feel_arithmetic(ev, FEEL_ADD, &so_far, &list->list.items[i], ret);

        if (rc)
            return rc;
    }
    return feel_spend(ev, list->list.n);
}

enum rc feel_builtin_sum(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    const struct feel_value *list = &args[0];
    struct decimal sum = { 0 };

    if (list->list.n > 0 && (list->list.items[0].kind == FEEL_DAYS_DURATION ||
                             list->list.items[0].kind == FEEL_MONTHS_DURATION))
        return sum_durations(ev, list, ret);
    if (list->list.n == 0 || !are_numbers(list))
        return not_all_numbers(ev, "sum", ret);
    bool ok = fold(list, decimal_from_i64(0), decimal_add, &sum);
    return give(ev, ok, sum, ret);
}

enum rc feel_builtin_product(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    struct decimal product = { 0 };

    if (args[0].list.n == 0 || !are_numbers(&args[0]))
        return not_all_numbers(ev, "product", ret);
    bool ok = fold(&args[0], decimal_from_i64(1), decimal_multiply, &product);
    return give(ev, ok, product, ret);
}

static bool find_mean(const struct feel_value *list, struct decimal *ret)
{
    return fold(list, decimal_from_i64(0), decimal_add, ret) &&
           decimal_divide(*ret, decimal_from_i64((int64_t)list->list.n), ret);
}

enum rc feel_builtin_mean(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    struct decimal mean = { 0 };

    if (args[0].list.n == 0 || !are_numbers(&args[0]))
        return not_all_numbers(ev, "mean", ret);
    bool ok = find_mean(&args[0], &mean);
    return give(ev, ok, mean, ret);
}

/* Of the sample: the squares are divided by n - 1. */
enum rc feel_builtin_stddev(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    const struct feel_value *list = &args[0];
    struct decimal mean, off, sum = { 0 };

    if (list->list.n < 2 || !are_numbers(list))
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "stddev(): needs two numbers or more");
    bool ok = find_mean(list, &mean);
    for (size_t i = 0; ok && i < list->list.n; i++)
        ok = decimal_subtract(list->list.items[i].number, mean, &off) &&
             decimal_multiply(off, off, &off) && decimal_add(sum, off, &sum);
    ok = ok && decimal_divide(sum, decimal_from_i64((int64_t)list->list.n - 1), &sum) &&
         decimal_sqrt(sum, &sum);
    return give(ev, ok, sum, ret);
}

/* ---- order statistics ---- */

static enum rc sort_numbers(struct feel_evaluation *ev, const struct feel_value *list,
                            struct feel_value *ret)
{
    struct feel_value args[2] = { *list, { .kind = FEEL_NULL } };

    return feel_builtin_sort(ev, args, ret);
}

enum rc feel_builtin_median(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    struct feel_value sorted = { 0 };
    size_t n = args[0].list.n;

    if (n == 0 || !are_numbers(&args[0]))
        return not_all_numbers(ev, "median", ret);
    enum rc rc = sort_numbers(ev, &args[0], &sorted);
    if (rc)
        return rc;
    struct decimal median = sorted.list.items[n / 2].number;
    bool ok = n % 2 == 1 || (decimal_add(median, sorted.list.items[n / 2 - 1].number, &median) &&
                             decimal_divide(median, decimal_from_i64(2), &median));
    return give(ev, ok, median, ret);
}

/* The most frequent numbers, ascending. */
enum rc feel_builtin_mode(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    struct feel_list_builder modes = { .ev = ev };
    struct feel_value sorted = { 0 };
    size_t most = 0, run = 0;

    if (!are_numbers(&args[0]))
        return not_all_numbers(ev, "mode", ret);
    enum rc rc = sort_numbers(ev, &args[0], &sorted);
    for (size_t i = 0; !rc && i < sorted.list.n; i++) {
        const struct feel_value *item = &sorted.list.items[i];
        bool same = i > 0 && decimal_compare(item->number, item[-1].number) == 0;

        run = same ? run + 1 : 1;
        if (run > most) {
            most = run;
            modes.n = 0;
        }
        if (run == most)
            rc = feel_list_add(&modes, item);
    }
    return rc ? rc : feel_list_done(&modes, ret);
}

/* ---- booleans ---- */

/* all(): false decides; any(): true decides; then null if one item was null. */
static enum rc decide(struct feel_evaluation *ev, const struct feel_value *list, bool decides,
                      struct feel_value *ret)
{
    bool undetermined = false;

    for (size_t i = 0; i < list->list.n; i++) {
        const struct feel_value *item = &list->list.items[i];

        if (item->kind == FEEL_BOOLEAN && item->boolean == decides) {
            *ret = *item;
            return RC_OK;
        }
        undetermined = undetermined || item->kind != FEEL_BOOLEAN;
    }
    if (undetermined)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "an item is no boolean");
    *ret = feel_boolean(!decides);
    return RC_OK;
}

enum rc feel_builtin_all(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    return decide(ev, &args[0], false, ret);
}

enum rc feel_builtin_any(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    return decide(ev, &args[0], true, ret);
}
