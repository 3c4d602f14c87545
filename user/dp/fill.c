// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the maps shall say, and how they are made to say it under running traffic.
 *
 * The wanted contents of both arrays are laid out in memory first, and compared.
 * An entry that must change is emptied, then all programs that may still look at it are waited
 * for, then it is written with the field that makes it valid last. An entry that did not
 * get its place goes into the hash beside the array.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>

#include "dp/priv.h"

#define BASE_TRIES 64

struct net {
	uint32_t base4, base6;
	bool known; /* bases are those of existing entries */
	bool overflow;
};

struct fill {
	const struct fv_maps *maps;
	const struct fv_dp_endpoint *eps;
	size_t n_eps;
	struct fv_port *ports;		 /* wanted array */
	struct fv_endpoint *endpoints;	 /* wanted array */
	struct fv_port *ports_x;	 /* wanted overflow, at most n_eps */
	struct fv_endpoint *endpoints_x; /* at most 2 * n_eps */
	size_t n_ports_x, n_endpoints_x;
	struct net *nets;      /* by network id */
	struct fv_port *entry; /* by position in eps */
	uint32_t *owner;       /* by slot: ifindex, 0 for none */
	bool *fresh;	       /* by slot: counters start at zero */
};

static void fill_fini(struct fill *f)
{
	free(f->ports);
	free(f->endpoints);
	free(f->ports_x);
	free(f->endpoints_x);
	free(f->nets);
	free(f->entry);
	free(f->owner);
	free(f->fresh);
}

static int fill_alloc(struct fill *f, struct fv_err *err)
{
	f->ports = calloc(f->maps->n_ports, sizeof(*f->ports));
	f->endpoints = calloc(f->maps->n_endpoints, sizeof(*f->endpoints));
	f->ports_x = calloc(f->n_eps + 1, sizeof(*f->ports_x));
	f->endpoints_x = calloc(2 * f->n_eps + 1, sizeof(*f->endpoints_x));
	f->nets = calloc(FV_NETWORK_ID_MAX + 1, sizeof(*f->nets));
	f->entry = calloc(f->n_eps + 1, sizeof(*f->entry));
	f->owner = calloc(f->maps->slots, sizeof(*f->owner));
	f->fresh = calloc(f->maps->slots, sizeof(*f->fresh));
	if (!f->ports || !f->endpoints || !f->ports_x || !f->endpoints_x || !f->nets || !f->entry ||
	    !f->owner || !f->fresh)
		return fv_err_oom(err);
	return 0;
}

/* Slots: those in use stay, new endpoints get the lowest free ones. */
static int give_slots(struct fill *f, struct fv_err *err)
{
	uint32_t next = 0;
	size_t i;

	for (i = 0; i < f->n_eps; i++) {
		const struct fv_dp_endpoint *ep = &f->eps[i];
		struct fv_port buf;
		const struct fv_port *old = fv_port_of(f->maps, ep->ifindex, &buf);
		struct fv_port *e = &f->entry[i];
		struct net *net = &f->nets[ep->network];

		e->ifindex = ep->ifindex;
		e->network = ep->network;
		e->master = ep->master;
		memcpy(e->mac, ep->mac, 6);
		memcpy(e->port_mac, ep->port_mac, 6);
		if (ep->ip4.family)
			memcpy(&e->addr4, ep->ip4.b, 4);
		if (ep->ip6.family)
			memcpy(e->addr6, ep->ip6.b, 16);
		e->slot = UINT32_MAX;
		if (!old || old->network != ep->network || memcmp(old->mac, ep->mac, 6) ||
		    old->slot >= f->maps->slots || f->owner[old->slot])
			continue;
		e->slot = old->slot;
		f->owner[e->slot] = ep->ifindex;
		if (!net->known) {
			net->base4 = old->base4;
			net->base6 = old->base6;
			net->known = true;
		}
	}
	for (i = 0; i < f->n_eps; i++) {
		if (f->entry[i].slot != UINT32_MAX)
			continue;
		while (next < f->maps->slots && f->owner[next])
			next++;
		if (next == f->maps->slots)
			return fv_err_set(err, -ENOSPC,
					  "the BPF maps hold %u endpoints, %zu are wanted",
					  f->maps->slots, f->n_eps);
		f->entry[i].slot = next;
		f->owner[next] = f->eps[i].ifindex;
		f->fresh[next] = true;
	}
	return 0;
}

static const struct fv_ip *ip_of(const struct fv_dp_endpoint *ep, int family)
{
	return family == AF_INET ? &ep->ip4 : &ep->ip6;
}

