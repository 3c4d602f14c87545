// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs on ports: tcx or XDP links, pinned; clsact filters where there is no
 * tcx. Only what carries our program's name is ever replaced or removed.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "dp/priv.h"

/* libbpf 1.1 and the headers of Debian 12 are older than tcx. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/*
 * Our own place among clsact filters: others have taken each other's at the
 * beginning of the range and lost all traffic.
 */
#define TC_PRIORITY 0xc0f5
#define TC_HANDLE 0xf5

struct place {
	enum fv_prog prog;
	int link_type; /* enum bpf_attach_type */
	enum bpf_tc_attach_point point;
	const struct place *other; /* of ours: never both, and filters of both have one handle */
};

static const struct place from_uplink, to_uplink;
static const struct place from_ns = { FV_PROG_FROM_NS, TCX_INGRESS, BPF_TC_INGRESS, &from_uplink };
static const struct place to_ns = { FV_PROG_TO_NS, TCX_EGRESS, BPF_TC_EGRESS, &to_uplink };
static const struct place xdp_from_ns = { FV_PROG_XDP_FROM_NS, BPF_XDP, 0, NULL };
static const struct place from_uplink = { FV_PROG_FROM_UPLINK, TCX_INGRESS, BPF_TC_INGRESS,
					  &from_ns };
static const struct place to_uplink = { FV_PROG_TO_UPLINK, TCX_EGRESS, BPF_TC_EGRESS, &to_ns };

/* All that ours can be at, by TC. */
static const struct place *const tc_places[] = { &from_ns, &to_ns, &from_uplink, &to_uplink };

__u32 fv_link_ifindex(const struct bpf_link_info *info)
{
	/* A tcx link has its ifindex where an XDP link has it. */
	return info->xdp.ifindex;
}

static int link_info(int fd, struct bpf_link_info *ret)
{
	__u32 len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &len);
}

static bool prog_is(__u32 id, enum fv_prog which)
{
	FV_AUTO_FD int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info;

	return fd >= 0 && !fv_prog_info(fd, &info) && !strcmp(info.name, fv_prog_name(which));
}

static int failed(const char *verb, const struct place *p, const char *port, int r,
		  struct fv_err *err)
{
	return fv_err_set(err, r, "%s %s on %s: %s", verb, fv_prog_name(p->prog), port,
			  strerror(-r));
}

static int create_failed(const struct place *p, const char *port, int r, struct fv_err *err)
{
	if (r == -EBUSY || r == -EEXIST)
		return fv_err_set(err, -EBUSY,
				  "attaching %s on %s: another XDP program is there, which "
				  "stays; use hook tc for this network",
				  fv_prog_name(p->prog), port);
	if (r == -ERANGE)
		return fv_err_set(err, r,
				  "attaching %s on %s: the MTU is too large for XDP on this "
				  "kernel; use hook tc or an MTU of at most 3498",
				  fv_prog_name(p->prog), port);
	return failed("attaching", p, port, r, err);
}

/* BPF_PROG_QUERY of tcx, with link ids, which libbpf 1.1 does not ask for. */
struct tcx_query {
	__u32 ifindex, attach_type, query_flags, attach_flags;
	__u64 prog_ids;
	__u32 count, pad;
	__u64 prog_attach_flags, link_ids, link_attach_flags, revision;
};

#define TCX_MAX 64 /* programs at one place: the kernel's own limit */

/* The programs of a device in their order; 0 where there are none, or no tcx. */
static __u32 query_tcx(int ifindex, int link_type, __u32 progs[TCX_MAX], __u32 links[TCX_MAX])
{
	struct tcx_query q = {
		.ifindex = ifindex,
		.attach_type = link_type,
		.prog_ids = (__u64)(unsigned long)progs,
		.link_ids = (__u64)(unsigned long)links,
		.count = TCX_MAX,
	};

	return syscall(SYS_bpf, BPF_PROG_QUERY, &q, sizeof(q)) ? 0 : q.count;
}

/* Descriptor of a link of ours on the port that has lost its pin; -ENOENT. */
static int find_orphan(int ifindex, const struct place *p)
{
	__u32 progs[TCX_MAX] = {}, links[TCX_MAX] = {}, n;

	if (p->link_type == BPF_XDP)
		return -ENOENT;
	n = query_tcx(ifindex, p->link_type, progs, links);
	for (__u32 i = 0; i < n; i++)
		if (links[i] && prog_is(progs[i], p->prog))
			return bpf_link_get_fd_by_id(links[i]);
	return -ENOENT;
}

