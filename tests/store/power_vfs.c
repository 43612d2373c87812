#include "tests/store/power_vfs.h"

#include "store/store_internal.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, PATH_LEN = 512 };

struct change {
    sqlite3_int64 at;
    size_t len;
    char *bytes; /* NULL: the file is cut to `at` bytes */
};

/* One file name. `lost` is the image of a file of this name whose removal is not durable yet. */
struct image {
    char path[PATH_LEN];
    bool exists, is_durable; /* is_durable: its name would be found after a cut */
    char *durable, *lost;
    size_t durable_len, lost_len;
    struct change *changes; /* since the last fsync */
    size_t n_changes, capacity;
    struct image *next;
};

struct power_file {
    sqlite3_file base;
    struct image *image;
    sqlite3_file real[];
};

struct power_control power;

static sqlite3_vfs vfs, *real_vfs;
static struct image *images;

uint64_t power_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static void *checked(void *block)
{
    if (!block)
        abort();
    return block;
}

/* Linked with --wrap: artifacts, which are plain files, are not fsynced either. */
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* Images */

static struct image *find_image(const char *path)
{
    for (struct image *image = images; image; image = image->next)
        if (strcmp(image->path, path) == 0)
            return image;
    return NULL;
}

static void drop_changes(struct image *image)
{
    for (size_t i = 0; i < image->n_changes; i++)
        free(image->changes[i].bytes);
    image->n_changes = 0;
}

static void read_durable(struct image *image)
{
    FILE *file = fopen(image->path, "r");
    long len;

    if (!file)
        return;
    fseek(file, 0, SEEK_END);
    len = ftell(file);
    rewind(file);
    image->durable = checked(malloc((size_t)len + 1));
    image->durable_len = fread(image->durable, 1, (size_t)len, file);
    image->exists = image->is_durable = true;
    fclose(file);
}

/* The image of a file that is opened; one that was there before we looked is durable. */
static struct image *open_image(const char *path)
{
    struct image *image = find_image(path);

    if (!image) {
        image = checked(calloc(1, sizeof(*image)));
        snprintf(image->path, sizeof(image->path), "%s", path);
        image->next = images;
        images = image;
        read_durable(image);
    }
    image->exists = true;
    return image;
}

static void add_change(struct image *image, sqlite3_int64 at, const void *bytes, size_t len)
{
    struct change change = { at, len, NULL };

    if (bytes) {
        change.bytes = checked(malloc(len + 1));
        memcpy(change.bytes, bytes, len);
    }
    if (image->n_changes == image->capacity) {
        image->capacity = 2 * image->capacity + 16;
        image->changes = checked(realloc(image->changes, image->capacity * sizeof(change)));
    }
    image->changes[image->n_changes++] = change;
}

/* Applies the bytes [from, to) of a change to a text of *len bytes that grows. */
static void apply(char **text, size_t *len, const struct change *change, size_t from, size_t to)
{
    size_t end = (size_t)change->at + to;

    if (!change->bytes) {
        *len = (size_t)change->at < *len ? (size_t)change->at : *len;
        return;
    }
    if (end > *len) {
        *text = checked(realloc(*text, end + 1));
        memset(*text + *len, 0, end - *len);
        *len = end;
    }
    memcpy(*text + (size_t)change->at + from, change->bytes + from, to - from);
}

static void settle_folder(void)
{
    for (struct image *image = images; image; image = image->next) {
        free(image->lost);
        image->lost = NULL;
    }
}

static void make_durable(struct image *image)
{
    for (size_t i = 0; i < image->n_changes; i++)
        apply(&image->durable, &image->durable_len, &image->changes[i], 0, image->changes[i].len);
    drop_changes(image);
    if (!image->is_durable) /* the first fsync of a new file is one of its folder too */
        settle_folder();
    image->is_durable = true;
}

static void remove_image(struct image *image, bool synced)
{
    if (image->is_durable && !synced) {
        free(image->lost);
        image->lost = image->durable;
        image->lost_len = image->durable_len;
    } else {
        free(image->durable);
    }
    image->durable = NULL;
    image->durable_len = 0;
    image->exists = image->is_durable = false;
    drop_changes(image);
    if (synced)
        settle_folder();
}

/* Cutting */

static void write_image(const char *dir, const char *path, const char *text, size_t len)
{
    char name[2 * PATH_LEN];

    snprintf(name, sizeof(name), "%s/%s", dir, strrchr(path, '/') + 1);
    FILE *file = checked(fopen(name, "w"));
    if (fwrite(text, 1, len, file) != len || fclose(file) != 0)
        abort();
}

/* Each sector of each change gets to the disk with a chance of keep/256. */
static void cut_image(const struct image *image, const char *dir, unsigned keep, uint64_t *random)
{
    char *text = checked(malloc(image->durable_len + 1));
    size_t len = image->durable_len;

    if (len)
        memcpy(text, image->durable, len);
    for (size_t i = 0; i < image->n_changes; i++) {
        const struct change *change = &image->changes[i];
        size_t from = 0;

        while (from < change->len || (!change->bytes && from == 0)) {
            size_t to = from + SECTOR - ((size_t)change->at + from) % SECTOR;
            to = to < change->len ? to : change->len;
            if (power_random(random) % 256 < keep)
                apply(&text, &len, change, from, to);
            from = change->bytes ? to : SIZE_MAX;
        }
    }
    write_image(dir, image->path, text, len);
    free(text);
}

static bool is_in(const struct image *image, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(image->path, dir, len) == 0 && image->path[len] == '/';
}

