/* feel_temporal.c - functions, properties and arithmetic of dates, times and durations. */
#include "expr/feel_internal.h"

enum { ZONE_STEPS = 100 }; /* fuel for reading the table of a zone id */

static enum rc give_moment(struct feel_evaluation *ev, enum feel_kind kind,
                           const struct feel_moment *m, struct feel_value *ret)
{
    *ret = (struct feel_value){ .kind = kind, .moment = *m };
    return feel_spend(ev, m->zone == FEEL_ZONE_ID ? ZONE_STEPS : 0);
}

static enum rc no_such(struct feel_evaluation *ev, const char *what, struct str text,
                       struct feel_value *ret)
{
    return feel_is_null(ev, FEEL_REASON_VALUE, ret, "'%.*s' is no %s",
                        (int)(text.len < 60 ? text.len : 60), text.at, what);
}

/* ---- date() ---- */

enum rc feel_builtin_date(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    const struct feel_moment *from = &args[0].moment;
    struct feel_moment m = { .year = from->year, .month = from->month, .day = from->day };

    if (args[0].kind == FEEL_STRING && !feel_parse_date(args[0].string, &m))
        return no_such(ev, "date", args[0].string, ret);
    return give_moment(ev, FEEL_DATE, &m, ret);
}

enum rc feel_builtin_date_of_parts(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    int64_t part[3];

    for (size_t i = 0; i < 3; i++)
        if (!decimal_to_i64(args[i].number, &part[i]))
            part[i] = INT64_MAX;
    if (!feel_date_is_valid(part[0], part[1], part[2]))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "date(): no such day");
    struct feel_moment m = { .year = (int32_t)part[0],
                             .month = (uint8_t)part[1],
                             .day = (uint8_t)part[2] };
    return give_moment(ev, FEEL_DATE, &m, ret);
}

/* ---- time() ---- */

enum rc feel_builtin_time(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    struct feel_moment m = args[0].moment;

    if (args[0].kind == FEEL_STRING) {
        if (!feel_parse_time(args[0].string, &m))
            return no_such(ev, "time", args[0].string, ret);
    } else if (args[0].kind == FEEL_DATE) {
        m = (struct feel_moment){ .zone = FEEL_ZONE_OFFSET }; /* a date begins at midnight UTC */
    } else {
        m.year = 0;
        m.month = m.day = 0;
    }
    return give_moment(ev, FEEL_TIME, &m, ret);
}

static bool set_clock(struct decimal hour, struct decimal minute, struct decimal second,
                      struct feel_moment *ret)
{
    int64_t h, m, s;
    int32_t nanoseconds;

    if (!decimal_to_i64(hour, &h) || !decimal_to_i64(minute, &m) ||
        !feel_seconds_apart(second, &s, &nanoseconds))
        return false;
    if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59)
        return false;
    ret->hour = (uint8_t)h;
    ret->minute = (uint8_t)m;
    ret->second = (uint8_t)s;
    ret->nanosecond = (uint32_t)nanoseconds;
    return true;
}

enum rc feel_builtin_time_of_parts(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    struct feel_moment m = { 0 };
    int64_t offset = 0;

    if (!set_clock(args[0].number, args[1].number, args[2].number, &m))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "time(): no such time of day");
    if (args[3].kind != FEEL_NULL) {
        m.zone = FEEL_ZONE_OFFSET;
        if (!decimal_to_i64(args[3].seconds, &offset) || offset > 18 * 3600 || offset < -18 * 3600)
            return feel_is_null(ev, FEEL_REASON_VALUE, ret, "time(): offset beyond 18 hours");
        m.offset_s = (int32_t)offset;
    }
    return give_moment(ev, FEEL_TIME, &m, ret);
}

/* ---- date and time() ---- */

enum rc feel_builtin_date_time(struct feel_evaluation *ev, const struct feel_value *args,
                               struct feel_value *ret)
{
    struct feel_moment m = args[0].moment;

    if (args[0].kind == FEEL_STRING && !feel_parse_date_time(args[0].string, true, &m))
        return no_such(ev, "date and time", args[0].string, ret);
    return give_moment(ev, FEEL_DATE_TIME, &m, ret);
}

