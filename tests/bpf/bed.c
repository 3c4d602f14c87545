// SPDX-License-Identifier: GPL-2.0-only
/* The networks that the tests of the programs are run on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "bpf/bed.h"

/*
 * CROWD: 4096 from DB, the least number of places in fv_endpoints, and by IPv6 the same low 32
 * bits.
 */
struct bed_endpoint bed[N_WHO] = {
	[WEB] = { "fv-web", "10.77.0.10", "fd77::10", 1500 },
	[DB] = { "fv-db", "10.77.0.11", "fd77::11", 1500 },
	[SMALL] = { "fv-small", "10.77.0.12", "fd77::12", 1280 },
	[JUMBO] = { "fv-jumbo", "10.77.0.13", "fd77::13", 9000 },
	[ONLY4] = { "fv-only4", "10.77.0.14", NULL, 1500 },
	[ONLY6] = { "fv-only6", NULL, "fd77::15", 1500 },
	[TWIN] = { "fv-twin", "10.77.0.16", "fd77::16", 1500 },
	[CROWD] = { "fv-crowd", "10.77.16.11", "fd77::7:0:11", 1500 },
	[LATE] = { "fv-late", "10.77.0.17", "fd77::17", 1500, .absent = true },
	[ALIEN] = { "fv-alien", "10.78.0.10", "fd78::10", 1500 },
};

struct fv_features bed_features;
bool bed_has_filters = true;
struct fv_dp *bed_dp;
struct fv_dp_subnet bed_subnets[N_SUBNETS];

static const struct {
	const char *prefix;
	uint32_t network;
} subnets[N_SUBNETS] = {
	{ "10.77.0.0/16", NET },     { "fd77::/64", NET },	   { "10.78.0.0/24", ALIEN_NET },
	{ "fd78::/64", ALIEN_NET },  { GATEWAY4 "/32", 0 },	   { GATEWAY6 "/128", 0 },
	{ ALIEN_GATEWAY4 "/32", 0 }, { ALIEN_GATEWAY6 "/128", 0 },
};

static void write_file(const char *path, const char *text)
{
	FV_AUTO_FD int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		exit(1);
	}
}

void bed_isolate(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", FV_BPFFS, "bpf", 0, "mode=0700") < 0) {
		perror("cannot isolate the test (it needs root)");
		exit(1);
	}
	/* Else the devices speak by themselves as soon as they are up, and are counted. */
	if (!access("/proc/sys/net/ipv6", F_OK))
		write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

void bed_sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (system(line))
		fail_msg("failed: %s", line);
}

static void describe(enum who who)
{
	struct bed_endpoint *e = &bed[who];

	e->dp = (struct fv_dp_endpoint){
		.network = who == ALIEN ? ALIEN_NET : NET,
		/* The least number of places in fv_ports is 2048. */
		.ifindex = who == TWIN ? 100 + 2048 : 100 + who,
		.mtu = e->mtu,
		.mac = { 2, 0, 0, 0, 0, who + 1 },
		.port_mac = { 2, 0, 0, 0, 1, who + 1 },
	};
	if (e->ip4)
		assert_int_equal(fv_ip_parse(e->ip4, &e->dp.ip4), 0);
	if (e->ip6)
		assert_int_equal(fv_ip_parse(e->ip6, &e->dp.ip6), 0);
}

/* The kernel gives a test run only a device whose queues XDP has been set up for. */
static void pass_xdp(int ifindex)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	FV_AUTO_FD int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "fv_pass", "GPL", pass, 2, NULL);
	int r;

	assert_true(fd >= 0);
	r = bpf_xdp_attach(ifindex, fd, XDP_FLAGS_DRV_MODE, NULL);
	if (r)
		fail_msg("attaching XDP: %s", strerror(-r));
}

void bed_make_device(enum who who)
{
	const struct bed_endpoint *e = &bed[who];
	char mac[FV_MAC_STRLEN], port_mac[FV_MAC_STRLEN];

	bed_sh("ip link add %s index %d mtu %u address %s group 7 type veth "
	       "peer name c%s index %d mtu %u address %s && "
	       "ip link set %s up && ip link set c%s up",
	       e->port, e->dp.ifindex, e->mtu, fv_mac_str(e->dp.port_mac, port_mac), e->port,
	       500 + who, e->mtu, fv_mac_str(e->dp.mac, mac), e->port, e->port);
	bed[who].gone = false;
}

