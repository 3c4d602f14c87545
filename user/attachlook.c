// SPDX-License-Identifier: GPL-2.0-only
/* Is there anything that `attach` would do? For those who look often. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "net/sysctl.h"
#include "guest.h"
#include "run.h"

static uint64_t mix(uint64_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;

	/* FNV-1a */
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ b[i]) * 0x100000001b3;
	return sum;
}

#define MIX(sum, x) mix(sum, &(x), sizeof(x))
#define MIX_START 0xcbf29ce484222325

static uint64_t mix_reasons(uint64_t sum, const struct fv_gate_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		sum = MIX(sum, list->r[i].why);
		sum = mix(sum, list->r[i].where, strlen(list->r[i].where) + 1);
	}
	return sum;
}

/* Lists are in no order: a sum over what is in them. */
static uint64_t sum_of(const struct fv_run *run, const struct fv_guests *guests)
{
	uint64_t sum = mix_reasons(MIX_START, &guests->rules);

	for (size_t i = 0; i < run->n_was_attached; i++) {
		const struct fv_dp_endpoint *e = &run->was_attached[i];
		uint64_t one = MIX(MIX_START, e->ifindex);

		one = MIX(one, e->master);
		one = MIX(one, e->declined);
		one = MIX(one, e->no_tcp);
		sum += mix(one, e->mac, 6);
	}
	for (size_t i = 0; i < guests->n; i++) {
		const struct fv_guest *g = &guests->g[i];
		uint64_t one = MIX(MIX_START, g->link->ifindex);

		one = MIX(one, g->allow);
		one = mix(one, g->link->name, strlen(g->link->name));
		sum += mix_reasons(one, &g->reasons);
	}
	return sum;
}

static bool liberal_differs(const struct fv_run *run)
{
	char now[16];

	if (!run->n_attached)
		return false;
	if (fv_run_no_sysctl(run) || !fv_run_tracks(&run->state.topo))
		return fv_run_liberal_saved(run);
	return !fv_sysctl_get(FV_LIBERAL, NULL, now, sizeof(now)) && strcmp(now, "1");
}

static bool ports_differ(const struct fv_run *run, struct fv_dp *dp)
{
	if (run->n_attached != run->n_was_attached)
		return true;
	if (run->n_attached && !fv_dp_reads_nat(dp) && fv_dp_could_nat())
		return true;
	for (size_t i = 0; i < run->n_attached; i++) {
		const struct fv_dp_endpoint *e = &run->attached[i];
		const struct fv_dp_endpoint *was =
			fv_attached_find(run->was_attached, run->n_was_attached, e->ifindex);
		const struct fv_link *link = fv_host_ifindex(&run->host, e->ifindex);
		struct fv_attached now;

		if (!was || !link || *fv_attached_changed(was, e))
			return true;
		fv_dp_query(dp, e->ifindex, link->name, &now);
		if (!now.from_ns || !now.to_ns || !now.current)
			return true;
	}
	return false;
}

static int look(struct fv_run *run, struct fv_err *err, bool *ret_differs, uint64_t *ret_sum)
{
	FV_CLEANUP(fv_guests_fini) struct fv_guests guests = {};
	int r;

	r = fv_state_load(err, &run->state);
	r = r ?: fv_rtnl_open(err, &run->rt);
	r = r ?: fv_host_read_links(run->rt, err, &run->host);
	r = r ?: fv_route_dump(run->rt, err, &run->host.routes, &run->host.n_routes);
	r = r ?: fv_guests_find(run, NULL, 0, err, &guests);
	r = r ?: fv_run_want_guests(run, &guests, err);
	if (r)
		return r;
	r = fv_dp_open(err, &run->dp);
	if (!r)
		r = fv_dp_attached(run->dp, err, &run->was_attached, &run->n_was_attached);
	if (r && r != -ENOENT)
		return r;
	run->rules = guests.n ? &guests.rules : NULL;
	r = fv_run_want_uplinks(run, &run->state.topo, err);
	if (r)
		return r;
	*ret_differs = ports_differ(run, run->dp) || liberal_differs(run);
	*ret_sum = sum_of(run, &guests);
	return 0;
}

int fv_attach_look(struct fv_err *err, bool *ret_differs, uint64_t *ret_sum)
{
	const struct fv_options opts = {};
	struct fv_run run = { .opts = &opts, .dry = true, .lock = -1 };
	int r = look(&run, err, ret_differs, ret_sum);

	fv_run_close(&run);
	return r;
}
