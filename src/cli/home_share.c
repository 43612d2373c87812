/* home_share.c - the pulled bases, within reach of other users. */
#include "base/fs.h"
#include "cli/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 2 }; /* bases/, bases/NAME/ */

static void close_dirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static enum rc copy_file(const char *from, const char *to, struct err *err)
{
    struct fs_map map;
    enum rc rc = fs_map_open(from, &map, err);

    if (rc)
        return rc;
    rc = fs_write_atomic(to, map.at, map.len, 0444, err);
    fs_map_close(&map);
    return rc;
}

static enum rc share_file(const char *from, const char *to, struct err *err)
{
    struct stat ours, theirs;

    if (stat(from, &ours) != 0)
        return err_set(err, RC_IO, "look at '%.150s': %s", from, strerrordesc_np(errno));
    bool is_there = stat(to, &theirs) == 0;
    if (is_there && ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev)
        return RC_OK;
    if (is_there && ours.st_size == theirs.st_size && ours.st_mtime <= theirs.st_mtime)
        return RC_OK; /* a copy */
    enum rc rc = fs_remove(to, err);
    if (rc)
        return rc;
    bool all_may_read = ours.st_mode & S_IROTH;
    if (all_may_read && linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
        return RC_OK;
    return copy_file(from, to, err);
}

/* The recursion is on folders, DEPTH_MAX. */
static enum rc share_folder(const char *from, const char *to, int depth, struct arena *arena,
                            struct err *err)
{
    CLEANUP(close_dirp) DIR *dir = opendir(from);
    enum rc rc = fs_make_dirs(to, err);
    struct stat st;

    if (!rc && chmod(to, 0755) != 0)
        rc = err_set(err, RC_IO, "open '%.150s' to all: %s", to, strerrordesc_np(errno));
    for (struct dirent *entry; dir && !rc && (entry = readdir(dir));) {
        const char *source = fs_join(arena, from, entry->d_name);
        const char *target = fs_join(arena, to, entry->d_name);
        if (!source || !target)
            return arena_fail(arena, err, "path of a base");
        if (entry->d_name[0] == '.' || stat(source, &st) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            rc = share_file(source, target, err);
        else if (depth < DEPTH_MAX)
            rc = share_folder(source, target, depth + 1, arena, err);
    }
    return rc;
}

enum rc home_share(const char *home, const char *other, struct arena *arena, struct err *err)
{
    const char *from = fs_join(arena, home, "bases"), *to = fs_join(arena, other, "bases");

    if (!from || !to)
        return arena_fail(arena, err, "path of the bases");
    enum rc rc = fs_make_dirs(other, err);
    if (!rc && chmod(other, 0755) != 0)
        rc = err_set(err, RC_IO, "open '%.150s' to all: %s", other, strerrordesc_np(errno));
    return rc ? rc : share_folder(from, to, 1, arena, err);
}
