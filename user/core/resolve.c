// SPDX-License-Identifier: GPL-2.0-only
/*
 * From wanted to resolved: ids, addresses, MACs, device names. What is taken is
 * kept in search trees that point into the topology, so that tens of thousands
 * of endpoints take no longer than a moment.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/topo.h"
#include "fastveth/abi.h"

static uint64_t hash_more(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

/* FNV-1a of a/b/c, then mixed: its bits depend too little on the last letters. */
static uint64_t hash(const char *a, const char *b, const char *c)
{
	uint64_t h = hash_more(0xcbf29ce484222325, a);

	h = hash_more(hash_more(h, "/"), b);
	h = hash_more(hash_more(h, "/"), c);
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
	return h ^ h >> 33;
}

void fv_port_name(const char *network, const char *name, unsigned int salt,
		  char ret[FV_IFNAME_SIZE])
{
	char number[16];

	if (!salt && strlen(name) < FV_IFNAME_SIZE - 3) {
		snprintf(ret, FV_IFNAME_SIZE, "fv-%.12s", name);
		return;
	}
	snprintf(number, sizeof(number), "%u", salt);
	snprintf(ret, FV_IFNAME_SIZE, "fv-%.6s-%05x", name,
		 (unsigned int)(hash(network, name, number) & 0xfffff));
}

void fv_mac_of(const char *network, const char *name, const char *end, uint8_t ret[6])
{
	uint64_t h = hash(network, name, end);

	for (size_t i = 0; i < 6; i++)
		ret[i] = (uint8_t)(h >> 8 * i);
	ret[0] = (ret[0] & 0xfc) | 0x02; /* locally administered, unicast */
}

static int compare_ip(const void *l, const void *r)
{
	const struct fv_ip *a = l, *b = r;

	return a->family != b->family ? a->family - b->family : memcmp(a->b, b->b, sizeof(a->b));
}

static int compare_str(const void *l, const void *r)
{
	return strcmp(l, r);
}

static int compare_net(const void *l, const void *r)
{
	return strcmp(((const struct fv_net *)l)->name, ((const struct fv_net *)r)->name);
}

/* A set of borrowed pointers. */
struct set {
	void *root;
	int (*compare)(const void *, const void *);
};

static void keep(void *p)
{
	(void)p;
}

static void set_fini(struct set *set)
{
	tdestroy(set->root, keep);
}

/* 1: added, 0: an equal one was there, -ENOMEM. */
static int set_add(struct set *set, const void *item)
{
	void **node = tsearch(item, &set->root, set->compare);

	return node ? *node == item : -ENOMEM;
}

static const void *set_find(const struct set *set, const void *item)
{
	const void *const *node = tfind(item, &set->root, set->compare);

	return node ? *node : NULL;
}

static int give_ids(struct fv_topo *topo, const struct fv_topo *known, struct fv_err *err)
{
	FV_AUTO_FREE bool *taken = calloc(FV_NETWORK_ID_MAX + 1, sizeof(*taken));
	FV_CLEANUP(set_fini) struct set nets = { .compare = compare_net };
	uint32_t next = 1;

	if (!taken)
		return fv_err_oom(err);
	for (size_t i = 0; known && i < known->n_nets; i++) {
		if (known->nets[i].id <= FV_NETWORK_ID_MAX)
			taken[known->nets[i].id] = true;
		if (set_add(&nets, &known->nets[i]) < 0)
			return fv_err_oom(err);
	}
	for (size_t i = 0; i < topo->n_nets; i++) {
		struct fv_net *net = &topo->nets[i];
		const struct fv_net *old = set_find(&nets, net);

		if (!net->id && old)
			net->id = old->id;
		if (net->id <= FV_NETWORK_ID_MAX)
			taken[net->id] = true;
	}
	for (size_t i = 0; i < topo->n_nets; i++) {
		struct fv_net *net = &topo->nets[i];

		if (net->id)
			continue;
		while (next <= FV_NETWORK_ID_MAX && taken[next])
			next++;
		if (next > FV_NETWORK_ID_MAX)
			return fv_topo_err(
				net, NULL, err, -ENOSPC,
				"network \"%s\": there are %d networks already, more cannot "
				"be told apart",
				net->name, FV_NETWORK_ID_MAX);
		net->id = next++;
	}
	return 0;
}

static int exhausted(const struct fv_net *net, const struct fv_prefix *subnet, uint64_t end,
		     struct fv_err *err)
{
	char buf[FV_IP_STRLEN];
	size_t wanted = 0;

	for (size_t i = 0; i < net->n_eps; i++)
		wanted += !net->eps[i].share;
	return fv_topo_err(
		net, NULL, err, -ENOSPC,
		"network \"%s\": subnet %s has addresses for %llu endpoints, %zu are wanted; "
		"take a larger one",
		net->name, fv_prefix_str(subnet, buf), (unsigned long long)(end - 2), wanted);
}

static struct fv_ip *ip_of(struct fv_ep *ep, bool v6)
{
	return v6 ? &ep->ip6 : &ep->ip4;
}

/* What cannot be given out: the ends of the subnet, the gateway's, and what is named. */
static int take_named(struct fv_net *net, bool v6, const struct fv_ip ends[2], struct set *taken)
{
	int r = set_add(taken, v6 ? &net->gw6 : &net->gw4);

	if (r >= 0)
		r = set_add(taken, &ends[0]);
	if (r >= 0 && !v6)
		r = set_add(taken, &ends[1]);
	for (size_t i = 0; r >= 0 && i < net->n_eps; i++)
		if (ip_of(&net->eps[i], v6)->family)
			r = set_add(taken, ip_of(&net->eps[i], v6));
	return r;
}

