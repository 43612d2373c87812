/*
 * checkpoint.c - see the table in checkpoint.h.
 *
 *            checkpoint_init            checkpoint_load (RC_OK)
 *   nothing ----------------> fresh --------------------------> resumed
 *                               |        train_run: steps          |
 *                               +------------> running <-----------+
 *                                                | checkpoint_save, any number of times
 *                                                v
 *                                              ended (header.ended = 1; loading it skips training)
 *
 * Invariants, each checked by tests/engine/train/test_train_run.c:
 *   (1) A file that loads was written whole by checkpoint_save(): its digest covers every byte.
 *   (2) Steps after a load give the bytes that they would have given without the interruption:
 * whatever step k depends on is in the image, or a function of seed, k and the fingerprinted
 * inputs. (3) A crash at any moment leaves the last saved file, or none (fs_write_atomic()). (4)
 * The values of the image are those after header.step steps; a save never sees half a step.
 */
#include "engine/train/checkpoint.h"

#include "base/fs.h"

#include <string.h>

enum { ARRAYS = 4, FORMAT = 1 };

static const char magic[8] = { 'S', 'H', 'O', 'A', 'L', 'T', 'R', 'N' };

static size_t bytes_before_digest(size_t n_values)
{
    return sizeof(struct checkpoint_header) + ARRAYS * n_values * sizeof(float);
}

enum rc checkpoint_init(const struct digest *fingerprint, size_t n_values, struct arena *arena,
                        struct checkpoint *ret_checkpoint, struct err *err)
{
    uint8_t *image = arena_alloc(arena, bytes_before_digest(n_values) + SHA256_HEX_LEN, 1, 64);

    if (!image)
        return arena_fail(arena, err, "checkpoint");

    struct checkpoint c = { .header = (struct checkpoint_header *)(void *)image };
    c.values = (float *)(void *)(image + sizeof(*c.header));
    c.m = c.values + n_values;
    c.v = c.m + n_values;
    c.best = c.v + n_values;
    memcpy(c.header->magic, magic, sizeof(magic));
    c.header->format = FORMAT;
    memcpy(c.header->fingerprint, fingerprint->hex, SHA256_HEX_LEN);
    c.header->n_values = n_values;
    *ret_checkpoint = c;
    return RC_OK;
}

enum rc checkpoint_save(const struct checkpoint *checkpoint, const char *path, struct err *err)
{
    uint8_t *image = (uint8_t *)checkpoint->header;
    size_t n_bytes = bytes_before_digest(checkpoint->header->n_values);
    struct digest digest;
    enum rc rc = sha256_of(image, n_bytes, &digest, err);

    if (rc)
        return err_context(err, "checkpoint");
    memcpy(image + n_bytes, digest.hex, SHA256_HEX_LEN);
    rc = fs_write_atomic(path, image, n_bytes + SHA256_HEX_LEN, 0600, err);
    return rc ? err_context(err, "checkpoint") : RC_OK;
}

static enum rc check(const struct checkpoint *checkpoint, const struct fs_map *map, struct err *err)
{
    const struct checkpoint_header *ours = checkpoint->header;
    size_t n_bytes = bytes_before_digest(ours->n_values);
    struct checkpoint_header header;
    struct digest digest;

    if (map->len < sizeof(header) + SHA256_HEX_LEN)
        return err_set(err, RC_CORRUPT, "%zu bytes are no checkpoint", map->len);
    memcpy(&header, map->at, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return err_set(err, RC_CORRUPT, "not a checkpoint");
    if (header.format != FORMAT ||
        memcmp(header.fingerprint, ours->fingerprint, SHA256_HEX_LEN) != 0)
        return err_set(err, RC_STATE, "of other rows, options, weights or another build");
    if (header.n_values != ours->n_values || map->len != n_bytes + SHA256_HEX_LEN)
        return err_set(err, RC_CORRUPT, "has %zu bytes, not %zu", map->len,
                       n_bytes + SHA256_HEX_LEN);
    enum rc rc = sha256_of(map->at, n_bytes, &digest, err);
    if (rc)
        return rc;
    if (memcmp(map->at + n_bytes, digest.hex, SHA256_HEX_LEN) != 0)
        return err_set(err, RC_CORRUPT, "its bytes do not match its digest");
    return RC_OK;
}

enum rc checkpoint_load(struct checkpoint *checkpoint, const char *path, struct err *err)
{
    struct fs_map map;
    enum rc rc = fs_map_open(path, &map, err);

    if (rc)
        return rc == RC_NOT_FOUND ? rc : err_context(err, "checkpoint");
    rc = check(checkpoint, &map, err);
    if (!rc)
        memcpy(checkpoint->header, map.at, map.len);
    fs_map_close(&map);
    return rc ? err_context(err, "checkpoint '%s'", path) : RC_OK;
}
