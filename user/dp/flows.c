// SPDX-License-Identifier: GPL-2.0-only
/* Which way packets go now: the programs' decisions, made from the same maps, and proven flows. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "dp/flows.h"
#include "dp/priv.h"

/* Entries that are read at once; a bucket of the hash must fit. */
#define BATCH 1024

int fv_dp_port_state(struct fv_dp *dp, int ifindex, struct fv_dp_port_state *ret)
{
	struct fv_port buf;
	const struct fv_port *port = fv_port_of(&dp->maps, ifindex, &buf);
	__u32 key = ifindex, value;

	if (!port || !ifindex)
		return -ENOENT;
	*ret = (struct fv_dp_port_state){
		.attached = port->flags & FV_PORT_ATTACHED,
		.uplink = port->flags & FV_PORT_UPLINK,
		.declined = port->flags & FV_PORT_DECLINED,
		.no_tcp = port->flags & FV_PORT_NO_TCP,
		.alive = !bpf_map_lookup_elem(dp->maps.fd[FV_MAP_LIVE], &key, &value),
	};
	return 0;
}

/* ---- own networks ---- */

static const struct fv_endpoint *find_endpoint(const struct fv_maps *maps,
					       const struct fv_port *port, const struct fv_ip *to,
					       struct fv_endpoint *buf)
{
	uint32_t base = to->family == AF_INET ? port->base4 : port->base6;
	const struct fv_endpoint *ep =
		&maps->endpoints[(base + fv_map_index(to)) & (maps->n_endpoints - 1)];
	struct fv_endpoint_key key = { .network = port->network };

	fv_map_addr(to, key.addr);
	if (ep->network == port->network && !memcmp(ep->addr, key.addr, 16))
		return ep;
	if (!(port->flags & FV_PORT_OVERFLOW) ||
	    bpf_map_lookup_elem(maps->fd[FV_MAP_ENDPOINTS_X], &key, buf))
		return NULL;
	return buf;
}

/* Does the address belong to another network of ours? */
static bool other_network(const struct fv_maps *maps, const struct fv_ip *to, uint32_t network)
{
	struct fv_subnet_key key = { .prefixlen = 128 };
	__u32 owner = 0;

	fv_map_addr(to, key.addr);
	return !bpf_map_lookup_elem(maps->fd[FV_MAP_SUBNETS], &key, &owner) && owner &&
	       owner != network;
}

