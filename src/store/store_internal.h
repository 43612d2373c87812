/* store_internal.h - what a test's own file layer needs of the driver. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

/* Routes the library's memory through base/mem.h; before its first use, once per process. */
void store_configure_library(void);

#endif
