/* standard_input.h - all of standard input as one text. */
#ifndef CLI_STANDARD_INPUT_H
#define CLI_STANDARD_INPUT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Without the line feed that echo adds. RC_LIMIT (longer than limit_bytes), RC_IO, RC_NOMEM. */
MUST_CHECK enum rc standard_input_read(size_t limit_bytes, struct arena *arena,
                                       struct str *ret_text, struct err *err);

#endif
