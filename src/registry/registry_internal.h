/* registry_internal.h - shared by the files of this folder and by the tests of its databases. */
#ifndef REGISTRY_REGISTRY_INTERNAL_H
#define REGISTRY_REGISTRY_INTERNAL_H

#include "store/store.h"

extern const struct store_schema registry_schema;
extern const struct store_schema journal_schema;

#endif
