// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where fv_dp_fill puts hundreds of endpoints whose devices, networks and addresses change at
 * random: each is found by the way that abi.h describes, nothing else is there, and
 * what stayed kept its slot and its counters.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/bed.h"

#define DEVICES 300 /* ends of veth pairs, so an even number */
#define NETWORKS 12
#define ROUNDS 30
#define SEED 0x91acedULL

struct device {
	struct fv_dp_endpoint ep;
	bool used, was_used;
	uint32_t was_network, was_slot;
	uint8_t was_mac[6];
	uint64_t packets; /* what its counters hold */
};

static struct device devices[DEVICES];
static struct fv_dp *dp;
static uint64_t random_state = SEED;

static unsigned int dice(unsigned int n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned int)(random_state * 0x2545f4914f6cdd1dULL >> 33) % n;
}

static int open_devices(void **state)
{
	FILE *ip = popen("ip -batch -", "w");
	struct fv_features features;

	(void)state;
	assert_non_null(ip);
	/* Numbers that meet in fv_ports again and again: 2048 places, 32 residues. */
	for (int i = 0; i < DEVICES; i++)
		devices[i].ep.ifindex = 1000 + i % 32 + 2048 * (i / 32);
	for (int i = 0; i < DEVICES; i += 2)
		fprintf(ip, "link add d%d index %d type veth peer name d%d index %d\n", i,
			devices[i].ep.ifindex, i + 1, devices[i + 1].ep.ifindex);
	assert_int_equal(pclose(ip), 0);
	OK(fv_dp_probe(&err, &features));
	OK(fv_dp_load(&features, DEVICES, false, &err, &dp));
	return 0;
}

static int close_devices(void **state)
{
	(void)state;
	fv_dp_close(&dp);
	return 0;
}

/* ---- what the maps shall say ---- */

/* Networks with even ids have addresses all over the place, the others close together. */
static uint32_t network_id(unsigned int n)
{
	return n % 2 ? 1 + n * 5003 : 1 + n;
}

static struct fv_ip random_ip4(uint32_t network)
{
	uint32_t host = network % 2 ? dice(250) : dice(65000);
	struct fv_ip ip = { .family = AF_INET, .b = { 10, network, host >> 8, host } };

	return ip;
}

static struct fv_ip random_ip6(uint32_t network)
{
	struct fv_ip ip = { .family = AF_INET6, .b = { 0xfd, network, network >> 8 } };

	/* Two bytes of the low 32 bits, and one above, that the place does not depend on. */
	ip.b[8] = dice(3);
	ip.b[14] = network % 2 ? 0 : dice(256);
	ip.b[15] = dice(256);
	return ip;
}

static bool taken(const struct device *d)
{
	for (struct device *o = devices; o < devices + DEVICES; o++)
		if (o != d && o->used && o->ep.network == d->ep.network &&
		    ((d->ep.ip4.family && fv_ip_equal(&o->ep.ip4, &d->ep.ip4)) ||
		     (d->ep.ip6.family && fv_ip_equal(&o->ep.ip6, &d->ep.ip6))))
			return true;
	return false;
}

static void give_addresses(struct device *d)
{
	do {
		d->ep.ip4 = d->ep.ip6 = (struct fv_ip){};
		if (dice(10))
			d->ep.ip4 = random_ip4(d->ep.network);
		if (dice(10) || !d->ep.ip4.family)
			d->ep.ip6 = random_ip6(d->ep.network);
	} while (taken(d));
}

static void change(struct device *d)
{
	unsigned int what = dice(100);

	if (what < 40)
		return;
	if (!d->used) {
		d->used = true;
		d->ep.network = network_id(dice(NETWORKS));
		d->ep.mtu = 1280 + dice(1000);
		for (int i = 0; i < 6; i++)
			d->ep.mac[i] = dice(256);
		give_addresses(d);
	} else if (what < 60) {
		d->used = false;
	} else if (what < 70) {
		give_addresses(d);
	} else if (what < 80) {
		d->ep.mac[dice(6)] ^= 1 << dice(8);
	} else if (what < 85) {
		d->ep.network = network_id(dice(NETWORKS));
		give_addresses(d);
	} else if (what < 90) {
		d->ep.port_mac[dice(6)] ^= 1;
	} else {
		d->ep.mtu ^= 1;
	}
}