enum rc feel_builtin_date_time_of_parts(struct feel_evaluation *ev, const struct feel_value *args,
                                        struct feel_value *ret)
{
    struct feel_moment m = args[1].moment;

    m.year = args[0].moment.year;
    m.month = args[0].moment.month;
    m.day = args[0].moment.day;
    if (!feel_settle_zone(&m))
        return no_such(ev, "time zone", m.zone_id, ret);
    return give_moment(ev, FEEL_DATE_TIME, &m, ret);
}

/* The same instant, on the clock of another zone. */
enum rc feel_builtin_date_time_in_zone(struct feel_evaluation *ev, const struct feel_value *args,
                                       struct feel_value *ret)
{
    struct feel_moment m = args[0].moment;
    int64_t utc;

    if (!feel_utc_seconds(&m, &utc)) {
        m.zone = FEEL_ZONE_ID; /* a local time is taken to be of that zone */
        m.zone_id = args[1].string;
        if (!feel_settle_zone(&m))
            return no_such(ev, "time zone", args[1].string, ret);
        return give_moment(ev, FEEL_DATE_TIME, &m, ret);
    }
    int32_t offset_s;
    if (!feel_zone_offset(args[1].string, utc, FEEL_CLOCK_UTC, &offset_s))
        return no_such(ev, "time zone", args[1].string, ret);
    m = feel_moment_of_unix(utc + offset_s, m.nanosecond);
    m.zone = FEEL_ZONE_ID;
    m.zone_id = args[1].string;
    m.offset_s = offset_s;
    return give_moment(ev, FEEL_DATE_TIME, &m, ret);
}

/* ---- durations ---- */

enum rc feel_builtin_duration(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    struct feel_value v = args[0];

    if (v.kind == FEEL_STRING && !feel_parse_duration(args[0].string, &v))
        return no_such(ev, "duration", args[0].string, ret);
    *ret = v;
    return RC_OK;
}

enum rc feel_builtin_months_between(struct feel_evaluation *ev, const struct feel_value *args,
                                    struct feel_value *ret)
{
    const struct feel_moment *from = &args[0].moment, *to = &args[1].moment;
    int64_t months = ((int64_t)to->year - from->year) * 12 + to->month - from->month;

    /* Whole months only: the last one counts when its day is reached. */
    if (months > 0 && to->day < from->day)
        months--;
    else if (months < 0 && to->day > from->day)
        months++;
    (void)ev;
    *ret = (struct feel_value){ .kind = FEEL_MONTHS_DURATION, .months = months };
    return RC_OK;
}

/* ---- the calendar ---- */

static int64_t day_of_year(const struct feel_moment *m)
{
    return feel_days_from_date(m->year, m->month, m->day) - feel_days_from_date(m->year, 1, 1) + 1;
}

enum rc feel_builtin_day_of_year(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    (void)ev;
    *ret = feel_number(day_of_year(&args[0].moment));
    return RC_OK;
}

enum rc feel_builtin_day_of_week(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    static const char *const names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                         "Friday", "Saturday", "Sunday" };

    (void)ev;
    *ret = feel_string(str_of(names[feel_weekday(&args[0].moment) - 1]));
    return RC_OK;
}

enum rc feel_builtin_month_of_year(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    static const char *const names[] = { "January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December" };

    (void)ev;
    *ret = feel_string(str_of(names[args[0].moment.month - 1]));
    return RC_OK;
}

/* ISO 8601: the week of a day is the week of its Thursday. */
enum rc feel_builtin_week_of_year(struct feel_evaluation *ev, const struct feel_value *args,
                                  struct feel_value *ret)
{
    const struct feel_moment *m = &args[0].moment;
    int64_t days = feel_days_from_date(m->year, m->month, m->day);
    struct feel_moment thursday = *m;

    if (!feel_date_from_days(days + 4 - feel_weekday(m), &thursday))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "week of year(): beyond the calendar");
    *ret = feel_number((day_of_year(&thursday) - 1) / 7 + 1);
    return RC_OK;
}