/* Addresses of one family. Named ones first, then those that were given before, then new ones. */
static int give_addresses(struct fv_net *net, struct fv_ep *const *old, bool v6, struct fv_err *err)
{
	const struct fv_prefix *subnet = v6 ? &net->subnet6 : &net->subnet4;
	FV_CLEANUP(set_fini) struct set taken = { .compare = compare_ip };
	uint64_t next = 2, end = fv_prefix_hosts(subnet) - !v6;
	struct fv_ip ends[2];
	int r;

	if (!subnet->ip.family)
		return 0;
	fv_prefix_host(subnet, 0, &ends[0]);
	fv_prefix_host(subnet, 1, v6 ? &net->gw6 : &net->gw4);
	/* The last one is IPv4's broadcast address; IPv6 has none. */
	fv_prefix_host(subnet, end, &ends[1]);
	r = take_named(net, v6, ends, &taken);
	for (size_t i = 0; r >= 0 && i < net->n_eps; i++) {
		struct fv_ip *ip = ip_of(&net->eps[i], v6);

		if (ip->family || !old[i] || !fv_ip_in(ip_of(old[i], v6), subnet) ||
		    set_find(&taken, ip_of(old[i], v6)))
			continue;
		*ip = *ip_of(old[i], v6);
		r = set_add(&taken, ip);
	}
	for (size_t i = 0; r >= 0 && i < net->n_eps; i++) {
		struct fv_ip *ip = ip_of(&net->eps[i], v6), candidate;

		if (ip->family || net->eps[i].share)
			continue;
		do {
			if (next >= end)
				return exhausted(net, subnet, end, err);
			fv_prefix_host(subnet, next++, &candidate);
		} while (set_find(&taken, &candidate));
		*ip = candidate;
	}
	return r < 0 ? fv_err_oom(err) : 0;
}

static bool is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !memcmp(mac, zero, sizeof(zero));
}

/* The rest of what an endpoint was, or could have been, given before. */
static void keep_old(const struct fv_net *net, struct fv_ep *ep, const struct fv_ep *old)
{
	if (old && !*ep->port)
		memcpy(ep->port, old->port, sizeof(ep->port));
	if (old && is_zero(ep->mac))
		memcpy(ep->mac, old->mac, sizeof(ep->mac));
	if (old && is_zero(ep->port_mac))
		memcpy(ep->port_mac, old->port_mac, sizeof(ep->port_mac));
	if (is_zero(ep->mac))
		fv_mac_of(net->name, ep->name, "ns", ep->mac);
	if (is_zero(ep->port_mac))
		fv_mac_of(net->name, ep->name, "port", ep->port_mac);
	if (!*ep->ifname)
		strcpy(ep->ifname, "eth0");
}

static int collect_ports(const struct fv_topo *topo, struct set *names)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < topo->n_nets; i++)
		for (size_t j = 0; r >= 0 && j < topo->nets[i].n_eps; j++)
			if (*topo->nets[i].eps[j].port)
				r = set_add(names, topo->nets[i].eps[j].port);
	return r;
}

static int give_ports(struct fv_topo *topo, const struct fv_topo *known, struct fv_err *err)
{
	FV_CLEANUP(set_fini) struct set names = { .compare = compare_str };
	int r = known ? collect_ports(known, &names) : 0;

	if (r >= 0)
		r = collect_ports(topo, &names);
	for (size_t i = 0; r >= 0 && i < topo->n_nets; i++)
		for (size_t j = 0; r >= 0 && j < topo->nets[i].n_eps; j++) {
			struct fv_ep *ep = &topo->nets[i].eps[j];
			unsigned int salt = 0;

			if (ep->share || *ep->port)
				continue;
			do
				fv_port_name(topo->nets[i].name, ep->name, salt++, ep->port);
			while (set_find(&names, ep->port));
			r = set_add(&names, ep->port);
		}
	return r < 0 ? fv_err_oom(err) : 0;
}

int fv_topo_resolve(struct fv_topo *topo, const struct fv_topo *known, struct fv_err *err)
{
	FV_CLEANUP(fv_topo_index_fini) struct fv_topo_index index = { 0 };
	const struct fv_topo none = { 0 };
	int r = fv_topo_index_init(known ? known : &none, err, &index);

	if (!r)
		r = give_ids(topo, known, err);
	for (size_t i = 0; !r && i < topo->n_nets; i++) {
		struct fv_net *net = &topo->nets[i];
		FV_AUTO_FREE struct fv_ep **old = calloc(net->n_eps + 1, sizeof(*old));

		if (!old)
			return fv_err_oom(err);
		for (size_t j = 0; j < net->n_eps; j++) {
			struct fv_net *was = NULL;

			old[j] = fv_topo_index_ep(&index, net->eps[j].name, &was);
			if (old[j] &&
			    (net->eps[j].share || old[j]->share || strcmp(was->name, net->name)))
				old[j] = NULL;
			if (!net->eps[j].share)
				keep_old(net, &net->eps[j], old[j]);
		}
		r = give_addresses(net, old, false, err);
		if (!r)
			r = give_addresses(net, old, true, err);
	}
	return r ? r : give_ports(topo, known, err);
}
