/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One error, recorded where its cause is known and rendered once, by the program.
 *
 * Library code prints nothing: it fills a struct fv_err and returns the code.
 */
#ifndef FV_CORE_ERR_H
#define FV_CORE_ERR_H

struct fv_err {
	int code;      /* negative errno; 0: nothing recorded */
	char msg[768]; /* one line: what, on which object, why, what to do */
};

/*
 * fv_err_set - record an error; the first one stays, later calls change nothing.
 * @err: may be NULL
 * @code: negative errno, returned unchanged so that callers can return the call
 * Control characters and what is not UTF-8 are escaped in the message.
 */
int fv_err_set(struct fv_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* fv_err_add - put context before the recorded message: "context: message". */
void fv_err_add(struct fv_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* fv_err_oom - shorthand for a failed allocation; returns -ENOMEM. */
int fv_err_oom(struct fv_err *err);

#endif /* FV_CORE_ERR_H */
