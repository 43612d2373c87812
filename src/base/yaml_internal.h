/* yaml_internal.h - what yaml.c and yaml_write.c share. */
#ifndef BASE_YAML_INTERNAL_H
#define BASE_YAML_INTERNAL_H

#include "base/yaml.h"

/* What a plain scalar means in the core schema. */
enum yaml_plain {
    YAML_PLAIN_NULL,
    YAML_PLAIN_TRUE,
    YAML_PLAIN_FALSE,
    YAML_PLAIN_NUMBER,       /* a JSON number */
    YAML_PLAIN_OTHER_NUMBER, /* a number that JSON does not have */
    YAML_PLAIN_TEXT,
};
enum yaml_plain yaml_plain_of(struct str text);

#endif
