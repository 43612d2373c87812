#include "cli/standard_input.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum rc standard_input_read(size_t limit_bytes, struct arena *arena, struct str *ret_text,
                            struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    ssize_t n = 1;
    enum rc rc;

    buf_init(&text, limit_bytes);
    while (n > 0 && !text.failed) {
        char bytes[1 << 14];

        n = read(STDIN_FILENO, bytes, sizeof(bytes));
        if (n > 0)
            buf_append(&text, bytes, (size_t)n);
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        return err_set(err, RC_IO, "standard input: %s", strerror(errno));
    rc = buf_rc(&text, "standard input", err);
    if (rc)
        return rc;

    size_t len = text.len > 0 && text.at[text.len - 1] == '\n' ? text.len - 1 : text.len;
    char *copy = arena_strndup(arena, text.at ? text.at : "", len);
    if (!copy)
        return arena_fail(arena, err, "standard input");
    *ret_text = (struct str){ copy, len };
    return RC_OK;
}