void fv_dp_foreign(int ifindex, char ret_ingress[16], char ret_egress[16])
{
	static const struct place *const places[][2] = { { &from_ns, &from_uplink },
							 { &to_ns, &to_uplink } };

	*ret_ingress = *ret_egress = '\0';
	for (size_t k = 0; k < FV_ARRAY_SIZE(places); k++) {
		__u32 progs[TCX_MAX] = {}, links[TCX_MAX] = {}, n;
		char *name = k ? ret_egress : ret_ingress;
		bool behind = k; /* ours comes last where it is not there yet */

		n = query_tcx(ifindex, places[k][0]->link_type, progs, links);
		for (__u32 i = 0; i < n && !*name; i++) {
			FV_AUTO_FD int fd = bpf_prog_get_fd_by_id(progs[i]);
			struct bpf_prog_info info = {};

			if (fd < 0 || fv_prog_info(fd, &info))
				snprintf(info.name, sizeof(info.name), "id %u", progs[i]);
			if (!strcmp(info.name, fv_prog_name(places[k][0]->prog)) ||
			    !strcmp(info.name, fv_prog_name(places[k][1]->prog)))
				behind = true;
			else if (behind)
				snprintf(name, 16, "%s", *info.name ? info.name : "(no name)");
		}
	}
}

/* The pinned link of a place if it is on this device; -ENOENT. */
static int open_link(struct fv_dp *dp, int ifindex, const char *port, const struct place *p,
		     struct bpf_link_info *ret)
{
	FV_AUTO_FD int fd = -1;
	char name[64];
	int r;

	fv_link_pin_name(port, p->prog, name);
	fd = bpf_obj_get(fv_pin_at(dp->links_dir, name).s);
	if (fd < 0)
		return fd;
	r = link_info(fd, ret);
	if (r)
		return r;
	return fv_link_ifindex(ret) == (__u32)ifindex ? FV_TAKE_FD(fd) : -ENOENT;
}

static int pin_link(struct fv_dp *dp, int fd, const char *port, const struct place *p,
		    struct fv_err *err)
{
	char name[64];

	fv_link_pin_name(port, p->prog, name);
	return fv_pin_replace(fd, dp->links_dir, name, err);
}

/*
 * The same for XDP, which no query tells: among all links. Only asked for where the place is taken
 * by something that is not pinned.
 */
static int find_xdp_orphan(int ifindex, const struct place *p)
{
	struct bpf_link_info info;
	__u32 id = 0, on_device = 0;

	/*
	 * Links are listed for the whole machine, and an ifindex is one of its network namespace:
	 * the program that our device runs tells ours from that of another one.
	 */
	if (bpf_xdp_query_id(ifindex, 0, &on_device) || !on_device)
		return -ENOENT;
	while (!bpf_link_get_next_id(id, &id)) {
		FV_AUTO_FD int fd = bpf_link_get_fd_by_id(id);

		if (fd >= 0 && !link_info(fd, &info) && info.type == BPF_LINK_TYPE_XDP &&
		    fv_link_ifindex(&info) == (__u32)ifindex && info.prog_id == on_device &&
		    prog_is(info.prog_id, p->prog))
			return FV_TAKE_FD(fd);
	}
	return -ENOENT;
}

/* Pin a link of ours that has lost its pin. */
static int adopt_link(struct fv_dp *dp, int fd, const char *port, const struct place *p,
		      struct fv_err *err, struct bpf_link_info *ret)
{
	int r;

	r = pin_link(dp, fd, port, p, err);
	return r ?: link_info(fd, ret);
}

/* @ret_new: a link was made */
static int ensure_link(struct fv_dp *dp, int ifindex, const char *port, const struct place *p,
		       struct fv_err *err, bool *ret_new)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	struct bpf_link_info info;
	FV_AUTO_FD int fd = open_link(dp, ifindex, port, p, &info);
	FV_AUTO_FD int made = -1;
	int r = 0;

	if (fd == -ENOENT) {
		fd = find_orphan(ifindex, p);
		if (fd >= 0)
			r = adopt_link(dp, fd, port, p, err, &info);
	}
	if (fd == -ENOENT) {
		made = bpf_link_create(dp->prog[p->prog], ifindex, p->link_type,
				       p->link_type == BPF_XDP ? &opts : NULL);
		if (made == -EBUSY || made == -EEXIST)
			fd = find_xdp_orphan(ifindex, p);
		if (fd >= 0)
			r = adopt_link(dp, fd, port, p, err, &info);
	}
	if (r)
		return r;
	if (fd >= 0) {
		r = info.prog_id == dp->prog_id[p->prog]
			    ? 0
			    : bpf_link_update(fd, dp->prog[p->prog], NULL);
		return r ? failed("replacing", p, port, r, err) : 0;
	}
	if (fd != -ENOENT)
		return failed("looking for", p, port, fd, err);
	if (made < 0)
		return create_failed(p, port, made, err);
	*ret_new = true;
	return pin_link(dp, made, port, p, err);
}

