/* candidate_internal.h - what the candidates share. */
#ifndef FACTORY_CANDIDATE_INTERNAL_H
#define FACTORY_CANDIDATE_INTERNAL_H

#include "factory/train/candidate.h"

/* An adapter of the spec's fields and labels. */
MUST_CHECK enum rc candidate_adapter(const struct candidate_job *job, enum adapter_kind kind,
                                     struct arena *arena, struct adapter *ret_adapter,
                                     struct err *err);

/* false: stop. */
bool candidate_report(const struct candidate_job *job, const char *what, size_t done, size_t total);

#endif
