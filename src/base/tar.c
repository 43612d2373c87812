#include "base/tar.h"

#include <stdint.h>
#include <stdio.h>

/* POSIX.1-1988, ustar: numbers are octal digits that end in NUL. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
    char link_name[100], magic[6], version[2], user[32], group[32], device_major[8];
    char device_minor[8], prefix[155], unused[12];
};

_Static_assert(sizeof(struct header) == TAR_BLOCK_BYTES, "a header is one block");

static const uint64_t SIZE_MAX_BYTES = ((uint64_t)8 << 30) - 1; /* 11 octal digits */
static const char ZEROS[2 * TAR_BLOCK_BYTES];

bool tar_name_is_valid(struct str name)
{
    size_t component = 0; /* where it begins */

    if (name.len == 0 || name.len > TAR_NAME_MAX || name.at[0] == '/')
        return false;
    for (size_t i = 0; i <= name.len; i++) {
        unsigned char c = i < name.len ? (unsigned char)name.at[i] : '/';

        if (c < ' ' || c == 0x7f || c == '\\')
            return false;
        if (c != '/')
            continue;
        struct str part = { name.at + component, i - component };
        if (part.len == 0 || str_is(part, ".") || str_is(part, ".."))
            return false;
        component = i + 1;
    }
    return true;
}

static void encode(struct str name, size_t n_bytes, struct header *h)
{
    const unsigned char *at = (const unsigned char *)h;
    unsigned sum = 0;

    *h = (struct header){ .type = '0' };
    memcpy(h->name, name.at, name.len);
    memcpy(h->mode, "0000644", 8);
    memcpy(h->uid, "0000000", 8);
    memcpy(h->gid, "0000000", 8);
    snprintf(h->size, sizeof(h->size), "%011llo",
             (unsigned long long)n_bytes & (unsigned long long)SIZE_MAX_BYTES);
    memcpy(h->mtime, "00000000000", 12);
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memset(h->checksum, ' ', sizeof(h->checksum)); /* as the sum takes it */
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += at[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum & 0777777u); /* digits, NUL, blank */
}

static size_t padding(size_t n_bytes)
{
    return (TAR_BLOCK_BYTES - n_bytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}

enum rc tar_append(struct buf *out, struct str name, struct str bytes, struct err *err)
{
    struct header header;

    if (!tar_name_is_valid(name))
        return err_set(err, RC_INVALID, "'%.*s' is no name for a file of an archive",
                       STR_ARG(name));
    if (bytes.len > SIZE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "'%.*s' is over 8 GiB", STR_ARG(name));
    encode(name, bytes.len, &header);
    buf_append(out, &header, sizeof(header));
    buf_append_str(out, bytes);
    buf_append(out, ZEROS, padding(bytes.len));
    return buf_rc(out, "archive", err);
}

void tar_end(struct buf *out)
{
    buf_append(out, ZEROS, sizeof(ZEROS));
}

static bool all_zero(const char *at, size_t len)
{
    return memcmp(at, ZEROS, len) == 0;
}

/* What is no octal number is found out by comparing with what encode() writes. */
static uint64_t read_octal(const char *digits, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n && digits[i] >= '0' && digits[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(digits[i] - '0');
    return value;
}

static enum rc read_header(struct str rest, struct tar_entry *entry, struct err *err)
{
    struct header header, again;

    memcpy(&header, rest.at, sizeof(header));
    entry->name = (struct str){ rest.at, strnlen(header.name, sizeof(header.name)) };
    if (!tar_name_is_valid(entry->name))
        return err_set(err, RC_CORRUPT, "the archive has a file whose name is not allowed");
    uint64_t n_bytes = read_octal(header.size, sizeof(header.size) - 1);
    if (n_bytes > rest.len - sizeof(header))
        return err_set(err, RC_CORRUPT, "the archive ends inside '%.*s'", STR_ARG(entry->name));
    encode(entry->name, (size_t)n_bytes, &again);
    if (memcmp(&header, &again, sizeof(header)) != 0)
        return err_set(err, RC_CORRUPT, "the archive's header of '%.*s' is not as we write it",
                       STR_ARG(entry->name));
    entry->bytes = (struct str){ rest.at + sizeof(header), (size_t)n_bytes };
    return RC_OK;
}

enum rc tar_next(struct str *rest, struct tar_entry *ret_entry, bool *ret_is_end, struct err *err)
{
    struct tar_entry entry;

    *ret_is_end = false;
    if (rest->len < sizeof(ZEROS))
        return err_set(err, RC_CORRUPT, "the archive has no end: was it cut off?");
    if (all_zero(rest->at, TAR_BLOCK_BYTES)) {
        if (rest->len != sizeof(ZEROS) || !all_zero(rest->at, sizeof(ZEROS)))
            return err_set(err, RC_CORRUPT, "the archive goes on behind its end");
        *ret_is_end = true;
        return RC_OK;
    }
    enum rc rc = read_header(*rest, &entry, err);
    if (rc)
        return rc;
    size_t taken = TAR_BLOCK_BYTES + entry.bytes.len, pad = padding(entry.bytes.len);
    if (pad > rest->len - taken || !all_zero(rest->at + taken, pad))
        return err_set(err, RC_CORRUPT, "'%.*s' is not padded with zeros", STR_ARG(entry.name));
    rest->at += taken + pad;
    rest->len -= taken + pad;
    *ret_entry = entry;
    return RC_OK;
}
