// SPDX-License-Identifier: GPL-2.0-only
/* Connections with NAT. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/nat.h"

const struct nat_conn nat_conns[] = {
	{ "masquerade",
	  4,
	  WEB,
	  false,
	  { { "10.77.0.10", 40000 }, { "203.0.113.9", 80 } },
	  { { "203.0.113.9", 80 }, { "192.0.2.1", 40000 } } },
	{ "masquerade to another port",
	  4,
	  WEB,
	  false,
	  { { "10.77.0.10", 40000 }, { "203.0.113.9", 80 } },
	  { { "203.0.113.9", 80 }, { "192.0.2.1", 61001 } } },
	{ "published",
	  4,
	  WEB,
	  true,
	  { { "198.51.100.7", 40000 }, { "192.0.2.1", 80 } },
	  { { "10.77.0.10", 80 }, { "198.51.100.7", 40000 } } },
	{ "published by another port",
	  4,
	  WEB,
	  true,
	  { { "198.51.100.7", 40000 }, { "192.0.2.1", 8080 } },
	  { { "10.77.0.10", 80 }, { "198.51.100.7", 40000 } } },
	{ "published, and from an address of the host's",
	  4,
	  WEB,
	  true,
	  { { "198.51.100.7", 40000 }, { "192.0.2.1", 8080 } },
	  { { "10.77.0.10", 80 }, { "10.77.0.1", 61002 } } },
	{ "redirected on the way out",
	  4,
	  WEB,
	  false,
	  { { "10.77.0.10", 40000 }, { "10.96.0.1", 443 } },
	  { { "203.0.113.9", 6443 }, { "192.0.2.1", 40001 } } },
	{ "another port alone",
	  4,
	  WEB,
	  false,
	  { { "10.77.0.10", 40000 }, { "203.0.113.9", 80 } },
	  { { "203.0.113.9", 80 }, { "10.77.0.10", 50000 } } },
	{ "addresses of the same sum",
	  4,
	  WEB,
	  false,
	  { { "10.77.0.10", 40000 }, { "203.0.113.9", 80 } },
	  { { "203.0.113.9", 80 }, { "10.78.0.9", 40000 } } },
	{ "masquerade of an own network",
	  4,
	  CROWD,
	  false,
	  { { "10.77.16.11", 40000 }, { "203.0.113.9", 80 } },
	  { { "203.0.113.9", 80 }, { "192.0.2.1", 61003 } } },
	{ "published of an own network",
	  4,
	  CROWD,
	  true,
	  { { "198.51.100.7", 40000 }, { "192.0.2.1", 8080 } },
	  { { "10.77.16.11", 80 }, { "198.51.100.7", 40000 } } },
	{ "masquerade",
	  6,
	  WEB,
	  false,
	  { { "fd77::10", 40000 }, { "2001:db8:9::9", 80 } },
	  { { "2001:db8:9::9", 80 }, { "2001:db8:1::1", 40000 } } },
	{ "masquerade to another port",
	  6,
	  WEB,
	  false,
	  { { "fd77::10", 40000 }, { "2001:db8:9::9", 80 } },
	  { { "2001:db8:9::9", 80 }, { "2001:db8:1::1", 61001 } } },
	{ "published by another port",
	  6,
	  WEB,
	  true,
	  { { "2001:db8:7::7", 40000 }, { "2001:db8:1::1", 8080 } },
	  { { "fd77::10", 80 }, { "2001:db8:7::7", 40000 } } },
	{ "published, and from an address of the host's",
	  6,
	  WEB,
	  true,
	  { { "2001:db8:7::7", 40000 }, { "2001:db8:1::1", 8080 } },
	  { { "fd77::10", 80 }, { "fd77::1", 61002 } } },
	{ "another port alone",
	  6,
	  WEB,
	  false,
	  { { "fd77::10", 40000 }, { "2001:db8:9::9", 80 } },
	  { { "2001:db8:9::9", 80 }, { "fd77::10", 50000 } } },
	{ "addresses of the same sum",
	  6,
	  WEB,
	  false,
	  { { "fd77::10", 40000 }, { "2001:db8:9::9", 80 } },
	  { { "2001:db8:9::9", 80 }, { "fd78::f", 40000 } } },
	{ "masquerade of an own network",
	  6,
	  CROWD,
	  false,
	  { { "fd77::7:0:11", 40000 }, { "2001:db8:9::9", 80 } },
	  { { "2001:db8:9::9", 80 }, { "2001:db8:1::1", 61003 } } },
};
const size_t nat_n_conns = FV_ARRAY_SIZE(nat_conns);

/* ---- fixtures ---- */

int nat_open(void **state)
{
	/* Where it is a module, this loads it. */
	if (system("conntrack -L >/dev/null 2>&1"))
		print_message("# conntrack -L does not work\n");
	return fv_dp_could_nat() ? flow_open_nat(state) : flow_open(state);
}

int nat_reset(void **state)
{
	nat_carry(NULL);
	flow_reset(state);
	flow_uplink(DB);
	return 0;
}

