/* SPDX-License-Identifier: GPL-2.0-only */
/* Scoped ownership: a resource is released where its variable ends unless it was taken. */
#ifndef FV_CORE_CLEANUP_H
#define FV_CORE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FV_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void fv_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void fv_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fv_cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void fv_cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define FV_AUTO_FREE FV_CLEANUP(fv_cleanup_free)
#define FV_AUTO_FD FV_CLEANUP(fv_cleanup_fd)
#define FV_AUTO_FILE FV_CLEANUP(fv_cleanup_file)
#define FV_AUTO_DIR FV_CLEANUP(fv_cleanup_dir)

/* Moves ownership out of a scope: the variable is left empty. */
#define FV_TAKE_PTR(p)                                                                             \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define FV_TAKE_FD(fd)                                                                             \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

#define FV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif /* FV_CORE_CLEANUP_H */
