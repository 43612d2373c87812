/* cmd_pull.c - shoal pull: a base from the catalogue, a folder or a URL into the home. */
#include "base/fs.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/home.h"
#include "cli/pull.h"
#include "engine/model/bert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SOURCE_TEXT_MAX = HOME_BASE_JSON_MAX / 2 };

/* What to pull, from the argument. */
struct request {
    struct catalogue_base base;
    bool is_listed; /* in the catalogue: the digests are known */
};

static enum rc read_catalogue(struct cli *cli, struct catalogue *ret_catalogue, struct err *err)
{
    const char *path = fs_join(&cli->arena, cli->config.share, "bases.yaml");
    struct str text;
    enum rc rc;

    if (!path)
        return arena_fail(&cli->arena, err, "path of the catalogue");
    rc = fs_read_file(path, CATALOGUE_BYTES_MAX, &cli->arena, &text, err);
    if (rc)
        return cli_hint(cli, rc, "--share=FOLDER says where bases.yaml is");
    return catalogue_parse(text, path, &cli->arena, ret_catalogue, err);
}

static enum rc unknown_base(struct cli *cli, const struct catalogue *catalogue, const char *name,
                            struct err *err)
{
    struct buf names;

    buf_init(&names, CLI_HINT_MAX);
    for (size_t i = 0; i < catalogue->n_bases; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", catalogue->bases[i].name);
    cli_hint(cli, RC_OK, "the catalogue has: %s; or give file:PATH or https://...",
             names.at ? names.at : "");
    buf_release(&names);
    return err_set(err, RC_NOT_FOUND, "no base '%.100s' in the catalogue", name);
}

/* Cuts "/model.safetensors" and final slashes: what remains is the folder of the three files. */
static enum rc folder_of(struct cli *cli, const char *place, const char **ret_folder,
                         struct err *err)
{
    struct str text = str_of(place);
    struct str ending = STR("model.safetensors");

    if (text.len >= ending.len &&
        memcmp(text.at + text.len - ending.len, ending.at, ending.len) == 0)
        text.len -= ending.len;
    while (text.len > 1 && text.at[text.len - 1] == '/')
        text.len--;
    *ret_folder = text.len > 0 ? arena_strndup(&cli->arena, text.at, text.len) : ".";
    return *ret_folder ? RC_OK : arena_fail(&cli->arena, err, "path of the base");
}

/* --name, else the last part of the folder. */
static enum rc name_of(struct cli *cli, const char *folder, const char **ret_name, struct err *err)
{
    const char *given = cli_option(cli, "name");
    const char *slash = strrchr(folder, '/');
    const char *name = given ? given : slash ? slash + 1 : folder;

    if (!catalogue_name_is_valid(str_of(name))) {
        cli_hint(cli, RC_OK, "a name is made of a-z, 0-9, '.', '_' and '-': --name=NAME");
        return cli_usage(cli, err, "'%.100s' cannot be the name of a base", name);
    }
    *ret_name = name;
    return RC_OK;
}

/* A base given by its place. One whose name is in the catalogue must be that base. */
static enum rc request_place(struct cli *cli, const struct catalogue *catalogue,
                             enum catalogue_place place, const char *text, struct request *request,
                             struct err *err)
{
    static const char *const files[] = { "config.json", "vocab.txt", "model.safetensors" };
    struct catalogue_base base = { .architecture = "bert", .package_licence = "", .n_sources = 1 };
    const char *licence = cli_option(cli, "licence");
    const struct catalogue_base *listed;
    enum rc rc;

    base.sources[0].place = place;
    rc = folder_of(cli, text, &base.sources[0].folder, err);
    if (rc == RC_OK)
        rc = name_of(cli, base.sources[0].folder, &base.name, err);
    if (rc)
        return rc;

    listed = catalogue_find(catalogue, base.name);
    if (listed) {
        *request = (struct request){ .base = *listed, .is_listed = true };
        request->base.n_sources = 1;
        request->base.sources[0] = base.sources[0];
        return RC_OK;
    }
    base.model_licence = licence ? licence : "not stated";
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        base.files[base.n_files++] =
            (struct catalogue_file){ .name = files[i], .n_bytes = CATALOGUE_FILE_BYTES_MAX };
    *request = (struct request){ .base = base };
    return RC_OK;
}

static enum rc read_request(struct cli *cli, struct request *request, struct err *err)
{
    const char *argument = cli->arguments[0];
    struct catalogue catalogue = { 0 };
    enum rc rc = read_catalogue(cli, &catalogue, err);

    if (rc)
        return rc;
    if (strncmp(argument, "file:", 5) == 0)
        return request_place(cli, &catalogue, CATALOGUE_FOLDER, argument + 5, request, err);
    if (strncmp(argument, "https://", 8) == 0 || strncmp(argument, "http://", 7) == 0)
        return request_place(cli, &catalogue, CATALOGUE_URL, argument, request, err);

    const struct catalogue_base *base = catalogue_find(&catalogue, argument);
    if (!base || cli_option(cli, "name"))
        return unknown_base(cli, &catalogue, argument, err);
    *request = (struct request){ .base = *base, .is_listed = true };
    return RC_OK;
}

static void describe(const struct catalogue_source *source, struct buf *out)
{
    switch (source->place) {
    case CATALOGUE_PYPI: buf_printf(out, "pypi %s %s", source->package, source->version); return;
    case CATALOGUE_URL: buf_append_text(out, source->folder); return;
    case CATALOGUE_FOLDER: buf_printf(out, "file:%s", source->folder); return;
    }
}

/* A base that no catalogue vouches for must at least be one that the engine can read. */
static enum rc check_config(const struct artifact_store *store, const struct catalogue_base *base,
                            struct arena *arena, struct err *err)
{
    struct bert_config config;
    struct str text;
    enum rc rc =
        artifact_read(store, &base->files[0].digest, CATALOGUE_BYTES_MAX, arena, &text, err);

