#include "cli/version_view.h"

#include "cli/answer_view.h"

#include <inttypes.h>

enum { DIGEST_SHOWN = 12, TREE_DEPTH_MAX = 20 };

struct str version_view_text(const struct json *v, const char *key)
{
    const struct json *member = json_find(v, key);

    return member && member->type == JSON_STRING ? member->text : STR("");
}

static struct str short_digest(const struct json *v, const char *key)
{
    struct str text = version_view_text(v, key);

    if (text.len > DIGEST_SHOWN)
        text.len = DIGEST_SHOWN;
    return text.len ? text : STR("-");
}

static void append_member(struct buf *out, const struct json *v, const char *key)
{
    answer_view_append_value(out, json_find(v, key));
}

/* "@2 accepted  9f8a1c2d4e5f  2026-05-03T09:30:00.000Z  os:anna" */
static void append_version(struct buf *out, const struct json *version)
{
    buf_append_char(out, '@');
    append_member(out, version, "number");
    buf_append_char(out, ' ');
    append_member(out, version, "verdict");
    buf_printf(out, "  %.*s  ", STR_ARG(short_digest(version, "version")));
    append_member(out, version, "created_at");
    buf_append_text(out, "  ");
    append_member(out, version, "created_by");
}

static void append_aliases(struct buf *out, const struct json *aliases, const struct json *version)
{
    for (size_t i = 0; aliases && aliases->type == JSON_ARRAY && i < aliases->n; i++) {
        const struct json *alias = &aliases->items[i];

        if (!str_equal(version_view_text(alias, "version"),
                       version_view_text(version, "version")) ||
            !str_equal(version_view_text(alias, "slm"), version_view_text(version, "slm")))
            continue;
        buf_append_text(out, "  <- ");
        append_member(out, alias, "alias");
    }
}

void version_view_append_list(struct buf *out, const char *team, const struct json *answer)
{
    const struct json *versions = json_find(answer, "versions");
    struct str slm = STR("");

    if (!versions || versions->type != JSON_ARRAY)
        return;
    for (size_t i = 0; i < versions->n; i++) {
        const struct json *version = &versions->items[i];

        if (!str_equal(slm, version_view_text(version, "slm"))) {
            slm = version_view_text(version, "slm");
            buf_printf(out, "%s/%.*s\n", team, STR_ARG(slm));
        }
        buf_append_text(out, "  ");
        append_version(out, version);
        append_aliases(out, json_find(answer, "aliases"), version);
        buf_append_char(out, '\n');
    }
}

static void append_part(struct buf *out, const char *indent, const char *name, struct str value)
{
    buf_printf(out, "%s|-- %-8s %.*s\n", indent, name, STR_ARG(value));
}

static void append_parts(struct buf *out, const char *indent, const struct json *manifest)
{
    static const struct {
        const char *key, *name;
    } parts[] = { { "spec", "spec" },
                  { "dataset", "rows" },
                  { "base", "base" },
                  { "adapter", "adapter" },
                  { "report", "report" } };
    const struct json *tables = json_find(manifest, "tables");

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        append_part(out, indent, parts[i].name, short_digest(manifest, parts[i].key));
    for (size_t i = 0; tables && tables->type == JSON_OBJECT && i < tables->n; i++) {
        struct str digest = tables->members[i].value.text;

        if (digest.len > DIGEST_SHOWN)
            digest.len = DIGEST_SHOWN;
        buf_printf(out, "%s|-- table    %.*s  %.*s\n", indent, STR_ARG(digest),
                   STR_ARG(tables->members[i].key));
    }
}

/* Each version hangs below the one whose training started from it. */
static void append_lineage(struct buf *out, const struct json *lineage)
{
    char indent[4 * TREE_DEPTH_MAX + 1] = "";

    for (size_t i = 0; lineage && lineage->type == JSON_ARRAY && i < lineage->n; i++) {
        const struct json *manifest = json_find(&lineage->items[i], "manifest");
        struct str origin = short_digest(manifest, "origin");
        bool is_last = i + 1 == lineage->n || i + 1 == TREE_DEPTH_MAX;

        append_parts(out, indent, manifest);
        if (!str_is(origin, "-"))
            append_part(out, indent, "imported", origin);
        buf_printf(out, "%s%s code     %.*s\n", indent, is_last ? "`--" : "|--",
                   STR_ARG(version_view_text(manifest, "engine_build")));
        if (is_last)
            break;
        buf_printf(out, "%s`-- from     ", indent);
        append_version(out, json_find(&lineage->items[i + 1], "version"));
        buf_append_char(out, '\n');
        memset(indent + 4 * i, ' ', 4);
        indent[4 * (i + 1)] = '\0';
    }
}

void version_view_append_show(struct buf *out, const char *slm, const struct json *answer)
{
    const struct json *version = json_find(answer, "version");
    const struct json *reasons = version ? json_find(version, "reasons") : NULL;

    if (!version)
        return;
    buf_printf(out, "%s ", slm);
    append_version(out, version);
    append_aliases(out, json_find(answer, "aliases"), version);
    buf_append_char(out, '\n');
    append_lineage(out, json_find(answer, "lineage"));
    for (size_t i = 0; reasons && reasons->type == JSON_ARRAY && i < reasons->n; i++) {
        buf_append_text(out, i ? "         " : "verdict  ");
        answer_view_append_value(out, &reasons->items[i]);
        buf_append_char(out, '\n');
    }
}

void version_view_append_history(struct buf *out, const struct json *answer)
{
    const struct json *changes = json_find(answer, "changes");

    for (size_t i = 0; changes && changes->type == JSON_ARRAY && i < changes->n; i++) {
        const struct json *change = &changes->items[i];
        const struct json *rollback = json_find(change, "rollback");

        append_member(out, change, "at");
        buf_printf(out, "  %12.*s -> %.*s  ", STR_ARG(short_digest(change, "from")),
                   STR_ARG(short_digest(change, "to")));
        append_member(out, change, "principal");
        buf_append_text(out, rollback && rollback->boolean ? "  rollback: " : "  ");
        append_member(out, change, "why");
        buf_append_char(out, '\n');
    }
}
