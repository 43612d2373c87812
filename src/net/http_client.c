#include "net/http_client.h"

#include "base/arena.h"
#include "base/fs.h"
#include "base/str.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS_OK = 200, STATUS_PARTIAL = 206, STATUS_RANGE = 416, FILE_MODE = 0600 };

/* One request. `error` is what went wrong inside a callback, where libcurl only knows "aborted". */
struct transfer {
    const struct http_client_download *download;
    CURL *curl;
    int fd;
    uint64_t resume_at; /* bytes we asked to skip */
    uint64_t length;    /* bytes in the file now */
    bool body_began;
    char etag[HTTP_CLIENT_VERSION_MAX], modified[HTTP_CLIENT_VERSION_MAX];
    uint64_t range_begin; /* of Content-Range; UINT64_MAX: none */
    enum rc failed;
    struct err error;
};

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static enum rc check_url(const struct http_client_download *d, struct err *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL;
    enum rc rc = RC_OK;

    if (!url)
        return err_set(err, RC_NOMEM, "url");
    if (strlen(d->url) > HTTP_CLIENT_URL_MAX || curl_url_set(url, CURLUPART_URL, d->url, 0) ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(url, CURLUPART_HOST, &host, 0))
        rc = err_set(err, RC_INVALID, "'%.200s' is no URL", d->url);
    else if (strcmp(scheme, "http") == 0 && !d->allow_http && !is_loopback(host))
        rc = err_set(err, RC_INVALID, "plain http from '%.100s' is not allowed", host);
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        rc = err_set(err, RC_INVALID, "scheme '%.20s': expected https", scheme);

    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return rc;
}

/* Copies the value of a header line if it is the named one. */
static void take_header(struct str line, const char *name, char value[HTTP_CLIENT_VERSION_MAX])
{
    size_t name_len = strlen(name);

    if (line.len <= name_len || strncasecmp(line.at, name, name_len) != 0)
        return;
    line = (struct str){ line.at + name_len, line.len - name_len };
    while (line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t'))
        line = (struct str){ line.at + 1, line.len - 1 };
    while (line.len > 0 && (unsigned char)line.at[line.len - 1] <= ' ')
        line.len--;
    if (line.len >= HTTP_CLIENT_VERSION_MAX)
        return;
    memcpy(value, line.at, line.len);
    value[line.len] = '\0';
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    struct str line = { bytes, size * count };
    char range[HTTP_CLIENT_VERSION_MAX] = "";

    if (str_starts_with(line, "HTTP/")) { /* of the last answer, behind the redirects */
        t->etag[0] = t->modified[0] = '\0';
        t->range_begin = UINT64_MAX;
    }
    take_header(line, "etag:", t->etag);
    take_header(line, "last-modified:", t->modified);
    take_header(line, "content-range:", range);
    if (strncmp(range, "bytes ", 6) == 0 && range[6] >= '0' && range[6] <= '9')
        t->range_begin = strtoull(range + 6, NULL, 10);
    return line.len;
}

/* The name under which If-Range may ask for the rest: a strong ETag, else the date. */
static const char *version_of(const struct transfer *t)
{
    return t->etag[0] == '"' ? t->etag : t->modified;
}

static enum rc fail_io(struct transfer *t, const char *what)
{
    enum rc code = errno == ENOSPC || errno == EDQUOT ? RC_FULL : RC_IO;

    return err_set(&t->error, code, "%s '%.150s': %s", what, t->download->path, strerror(errno));
}

static enum rc write_version(struct transfer *t)
{
    char path[FS_PATH_MAX];
    const char *version = version_of(t);

    snprintf(path, sizeof(path), "%s.version", t->download->path);
    if (version[0] == '\0')
        return fs_remove(path, &t->error);
    return fs_write_atomic(path, version, strlen(version), FILE_MODE, &t->error);
}

/* Before the first byte: does the answer go on where we stopped, or does it start again? */
static enum rc begin_body(struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    t->body_began = true;
    if (status == STATUS_PARTIAL) {
        if (t->resume_at == 0 || t->range_begin != t->resume_at)
            return err_set(&t->error, RC_UNAVAILABLE, "the server sent another range than asked");
        t->length = t->resume_at;
    } else {
        t->length = 0;
    }
    if (ftruncate(t->fd, (off_t)t->length) != 0 || lseek(t->fd, (off_t)t->length, SEEK_SET) < 0)
        return fail_io(t, "write");
    return status == STATUS_OK ? write_version(t) : RC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != STATUS_OK && status != STATUS_PARTIAL)
        return len; /* the text of an error page */
    if (!t->body_began)
        t->failed = begin_body(t);
    if (!t->failed && len > t->download->limit_bytes - t->length)
        t->failed =
            err_set(&t->error, RC_LIMIT, "longer than %" PRIu64 " bytes", t->download->limit_bytes);

    for (size_t done = 0; !t->failed && done < len;) {
        ssize_t n = write(t->fd, bytes + done, len - done);

        if (n < 0 && errno != EINTR)
            t->failed = fail_io(t, "write");
        done += n > 0 ? (size_t)n : 0;
        t->length += n > 0 ? (uint64_t)n : 0;
    }
    return t->failed ? 0 : len;
}