static struct feel_moment recorded_time(const struct feel_evaluation *ev)
{
    int64_t milliseconds = ev->now_ms % 1000 < 0 ? ev->now_ms % 1000 + 1000 : ev->now_ms % 1000;

    return feel_moment_of_unix((ev->now_ms - milliseconds) / 1000,
                               (uint32_t)milliseconds * 1000000);
}

enum rc feel_builtin_now(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    struct feel_moment m = recorded_time(ev);

    (void)args;
    return give_moment(ev, FEEL_DATE_TIME, &m, ret);
}

enum rc feel_builtin_today(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    struct feel_moment now = recorded_time(ev);
    struct feel_moment m = { .year = now.year, .month = now.month, .day = now.day };

    (void)args;
    return give_moment(ev, FEEL_DATE, &m, ret);
}

/* ---- properties ---- */

static bool moment_property(const struct feel_value *v, struct str name, struct feel_value *ret)
{
    const struct feel_moment *m = &v->moment;
    bool has_date = v->kind != FEEL_TIME, has_clock = v->kind != FEEL_DATE;

    if (has_date && str_is(name, "year"))
        *ret = feel_number(m->year);
    else if (has_date && str_is(name, "month"))
        *ret = feel_number(m->month);
    else if (has_date && str_is(name, "day"))
        *ret = feel_number(m->day);
    else if (has_date && str_is(name, "weekday"))
        *ret = feel_number(feel_weekday(m));
    else if (has_clock && str_is(name, "hour"))
        *ret = feel_number(m->hour);
    else if (has_clock && str_is(name, "minute"))
        *ret = feel_number(m->minute);
    else if (has_clock && str_is(name, "second"))
        *ret = feel_number(m->second);
    else if (has_clock && str_is(name, "time offset"))
        *ret = m->zone == FEEL_ZONE_LOCAL || (m->zone == FEEL_ZONE_ID && v->kind == FEEL_TIME)
                   ? (struct feel_value){ .kind = FEEL_NULL }
                   : (struct feel_value){ .kind = FEEL_DAYS_DURATION,
                                          .seconds = decimal_from_i64(m->offset_s) };
    else if (has_clock && str_is(name, "timezone"))
        *ret = m->zone == FEEL_ZONE_ID ? feel_string(m->zone_id)
                                       : (struct feel_value){ .kind = FEEL_NULL };
    else
        return false;
    return true;
}

static bool days_property(const struct feel_value *v, struct str name, struct feel_value *ret)
{
    static const struct {
        const char *name;
        int64_t size, modulo;
    } parts[] = { { "days", 86400, 0 }, { "hours", 3600, 24 }, { "minutes", 60, 60 } };
    int64_t seconds;
    int32_t nanoseconds;

    if (!feel_seconds_apart(decimal_abs(v->seconds), &seconds, &nanoseconds))
        return false;
    int64_t sign = decimal_is_negative(v->seconds) ? -1 : 1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (str_is(name, parts[i].name)) {
            int64_t n = seconds / parts[i].size;

            *ret = feel_number(sign * (parts[i].modulo ? n % parts[i].modulo : n));
            return true;
        }
    }
    if (!str_is(name, "seconds"))
        return false;
    *ret = (struct feel_value){ .kind = FEEL_NUMBER };
    return decimal_modulo(decimal_abs(v->seconds), decimal_from_i64(60), &ret->number) &&
           decimal_multiply(ret->number, decimal_from_i64(sign), &ret->number);
}

static bool range_property(const struct feel_range *range, struct str name, struct feel_value *ret)
{
    if (str_is(name, "start"))
        *ret = range->low;
    else if (str_is(name, "end"))
        *ret = range->high;
    else if (str_is(name, "start included"))
        *ret = feel_boolean(range->low_closed);
    else if (str_is(name, "end included"))
        *ret = feel_boolean(range->high_closed);
    else
        return false;
    return true;
}