static int drop_link(struct fv_dp *dp, const char *port, const struct place *p, struct fv_err *err)
{
	char name[64], tmp[80];

	fv_link_pin_name(port, p->prog, name);
	/* A run that was killed while pinning leaves the other one. */
	snprintf(tmp, sizeof(tmp), "%s" FV_PIN_NEW, name);
	if ((unlinkat(dp->links_dir, name, 0) && errno != ENOENT) ||
	    (unlinkat(dp->links_dir, tmp, 0) && errno != ENOENT))
		return failed("detaching", p, port, -errno, err);
	return 0;
}

/* Program id of our filter; 0: none. */
static __u32 query_filter(int ifindex, const struct place *p)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = p->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	if (bpf_tc_query(&hook, &opts) || !prog_is(opts.prog_id, p->prog))
		return 0;
	return opts.prog_id;
}

static int ensure_filter(struct fv_dp *dp, int ifindex, const char *port, const struct place *p,
			 struct fv_err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .prog_fd = dp->prog[p->prog]);
	__u32 id = query_filter(ifindex, p) ?: query_filter(ifindex, p->other);
	int r;

	if (id && id == dp->prog_id[p->prog])
		return 0;
	r = bpf_tc_hook_create(&hook);
	if (r == -ENOENT)
		return fv_err_set(err, r,
				  "%s: this kernel has neither tcx nor clsact: load the module "
				  "sch_ingress or use a kernel with CONFIG_NET_SCH_INGRESS",
				  port);
	if (r && r != -EEXIST)
		return failed("making the clsact qdisc for", p, port, r, err);
	hook.attach_point = p->point;
	/* Replace only what is ours; where a foreign filter has our place this says so. */
	if (id)
		opts.flags = BPF_TC_F_REPLACE;
	r = bpf_tc_attach(&hook, &opts);
	if (r == -ENOENT)
		return fv_err_set(err, r,
				  "%s: this kernel has no BPF classifier: load the module cls_bpf "
				  "or use a kernel with CONFIG_NET_CLS_BPF",
				  port);
	return r ? failed("attaching", p, port, r, err) : 0;
}

static int drop_filter(int ifindex, const char *port, const struct place *p, struct fv_err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = p->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int r;

	if (!query_filter(ifindex, p))
		return 0;
	r = bpf_tc_detach(&hook, &opts);
	return r ? failed("detaching", p, port, r, err) : 0;
}

static int ensure_tc(struct fv_dp *dp, const struct fv_features *features, int ifindex,
		     const char *port, const struct place *p, struct fv_err *err)
{
	bool made = false;
	int r;

	if (!features->tcx) {
		r = ensure_filter(dp, ifindex, port, p, err);
		r = r ?: drop_link(dp, port, p, err);
		return r ?: drop_link(dp, port, p->other, err);
	}
	r = ensure_link(dp, ifindex, port, p, err, &made);
	r = r ?: drop_link(dp, port, p->other, err);
	if (r || !made)
		return r;
	/* Filters of a time without tcx would count everything twice. */
	r = drop_filter(ifindex, port, p, err);
	return r ?: drop_filter(ifindex, port, p->other, err);
}

static int attach_uplink(struct fv_dp *dp, const struct fv_features *features, int ifindex,
			 const char *device, struct fv_err *err)
{
	int r = ensure_tc(dp, features, ifindex, device, &to_uplink, err);

	r = r ?: ensure_tc(dp, features, ifindex, device, &from_uplink, err);
	return r ?: drop_link(dp, device, &xdp_from_ns, err);
}

int fv_dp_attach(struct fv_dp *dp, const struct fv_features *features, int ifindex,
		 const char *port, enum fv_dp_place place, struct fv_err *err)
{
	bool made = false;
	int r;

	if (place == FV_DP_UPLINK)
		return attach_uplink(dp, features, ifindex, port, err);
	r = ensure_tc(dp, features, ifindex, port, &to_ns, err);
	if (r)
		return r;
	if (place == FV_DP_TC) {
		r = ensure_tc(dp, features, ifindex, port, &from_ns, err);
		return r ?: drop_link(dp, port, &xdp_from_ns, err);
	}
	r = ensure_link(dp, ifindex, port, &xdp_from_ns, err, &made);
	r = r ?: drop_link(dp, port, &from_ns, err);
	r = r ?: drop_link(dp, port, &from_uplink, err);
	r = r ?: drop_filter(ifindex, port, &from_ns, err);
	return r ?: drop_filter(ifindex, port, &from_uplink, err);
}

