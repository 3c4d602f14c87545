/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory for a test program, and files in it. */
#ifndef FV_TEST_TMP_H
#define FV_TEST_TMP_H

#include <stddef.h>

#include "core/err.h"
#include "core/topo.h"

/* cmocka group fixtures: make a directory and go there; leave and remove it with all in it. */
int tmp_enter(void **state);
int tmp_leave(void **state);

/* Path of the directory. */
const char *tmp_dir(void);
void tmp_write(const char *path, const void *data, size_t size);
/* The file's text, malloc'ed; NULL where there is none. */
char *tmp_read(const char *path);

/* fv_yaml_load of a file "lab.yaml" with this text. */
int tmp_load(const char *yaml, struct fv_err *err, struct fv_topo *ret);

#endif /* FV_TEST_TMP_H */