static int on_progress(void *context, curl_off_t total, curl_off_t done, curl_off_t up_total,
                       curl_off_t up_done)
{
    struct transfer *t = context;
    uint64_t skipped = t->body_began ? t->length - (uint64_t)done : 0;

    (void)up_total;
    (void)up_done;
    if (t->body_began && t->download->progress && t->length >= (uint64_t)done)
        t->download->progress(t->download->progress_context, t->length,
                              total > 0 ? skipped + (uint64_t)total : 0);
    return 0;
}

static enum rc rc_of_status(long status, const char *url, struct err *err)
{
    enum rc rc = status == 404 || status == 410   ? RC_NOT_FOUND
                 : status == 401 || status == 403 ? RC_DENIED
                                                  : RC_UNAVAILABLE;

    return err_set(err, rc, "'%.150s': the server answered %ld", url, status);
}

static enum rc rc_of_curl(CURLcode code, const struct transfer *t, const char *detail,
                          struct err *err)
{
    const char *why = detail[0] ? detail : curl_easy_strerror(code);

    if (t->failed) {
        *err = t->error;
        return t->failed;
    }
    if (code == CURLE_OUT_OF_MEMORY)
        return err_set(err, RC_NOMEM, "download");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, RC_TIMEOUT, "'%.100s': %.120s", t->download->url, why);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
        return err_set(err, RC_INVALID, "'%.100s': %.120s", t->download->url, why);
    if (code == CURLE_FILESIZE_EXCEEDED)
        return err_set(err, RC_LIMIT, "longer than %" PRIu64 " bytes", t->download->limit_bytes);
    return err_set(err, RC_UNAVAILABLE, "'%.100s': %.120s", t->download->url, why);
}

static void set_options(struct transfer *t, char detail[CURL_ERROR_SIZE])
{
    CURL *c = t->curl;

    curl_easy_setopt(c, CURLOPT_URL, t->download->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"); /* check_url() decided already */
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)HTTP_CLIENT_REDIRECTS_MAX);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CLIENT_CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)HTTP_CLIENT_STALL_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->download->limit_bytes);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "shoal");
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
}

/* Asks for the rest of what is here, if its version is known. */
static enum rc ask_for_rest(struct transfer *t, struct curl_slist **ret_headers, struct err *err)
{
    char path[FS_PATH_MAX], header[HTTP_CLIENT_VERSION_MAX + 16], range[32];
    struct arena arena;
    struct err ignored;
    struct str version;
    struct stat st;

    snprintf(path, sizeof(path), "%s.version", t->download->path);
    if (fstat(t->fd, &st) != 0 || st.st_size <= 0)
        return RC_OK;

    arena_init(&arena, 4096);
    if (fs_read_file(path, HTTP_CLIENT_VERSION_MAX, &arena, &version, &ignored) == RC_OK) {
        snprintf(header, sizeof(header), "If-Range: %.*s", STR_ARG(version));
        snprintf(range, sizeof(range), "%" PRIu64 "-", (uint64_t)st.st_size);
        *ret_headers = curl_slist_append(NULL, header);
        if (*ret_headers) {
            t->resume_at = (uint64_t)st.st_size;
            curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, *ret_headers);
            curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
        }
    }
    arena_release(&arena);
    return t->resume_at || !fs_exists(path) ? RC_OK : err_set(err, RC_NOMEM, "download");
}

/* *ret_status is 416 when the server has no bytes behind what we hold. */
static enum rc transfer_run(struct transfer *t, long *ret_status, struct err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    long status = 0;
    enum rc rc;

    t->curl = curl_easy_init();
    if (!t->curl)
        return err_set(err, RC_NOMEM, "download");
    set_options(t, detail);
    rc = ask_for_rest(t, &headers, err);
    if (rc == RC_OK) {
        CURLcode code = curl_easy_perform(t->curl);

        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK)
            rc = rc_of_curl(code, t, detail, err);
        else if (status == STATUS_OK && !t->body_began) /* an empty file */
            rc = ftruncate(t->fd, 0) == 0 ? RC_OK : fail_io(t, "write");
        else if (status != STATUS_OK && status != STATUS_PARTIAL && status != STATUS_RANGE)
            rc = rc_of_status(status, t->download->url, err);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(t->curl);
    *ret_status = status;
    return rc;
}

