/*
 * version_base.h - the pulled base that versions are trained from and served on, checked and
 * opened.
 *
 * A base is described by a JSON text, the one `shoal pull` writes to <home>/bases/<name>.json:
 *   {"architecture":"bert","files":{"config.json":{"bytes":612,"sha256":D},...},"name":"...",...}
 * The text is an artifact of the team, and its SHA-256 stands in a version's manifest. The
 * files lie in <home>/bases/<name>/; each is mapped once, and what is mapped is hashed before it is
 * used, so that a version runs on the bytes it was trained on or not at all.
 */
#ifndef DECIDE_VERSION_BASE_H
#define DECIDE_VERSION_BASE_H

#include "base/err.h"
#include "base/str.h"
#include "engine/model/decoder_base.h"
#include "engine/model/encoder_base.h"

enum { VERSION_BASE_JSON_MAX = 64 << 10 };

/* At most one of them; neither: no base, as before it is opened. */
struct version_base {
    struct encoder_base *encoder; /* architecture "bert" */
    struct decoder_base *decoder; /* architecture "llama" */
};

/**
 * @param bases_dir  "<home>/bases"
 * @param json       the describing text, borrowed for the call
 *
 * @return RC_OK
 *         RC_NOT_FOUND    a file is not there: the base was not pulled
 *         RC_CORRUPT      the text, or a file, is not what it should be
 *         RC_UNSUPPORTED  another architecture
 *         otherwise as encoder_base_open(), decoder_base_open()
 */
MUST_CHECK enum rc version_base_open(const char *bases_dir, struct str json,
                                     struct version_base *ret_base, struct err *err);
void version_base_close(struct version_base *base); /* safe on a zeroed one */

#endif