static bool endpoint_is(const struct fv_endpoint *e, uint32_t network, const __be32 addr[4])
{
	return e->network == network && !memcmp(e->addr, addr, 16);
}

/*
 * A network's addresses are consecutive, mostly; its base is chosen so that they do not meet those
 * of other networks.
 */
static uint32_t choose_base(const struct fill *f, uint32_t network, const size_t *members, size_t n,
			    int family)
{
	uint32_t mask = f->maps->n_endpoints - 1, best = 0;
	size_t best_hits = SIZE_MAX;

	for (uint32_t try = 0; try < BASE_TRIES && best_hits; try++) {
		uint32_t base = network * 2654435761U + try * 0x9e3779b1U;
		size_t hits = 0;

		for (size_t i = 0; i < n; i++) {
			const struct fv_ip *ip = ip_of(&f->eps[members[i]], family);

			if (ip->family && f->endpoints[(base + fv_map_index(ip)) & mask].network)
				hits++;
		}
		if (hits < best_hits) {
			best_hits = hits;
			best = base;
		}
	}
	return best;
}

/* One family of one network into the wanted array: entries that are in place first. */
static void place_family(struct fill *f, uint32_t network, const size_t *members, size_t n,
			 int family)
{
	struct net *net = &f->nets[network];
	uint32_t base = family == AF_INET ? net->base4 : net->base6;
	uint32_t mask = f->maps->n_endpoints - 1;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			const struct fv_dp_endpoint *ep = &f->eps[members[i]];
			const struct fv_ip *ip = ip_of(ep, family);
			struct fv_endpoint e = {
				.network = network,
				.ifindex = ep->ifindex,
				.slot = f->entry[members[i]].slot,
				.mtu = ep->mtu,
			};
			uint32_t at = (base + fv_map_index(ip)) & mask;

			if (!ip->family)
				continue;
			fv_map_addr(ip, e.addr);
			memcpy(e.mac, ep->mac, 6);
			memcpy(e.port_mac, ep->port_mac, 6);
			if (endpoint_is(&f->maps->endpoints[at], network, e.addr) != !pass)
				continue;
			if (!f->endpoints[at].network) {
				f->endpoints[at] = e;
			} else {
				f->endpoints_x[f->n_endpoints_x++] = e;
				net->overflow = true;
			}
		}
	}
}

static int by_network(const void *a, const void *b, void *eps_)
{
	const struct fv_dp_endpoint *eps = eps_;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (eps[x].network != eps[y].network)
		return eps[x].network < eps[y].network ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int place_endpoints(struct fill *f, struct fv_err *err)
{
	FV_AUTO_FREE size_t *order = calloc(f->n_eps + 1, sizeof(*order));
	size_t i, n;

	if (!order)
		return fv_err_oom(err);
	for (i = 0; i < f->n_eps; i++)
		order[i] = i;
	qsort_r(order, f->n_eps, sizeof(*order), by_network, (void *)f->eps);
	/* Networks with fixed bases take their places before bases are chosen for the others. */
	for (int pass = 0; pass < 2; pass++) {
		for (i = 0; i < f->n_eps; i += n) {
			uint32_t network = f->eps[order[i]].network;
			struct net *net = &f->nets[network];

			for (n = 1; i + n < f->n_eps; n++)
				if (f->eps[order[i + n]].network != network)
					break;
			if (net->known != !pass)
				continue;
			if (!net->known)
				net->base4 = choose_base(f, network, order + i, n, AF_INET);
			place_family(f, network, order + i, n, AF_INET);
			if (!net->known)
				net->base6 = choose_base(f, network, order + i, n, AF_INET6);
			place_family(f, network, order + i, n, AF_INET6);
		}
	}
	return 0;
}

static uint32_t flags_of(const struct fv_dp_endpoint *ep, const struct net *net)
{
	uint32_t flags = (ep->declined ? FV_PORT_DECLINED : 0) | (ep->no_tcp ? FV_PORT_NO_TCP : 0);

	if (ep->attached)
		return flags | FV_PORT_ATTACHED | (ep->uplink ? FV_PORT_UPLINK : 0);
	return flags | (net->overflow ? FV_PORT_OVERFLOW : 0);
}

static void place_ports(struct fill *f)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < f->n_eps; i++) {
			struct fv_port *e = &f->entry[i];
			const struct net *net = &f->nets[e->network];
			uint32_t at = e->ifindex & (f->maps->n_ports - 1);

			if ((f->maps->ports[at].ifindex == e->ifindex) != !pass)
				continue;
			e->base4 = net->base4;
			e->base6 = net->base6;
			e->flags = flags_of(&f->eps[i], net);
			if (!f->ports[at].ifindex)
				f->ports[at] = *e;
			else
				f->ports_x[f->n_ports_x++] = *e;
		}
	}
}