bool feel_property(const struct feel_value *v, struct str name, struct feel_value *ret)
{
    switch (v->kind) {
    case FEEL_DATE:
    case FEEL_TIME:
    case FEEL_DATE_TIME: return moment_property(v, name, ret);
    case FEEL_DAYS_DURATION: return days_property(v, name, ret);
    case FEEL_MONTHS_DURATION:
        if (!str_is(name, "years") && !str_is(name, "months"))
            return false;
        *ret = feel_number(str_is(name, "years") ? v->months / 12 : v->months % 12);
        return true;
    case FEEL_RANGE: return range_property(v->range, name, ret);
    case FEEL_NULL:
    case FEEL_BOOLEAN:
    case FEEL_NUMBER:
    case FEEL_STRING:
    case FEEL_LIST:
    case FEEL_CONTEXT:
    case FEEL_FUNCTION:
    case FEEL_ANY: return false;
    }
    return false;
}

/* ---- arithmetic ---- */

static bool add_months(const struct feel_moment *m, int64_t months, struct feel_moment *ret)
{
    struct feel_moment sum = *m;

    if (months > 24LL * FEEL_YEAR_MAX || months < -24LL * FEEL_YEAR_MAX)
        return false;
    int64_t total = m->year * 12LL + m->month - 1 + months;
    int64_t year = total / 12 - (total % 12 < 0);
    unsigned month = (unsigned)(total - year * 12) + 1;
    if (year < -FEEL_YEAR_MAX || year > FEEL_YEAR_MAX)
        return false;

    unsigned last = feel_days_in_month(year, month);
    sum.year = (int32_t)year;
    sum.month = (uint8_t)month;
    sum.day = m->day > last ? (uint8_t)last : m->day;
    if (!feel_settle_zone(&sum))
        return false;
    *ret = sum;
    return true;
}

/* On a time of day the clock goes round; on a date only whole days are left. */
static bool add_seconds(const struct feel_value *v, struct decimal seconds, struct feel_value *ret)
{
    struct feel_moment m = v->moment;

    *ret = *v;
    if (v->kind != FEEL_TIME) {
        if (!feel_moment_add(&m, seconds, &ret->moment))
            return false;
        if (v->kind == FEEL_DATE)
            ret->moment = (struct feel_moment){ .year = ret->moment.year,
                                                .month = ret->moment.month,
                                                .day = ret->moment.day };
        return true;
    }
    m.year = 1970;
    m.month = m.day = 1;
    m.zone = FEEL_ZONE_LOCAL;
    if (!decimal_modulo(seconds, decimal_from_i64(86400), &seconds) ||
        !feel_moment_add(&m, seconds, &m))
        return false;
    ret->moment.hour = m.hour;
    ret->moment.minute = m.minute;
    ret->moment.second = m.second;
    ret->moment.nanosecond = m.nanosecond;
    return true;
}

static bool add_duration(const struct feel_value *moment, const struct feel_value *duration,
                         bool subtract, struct feel_value *ret)
{
    if (duration->kind == FEEL_DAYS_DURATION)
        return add_seconds(moment, subtract ? decimal_negate(duration->seconds) : duration->seconds,
                           ret);
    if (moment->kind == FEEL_TIME)
        return false;
    *ret = *moment;
    return add_months(&moment->moment, subtract ? -duration->months : duration->months,
                      &ret->moment);
}

/* Seconds since midnight or since 1970, in UTC where the value has a zone. */
static int64_t clock_of(const struct feel_value *v)
{
    if (v->kind == FEEL_TIME)
        return (v->moment.hour * 60 + v->moment.minute) * 60 + v->moment.second -
               (v->moment.zone == FEEL_ZONE_OFFSET ? v->moment.offset_s : 0);
    return feel_local_seconds(&v->moment) - v->moment.offset_s;
}

static bool subtract_moments(const struct feel_value *a, const struct feel_value *b,
                             struct feel_value *ret)
{
    bool zoned[2] = { a->kind == FEEL_DATE || a->moment.zone != FEEL_ZONE_LOCAL,
                      b->kind == FEEL_DATE || b->moment.zone != FEEL_ZONE_LOCAL };
    struct decimal nanos, seconds;

