/*
 * failpoint.h - named places where a test can make the process die, fail or wait.
 *
 *   FAILPOINT("artifact.before_rename");
 *
 * Compiled to nothing unless Meson's option `failpoints` is on (the test builds). Armed by
 * failpoint_arm(), which cli/main.c calls with the environment variable SHOAL_FAILPOINT:
 *
 *   NAME=crash      kill -9 of ourselves at the first passage
 *   NAME=crash@N    at the N-th passage (from 1)
 *   NAME=sleep:MS   wait there, at each passage
 *
 * and with SHOAL_FAILPOINT_LOG=PATH: each passage appends its name to the file, so that a test can
 * list them all.
 */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include "base/err.h"

#ifdef SHOAL_FAILPOINTS
#define FAILPOINT(name) failpoint_pass(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

/* spec and log_path may be NULL. RC_INVALID: not of the form above. RC_UNSUPPORTED: this build has
 * none. */
MUST_CHECK enum rc failpoint_arm(const char *spec, const char *log_path, struct err *err);
void failpoint_pass(const char *name);

#endif