void nat_need(void)
{
	if (!fv_dp_could_nat()) {
		print_message("# skip: this kernel has no calls for conntrack\n");
		skip();
	}
}

/* ---- conntrack ---- */

void nat_track(const struct nat_conn *conn, int proto, const char *more)
{
	const struct nat_end *o = conn->orig, *r = conn->reply;

	bed_sh("conntrack -I -p %s -s %s -d %s --sport %u --dport %u -r %s -q %s "
	       "--reply-port-src %u --reply-port-dst %u -t 600 -u SEEN_REPLY,ASSURED %s %s "
	       ">/dev/null 2>&1",
	       proto == TCP ? "tcp" : "udp", o[0].ip, o[1].ip, o[0].port, o[1].port, r[0].ip,
	       r[1].ip, r[0].port, r[1].port, proto == TCP ? "--state ESTABLISHED" : "", more);
}

void nat_track_none(void)
{
	bed_sh("conntrack -F >/dev/null 2>&1");
}

/* ---- packets ---- */

static void put_end(const struct nat_end *end, int which, struct nat_tuple *ret)
{
	struct fv_ip ip;

	assert_int_equal(fv_ip_parse(end->ip, &ip), 0);
	memcpy(ret->addr[which], ip.b, 16);
	put16(ret->port[which], end->port);
}

struct nat_way nat_way(const struct nat_conn *conn, int proto, bool reply)
{
	const struct nat_end *in = reply ? conn->reply : conn->orig;
	const struct nat_end *back = reply ? conn->orig : conn->reply;
	bool leaves = reply == conn->published;
	struct nat_way way = { .flow = { .from = leaves ? conn->inside : DB,
					 .to = leaves ? DB : conn->inside,
					 .family = conn->family,
					 .proto = proto,
					 .routed = true },
			       .reply = reply };

	put_end(&in[0], 0, &way.was);
	put_end(&in[1], 1, &way.was);
	/* What goes out is the reverse of what comes back. */
	put_end(&back[1], 0, &way.is);
	put_end(&back[0], 1, &way.is);
	return way;
}

void nat_set(struct frame *f, const struct nat_tuple *t)
{
	bool is4 = get16(f->b + 12) == 0x0800;
	uint8_t *addr = f->b + ETH_SIZE + (is4 ? 12 : 8);
	size_t size = is4 ? 4 : 16;

	for (int i = 0; i < 2; i++) {
		memcpy(addr + i * size, t->addr[i], size);
		memcpy(flow_l4(f) + 2 * i, t->port[i], 2);
	}
}

static bool is_tcp(const struct frame *f)
{
	return f->b[ETH_SIZE + (get16(f->b + 12) == 0x0800 ? 9 : 6)] == TCP;
}

uint8_t *nat_check_at(struct frame *f)
{
	return flow_l4(f) + (is_tcp(f) ? 16 : 6);
}

unsigned int nat_check(struct frame *f)
{
	bool is4 = get16(f->b + 12) == 0x0800;
	const uint8_t *addr = f->b + ETH_SIZE + (is4 ? 12 : 8), *l4 = flow_l4(f);
	size_t len = f->len - (l4 - f->b);
	uint32_t sum = len + (is_tcp(f) ? TCP : UDP);

	for (size_t i = 0; i < (is4 ? 8 : 32); i += 2)
		sum += get16(addr + i);
	for (size_t i = 0; i < len; i += 2)
		if (l4 + i != nat_check_at(f))
			sum += len - i < 2 ? l4[i] * 256U : get16(l4 + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum ^= 0xffff;
	return sum || is_tcp(f) ? sum : 0xffff;
}

void nat_fix(struct frame *f)
{
	put16(nat_check_at(f), nat_check(f));
	if (get16(f->b + 12) == 0x0800)
		frame_fix_check(f);
}

static const struct nat_way *carried_by;

/* Where UDP has no checksum, it gets none. */
static void translate(const struct flow *flow, struct frame *f)
{
	bool none = !is_tcp(f) && !get16(nat_check_at(f));

	(void)flow;
	nat_set(f, &carried_by->is);
	nat_fix(f);
	if (none)
		put16(nat_check_at(f), 0);
}

void nat_carry(const struct nat_way *way)
{
	carried_by = way;
	flow_translate = way ? translate : NULL;
}

void nat_frame(const struct nat_way *way, struct frame *ret)
{
	flow_frame(&way->flow, ret);
	if (way->flow.proto == UDP)
		put16(flow_l4(ret) + 4, ret->len - (flow_l4(ret) - ret->b));
	nat_set(ret, &way->was);
	nat_fix(ret);
}

enum fv_slow nat_why(const struct nat_way *way)
{
	return flow_ports[way->flow.from].attached ? FV_SLOW_UNPROVEN : FV_SLOW_OUTSIDE;
}

void nat_prove(const struct nat_way *way, enum fv_slow why)
{
	static struct frame f, carried;

	nat_frame(way, &f);
	nat_carry(way);
	flow_carry(&way->flow, &f, &carried);
	flow_arrives(way->flow.to, &carried, flow_noted(way->flow.from, &f, why),
		     flow_came_by(&way->flow));
}
