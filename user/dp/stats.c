// SPDX-License-Identifier: GPL-2.0-only
/* Counters, summed over CPUs, and what `inspect` shows. */
#include <errno.h>
#include <string.h>

#include "dp/priv.h"

static void add_counters(struct fv_counters *sum, const struct fv_counters *c)
{
	sum->rx_shortcut_packets += c->rx_shortcut_packets;
	sum->rx_shortcut_bytes += c->rx_shortcut_bytes;
	sum->rx_other_packets += c->rx_other_packets;
	sum->rx_other_bytes += c->rx_other_bytes;
	sum->tx_shortcut_packets += c->tx_shortcut_packets;
	sum->tx_shortcut_bytes += c->tx_shortcut_bytes;
	sum->tx_other_packets += c->tx_other_packets;
	sum->tx_other_bytes += c->tx_other_bytes;
}

static void add_reasons(struct fv_reasons *sum, const struct fv_reasons *r)
{
	for (int i = 0; i < FV_SLOW_COUNT; i++)
		sum->slow[i] += r->slow[i];
	for (int i = 0; i < FV_DROP_COUNT; i++)
		sum->drop[i] += r->drop[i];
}

int fv_stats_slot(const struct fv_maps *maps, uint32_t slot, struct fv_err *err,
		  struct fv_stats *add)
{
	/* A lookup writes one value for every possible CPU, not only for those online. */
	int cpus = libbpf_num_possible_cpus();
	FV_AUTO_FREE struct fv_counters *c = calloc(cpus > 0 ? cpus : 1, sizeof(*c));
	struct fv_carried carried;
	struct fv_reasons reasons;
	int r;

	if (!c)
		return fv_err_oom(err);
	if (cpus < 0)
		return fv_err_set(err, cpus, "counting possible CPUs: %s", strerror(-cpus));
	r = bpf_map_lookup_elem(maps->fd[FV_MAP_COUNTERS], &slot, c);
	r = r ?: bpf_map_lookup_elem(maps->fd[FV_MAP_REASONS], &slot, &reasons);
	r = r ?: bpf_map_lookup_elem(maps->fd[FV_MAP_CARRIED], &slot, &carried);
	if (r)
		return fv_err_set(err, r, "reading counters: %s", strerror(-r));
	for (int i = 0; i < cpus; i++)
		add_counters(&add->c, &c[i]);
	add_reasons(&add->r, &reasons);
	add_counters(&add->c, &carried.c);
	add_reasons(&add->r, &carried.r);
	return 0;
}

/* Programs do not count it at uplinks: it is what has no other reason. */
static void add_unproven(struct fv_stats *s)
{
	uint64_t others = 0;

	for (int i = 0; i < FV_SLOW_COUNT; i++)
		others += s->r.slow[i];
	/* Both are read one after the other while packets come in. */
	if (s->c.tx_other_packets > others)
		s->r.slow[FV_SLOW_UNPROVEN] += s->c.tx_other_packets - others;
}

int fv_dp_stats(struct fv_dp *dp, int ifindex, struct fv_err *err, struct fv_stats *ret)
{
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&dp->maps, ifindex, &buf);
	struct fv_stats s = {};
	int r;

	if (!port)
		return -ENOENT;
	r = fv_stats_slot(&dp->maps, port->slot, err, &s);
	if (!r && (port->flags & FV_PORT_UPLINK))
		add_unproven(&s);
	if (!r)
		*ret = s;
	return r;
}

static int carry_port(struct fv_dp *dp, const struct fv_port *port, struct fv_err *err)
{
	struct fv_stats s = {};
	struct fv_carried carried;
	const struct fv_port *old;
	struct fv_port buf;
	int r;

	old = fv_port_of(&dp->old, port->ifindex, &buf);
	if (!old)
		return 0;
	r = fv_stats_slot(&dp->old, old->slot, err, &s);
	if (r)
		return r;
	carried.c = s.c;
	carried.r = s.r;
	r = bpf_map_update_elem(dp->maps.fd[FV_MAP_CARRIED], &port->slot, &carried, 0);
	return r ? fv_err_set(err, r, "carrying counters over: %s", strerror(-r)) : 0;
}

int fv_stats_carry(struct fv_dp *dp, struct fv_err *err)
{
	int fd = dp->maps.fd[FV_MAP_PORTS_X], r;
	__u32 key, *prev = NULL;
	struct fv_port port;

	/* Programs that still count into the old maps must be done before those are read. */
	fv_wait_programs();
	for (uint32_t i = 0; i < dp->maps.n_ports; i++) {
		r = dp->maps.ports[i].ifindex ? carry_port(dp, &dp->maps.ports[i], err) : 0;
		if (r)
			return r;
	}
	for (; !bpf_map_get_next_key(fd, prev, &key); prev = &key) {
		if (bpf_map_lookup_elem(fd, &key, &port))
			continue;
		r = carry_port(dp, &port, err);
		if (r)
			return r;
	}
	return 0;
}
