/* answer_view.h - a decision's answer (decide_append_answer()'s members) as a person reads it. */
#ifndef CLI_ANSWER_VIEW_H
#define CLI_ANSWER_VIEW_H

#include "base/buf.h"
#include "base/json.h"

/*
 *   issue_type    delivery   confidence 0.93
 *   priority      urgent     confidence 0.81
 *   reasons       price, terms
 *   sla_due       2026-05-03T13:30:00Z
 *
 *   facts   large_order = false
 *   rules   holds    R2  Money, delivery or defect of an order of ...
 */
void answer_view_append(struct buf *out, const struct json *answer);

/* A JSON value as text for a terminal: strings without quotes, control characters escaped. */
void answer_view_append_value(struct buf *out, const struct json *v);

#endif
