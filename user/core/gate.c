// SPDX-License-Identifier: GPL-2.0-only
/* Names of reasons, and lists of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/gate.h"
#include "core/priv.h"

static const char *const names[FV_GATE_COUNT] = {
	[FV_GATE_LIMIT] = "limit",
	[FV_GATE_QUOTA] = "quota",
	[FV_GATE_QUEUE] = "queue",
	[FV_GATE_HASHLIMIT] = "hashlimit",
	[FV_GATE_STATISTIC] = "statistic",
	[FV_GATE_HELPER] = "helper",
	[FV_GATE_PAYLOAD] = "payload",
	[FV_GATE_LENGTH] = "length",
	[FV_GATE_RECENT] = "recent",
	[FV_GATE_CONNBYTES] = "connbytes",
	[FV_GATE_XFRM] = "xfrm",
	[FV_GATE_QDISC] = "qdisc",
	[FV_GATE_EGRESS_PROGRAM] = "egress-program",
	[FV_GATE_INGRESS_PROGRAM] = "ingress-program",
};

const char *fv_gate_name(enum fv_gate why)
{
	return (unsigned int)why < FV_GATE_COUNT ? names[why] : "";
}

const char *fv_gate_str(uint32_t mask, char buf[FV_GATE_STRLEN])
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < FV_GATE_COUNT; i++)
		if (mask & 1U << i)
			at += (size_t)snprintf(buf + at, FV_GATE_STRLEN - at, "%s%s", at ? "," : "",
					       names[i]);
	return buf;
}

static int unknown(const char *word, struct fv_err *err)
{
	char all[FV_GATE_STRLEN], hint[64] = "";
	size_t best = 3;

	for (size_t i = 0; i < FV_GATE_COUNT; i++) {
		size_t d = fv_word_distance(word, names[i]);

		if (d >= best)
			continue;
		best = d;
		snprintf(hint, sizeof(hint), "; did you mean \"%s\"?", names[i]);
	}
	return fv_err_set(err, -EINVAL, "unknown reason \"%s\"; known reasons: %s%s", word,
			  fv_gate_str(FV_GATE_ALL, all), hint);
}

int fv_gate_parse(const char *list, struct fv_err *err, uint32_t *ret_mask)
{
	uint32_t mask = 0;

	for (const char *at = list;; at++) {
		size_t len = strcspn(at, ","), i = 0;
		char word[64];

		if (!len)
			return fv_err_set(err, -EINVAL,
					  "\"%s\": a reason is empty; write names with commas "
					  "between them, as limit,quota",
					  list);
		snprintf(word, sizeof(word), "%.*s", (int)(len < 64 ? len : 63), at);
		while (i < FV_GATE_COUNT && strcmp(word, names[i]) != 0)
			i++;
		if (i == FV_GATE_COUNT)
			return unknown(word, err);
		mask |= 1U << i;
		at += len;
		if (!*at)
			break;
	}
	*ret_mask = mask;
	return 0;
}

int fv_gate_add(struct fv_gate_list *list, struct fv_err *err, enum fv_gate why, const char *fmt,
		...)
{
	FV_AUTO_FREE char *raw = NULL, *where = NULL;
	struct fv_gate_reason *r;
	struct fv_err safe = {};
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	if (n < 0) {
		raw = NULL;
		return fv_err_oom(err);
	}
	/* Names of others: an error's text is escaped, and this ends on the same terminal. */
	fv_err_set(&safe, -EINVAL, "%s", raw);
	for (size_t i = 0; i < list->n; i++)
		if (list->r[i].why == why && strcmp(list->r[i].where, safe.msg) == 0)
			return 0;
	where = strdup(safe.msg);
	if (!where)
		return fv_err_oom(err);
	r = reallocarray(list->r, list->n + 1, sizeof(*r));
	if (!r)
		return fv_err_oom(err);
	list->r = r;
	list->r[list->n++] = (struct fv_gate_reason){ .why = why, .where = FV_TAKE_PTR(where) };
	return 0;
}

void fv_gate_fini(struct fv_gate_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->r[i].where);
	free(list->r);
	*list = (struct fv_gate_list){};
}

uint32_t fv_gate_mask(const struct fv_gate_list *list)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < list->n; i++)
		mask |= 1U << list->r[i].why;
	return mask;
}
