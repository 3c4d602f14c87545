// SPDX-License-Identifier: GPL-2.0-only
/* Sets of maps: opened from pins, checked, mapped into memory, pinned. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "dp/priv.h"

const char *const fv_map_names[FV_MAP_COUNT] = {
	[FV_MAP_PORTS] = "fv_ports",	     [FV_MAP_PORTS_X] = "fv_ports_x",
	[FV_MAP_ENDPOINTS] = "fv_endpoints", [FV_MAP_ENDPOINTS_X] = "fv_endpoints_x",
	[FV_MAP_SUBNETS] = "fv_subnets",     [FV_MAP_COUNTERS] = "fv_counters",
	[FV_MAP_REASONS] = "fv_reasons",     [FV_MAP_CARRIED] = "fv_carried",
	[FV_MAP_LIVE] = "fv_live",	     [FV_MAP_FLOWS4] = "fv_flows4",
	[FV_MAP_FLOWS6] = "fv_flows6",	     [FV_MAP_NOTES] = "fv_notes",
	[FV_MAP_NOTED] = "fv_noted",
};

/* What a pin must be to be taken for ours. */
static const struct {
	__u32 type, key_size, value_size;
} expected[FV_MAP_COUNT] = {
	[FV_MAP_PORTS] = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fv_port) },
	[FV_MAP_PORTS_X] = { BPF_MAP_TYPE_HASH, 4, sizeof(struct fv_port) },
	[FV_MAP_ENDPOINTS] = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fv_endpoint) },
	[FV_MAP_ENDPOINTS_X] = { BPF_MAP_TYPE_HASH, sizeof(struct fv_endpoint_key),
				 sizeof(struct fv_endpoint) },
	[FV_MAP_SUBNETS] = { BPF_MAP_TYPE_LPM_TRIE, sizeof(struct fv_subnet_key), 4 },
	[FV_MAP_COUNTERS] = { BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fv_counters) },
	[FV_MAP_REASONS] = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fv_reasons) },
	[FV_MAP_CARRIED] = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fv_carried) },
	[FV_MAP_LIVE] = { BPF_MAP_TYPE_DEVMAP_HASH, 4, 4 },
	[FV_MAP_FLOWS4] = { BPF_MAP_TYPE_LRU_HASH, sizeof(struct fv_flow4_key),
			    sizeof(struct fv_flow) },
	[FV_MAP_FLOWS6] = { BPF_MAP_TYPE_LRU_HASH, sizeof(struct fv_flow6_key),
			    sizeof(struct fv_flow) },
	[FV_MAP_NOTES] = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fv_note) },
	[FV_MAP_NOTED] = { BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fv_noted) },
};

int fv_map_info(int fd, struct bpf_map_info *ret)
{
	__u32 len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &len);
}

int fv_prog_info(int fd, struct bpf_prog_info *ret)
{
	__u32 len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &len);
}

void fv_maps_init(struct fv_maps *maps)
{
	memset(maps, 0, sizeof(*maps));
	memset(maps->fd, -1, sizeof(maps->fd));
}

void fv_maps_fini(struct fv_maps *maps)
{
	if (maps->ports)
		munmap(maps->ports, maps->n_ports * sizeof(*maps->ports));
	if (maps->endpoints)
		munmap(maps->endpoints, maps->n_endpoints * sizeof(*maps->endpoints));
	for (int i = 0; i < FV_MAP_COUNT; i++)
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
	fv_maps_init(maps);
}

static int map_array(int fd, __u32 entries, size_t size, struct fv_err *err, void **ret)
{
	void *p = mmap(NULL, entries * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return fv_err_set(err, -errno, "mapping a BPF map into memory: %s",
				  strerror(errno));
	*ret = p;
	return 0;
}

/* Is each open map what its name says? */
static int check_kinds(const struct fv_maps *maps, struct fv_err *err,
		       struct bpf_map_info ret[FV_MAP_COUNT])
{
	int r;

	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map_info *info = &ret[i];

		if (maps->fd[i] < 0)
			continue;
		r = fv_map_info(maps->fd[i], info);
		if (r)
			return fv_err_set(err, r, "map %s: %s", fv_map_names[i], strerror(-r));
		if (info->type != expected[i].type || info->key_size != expected[i].key_size ||
		    info->value_size != expected[i].value_size ||
		    strcmp(info->name, fv_map_names[i]))
			return fv_err_set(
				err, -EINVAL,
				"%s: the pin of %s is another kind of map, not made by fastveth; "
				"look at it and remove it",
				FV_PIN_DIR, fv_map_names[i]);
	}
	return 0;
}

int fv_maps_map(struct fv_maps *maps, struct fv_err *err)
{
	struct bpf_map_info info[FV_MAP_COUNT];
	void *p = NULL;
	int r;

	r = check_kinds(maps, err, info);
	if (r)
		return r;
	maps->slots = info[FV_MAP_COUNTERS].max_entries;
	maps->n_notes = info[FV_MAP_NOTES].max_entries;
	/* A set whose pinning was interrupted can be of two sizes. */
	if (info[FV_MAP_REASONS].max_entries != maps->slots ||
	    info[FV_MAP_CARRIED].max_entries != maps->slots ||
	    info[FV_MAP_LIVE].max_entries != maps->slots ||
	    info[FV_MAP_FLOWS4].max_entries != info[FV_MAP_FLOWS6].max_entries ||
	    (info[FV_MAP_FLOWS4].max_entries == FV_FLOWS) != (maps->n_notes > 1) ||
	    (info[FV_MAP_NOTED].max_entries == FV_TRY_SETS) != (maps->n_notes > 1) ||
	    info[FV_MAP_PORTS].max_entries != 2 * maps->slots ||
	    info[FV_MAP_ENDPOINTS].max_entries != 4 * maps->slots)
		return -ESTALE;
	r = map_array(maps->fd[FV_MAP_PORTS], info[FV_MAP_PORTS].max_entries,
		      sizeof(struct fv_port), err, &p);
	if (r)
		return r;
	maps->ports = p;
	maps->n_ports = info[FV_MAP_PORTS].max_entries;
	r = map_array(maps->fd[FV_MAP_ENDPOINTS], info[FV_MAP_ENDPOINTS].max_entries,
		      sizeof(struct fv_endpoint), err, &p);
	if (r)
		return r;
	maps->endpoints = p;
	maps->n_endpoints = info[FV_MAP_ENDPOINTS].max_entries;
	return 0;
}