enum rc http_client_forget(const char *path, struct err *err)
{
    char version[FS_PATH_MAX];
    enum rc rc = fs_remove(path, err);

    if (rc)
        return rc;
    snprintf(version, sizeof(version), "%s.version", path);
    return fs_remove(version, err);
}

enum rc http_client_get(const struct http_client_download *download, struct err *err)
{
    enum rc rc = check_url(download, err);
    long status = STATUS_RANGE;
    struct err ignored;

    /* Two rounds at most: if the rest cannot be had, the whole is asked for. */
    for (int round = 0; rc == RC_OK && status == STATUS_RANGE; round++) {
        struct transfer t = { .download = download, .range_begin = UINT64_MAX };

        if (round == 2)
            return rc_of_status(status, download->url, err);
        if (round == 1)
            rc = http_client_forget(download->path, err);
        if (rc)
            return rc;
        t.fd = open(download->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (t.fd < 0)
            return err_set(err, RC_IO, "open '%.150s': %s", download->path, strerror(errno));
        rc = transfer_run(&t, &status, err);
        close(t.fd);
        if (rc && t.length == 0 && t.resume_at == 0)
            IGNORE_RC(http_client_forget(download->path, &ignored)); /* nothing to go on from */
    }
    return rc;
}

static size_t append_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *out = context;

    buf_append(out, bytes, size * count);
    return out->failed ? 0 : size * count;
}

static void set_call(CURL *c, const char *socket, const char *method, const char *url,
                     struct str body)
{
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)HTTP_CLIENT_CALL_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, append_answer);
    if (body.at) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.at);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    }
}

enum rc http_client_call(const char *socket, const char *method, const char *path, struct str body,
                         int *ret_status, struct buf *out, struct err *err)
{
    struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/json");
    char url[HTTP_CLIENT_URL_MAX];
    CURL *c = curl_easy_init();
    long status = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;

    snprintf(url, sizeof(url), "http://localhost%s", path);
    if (c && headers) {
        set_call(c, socket, method, url, body);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
        code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);

    if (out->failed)
        return buf_rc(out, "answer", err);
    if (code == CURLE_OUT_OF_MEMORY)
        return err_set(err, RC_NOMEM, "request");
    if (code == CURLE_COULDNT_CONNECT)
        return err_set(err, RC_NOT_FOUND, "nobody listens on '%.200s'", socket);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, RC_TIMEOUT, "no answer from '%.150s' within %d s", socket,
                       HTTP_CLIENT_CALL_TIMEOUT_S);
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "'%.150s': %s", socket, curl_easy_strerror(code));
    *ret_status = (int)status;
    return RC_OK;
}

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes, (void)context;
    return size * count;
}

static CURLcode post(CURL *c, const char *url, struct curl_slist *headers, struct str body)
{
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"); /* check_url() decided already */
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)HTTP_CLIENT_POST_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "shoal");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_bytes);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.at);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    return curl_easy_perform(c);
}

enum rc http_client_post(const char *url, const char *key, struct str body, int *ret_status,
                         struct err *err)
{
    const struct http_client_download target = { .url = url };
    struct curl_slist *json = curl_slist_append(NULL, "content-type: application/json");
    struct curl_slist *headers = NULL;
    char field[HTTP_CLIENT_VERSION_MAX];
    CURLcode code = CURLE_OUT_OF_MEMORY;
    CURL *c = curl_easy_init();
    long status = 0;
    enum rc rc = check_url(&target, err);

    snprintf(field, sizeof(field), "idempotency-key: %s", key);
    headers = json ? curl_slist_append(json, field) : NULL;
    if (!rc && c && headers) {
        code = post(c, url, headers, body);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(json); /* headers is the same list */
    curl_easy_cleanup(c);
    if (rc)
        return rc;
    if (code == CURLE_OUT_OF_MEMORY)
        return err_set(err, RC_NOMEM, "webhook");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, RC_TIMEOUT, "'%.200s' does not answer", url);
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "'%.150s': %s", url, curl_easy_strerror(code));
    *ret_status = (int)status;
    return RC_OK;
}
