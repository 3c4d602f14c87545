// SPDX-License-Identifier: GPL-2.0-only
/* The part of the state that is about what is not ours: lists that are short. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/state.h"

size_t fv_state_attached(const struct fv_state *state, const char *target)
{
	size_t i = 0;

	while (i < state->n_attached && strcmp(state->attached[i].target, target) != 0)
		i++;
	return i;
}

int fv_state_attach(struct fv_state *state, const char *target, uint32_t allow, bool no_sysctl,
		    struct fv_err *err)
{
	size_t i = fv_state_attached(state, target);
	struct fv_attached_to *a;

	if (i < state->n_attached) {
		state->attached[i].allow = allow;
		state->attached[i].no_sysctl = no_sysctl;
		return 0;
	}
	a = reallocarray(state->attached, state->n_attached + 1, sizeof(*a));
	if (!a)
		return fv_err_oom(err);
	state->attached = a;
	a[i] = (struct fv_attached_to){};
	a[i].target = strdup(target);
	a[i].allow = allow;
	a[i].no_sysctl = no_sysctl;
	if (!a[i].target)
		return fv_err_oom(err);
	state->n_attached++;
	return 0;
}

void fv_state_detach(struct fv_state *state, size_t i)
{
	free(state->attached[i].target);
	state->n_attached--;
	memmove(&state->attached[i], &state->attached[i + 1],
		(state->n_attached - i) * sizeof(*state->attached));
}

int fv_state_set_uplinks(struct fv_state *state, const char *const *names, size_t n, bool none,
			 struct fv_err *err)
{
	char **copies = n ? calloc(n, sizeof(*copies)) : NULL;
	bool whole = copies || !n;

	for (size_t i = 0; whole && i < n; i++)
		whole = (copies[i] = strdup(names[i])) != NULL;
	for (size_t i = 0; whole && i < state->n_uplinks; i++)
		free(state->uplinks[i]);
	if (!whole) {
		for (size_t i = 0; copies && i < n; i++)
			free(copies[i]);
		free(copies);
		return fv_err_oom(err);
	}
	free(state->uplinks);
	state->uplinks = copies;
	state->n_uplinks = n;
	state->no_uplinks = none;
	return 0;
}

int fv_state_clsact_add(struct fv_state *state, const char *port, int ifindex, struct fv_err *err)
{
	struct fv_made_clsact *c;

	if (fv_state_clsact_has(state, ifindex))
		return 0;
	c = reallocarray(state->clsact, state->n_clsact + 1, sizeof(*c));
	if (!c)
		return fv_err_oom(err);
	state->clsact = c;
	c += state->n_clsact++;
	snprintf(c->port, sizeof(c->port), "%s", port);
	c->ifindex = ifindex;
	return 0;
}

bool fv_state_clsact_has(const struct fv_state *state, int ifindex)
{
	for (size_t i = 0; i < state->n_clsact; i++)
		if (state->clsact[i].ifindex == ifindex)
			return true;
	return false;
}

void fv_state_clsact_drop(struct fv_state *state, int ifindex)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->n_clsact; i++)
		if (state->clsact[i].ifindex != ifindex)
			state->clsact[kept++] = state->clsact[i];
	state->n_clsact = kept;
}