static bool is_link_local(const struct fv_ip *ip)
{
	if (ip->family == AF_INET)
		return ip->b[0] == 169 && ip->b[1] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/* The maps keep IPv4 addresses in this form; in an IPv6 packet it is nobody's. */
static bool is_mapped(const struct fv_ip *ip)
{
	static const uint8_t prefix[12] = { [10] = 0xff, 0xff };

	return ip->family == AF_INET6 && !memcmp(ip->b, prefix, sizeof(prefix));
}

/* Why an address is no endpoint's. */
static enum fv_slow no_endpoint(const struct fv_ip *to)
{
	static const uint8_t zero[16];

	if (to->family == AF_INET ? (to->b[0] & 0xf0) == 0xe0 : to->b[0] == 0xff)
		return FV_SLOW_MULTICAST;
	if (is_link_local(to) || !memcmp(to->b, zero, sizeof(zero)))
		return FV_SLOW_LINK_LOCAL;
	return FV_SLOW_OUTSIDE;
}

int fv_dp_decide(struct fv_dp *dp, int ifindex, const struct fv_ip *to, struct fv_dp_verdict *ret)
{
	struct fv_port port_buf;
	const struct fv_port *port = fv_port_of(&dp->maps, ifindex, &port_buf);
	struct fv_endpoint ep_buf;
	const struct fv_endpoint *ep;
	__u32 key, value;

	if (!port || !ifindex)
		return -ENOENT;
	*ret = (struct fv_dp_verdict){ .way = FV_DP_SLOW, .slow = FV_SLOW_TARGET };
	/* Of IPv6 these two are judged by the address alone. */
	if (to->family == AF_INET6 && (is_mapped(to) || is_link_local(to))) {
		ret->slow = is_mapped(to) ? FV_SLOW_OUTSIDE : FV_SLOW_LINK_LOCAL;
		return 0;
	}
	ep = find_endpoint(&dp->maps, port, to, &ep_buf);
	if (!ep && other_network(&dp->maps, to, port->network)) {
		ret->way = FV_DP_DROP;
		ret->drop = FV_DROP_ISOLATION;
		return 0;
	}
	if (!ep) {
		ret->slow = no_endpoint(to);
		return 0;
	}
	key = ep->ifindex;
	if (ep->ifindex == port->ifindex ||
	    bpf_map_lookup_elem(dp->maps.fd[FV_MAP_LIVE], &key, &value))
		return 0;
	ret->way = FV_DP_SHORTCUT;
	ret->ifindex = ep->ifindex;
	return 0;
}

/* ---- proven flows ---- */

struct search {
	const struct fv_flow_match *match;
	int (*fn)(const struct fv_dp_flow *flow, void *arg);
	void *arg;
	const int *renewed; /* sorted; flows of these are deleted */
	size_t n_renewed;
};

static bool is_echo(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* Of an echo, the type is kept as the number that it is. */
static void read_ports(__be16 sport, __be16 dport, struct fv_dp_flow *ret)
{
	ret->sport = ntohs(sport);
	ret->dport = is_echo(ret->proto) ? dport : ntohs(dport);
}

static void read_key4(const void *key_, struct fv_dp_flow *ret)
{
	const struct fv_flow4_key *key = key_;

	ret->iif = key->iif;
	ret->proto = key->proto;
	ret->from.family = ret->to.family = AF_INET;
	memcpy(ret->from.b, &key->saddr, 4);
	memcpy(ret->to.b, &key->daddr, 4);
	read_ports(key->sport, key->dport, ret);
}

static void read_key6(const void *key_, struct fv_dp_flow *ret)
{
	const struct fv_flow6_key *key = key_;

	ret->iif = key->iif;
	ret->proto = key->proto;
	ret->from.family = ret->to.family = AF_INET6;
	memcpy(ret->from.b, key->saddr, 16);
	memcpy(ret->to.b, key->daddr, 16);
	read_ports(key->sport, key->dport, ret);
}

static bool is_port(uint16_t asked, uint16_t was, const struct fv_dp_flow *f, uint16_t becomes)
{
	return !asked || asked == was || (f->nat && asked == becomes);
}

static bool ports_match(const struct fv_flow_match *m, const struct fv_dp_flow *f)
{
	if (!m->port && !m->sport)
		return true;
	if (is_echo(f->proto))
		return false;
	return (is_port(m->port, f->dport, f, f->nat_dport) &&
		is_port(m->sport, f->sport, f, f->nat_sport)) ||
	       (is_port(m->port, f->sport, f, f->nat_sport) &&
		is_port(m->sport, f->dport, f, f->nat_dport));
}

static bool proto_matches(uint8_t proto, const struct fv_dp_flow *f)
{
	return !proto || proto == f->proto || (proto == IPPROTO_ICMP && is_echo(f->proto));
}

static bool flow_matches(const struct fv_flow_match *m, const struct fv_dp_flow *f)
{
	return (!m->iif || m->iif == f->iif) && proto_matches(m->proto, f) &&
	       (!m->from.family || fv_ip_equal(&m->from, &f->from)) &&
	       (!m->to.family || fv_ip_equal(&m->to, &f->to) ||
		(f->nat && fv_ip_equal(&m->to, &f->nat_to))) &&
	       ports_match(m, f);
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

static bool is_renewed(const struct search *s, int ifindex)
{
	return s->n_renewed &&
	       bsearch(&ifindex, s->renewed, s->n_renewed, sizeof(ifindex), by_number);
}

static int look_at(const struct search *s, int fd,
		   void (*read_key)(const void *, struct fv_dp_flow *), const void *key,
		   const struct fv_flow *value)
{
	struct fv_dp_flow f = {
		.oif = value->oif,
		.len = value->len,
		.since = value->since,
		.proven = value->proven,
	};

	read_key(key, &f);
	if (value->nat) {
		f.nat = true;
		f.nat_from.family = f.nat_to.family = f.from.family;
		memcpy(f.nat_from.b, value->saddr, 16);
		memcpy(f.nat_to.b, value->daddr, 16);
		f.nat_sport = ntohs(value->sport);
		f.nat_dport = ntohs(value->dport);
	}
	/* That one is gone already is as good. */
	if (is_renewed(s, f.iif) || is_renewed(s, f.oif))
		bpf_map_delete_elem(fd, key);
	return s->match && flow_matches(s->match, &f) ? s->fn(&f, s->arg) : 0;
}

/*
 * In batches: going from key to key begins anew wherever one is gone meanwhile, and these come and
 * go with each connection.
 */
static int each_flow(const struct search *s, int fd, size_t key_size,
		     void (*read_key)(const void *, struct fv_dp_flow *), struct fv_err *err)
{
	FV_AUTO_FREE struct fv_flow *values = NULL;
	FV_AUTO_FREE char *keys = NULL;
	__u32 room = BATCH, at, next;
	bool begun = false;
	int r = 0;

	while (!r || r == -ENOSPC) {
		__u32 n;

		if (r || !keys) {
			room *= r ? 2 : 1;
			free(FV_TAKE_PTR(keys));
			free(FV_TAKE_PTR(values));
			keys = calloc(room, key_size);
			values = calloc(room, sizeof(*values));
			if (!keys || !values)
				return fv_err_oom(err);
		}
		n = room;
		r = bpf_map_lookup_batch(fd, begun ? &at : NULL, &next, keys, values, &n, NULL);
		if (r == -ENOSPC && room < FV_FLOWS)
			continue;
		if (r && r != -ENOENT)
			return fv_err_set(err, r, "reading proven flows: %s", strerror(-r));
		at = next;
		begun = true;
		for (__u32 i = 0; i < n; i++) {
			int stop = look_at(s, fd, read_key, keys + i * key_size, &values[i]);

			if (stop)
				return stop;
		}
	}
	return 0;
}

static int each_of_both(const struct search *s, const struct fv_maps *maps, struct fv_err *err)
{
	int r = each_flow(s, maps->fd[FV_MAP_FLOWS4], sizeof(struct fv_flow4_key), read_key4, err);

	return r
		       ?: each_flow(s, maps->fd[FV_MAP_FLOWS6], sizeof(struct fv_flow6_key),
				    read_key6, err);
}

int fv_dp_flows(struct fv_dp *dp, const struct fv_flow_match *match,
		int (*fn)(const struct fv_dp_flow *flow, void *arg), void *arg, struct fv_err *err)
{
	const struct search s = { .match = match, .fn = fn, .arg = arg };

	return each_of_both(&s, &dp->maps, err);
}

int fv_flows_renew(const struct fv_maps *maps, const struct fv_dp_endpoint *eps, size_t n_eps,
		   struct fv_err *err)
{
	FV_AUTO_FREE int *renewed = calloc(n_eps + 1, sizeof(*renewed));
	struct search s = { .renewed = renewed };
	__u32 value;

	if (!renewed)
		return fv_err_oom(err);
	if (maps->n_notes <= 1)
		return 0;
	for (size_t i = 0; i < n_eps; i++)
		if (bpf_map_lookup_elem(maps->fd[FV_MAP_LIVE], &eps[i].ifindex, &value))
			renewed[s.n_renewed++] = eps[i].ifindex;
	qsort(renewed, s.n_renewed, sizeof(*renewed), by_number);
	return s.n_renewed ? each_of_both(&s, maps, err) : 0;
}

/* Nothing shows the kernel's tick but a program that asks for it. */
int fv_dp_clock(struct fv_err *err, uint64_t *ret_tick, uint32_t *ret_hz)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64 },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_0,
		  .off = offsetof(struct __sk_buff, cb[0]) },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 32 },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_0,
		  .off = offsetof(struct __sk_buff, cb[1]) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const char frame[64] = {};
	struct __sk_buff out = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_out = &out, .ctx_size_out = sizeof(out), .repeat = 1);
	int r;

	FV_AUTO_FD int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "fv_clock", "GPL", insns,
					    FV_ARRAY_SIZE(insns), NULL);

	r = prog < 0 ? prog : bpf_prog_test_run_opts(prog, &run);
	if (r)
		return fv_err_set(err, r, "asking the kernel for its tick: %s", strerror(-r));
	*ret_tick = (uint64_t)out.cb[1] << 32 | out.cb[0];
	*ret_hz = fv_ticks_per_second();
	return 0;
}
