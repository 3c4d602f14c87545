// SPDX-License-Identifier: GPL-2.0-only
/*
 * The error record. Messages quote names from files, the kernel and other
 * programs, and end on a terminal: whatever could move its cursor or reorder its
 * text is escaped here, once for everybody.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"

/* Length of the well-formed UTF-8 sequence at s, 0 where there is none; its code point. */
static size_t utf8_len(const unsigned char *s, uint32_t *ret_cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	uint32_t cp = n == 1 ? *s : *s & (0x7f >> n);

	if ((*s >= 0x80 && *s < 0xc2) || *s > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		/* The NUL at the end is no continuation byte: nothing behind it is read. */
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[n] || (cp >= 0xd800 && cp <= 0xdfff) || cp > 0x10ffff)
		return 0;
	*ret_cp = cp;
	return n;
}

static bool is_safe(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
		return false;
	/* Line separators and bidirectional controls. */
	return !(cp == 0x61c || cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
		 (cp >= 0x2066 && cp <= 0x2069));
}

static void escape(const char *from, char *to, size_t size)
{
	const unsigned char *s = (const unsigned char *)from;
	size_t at = 0;

	while (*s) {
		uint32_t cp = 0;
		size_t n = utf8_len(s, &cp);

		if (n && is_safe(cp)) {
			if (at + n >= size)
				break;
			memcpy(to + at, s, n);
			at += n;
			s += n;
			continue;
		}
		if (at + 4 >= size)
			break;
		if (*s == '\n' || *s == '\t')
			at += (size_t)sprintf(to + at, "\\%c", *s == '\n' ? 'n' : 't');
		else
			at += (size_t)sprintf(to + at, "\\x%02x", *s);
		s++;
	}
	to[at] = '\0';
}

int fv_err_set(struct fv_err *err, int code, const char *fmt, ...)
{
	char raw[sizeof(err->msg)];
	va_list ap;

	assert(code < 0);
	if (!err || err->code)
		return code;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	err->code = code;
	escape(raw, err->msg, sizeof(err->msg));
	return code;
}

void fv_err_add(struct fv_err *err, const char *fmt, ...)
{
	char context[sizeof(err->msg)], all[2 * sizeof(err->msg) + 2];
	va_list ap;

	if (!err || !err->code)
		return;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s: %s", context, err->msg);
	/* Nothing in the old message is escaped twice: it has nothing left to escape. */
	escape(all, err->msg, sizeof(err->msg));
}

int fv_err_oom(struct fv_err *err)
{
	return fv_err_set(err, -ENOMEM, "out of memory");
}
