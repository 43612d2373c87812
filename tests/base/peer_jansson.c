#include "tests/base/peer_jansson.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>

/* Loaded, not linked: linked, its json_string() would be replaced by ours. */
bool peer_jansson_accepts(const char *text, size_t len)
{
    __typeof__(json_loadb) *load;
    __typeof__(json_delete) *delete;
    json_error_t error;
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);

    if (!library)
        abort();
    *(void **)&load = dlsym(library, "json_loadb");
    *(void **)&delete = dlsym(library, "json_delete");
    json_t *value = load(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value)
        delete (value);
    return value != NULL;
}
