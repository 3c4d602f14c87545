/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device features and statistics over SIOCETHTOOL, on the netlink socket: the
 * request goes to the namespace that the socket belongs to, and genetlink has no
 * statistics by name.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "net/sysctl.h"

#define MAX_FEATURES 256
#define MAX_STRINGS (1U << 20)

/* What XDP on the other end asks for. The kernel's default of a veth is the opposite of each. */
static const struct {
	const char *name;
	bool on;
} xdp_features[] = {
	{ "rx-gro", true },
	{ "tx-checksum-ip-generic", false },
	{ "tx-checksum-sctp", false },
	{ "tx-vlan-hw-insert", false },
	{ "tx-vlan-stag-hw-insert", false },
};

/*
 * Memory that the kernel fills: it goes by its own count, which the
 * namespace's root can raise after we asked for it. The page behind is not there, so
 * that this is an EFAULT and not an overflow.
 */
struct buffer {
	void *mem;
	size_t size;
};

static void unmap_buffer(struct buffer *buf)
{
	if (buf->mem)
		munmap(buf->mem, buf->size);
}

static int map_buffer(size_t len, struct fv_err *err, struct buffer *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t used = (len + page - 1) / page * page;
	void *mem = mmap(NULL, used + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return fv_err_oom(err);
	ret->mem = mem;
	ret->size = used + page;
	return mprotect(mem, used, PROT_READ | PROT_WRITE) < 0 ? fv_err_oom(err) : 0;
}

static int ethtool(struct fv_rtnl *rt, const char *ifname, void *cmd)
{
	struct ifreq ifr = { .ifr_data = cmd };

	if (strlen(ifname) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	strcpy(ifr.ifr_name, ifname);
	return ioctl(fv_rtnl_fd(rt), SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int failed(const char *verb, const char *ifname, int r, struct fv_err *err)
{
	if (r == -EFAULT)
		return fv_err_set(err, -EAGAIN, "device %s: changed while it was read; try again",
				  ifname);
	return fv_err_set(err, r, "cannot %s device %s: %s%s", verb, ifname, strerror(-r),
			  r == -EPERM ? " (needs CAP_NET_ADMIN: run as root)" : "");
}

/* Names of a string set, in one array of ETH_GSTRING_LEN bytes each, not all terminated. */
static int read_strings(struct fv_rtnl *rt, const char *ifname, uint32_t set, struct fv_err *err,
			struct buffer *buf, uint32_t *ret_n)
{
	union {
		struct ethtool_sset_info info;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} count = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << set } };
	struct ethtool_gstrings *strings;
	uint32_t n;
	int r;

	r = ethtool(rt, ifname, &count);
	if (r)
		return failed("read the names of", ifname, r, err);
	/* The mask tells whether the device has the set at all. */
	n = count.info.sset_mask ? count.info.data[0] : 0;
	if (!n) {
		*ret_n = 0;
		return 0;
	}
	if (n > MAX_STRINGS)
		return fv_err_set(err, -E2BIG, "device %s: has %u names", ifname, n);
	r = map_buffer(sizeof(*strings) + (size_t)n * ETH_GSTRING_LEN, err, buf);
	if (r)
		return r;
	strings = buf->mem;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = set;
	strings->len = n;
	r = ethtool(rt, ifname, strings);
	if (!r && strings->len != n)
		r = -EFAULT;
	if (r)
		return failed("read the names of", ifname, r, err);
	*ret_n = n;
	return 0;
}

/* ---- features ---- */

/* The bits of xdp_features that this kernel has: all of them, and those to be on. */
struct feature_bits {
	uint32_t n;
	uint32_t all[MAX_FEATURES / 32], on[MAX_FEATURES / 32];
};

static int find_features(struct fv_rtnl *rt, const char *ifname, struct fv_err *err,
			 struct feature_bits *ret)
{
	FV_CLEANUP(unmap_buffer) struct buffer buf = { 0 };
	const struct ethtool_gstrings *strings;
	int r;

	r = read_strings(rt, ifname, ETH_SS_FEATURES, err, &buf, &ret->n);
	if (r)
		return r;
	if (ret->n > MAX_FEATURES)
		return fv_err_set(err, -E2BIG, "device %s: has %u features", ifname, ret->n);
	strings = buf.mem;
	for (uint32_t i = 0; i < ret->n; i++) {
		const char *name = (const char *)strings->data + (size_t)i * ETH_GSTRING_LEN;

		for (size_t f = 0; f < FV_ARRAY_SIZE(xdp_features); f++) {
			if (strncmp(name, xdp_features[f].name, ETH_GSTRING_LEN) != 0)
				continue;
			ret->all[i / 32] |= 1U << (i % 32);
			if (xdp_features[f].on)
				ret->on[i / 32] |= 1U << (i % 32);
		}
	}
	return 0;
}

static int get_features(struct fv_rtnl *rt, const char *ifname, const struct feature_bits *bits,
			struct fv_err *err, struct ethtool_get_features_block *ret)
{
	union {
		struct ethtool_gfeatures head;
		uint8_t room[sizeof(struct ethtool_gfeatures) + MAX_FEATURES / 32 * sizeof(*ret)];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = (bits->n + 31) / 32 } };
	int r;

	r = ethtool(rt, ifname, &get);
	if (r)
		return failed("read the features of", ifname, r, err);
	memcpy(ret, get.head.features, MAX_FEATURES / 32 * sizeof(*ret));
	return 0;
}

static int set_features(struct fv_rtnl *rt, const char *ifname, bool prepare, struct fv_err *err)
{
	struct ethtool_get_features_block have[MAX_FEATURES / 32];
	union {
		struct ethtool_sfeatures head;
		uint8_t room[sizeof(struct ethtool_sfeatures) +
			     MAX_FEATURES / 32 * sizeof(struct ethtool_set_features_block)];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES } };
	struct feature_bits bits = { 0 };
	int r;

	r = find_features(rt, ifname, err, &bits);
	if (!r)
		r = get_features(rt, ifname, &bits, err, have);
	if (r)
		return r;
	set.head.size = (bits.n + 31) / 32;
	for (uint32_t i = 0; i < set.head.size; i++) {
		struct ethtool_set_features_block *block = &set.head.features[i];

		block->valid = bits.all[i] & have[i].available;
		block->requested = block->valid & (prepare ? bits.on[i] : ~bits.on[i]);
	}
	r = ethtool(rt, ifname, &set);
	return r ? failed("set the features of", ifname, r, err) : 0;
}

