/* http_route.h - does a path match a route's pattern? */
#ifndef SERVE_HTTP_ROUTE_H
#define SERVE_HTTP_ROUTE_H

#include "base/str.h"

#include <stdbool.h>

/**
 * @param pattern  "/v1/slms/{}/decisions": {} matches exactly one segment, which is not empty
 * @param path     decoded, as in struct http_request
 * @param params   out, (n_max,) the matched segments, borrowed from path; asserts that they fit
 */
bool http_route_match(const char *pattern, struct str path, struct str *params, size_t n_max);

#endif
