/* peer_jansson.h - jansson's verdict on a text; its own file because jansson shares names with us.
 */
#ifndef TESTS_BASE_PEER_JANSSON_H
#define TESTS_BASE_PEER_JANSSON_H

#include <stdbool.h>
#include <stddef.h>

bool peer_jansson_accepts(const char *text, size_t len);

#endif