int fv_ethtool_xdp_ready(struct fv_rtnl *rt, const char *ifname, struct fv_err *err, bool *ret)
{
	struct ethtool_get_features_block have[MAX_FEATURES / 32];
	struct feature_bits bits = { 0 };
	uint32_t wrong = 0;
	int r;

	r = find_features(rt, ifname, err, &bits);
	if (!r)
		r = get_features(rt, ifname, &bits, err, have);
	if (r)
		return r;
	for (uint32_t i = 0; i < (bits.n + 31) / 32; i++)
		wrong |= (have[i].active ^ bits.on[i]) & bits.all[i];
	*ret = !wrong;
	return 0;
}

int fv_ethtool_xdp_prepare(struct fv_rtnl *rt, const char *ifname, struct fv_err *err)
{
	bool ready = false;
	int r;

	r = set_features(rt, ifname, true, err);
	if (!r)
		r = fv_ethtool_xdp_ready(rt, ifname, err, &ready);
	if (!r && !ready)
		r = fv_err_set(err, -EOPNOTSUPP,
			       "device %s: cannot be prepared for XDP: the driver refuses GRO on, "
			       "checksum or VLAN offload off",
			       ifname);
	return r;
}

/* What the kernel keeps on (GRO, while the device has an XDP program) goes when its reason does. */
int fv_ethtool_xdp_restore(struct fv_rtnl *rt, const char *ifname, struct fv_err *err)
{
	return set_features(rt, ifname, false, err);
}

/* ---- statistics ---- */

/* A '*' in the pattern stands for a number. */
static bool matches(const char *pattern, const char *name)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*') {
			if (!isdigit((unsigned char)*name))
				return false;
			while (isdigit((unsigned char)*name))
				name++;
		} else if (*pattern != *name++) {
			return false;
		}
	}
	return !*name;
}

int fv_ethtool_stat(struct fv_rtnl *rt, const char *ifname, const char *name, struct fv_err *err,
		    unsigned long long *ret)
{
	FV_CLEANUP(unmap_buffer) struct buffer names = { 0 }, values = { 0 };
	const struct ethtool_gstrings *strings;
	struct ethtool_stats *stats;
	unsigned long long sum = 0;
	uint32_t n;
	int r;

	r = read_strings(rt, ifname, ETH_SS_STATS, err, &names, &n);
	if (!r && n)
		r = map_buffer(sizeof(*stats) + (size_t)n * sizeof(stats->data[0]), err, &values);
	if (r)
		return r;
	if (n) {
		stats = values.mem;
		stats->cmd = ETHTOOL_GSTATS;
		stats->n_stats = n;
		r = ethtool(rt, ifname, stats);
		if (!r && stats->n_stats != n)
			r = -EFAULT;
		if (r)
			return failed("read the statistics of", ifname, r, err);
		strings = names.mem;
		for (uint32_t i = 0; i < n; i++) {
			char text[ETH_GSTRING_LEN + 1] = { 0 };

			memcpy(text, strings->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
			if (matches(name, text))
				sum += stats->data[i];
		}
	}
	*ret = sum;
	return 0;
}