void bed_make_devices(void)
{
	OK(fv_dp_probe(&err, &bed_features));
	for (size_t i = 0; i < N_SUBNETS; i++) {
		assert_int_equal(fv_prefix_parse(subnets[i].prefix, &bed_subnets[i].prefix), 0);
		bed_subnets[i].network = subnets[i].network;
	}
	for (enum who who = 0; who < N_WHO; who++) {
		describe(who);
		bed_make_device(who);
	}
}

void bed_delete_devices(void)
{
	bed_sh("ip link del group 7");
}

void bed_delete_device(enum who who)
{
	bed_sh("ip link del %s", bed[who].port);
	bed[who].gone = true;
	/* Programs may trust for a clock tick that a device is there. */
	usleep(50000);
}

size_t bed_endpoints(struct fv_dp_endpoint ret[N_WHO])
{
	size_t n = 0;

	for (enum who who = 0; who < N_WHO; who++)
		if (!bed[who].absent)
			ret[n++] = bed[who].dp;
	return n;
}

void bed_fill_into(struct fv_dp *dp)
{
	struct fv_dp_endpoint eps[N_WHO];
	size_t n = bed_endpoints(eps);

	OK(fv_dp_fill(dp, eps, n, bed_subnets, N_SUBNETS, &err));
}

void bed_fill(void)
{
	bed_fill_into(bed_dp);
}

void bed_attach(struct fv_dp *dp, enum who who, bool xdp)
{
	OK(fv_dp_attach(dp, &bed_features, bed[who].dp.ifindex, bed[who].port, xdp, &err));
}

void bed_raise(size_t n, bool xdp, struct fv_dp **ret)
{
	OK(fv_dp_load(&bed_features, n, xdp, &err, ret));
	OK(fv_dp_prepare(*ret, &err, NULL));
	bed_fill_into(*ret);
	for (enum who who = 0; who < N_WHO; who++)
		if (!bed[who].absent)
			bed_attach(*ret, who, xdp && who != JUMBO);
	OK(fv_dp_commit(*ret, &err));
}

/* The filters of a clsact qdisc, by the program's name. */
static size_t filters(enum who who, const char *way, uint32_t *ret_id)
{
	char line[512], *id;
	FILE *tc;
	size_t n = 0;

	snprintf(line, sizeof(line), "tc filter show dev %s %s", bed[who].port, way);
	tc = popen(line, "r");
	assert_non_null(tc);
	while (fgets(line, sizeof(line), tc)) {
		id = strstr(line, " id ");
		if (!id)
			continue;
		n++;
		*ret_id = atoi(id + 4);
	}
	pclose(tc);
	return n;
}

size_t bed_programs(enum who who, enum bed_place place, uint32_t *ret_id)
{
	int ifindex = bed[who].dp.ifindex;
	__u32 ids[16], n = FV_ARRAY_SIZE(ids);

	*ret_id = 0;
	if (place == BED_XDP) {
		assert_int_equal(bpf_xdp_query_id(ifindex, 0, ret_id), 0);
		return *ret_id != 0;
	}
	/* BPF_TCX_INGRESS, BPF_TCX_EGRESS; refused where there is no tcx. */
	if (bpf_prog_query(ifindex, place == BED_INGRESS ? 46 : 47, 0, NULL, ids, &n))
		n = 0;
	if (n)
		*ret_id = ids[n - 1];
	if (!bed_has_filters)
		return n;
	return n + filters(who, place == BED_INGRESS ? "ingress" : "egress", ret_id);
}

int bed_open(void **state)
{
	(void)state;
	bed_make_devices();
	for (enum who who = 0; who < N_WHO; who++)
		if (who != JUMBO) /* too large for it, and sends nothing */
			pass_xdp(bed[who].dp.ifindex);
	OK(fv_dp_load(&bed_features, N_WHO, true, &err, &bed_dp));
	bed_fill();
	return 0;
}

int bed_close(void **state)
{
	(void)state;
	fv_dp_close(&bed_dp);
	return 0;
}