void power_cut(const char *from, const char *to, uint64_t seed)
{
    uint64_t random = seed * 2 + 1;
    /* Nothing more, everything, nearly everything, or a mixture. */
    static const unsigned chances[] = { 0, 256, 250, 128, 20 };
    unsigned keep = chances[power_random(&random) % 5];

    for (struct image *image = images; image; image = image->next) {
        if (!is_in(image, from))
            continue;
        bool reverts = image->lost && power_random(&random) % 2;
        bool is_there = image->exists && (image->is_durable || power_random(&random) % 256 < keep);

        if (reverts)
            write_image(to, image->path, image->lost, image->lost_len);
        else if (is_there)
            cut_image(image, to, keep, &random);
    }
}

/* Operations */

/* Whether this operation must fail. changes: it changes a file. */
static bool must_fail(bool changes, bool is_sync)
{
    if (changes && power.before_op)
        power.before_op(power.n_ops);
    if (power.fault == POWER_FAULT_FSYNC && !is_sync)
        return false;
    size_t op = power.n_ops++;
    if (power.fault == POWER_FAULT_NONE || power.fault == POWER_FAULT_FULL || op < power.fail_at ||
        op - power.fail_at >= power.n_failing)
        return false;
    power.n_failed++;
    return true;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct power_file *)file)->real;
}

static struct image *image_of(sqlite3_file *file)
{
    return ((struct power_file *)file)->image;
}

static int close_file(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int read_file(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    if (must_fail(false, false))
        return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

/* On a full disk a write into what the file has already still works. */
static bool meets_full_disk(sqlite3_file *file, int len, sqlite3_int64 at)
{
    sqlite3_int64 size = 0;

    if (power.fault != POWER_FAULT_FULL || power.n_ops <= power.fail_at)
        return false;
    real_of(file)->pMethods->xFileSize(real_of(file), &size);
    if (at + len <= size || power.n_failed >= power.n_failing)
        return false;
    power.n_failed++;
    return true;
}

static int write_file(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    power.n_writes++;
    if (must_fail(true, false))
        return SQLITE_IOERR_WRITE;
    bool is_full = meets_full_disk(file, len, at);
    if (is_full)
        len /= 2;
    if (image_of(file))
        add_change(image_of(file), at, bytes, (size_t)len);
    int rc = len ? real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at) : SQLITE_OK;
    return is_full ? SQLITE_FULL : rc;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 len)
{
    if (must_fail(true, false))
        return SQLITE_IOERR_TRUNCATE;
    if (image_of(file))
        add_change(image_of(file), len, NULL, 0);
    return real_of(file)->pMethods->xTruncate(real_of(file), len);
}

static int sync_file(sqlite3_file *file, int flags)
{
    (void)flags;
    power.n_syncs++;
    if (must_fail(true, true))
        return SQLITE_IOERR_FSYNC;
    if (image_of(file))
        make_durable(image_of(file));
    return SQLITE_OK;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size)
{
    if (must_fail(false, false))
        return SQLITE_IOERR_FSTAT;
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int lock_file(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int unlock_file(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int check_reserved_lock(sqlite3_file *file, int *is_reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_reserved);
}

/* The library shows a pragma to the file layer before it obeys: here the setting is weakened. */
static int control_file(sqlite3_file *file, int op, void *argument)
{
    char **pragma = argument;

    if (op == SQLITE_FCNTL_PRAGMA && power.synchronous && pragma[2] &&
        strcmp(pragma[1], "synchronous") == 0)
        memcpy(pragma[2], power.synchronous, 2);
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: no shared memory; with one exclusive owner the library asks for none. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

static int open_file(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    struct power_file *opened = (struct power_file *)file;

    (void)self;
    memset(opened, 0, sizeof(*opened));
    if (must_fail(false, false))
        return SQLITE_CANTOPEN;
    struct image *image = path ? open_image(path) : NULL;
    int rc = real_vfs->xOpen(real_vfs, path, opened->real, flags, ret_flags);
    if (rc)
        return rc;
    opened->base.pMethods = &methods;
    opened->image = image;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *self, const char *path, int sync_folder)
{
    struct image *image = find_image(path);

    (void)self;
    if (must_fail(true, false))
        return SQLITE_IOERR_DELETE;
    if (image)
        remove_image(image, sync_folder);
    return real_vfs->xDelete(real_vfs, path, 0);
}

static int access_file(sqlite3_vfs *self, const char *path, int flags, int *ret_result)
{
    (void)self;
    if (must_fail(false, false))
        return SQLITE_IOERR_ACCESS;
    return real_vfs->xAccess(real_vfs, path, flags, ret_result);
}

void power_install(void)
{
    store_configure_library();
    real_vfs = checked(sqlite3_vfs_find(NULL));
    vfs = *real_vfs;
    vfs.zName = "power";
    vfs.szOsFile += (int)sizeof(struct power_file);
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    if (sqlite3_vfs_register(&vfs, 1))
        abort();
}

static void free_image(struct image *image)
{
    drop_changes(image);
    free(image->changes);
    free(image->durable);
    free(image->lost);
    free(image);
}

void power_forget(const char *dir)
{
    struct image **at = &images;

    while (*at) {
        struct image *image = *at;

        if (is_in(image, dir)) {
            *at = image->next;
            free_image(image);
        } else {
            at = &image->next;
        }
    }
}

void power_reset(void)
{
    while (images) {
        struct image *image = images;

        images = image->next;
        free_image(image);
    }
    power = (struct power_control){ .synchronous = power.synchronous };
}