static size_t wanted(struct fv_dp_endpoint eps[DEVICES])
{
	size_t n = 0;

	for (int i = 0; i < DEVICES; i++)
		if (devices[i].used)
			eps[n++] = devices[i].ep;
	return n;
}

/* ---- what they say, read as the programs do ---- */

static const struct fv_port *find_port(uint32_t ifindex, struct fv_port *buf)
{
	const struct fv_port *port = &dp->maps.ports[ifindex & (dp->maps.n_ports - 1)];

	if (port->ifindex == ifindex)
		return port;
	return bpf_map_lookup_elem(dp->maps.fd[FV_MAP_PORTS_X], &ifindex, buf) ? NULL : buf;
}

static const struct fv_endpoint *find_endpoint(const struct fv_port *port, const struct fv_ip *ip,
					       struct fv_endpoint *buf)
{
	struct fv_endpoint_key key = { .network = port->network };
	const struct fv_endpoint *ep;
	uint32_t at;

	if (ip->family == AF_INET) {
		key.addr[2] = htonl(0xffff);
		memcpy(&key.addr[3], ip->b, 4);
		at = port->base4;
	} else {
		memcpy(key.addr, ip->b, 16);
		at = port->base6;
	}
	ep = &dp->maps.endpoints[(at + ntohl(key.addr[3])) & (dp->maps.n_endpoints - 1)];
	if (ep->network == port->network && !memcmp(ep->addr, key.addr, 16))
		return ep;
	if (!(port->flags & FV_PORT_OVERFLOW) ||
	    bpf_map_lookup_elem(dp->maps.fd[FV_MAP_ENDPOINTS_X], &key, buf))
		return NULL;
	return buf;
}

static void assert_endpoint(const struct device *d, const struct fv_port *seen_from,
			    const struct fv_ip *ip, uint32_t slot)
{
	struct fv_endpoint buf;
	const struct fv_endpoint *ep;

	if (!ip->family)
		return;
	ep = find_endpoint(seen_from, ip, &buf);
	assert_non_null(ep);
	assert_int_equal(ep->ifindex, d->ep.ifindex);
	assert_int_equal(ep->slot, slot);
	assert_int_equal(ep->mtu, d->ep.mtu);
	assert_memory_equal(ep->mac, d->ep.mac, 6);
	assert_memory_equal(ep->port_mac, d->ep.port_mac, 6);
}

/* What a port says of its own endpoint. */
static void assert_port(const struct device *d, const struct fv_port *port)
{
	assert_int_equal(port->network, d->ep.network);
	assert_memory_equal(port->mac, d->ep.mac, 6);
	assert_memory_equal(port->port_mac, d->ep.port_mac, 6);
	assert_memory_equal(&port->addr4, d->ep.ip4.b, 4);
	assert_memory_equal(port->addr6, d->ep.ip6.b, 16);
}

/* Kept where device, network and MAC are the same, else from zero; then made to differ. */
static void assert_counters(struct device *d, uint32_t slot)
{
	int cpus = libbpf_num_possible_cpus();
	FV_AUTO_FREE struct fv_counters *c = calloc(cpus, sizeof(*c));
	bool kept =
		d->was_used && d->was_network == d->ep.network && !memcmp(d->was_mac, d->ep.mac, 6);
	struct fv_stats stats;

	OK(fv_dp_stats(dp, d->ep.ifindex, &err, &stats));
	if (kept)
		assert_int_equal(slot, d->was_slot);
	assert_int_equal(stats.c.tx_other_packets, kept ? d->packets : 0);
	d->packets = 1 + dice(1000);
	c[0].tx_other_packets = d->packets;
	assert_int_equal(bpf_map_update_elem(dp->maps.fd[FV_MAP_COUNTERS], &slot, c, 0), 0);
	d->was_slot = slot;
	d->was_network = d->ep.network;
	memcpy(d->was_mac, d->ep.mac, 6);
}

