/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of reasons share: a list as text. */
#ifndef FV_TEST_GATE_TEST_H
#define FV_TEST_GATE_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "core/gate.h"

/* "WHY WHERE" of each reason, a line each; malloc'ed. */
static inline char *all_of(const struct fv_gate_list *list)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; i < list->n; i++)
		fprintf(f, "%s %s\n", fv_gate_name(list->r[i].why), list->r[i].where);
	fclose(f);
	return text;
}

#endif /* FV_TEST_GATE_TEST_H */