/* What of ours is at a TC place of the port; 0: nothing. */
static __u32 query_tc(struct fv_dp *dp, int ifindex, const char *port, const struct place *p,
		      struct fv_attached *a)
{
	struct bpf_link_info info;
	FV_AUTO_FD int fd = open_link(dp, ifindex, port, p, &info);
	bool pinned = fd >= 0;
	__u32 id;

	if (!pinned) {
		fd = find_orphan(ifindex, p);
		if (fd >= 0 && link_info(fd, &info))
			return 0;
	}
	a->tcx |= fd >= 0;
	id = fd >= 0 ? info.prog_id : query_filter(ifindex, p);
	if ((fd >= 0 && !pinned) || (id && id != dp->prog_id[p->prog]))
		a->current = false;
	return id;
}

void fv_dp_query(struct fv_dp *dp, int ifindex, const char *port, struct fv_attached *ret)
{
	struct fv_attached a = { .current = true };
	struct bpf_link_info info;
	FV_AUTO_FD int fd = -1;

	a.to_ns = query_tc(dp, ifindex, port, &to_ns, &a);
	fd = open_link(dp, ifindex, port, &xdp_from_ns, &info);
	if (fd >= 0) {
		a.xdp_from_ns = info.prog_id;
		a.current &= info.prog_id == dp->prog_id[FV_PROG_XDP_FROM_NS];
	} else {
		a.from_ns = query_tc(dp, ifindex, port, &from_ns, &a);
	}
	if (!a.from_ns && !a.to_ns && !a.xdp_from_ns) {
		a.from_ns = query_tc(dp, ifindex, port, &from_uplink, &a);
		a.to_ns = query_tc(dp, ifindex, port, &to_uplink, &a);
		a.uplink = a.from_ns || a.to_ns;
	}
	*ret = a;
}

int fv_dp_forget(struct fv_dp *dp, const char *port, struct fv_err *err)
{
	int r = drop_link(dp, port, &xdp_from_ns, err);

	for (size_t i = 0; i < FV_ARRAY_SIZE(tc_places) && !r; i++)
		r = drop_link(dp, port, tc_places[i], err);
	return r;
}

struct detach {
	const struct fv_dp_port *ports;
	size_t n;
};

static int detach_one(int dir, const char *name, void *arg, struct fv_err *err)
{
	const struct detach *d = arg;
	struct bpf_link_info info;
	FV_AUTO_FD int fd = bpf_obj_get(fv_pin_at(dir, name).s);

	if (fd < 0 || link_info(fd, &info))
		return 0;
	for (size_t i = 0; i < d->n; i++) {
		if (fv_link_ifindex(&info) != (__u32)d->ports[i].ifindex)
			continue;
		if (unlinkat(dir, name, 0) && errno != ENOENT)
			return fv_err_set(err, -errno, "%s/links/%s: %s", FV_PIN_DIR, name,
					  strerror(errno));
		break;
	}
	return 0;
}

int fv_dp_detach(struct fv_dp *dp, const struct fv_dp_port *ports, size_t n, struct fv_err *err)
{
	struct detach d = { ports, n };
	int r = 0;

	/* By what they are on: a device may have been given another name since. */
	if (n)
		r = fv_pins_each(dp->links_dir, detach_one, &d, err);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < FV_ARRAY_SIZE(tc_places) && !r; k++)
			r = drop_filter(ports[i].ifindex, ports[i].name, tc_places[k], err);
	return r;
}

int fv_dp_drop_clsact(int ifindex, const char *port, struct fv_err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int r = bpf_tc_hook_destroy(&hook);

	if (!r || r == -ENOENT || r == -EINVAL || r == -ENODEV)
		return 0;
	return fv_err_set(err, r, "removing the clsact qdisc from %s: %s", port, strerror(-r));
}

static int sweep_one(int dir, const char *name, void *arg, struct fv_err *err)
{
	struct bpf_link_info info;
	FV_AUTO_FD int fd = bpf_obj_get(fv_pin_at(dir, name).s);

	(void)arg;
	if (fd >= 0 && !link_info(fd, &info) && fv_link_ifindex(&info))
		return 0;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s/links/%s: %s", FV_PIN_DIR, name,
				  strerror(errno));
	return 0;
}

int fv_dp_sweep(struct fv_dp *dp, struct fv_err *err)
{
	return fv_pins_each(dp->links_dir, sweep_one, NULL, err);
}