    /* Both have a zone (a date is midnight UTC) or neither has. */
    if ((a->kind == FEEL_TIME) != (b->kind == FEEL_TIME) || zoned[0] != zoned[1])
        return false;
    nanos = decimal_from_i64((int64_t)a->moment.nanosecond - b->moment.nanosecond);
    if (!decimal_divide(nanos, decimal_from_i64(1000000000), &nanos) ||
        !decimal_add(decimal_from_i64(clock_of(a) - clock_of(b)), nanos, &seconds))
        return false;
    *ret = (struct feel_value){ .kind = FEEL_DAYS_DURATION, .seconds = seconds };
    return true;
}

static bool combine_durations(enum feel_operator op, const struct feel_value *a,
                              const struct feel_value *b, struct feel_value *ret)
{
    bool days = a->kind == FEEL_DAYS_DURATION;

    *ret = *a;
    if (op == FEEL_ADD && days)
        return decimal_add(a->seconds, b->seconds, &ret->seconds);
    if (op == FEEL_SUBTRACT && days)
        return decimal_subtract(a->seconds, b->seconds, &ret->seconds);
    if (op == FEEL_ADD)
        return !__builtin_add_overflow(a->months, b->months, &ret->months);
    if (op == FEEL_SUBTRACT)
        return !__builtin_sub_overflow(a->months, b->months, &ret->months);
    if (op != FEEL_DIVIDE)
        return false;
    *ret = (struct feel_value){ .kind = FEEL_NUMBER };
    if (days)
        return decimal_divide(a->seconds, b->seconds, &ret->number);
    return decimal_divide(decimal_from_i64(a->months), decimal_from_i64(b->months), &ret->number);
}

static bool scale_duration(enum feel_operator op, const struct feel_value *duration,
                           struct decimal by, struct feel_value *ret)
{
    bool days = duration->kind == FEEL_DAYS_DURATION;
    struct decimal size = days ? duration->seconds : decimal_from_i64(duration->months);

    *ret = *duration;
    if (op == FEEL_MULTIPLY ? !decimal_multiply(size, by, &size) : !decimal_divide(size, by, &size))
        return false;
    if (days)
        return decimal_round(size, 9, DECIMAL_HALF_EVEN, &ret->seconds);
    return decimal_to_i64(size, &ret->months);
}

static bool is_duration(const struct feel_value *v)
{
    return v->kind == FEEL_DAYS_DURATION || v->kind == FEEL_MONTHS_DURATION;
}

static bool is_moment(const struct feel_value *v)
{
    return v->kind >= FEEL_DATE && v->kind <= FEEL_DATE_TIME;
}

enum rc feel_temporal_arithmetic(struct feel_evaluation *ev, enum feel_operator op,
                                 const struct feel_value *a, const struct feel_value *b,
                                 struct feel_value *ret)
{
    bool sum = op == FEEL_ADD || op == FEEL_SUBTRACT, ok = false;
    struct feel_value v = { 0 };

    if (is_moment(a) && is_duration(b) && sum)
        ok = add_duration(a, b, op == FEEL_SUBTRACT, &v);
    else if (is_duration(a) && is_moment(b) && op == FEEL_ADD)
        ok = add_duration(b, a, false, &v);
    else if (is_moment(a) && is_moment(b) && op == FEEL_SUBTRACT)
        ok = subtract_moments(a, b, &v);
    else if (is_duration(a) && a->kind == b->kind)
        ok = combine_durations(op, a, b, &v);
    else if (is_duration(a) && b->kind == FEEL_NUMBER && (op == FEEL_MULTIPLY || op == FEEL_DIVIDE))
        ok = scale_duration(op, a, b->number, &v);
    else if (a->kind == FEEL_NUMBER && is_duration(b) && op == FEEL_MULTIPLY)
        ok = scale_duration(op, b, a->number, &v);
    if (!ok)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot compute %s %s %s",
                            feel_kind_name(a->kind), feel_operator_text(op),
                            feel_kind_name(b->kind));
    *ret = v;
    return feel_spend(ev, is_moment(&v) && v.moment.zone == FEEL_ZONE_ID ? ZONE_STEPS : 0);
}