/* ---- making the maps say it ---- */

void fv_wait_programs(void)
{
	/*
	 * This one waits for an RCU grace period, which every running program ends before.
	 * Where it is refused (nohz_full) a sleep far beyond any packet's stay does.
	 */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(100000);
}

/* Empty what must change; flags alone may change under the eye of a program. */
static bool empty_changed(const struct fill *f, bool apply)
{
	bool dirty = false;

	for (uint32_t i = 0; i < f->maps->n_ports; i++) {
		struct fv_port *cur = &f->maps->ports[i], want = f->ports[i];

		want.flags = cur->flags;
		/* The programs' own field. */
		want.checked = cur->checked;
		if (!cur->ifindex || !memcmp(cur, &want, sizeof(want)))
			continue;
		dirty = true;
		if (apply)
			__atomic_store_n(&cur->ifindex, 0, __ATOMIC_RELEASE);
	}
	for (uint32_t i = 0; i < f->maps->n_endpoints; i++) {
		struct fv_endpoint *cur = &f->maps->endpoints[i], want = f->endpoints[i];

		/* The programs' own field. */
		want.checked = cur->checked;
		if (!cur->network || !memcmp(cur, &want, sizeof(want)))
			continue;
		dirty = true;
		if (apply)
			__atomic_store_n(&cur->network, 0, __ATOMIC_RELEASE);
	}
	return dirty;
}

/* Write what is empty or differs in flags. The valid-making field goes last. */
static bool write_arrays(const struct fill *f, bool apply)
{
	bool dirty = false;

	for (uint32_t i = 0; i < f->maps->n_endpoints; i++) {
		struct fv_endpoint *cur = &f->maps->endpoints[i], want = f->endpoints[i];

		if (!want.network || cur->network)
			continue;
		dirty = true;
		if (!apply)
			continue;
		want.network = 0;
		*cur = want;
		__atomic_store_n(&cur->network, f->endpoints[i].network, __ATOMIC_RELEASE);
	}
	for (uint32_t i = 0; i < f->maps->n_ports; i++) {
		struct fv_port *cur = &f->maps->ports[i], want = f->ports[i];

		if (!want.ifindex || (cur->ifindex && cur->flags == want.flags))
			continue;
		dirty = true;
		if (!apply)
			continue;
		__atomic_store_n(&cur->flags, want.flags, __ATOMIC_RELEASE);
		if (cur->ifindex)
			continue;
		want.ifindex = 0;
		*cur = want;
		__atomic_store_n(&cur->ifindex, f->ports[i].ifindex, __ATOMIC_RELEASE);
	}
	return dirty;
}

static int zero_counters(const struct fill *f, uint32_t slot, struct fv_err *err)
{
	int cpus = libbpf_num_possible_cpus();
	FV_AUTO_FREE struct fv_counters *zero = calloc(cpus > 0 ? cpus : 1, sizeof(*zero));
	struct fv_reasons reasons = {};
	struct fv_carried carried = {};
	int r;

	if (!zero)
		return fv_err_oom(err);
	r = bpf_map_update_elem(f->maps->fd[FV_MAP_COUNTERS], &slot, zero, 0);
	if (!r)
		r = bpf_map_update_elem(f->maps->fd[FV_MAP_REASONS], &slot, &reasons, 0);
	if (!r)
		r = bpf_map_update_elem(f->maps->fd[FV_MAP_CARRIED], &slot, &carried, 0);
	return r ? fv_err_set(err, r, "writing counters: %s", strerror(-r)) : 0;
}

static int zero_fresh(const struct fill *f, bool apply, bool *ret_same, struct fv_err *err)
{
	int r = 0;

	for (uint32_t slot = 0; slot < f->maps->slots && !r; slot++) {
		*ret_same &= !f->fresh[slot];
		if (f->fresh[slot] && apply)
			r = zero_counters(f, slot, err);
	}
	return r;
}

struct tables {
	struct fv_table ports, endpoints, subnets, live;
};

static void tables_fini(struct tables *t)
{
	fv_table_fini(&t->ports);
	fv_table_fini(&t->endpoints);
	fv_table_fini(&t->subnets);
	fv_table_fini(&t->live);
}

