#include "serve/http/http_route.h"

#include "base/macros.h"

bool http_route_match(const char *pattern, struct str path, struct str *params, size_t n_max)
{
    const char *at = path.at, *end = str_end(path);
    size_t n = 0;

    while (*pattern && at < end) {
        if (pattern[0] == '{' && pattern[1] == '}') {
            const char *slash = memchr(at, '/', (size_t)(end - at));
            ASSERT(n < n_max);
            params[n++] = (struct str){ at, (size_t)((slash ? slash : end) - at) };
            at += params[n - 1].len;
            pattern += 2;
        } else if (*pattern++ != *at++) {
            return false;
        }
    }
    return !*pattern && at == end;
}