static size_t entries(enum fv_map map)
{
	struct fv_endpoint_key key, *prev = NULL; /* the largest key of the three maps */
	size_t n = 0;

	for (; !bpf_map_get_next_key(dp->maps.fd[map], prev, &key); n++)
		prev = &key;
	return n;
}

static void assert_nothing_else(size_t n_ports, size_t n_endpoints)
{
	size_t ports = entries(FV_MAP_PORTS_X), endpoints = entries(FV_MAP_ENDPOINTS_X);

	for (uint32_t i = 0; i < dp->maps.n_ports; i++)
		ports += dp->maps.ports[i].ifindex != 0;
	for (uint32_t i = 0; i < dp->maps.n_endpoints; i++)
		endpoints += dp->maps.endpoints[i].network != 0;
	assert_int_equal(ports, n_ports);
	assert_int_equal(endpoints, n_endpoints);
	assert_int_equal(entries(FV_MAP_LIVE), n_ports);
}

static void check_round(void)
{
	FV_AUTO_FREE bool *slots = calloc(dp->maps.slots, sizeof(*slots));
	size_t n_ports = 0, n_endpoints = 0;

	for (struct device *d = devices; d < devices + DEVICES; d++) {
		struct fv_port buf, buf2;
		const struct fv_port *port = find_port(d->ep.ifindex, &buf);

		assert_int_equal(port != NULL, d->used);
		if (d->used) {
			assert_port(d, port);
			assert_true(port->slot < dp->maps.slots && !slots[port->slot]);
			slots[port->slot] = true;
			n_ports++;
			n_endpoints += !!d->ep.ip4.family + !!d->ep.ip6.family;
			assert_counters(d, port->slot);
		}
		d->was_used = d->used;
		/* Every port of the network must find it. */
		for (struct device *o = devices; d->used && o < devices + DEVICES; o++) {
			const struct fv_port *other;

			if (!o->used || o->ep.network != d->ep.network)
				continue;
			other = find_port(o->ep.ifindex, &buf2);
			assert_non_null(other);
			assert_endpoint(d, other, &d->ep.ip4, port->slot);
			assert_endpoint(d, other, &d->ep.ip6, port->slot);
		}
	}
	assert_nothing_else(n_ports, n_endpoints);
}

static void random_endpoints_are_found_again_and_again(void **state)
{
	size_t most_ports = 0, most_endpoints = 0;

	(void)state;
	print_message("# seed %#llx, %d rounds\n", SEED, ROUNDS);
	for (int round = 0; round < ROUNDS; round++) {
		struct fv_dp_endpoint eps[DEVICES];
		bool same = false;
		size_t n;

		for (int i = 0; i < DEVICES; i++)
			change(&devices[i]);
		n = wanted(eps);
		OK(fv_dp_fill(dp, eps, n, NULL, 0, &err));
		OK(fv_dp_filled(dp, eps, n, NULL, 0, &err, &same));
		assert_true(same);
		check_round();
		if (entries(FV_MAP_PORTS_X) > most_ports)
			most_ports = entries(FV_MAP_PORTS_X);
		if (entries(FV_MAP_ENDPOINTS_X) > most_endpoints)
			most_endpoints = entries(FV_MAP_ENDPOINTS_X);
	}
	/* Else the hashes have not been tested. */
	assert_true(most_ports > 50);
	assert_true(most_endpoints > 10);
	OK(fv_dp_fill(dp, NULL, 0, NULL, 0, &err));
	assert_nothing_else(0, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_endpoints_are_found_again_and_again),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, open_devices, close_devices);
}
