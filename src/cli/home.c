#include "cli/home.h"

#include "base/failpoint.h"
#include "base/fs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct paths {
    const char *folder, *json, *source;
};

static enum rc base_paths(const char *home, const char *name, struct arena *arena,
                          struct paths *ret_paths, struct err *err)
{
    char file[CATALOGUE_NAME_MAX + sizeof(".source")];
    const char *bases = fs_join(arena, home, "bases");
    struct paths paths = { 0 };

    ASSERT(catalogue_name_is_valid(str_of(name)));
    if (bases) {
        paths.folder = fs_join(arena, bases, name);
        snprintf(file, sizeof(file), "%s.json", name);
        paths.json = fs_join(arena, bases, file);
        snprintf(file, sizeof(file), "%s.source", name);
        paths.source = fs_join(arena, bases, file);
    }
    if (!paths.folder || !paths.json || !paths.source)
        return arena_fail(arena, err, "path of the base");
    *ret_paths = paths;
    return RC_OK;
}

static enum rc check_file(const char *folder, const struct json_member *file, struct arena *arena,
                          struct err *err)
{
    const char *name = arena_strndup(arena, file->key.at, file->key.len);
    const char *path = name ? fs_join(arena, folder, name) : NULL;
    const struct json *bytes = json_find(&file->value, "bytes");
    int64_t n_bytes = -1;
    struct stat st;

    if (!path)
        return arena_fail(arena, err, "path of the base");
    if (!catalogue_name_is_valid(file->key) || !bytes || !json_to_i64(bytes, &n_bytes))
        return err_set(err, RC_CORRUPT, "'%s.json' does not list its files", folder);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != n_bytes)
        return err_set(err, RC_CORRUPT, "'%s' is missing or has another length", path);
    return RC_OK;
}

enum rc home_find_base(const char *home, const char *name, struct arena *arena,
                       struct home_base *ret_base, struct err *err)
{
    struct home_base base = { 0 };
    struct paths paths = { 0 };
    struct json *tree = NULL;
    enum rc rc = base_paths(home, name, arena, &paths, err);

    if (rc)
        return rc;
    base.folder = paths.folder;
    if (!fs_exists(paths.json))
        return err_set(err, RC_NOT_FOUND, "the base '%s' is not in %s", name, home);
    rc = fs_read_file(paths.json, HOME_BASE_JSON_MAX, arena, &base.json, err);
    if (rc == RC_OK)
        rc = fs_read_file(paths.source, HOME_BASE_JSON_MAX, arena, &base.source, err);
    if (rc)
        return rc;
    rc = json_parse(base.json, JSON_DUPLICATES_REFUSED, arena, &tree, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "'%s' is damaged", paths.json);
    if (rc)
        return rc;

    const struct json *files = json_find(tree, "files");
    if (!files || files->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "'%s' is damaged", paths.json);
    for (size_t i = 0; i < files->n; i++) {
        rc = check_file(base.folder, &files->members[i], arena, err);
        if (rc)
            return rc;
    }
    rc = sha256_of(base.json.at, base.json.len, &base.digest, err);
    if (rc == RC_OK)
        *ret_base = base;
    return rc;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp((*(const struct catalogue_file *const *)a)->name,
                  (*(const struct catalogue_file *const *)b)->name);
}

/* Members in the order of their bytes: the canonical form. */
static void append_json(struct buf *out, const struct catalogue_base *base)
{
    const struct catalogue_file *files[CATALOGUE_FILES_MAX];
    struct json_writer w;

    for (size_t i = 0; i < base->n_files; i++)
        files[i] = &base->files[i];
    qsort(files, base->n_files, sizeof(files[0]), compare_files); /* NOLINT: of pointers */

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "architecture");
    json_text(&w, base->architecture);
    json_key(&w, "files");
    json_begin_object(&w);
    for (size_t i = 0; i < base->n_files; i++) {
        json_key(&w, files[i]->name);
        json_begin_object(&w);
        json_key(&w, "bytes");
        json_i64(&w, (int64_t)files[i]->n_bytes);
        json_key(&w, "sha256");
        json_text(&w, files[i]->digest.hex);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_key(&w, "licence");
    json_begin_object(&w);
    json_key(&w, "model");
    json_text(&w, base->model_licence);
    json_key(&w, "package");
    json_text(&w, base->package_licence);
    json_end_object(&w);
    json_key(&w, "name");
    json_text(&w, base->name);
    json_end_object(&w);
}

/* A hard link; where the file system has none, a symbolic one. */
static enum rc link_file(const char *artifact, const char *path, struct err *err)
{
    if (link(artifact, path) == 0 || symlink(artifact, path) == 0)
        return RC_OK;
    return err_set(err, errno == ENOSPC ? RC_FULL : RC_IO, "link '%.180s': %s", path,
                   strerror(errno));
}

static enum rc link_files(const struct artifact_store *store, const struct catalogue_base *base,
                          const char *folder, struct arena *arena, struct err *err)
{
    enum rc rc = fs_remove_tree(folder, err);

    if (rc == RC_OK)
        rc = fs_make_dirs(folder, err);
    for (size_t i = 0; rc == RC_OK && i < base->n_files; i++) {
        char artifact[FS_PATH_MAX];
        const char *path = fs_join(arena, folder, base->files[i].name);

        if (!path)
            return arena_fail(arena, err, "path of the base");
        artifact_path(store, &base->files[i].digest, artifact);
        FAILPOINT("pull.before_link");
        rc = link_file(artifact, path, err);
    }
    return rc ? rc : fs_sync_dir(folder, err);
}

enum rc home_add_base(const char *home, const struct artifact_store *store,
                      const struct catalogue_base *base, const char *source, struct arena *arena,
                      struct err *err)
{
    CLEANUP(buf_releasep) struct buf json = { 0 };
    struct paths paths = { 0 };
    enum rc rc = base_paths(home, base->name, arena, &paths, err);

    buf_init(&json, HOME_BASE_JSON_MAX);
    if (rc)
        return rc;
    rc = fs_remove(paths.json, err); /* without it the name is free */
    if (rc == RC_OK)
        rc = link_files(store, base, paths.folder, arena, err);
    if (rc == RC_OK)
        rc = fs_write_atomic(paths.source, source, strlen(source), 0444, err);
    if (rc)
        return rc;

    append_json(&json, base);
    rc = buf_rc(&json, "description of the base", err);
    if (rc)
        return rc;
    FAILPOINT("pull.before_json");
    return fs_write_atomic(paths.json, json.at, json.len, 0444, err);
}

enum rc home_download_path(const char *home, const char *name, struct arena *arena,
                           const char **ret_path, struct err *err)
{
    const char *folder = fs_join(arena, home, "downloads");
    const char *path = folder ? fs_join(arena, folder, name) : NULL;
    enum rc rc;

    if (!path)
        return arena_fail(arena, err, "path of the download");
    rc = fs_make_dirs(folder, err);
    if (rc == RC_OK)
        *ret_path = path;
    return rc;
}