static int make_tables(const struct fill *f, const struct fv_dp_subnet *subnets, size_t n_subnets,
		       struct tables *t, struct fv_err *err)
{
	int r;

	fv_table_init(&t->ports, f->maps, FV_MAP_PORTS_X);
	fv_table_init(&t->endpoints, f->maps, FV_MAP_ENDPOINTS_X);
	fv_table_init(&t->subnets, f->maps, FV_MAP_SUBNETS);
	fv_table_init(&t->live, f->maps, FV_MAP_LIVE);
	for (size_t i = 0; i < f->n_eps; i++) {
		r = fv_table_add(&t->live, &f->entry[i].ifindex, &f->entry[i].ifindex, err);
		if (r)
			return r;
	}
	for (size_t i = 0; i < f->n_ports_x; i++) {
		r = fv_table_add(&t->ports, &f->ports_x[i].ifindex, &f->ports_x[i], err);
		if (r)
			return r;
	}
	for (size_t i = 0; i < f->n_endpoints_x; i++) {
		struct fv_endpoint_key key = { .network = f->endpoints_x[i].network };

		memcpy(key.addr, f->endpoints_x[i].addr, 16);
		r = fv_table_add(&t->endpoints, &key, &f->endpoints_x[i], err);
		if (r)
			return r;
	}
	for (size_t i = 0; i < n_subnets; i++) {
		const struct fv_prefix *p = &subnets[i].prefix;
		struct fv_subnet_key key = {
			.prefixlen = p->len + (p->ip.family == AF_INET ? 96 : 0),
		};

		fv_map_addr(&p->ip, key.addr);
		r = fv_table_add(&t->subnets, &key, &subnets[i].network, err);
		if (r)
			return r;
	}
	return 0;
}

static int carry_out(const struct fill *f, struct tables *t, bool apply, bool *ret_same,
		     struct fv_err *err)
{
	int r;

	r = fv_table_put(&t->subnets, apply, ret_same, err);
	r = r ?: fv_table_put(&t->endpoints, apply, ret_same, err);
	r = r ?: fv_table_put(&t->ports, apply, ret_same, err);
	if (r)
		return r;
	if (empty_changed(f, apply)) {
		*ret_same = false;
		if (apply)
			fv_wait_programs();
	}
	r = zero_fresh(f, apply, ret_same, err);
	if (!r && apply)
		r = fv_flows_renew(f->maps, f->eps, f->n_eps, err);
	r = r ?: fv_table_put(&t->live, apply, ret_same, err);
	if (r)
		return r;
	if (write_arrays(f, apply))
		*ret_same = false;
	r = fv_table_prune(&t->live, apply, ret_same, err);
	r = r ?: fv_table_prune(&t->ports, apply, ret_same, err);
	r = r ?: fv_table_prune(&t->endpoints, apply, ret_same, err);
	return r ?: fv_table_prune(&t->subnets, apply, ret_same, err);
}

static int fill(struct fv_dp *dp, const struct fv_dp_endpoint *eps, size_t n_eps,
		const struct fv_dp_subnet *subnets, size_t n_subnets, bool apply, bool *ret_same,
		struct fv_err *err)
{
	FV_CLEANUP(fill_fini) struct fill f = { .maps = &dp->maps, .eps = eps, .n_eps = n_eps };
	FV_CLEANUP(tables_fini) struct tables t = {};
	int r;

	r = fill_alloc(&f, err);
	r = r ?: give_slots(&f, err);
	r = r ?: place_endpoints(&f, err);
	if (r)
		return r;
	place_ports(&f);
	r = make_tables(&f, subnets, n_subnets, &t, err);
	return r ?: carry_out(&f, &t, apply, ret_same, err);
}

int fv_dp_fill(struct fv_dp *dp, const struct fv_dp_endpoint *eps, size_t n_eps,
	       const struct fv_dp_subnet *subnets, size_t n_subnets, struct fv_err *err)
{
	bool same = true;

	return fill(dp, eps, n_eps, subnets, n_subnets, true, &same, err);
}

int fv_dp_filled(struct fv_dp *dp, const struct fv_dp_endpoint *eps, size_t n_eps,
		 const struct fv_dp_subnet *subnets, size_t n_subnets, struct fv_err *err,
		 bool *ret)
{
	bool same = true;
	int r = fill(dp, eps, n_eps, subnets, n_subnets, false, &same, err);

	if (!r)
		*ret = same;
	return r;
}