    if (rc == RC_OK)
        rc = bert_config_parse(text, &config, err);
    return rc ? err_context(err, "%s", base->files[0].name) : RC_OK;
}

/* Tries the sources in their order; a failure is shown and the next one tried. */
static enum rc pull_sources(const struct pull *pull, struct request *request, size_t *ret_index,
                            struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < request->base.n_sources; i++) {
        const struct catalogue_source *source = &request->base.sources[i];
        CLEANUP(buf_releasep) struct buf text = { 0 };

        buf_init(&text, SOURCE_TEXT_MAX);
        buf_reset(pull->log);
        describe(source, &text);
        rc = pull_from(pull, source, &request->base, err);
        if (rc == RC_OK) {
            *ret_index = i;
            return RC_OK;
        }
        if (pull->log->len > 0)
            fprintf(stderr, "%.*s", STR_ARG(buf_str(pull->log)));
        if (i + 1 < request->base.n_sources)
            fprintf(stderr, "shoal: %s: %s; trying the next source\n", text.at, err->message);
    }
    return rc;
}

static enum rc pull_locked(struct cli *cli, struct request *request, struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *store = NULL;
    CLEANUP(buf_releasep) struct buf log = { 0 }, text = { 0 };
    const char *artifacts = fs_join(&cli->arena, cli->config.home, "artifacts");
    struct progress progress;
    size_t index = 0;
    enum rc rc;

    buf_init(&log, 64 << 10);
    buf_init(&text, SOURCE_TEXT_MAX);
    if (!artifacts)
        return arena_fail(&cli->arena, err, "path of the artifacts");
    rc = artifact_store_open(artifacts, &store, err);
    if (rc)
        return rc;

    progress_init(&progress, clock_system(), cli->config.quiet);
    struct pull pull = { .home = cli->config.home,
                         .store = store,
                         .progress = &progress,
                         .allow_http = cli->config.allow_http,
                         .arena = &cli->arena,
                         .log = &log };
    rc = pull_sources(&pull, request, &index, err);
    if (rc == RC_OK && !request->is_listed)
        rc = check_config(store, &request->base, &cli->arena, err);
    if (rc)
        return rc;
    describe(&request->base.sources[index], &text);
    rc = buf_rc(&text, "source", err);
    return rc ? rc
              : home_add_base(cli->config.home, store, &request->base, text.at, &cli->arena, err);
}

static enum rc pull(struct cli *cli, struct request *request, struct err *err)
{
    const char *lock_path = fs_join(&cli->arena, cli->config.home, "pull.lock");
    struct fs_lock lock;
    enum rc rc;

    if (!lock_path)
        return arena_fail(&cli->arena, err, "path of the lock");
    rc = fs_make_dirs(cli->config.home, err);
    if (rc == RC_OK)
        rc = fs_lock_open(lock_path, &lock, err);
    if (rc)
        return rc == RC_BUSY ? cli_hint(cli, rc, "another shoal pull is running") : rc;

    rc = pull_locked(cli, request, err);
    fs_lock_close(&lock);
    if (rc_is_transient(rc))
        cli_hint(cli, rc, "try again: shoal pull %.200s", cli->arguments[0]);
    return rc;
}

static enum rc print_base(struct cli *cli, const struct request *request, bool is_new,
                          struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct home_base base;
    uint64_t n_bytes = 0;
    enum rc rc = home_find_base(cli->config.home, request->base.name, &cli->arena, &base, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    if (cli_option(cli, "print-path")) {
        buf_append_text(&out, base.folder);
    } else if (cli->config.json) {
        struct json_writer w;

        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_key(&w, "base");
        json_raw(&w, base.json);
        json_key(&w, "digest");
        json_text(&w, base.digest.hex);
        json_key(&w, "folder");
        json_text(&w, base.folder);
        json_key(&w, "source");
        json_string(&w, base.source);
        json_key(&w, "new");
        json_bool(&w, is_new);
        json_end_object(&w);
    } else {
        for (size_t i = 0; i < request->base.n_files; i++)
            n_bytes += request->base.files[i].n_bytes;
        buf_printf(&out, "%s is %s %s\n", request->base.name, is_new ? "stored in" : "already in",
                   base.folder);
        if (is_new)
            buf_printf(&out, "%.1f MB, licence of the model: %s%s%s\n", (double)n_bytes / 1e6,
                       request->base.model_licence,
                       request->base.package_licence[0] ? ", of the package: " : "",
                       request->base.package_licence);
    }
    return cli_print(&out, err);
}

enum rc cmd_pull(struct cli *cli, struct err *err)
{
    struct request request = { 0 };
    struct home_base ignored_base;
    struct err ignored;
    enum rc rc = read_request(cli, &request, err);

    if (rc)
        return rc;
    /* What a place holds may have changed; what the catalogue lists cannot. */
    bool is_here =
        request.is_listed && home_find_base(cli->config.home, request.base.name, &cli->arena,
                                            &ignored_base, &ignored) == RC_OK;
    if (!is_here) {
        rc = pull(cli, &request, err);
        if (rc)
            return rc;
    }
    return print_base(cli, &request, !is_here, err);
}
