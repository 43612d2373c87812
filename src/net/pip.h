/*
 * pip.h - gets a wheel by the user's own `pip download`, so that their index, mirror, proxy and
 * certificates are the ones that count.
 *
 *   pip download --no-deps --only-binary=:all: ... -d DIR PACKAGE==VERSION
 *
 * is started by its list of arguments, without a shell; `python3 -m pip` where there is no pip.
 */
#ifndef NET_PIP_H
#define NET_PIP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum {
    PIP_NAME_MAX = 128, /* bytes of a package, of a version */
    PIP_LOG_BYTES_MAX = 64 << 10,
    PIP_FILES_MAX = 64, /* in the folder */
};

typedef void pip_progress_fn(void *context, uint64_t done_bytes);

struct pip_download {
    const char *package, *version;
    const char *dir;           /* ours alone, empty; what pip writes while it works is in it, too */
    int64_t stall_timeout_ms;  /* without a byte */
    uint64_t limit_bytes;      /* of the wheel */
    pip_progress_fn *progress; /* may be NULL; some ten times a second */
    void *progress_context;
};

/**
 * @param ret_fd   out, the wheel, open for reading; the caller closes it
 * @param log      gets what pip said on both outputs, also on failure; its end when it is long
 *
 * @return RC_OK
 *         RC_INVALID      a package or version with other than [A-Za-z0-9._-], or too long
 *         RC_NOT_FOUND    there is neither pip nor python3
 *         RC_UNAVAILABLE  pip failed
 *         RC_TIMEOUT      no byte for stall_timeout_ms: pip was killed
 *         RC_CORRUPT      pip said it was done and left no wheel
 *         RC_LIMIT, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc pip_get(const struct pip_download *download, int *ret_fd, struct buf *log,
                           struct err *err);

#endif
