#include "net/wheel.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 1 << 16, PIECE_BYTES = 1 << 18 };

struct wheel {
    struct archive *archive;
    const struct wheel_member *members;
    size_t n_members;
    bool *found;    /* (n_members,) */
    uint8_t *piece; /* PIECE_BYTES */
    wheel_write_fn *write;
    void *context;
};

static enum rc fail(const struct wheel *w, struct err *err)
{
    const char *why = archive_error_string(w->archive);

    if (archive_errno(w->archive) == ENOMEM)
        return err_set(err, RC_NOMEM, "wheel");
    return err_set(err, RC_CORRUPT, "no readable wheel: %.150s", why ? why : "unknown format");
}

static enum rc read_member(struct wheel *w, size_t index, struct err *err)
{
    const struct wheel_member *member = &w->members[index];
    uint64_t done = 0;

    for (;;) {
        la_ssize_t n = archive_read_data(w->archive, w->piece, PIECE_BYTES);
        enum rc rc;

        if (n == 0)
            return RC_OK;
        if (n < 0)
            return fail(w, err);
        if ((uint64_t)n > member->max_bytes - done)
            return err_set(err, RC_LIMIT, "member '%.100s' is longer than %" PRIu64 " bytes",
                           member->name, member->max_bytes);
        done += (uint64_t)n;
        rc = w->write(w->context, index, w->piece, (size_t)n, err);
        if (rc)
            return rc;
    }
}

static enum rc read_entry(struct wheel *w, struct archive_entry *entry, struct err *err)
{
    const char *name = archive_entry_pathname(entry);

    for (size_t i = 0; name && i < w->n_members; i++) {
        if (strcmp(name, w->members[i].name) != 0)
            continue;
        if (w->found[i])
            return err_set(err, RC_CORRUPT, "member '%.100s' is there twice", name);
        if (archive_entry_filetype(entry) != S_IFREG)
            return err_set(err, RC_CORRUPT, "member '%.100s' is no file", name);
        w->found[i] = true;
        return read_member(w, i, err);
    }
    return RC_OK;
}

static enum rc read_entries(struct wheel *w, struct err *err)
{
    for (size_t n = 0;; n++) {
        struct archive_entry *entry;
        int status = archive_read_next_header(w->archive, &entry);
        enum rc rc;

        if (status == ARCHIVE_EOF)
            return RC_OK;
        if (status < ARCHIVE_WARN) /* a warning is about the spelling of a name */
            return fail(w, err);
        if (n == WHEEL_ENTRIES_MAX)
            return err_set(err, RC_LIMIT, "wheel of more than %d files", WHEEL_ENTRIES_MAX);
        rc = read_entry(w, entry, err);
        if (rc)
            return rc;
    }
}

static enum rc read_all(struct wheel *w, int fd, struct err *err)
{
    enum rc rc;

    if (!w->archive || !w->found || !w->piece)
        return err_set(err, RC_NOMEM, "wheel");
    if (archive_read_support_format_zip_seekable(w->archive) != ARCHIVE_OK ||
        archive_read_open_fd(w->archive, fd, BLOCK_BYTES) != ARCHIVE_OK)
        return fail(w, err);

    rc = read_entries(w, err);
    for (size_t i = 0; rc == RC_OK && i < w->n_members; i++)
        if (!w->found[i])
            rc = err_set(err, RC_NOT_FOUND, "the wheel has no member '%.150s'", w->members[i].name);
    return rc;
}

enum rc wheel_read(int fd, const struct wheel_member *members, size_t n_members,
                   wheel_write_fn *write, void *context, struct err *err)
{
    struct wheel w = { .archive = archive_read_new(),
                       .members = members,
                       .n_members = n_members,
                       .found = mem_array(n_members, sizeof(bool)),
                       .piece = mem_alloc(PIECE_BYTES),
                       .write = write,
                       .context = context };
    enum rc rc = read_all(&w, fd, err);

    archive_read_free(w.archive);
    mem_free(w.found);
    mem_free(w.piece);
    return rc;
}