int fv_maps_open(int dir, struct fv_maps *maps, struct fv_err *err)
{
	struct bpf_map_info info[FV_MAP_COUNT];
	bool whole = true;
	int r = 0;

	fv_maps_init(maps);
	for (int i = 0; i < FV_MAP_COUNT && !r; i++) {
		int fd = bpf_obj_get(fv_pin_at(dir, fv_map_names[i]).s);

		if (fd == -ENOENT)
			whole = false;
		else if (fd < 0)
			r = fv_err_set(err, fd, "%s: opening the pin of %s: %s", FV_PIN_DIR,
				       fv_map_names[i], strerror(-fd));
		else
			maps->fd[i] = fd;
	}
	/* Also where some are missing: the others would be replaced. */
	if (!r && !whole)
		r = check_kinds(maps, err, info) ?: -ENOENT;
	r = r ?: fv_maps_map(maps, err);
	if (r)
		fv_maps_fini(maps);
	return r == -ESTALE ? -ENOENT : r;
}

/* Pin under a temporary name and rename: whoever opens it finds the old one or the new one. */
int fv_pin_replace(int fd, int dir, const char *name, struct fv_err *err)
{
	char tmp[64];
	int r;

	snprintf(tmp, sizeof(tmp), "%s" FV_PIN_NEW, name);
	if (unlinkat(dir, tmp, 0) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s: %s: %s", FV_PIN_DIR, tmp, strerror(errno));
	r = bpf_obj_pin(fd, fv_pin_at(dir, tmp).s);
	if (r)
		return fv_err_set(err, r, "%s: pinning %s: %s", FV_PIN_DIR, name, strerror(-r));
	if (renameat(dir, tmp, dir, name))
		return fv_err_set(err, -errno, "%s: pinning %s: %s", FV_PIN_DIR, name,
				  strerror(errno));
	return 0;
}

void fv_map_addr(const struct fv_ip *ip, __be32 ret[4])
{
	if (ip->family == AF_INET) {
		ret[0] = ret[1] = 0;
		ret[2] = htonl(0xffff);
		memcpy(&ret[3], ip->b, 4);
	} else {
		memcpy(ret, ip->b, 16);
	}
}

uint32_t fv_map_index(const struct fv_ip *ip)
{
	uint32_t low;

	memcpy(&low, ip->family == AF_INET ? ip->b : ip->b + 12, 4);
	return ntohl(low);
}

const struct fv_port *fv_port_of(const struct fv_maps *maps, uint32_t ifindex, struct fv_port *buf)
{
	const struct fv_port *port = &maps->ports[ifindex & (maps->n_ports - 1)];

	if (port->ifindex == ifindex)
		return port;
	if (bpf_map_lookup_elem(maps->fd[FV_MAP_PORTS_X], &ifindex, buf))
		return NULL;
	return buf;
}

struct attached {
	struct fv_dp_endpoint *eps;
	size_t n, room;
};

static int add_attached(struct attached *a, const struct fv_port *port, struct fv_err *err)
{
	struct fv_dp_endpoint *e;

	if (!port->ifindex || !(port->flags & FV_PORT_ATTACHED))
		return 0;
	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 64;
		e = reallocarray(a->eps, a->room, sizeof(*e));
		if (!e)
			return fv_err_oom(err);
		a->eps = e;
	}
	e = &a->eps[a->n++];
	*e = (struct fv_dp_endpoint){
		.ifindex = port->ifindex,
		.attached = true,
		.declined = port->flags & FV_PORT_DECLINED,
		.uplink = port->flags & FV_PORT_UPLINK,
		.no_tcp = port->flags & FV_PORT_NO_TCP,
		.master = port->master,
	};
	memcpy(e->mac, port->mac, 6);
	memcpy(e->port_mac, port->port_mac, 6);
	return 0;
}

int fv_dp_attached(struct fv_dp *dp, struct fv_err *err, struct fv_dp_endpoint **ret, size_t *ret_n)
{
	const struct fv_maps *maps = dp->old.ports ? &dp->old : &dp->maps;
	struct attached a = {};
	struct fv_port port;
	__u32 key, *prev = NULL;
	int r = 0;

	for (uint32_t i = 0; i < maps->n_ports && !r; i++)
		r = add_attached(&a, &maps->ports[i], err);
	while (!r && !bpf_map_get_next_key(maps->fd[FV_MAP_PORTS_X], prev, &key)) {
		if (!bpf_map_lookup_elem(maps->fd[FV_MAP_PORTS_X], &key, &port))
			r = add_attached(&a, &port, err);
		prev = &key;
	}
	if (r) {
		free(a.eps);
		return r;
	}
	*ret = a.eps;
	*ret_n = a.n;
	return 0;
}
