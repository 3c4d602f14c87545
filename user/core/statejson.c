// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state's fields as JSON and back. What is read is checked as if somebody had
 * typed it: names become paths and device names of root's.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/priv.h"
#include "fastveth/abi.h"

static const char *const hooks[] = { [FV_HOOK_TC] = "tc", [FV_HOOK_XDP] = "xdp" };
static const char *const targets[] = {
	[FV_TARGET_OWN] = "",
	[FV_TARGET_PID] = "pid:",
	[FV_TARGET_NETNS] = "netns:",
	[FV_TARGET_PATH] = "path:",
};

/* Empty fields are left out. */
static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static int pack_failed(const char *what, const char *name, const json_error_t *why,
		       struct fv_err *err)
{
	if (json_error_code(why) == json_error_out_of_memory)
		return fv_err_oom(err);
	return fv_err_set(err, -EINVAL, "%s \"%s\" cannot be saved: %s", what, name, why->text);
}

static int pack_ep(const struct fv_ep *ep, struct fv_err *err, json_t **ret)
{
	char ip4[FV_IP_STRLEN], ip6[FV_IP_STRLEN], mac[FV_MAC_STRLEN], port_mac[FV_MAC_STRLEN];
	FV_AUTO_FREE char *target = NULL;
	json_auto_t *publish = NULL;
	json_error_t why;
	char buf[128];

	if (ep->target != FV_TARGET_OWN &&
	    asprintf(&target, "%s%s", targets[ep->target], ep->target_arg) < 0)
		return fv_err_oom(err);
	if (ep->n_publish) {
		publish = json_array();
		for (size_t i = 0; i < ep->n_publish; i++)
			if (json_array_append_new(
				    publish, json_string(fv_publish_str(&ep->publish[i], buf))))
				return fv_err_oom(err);
	}
	*ret = json_pack_ex(
		&why, 0, "{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:O*, s:s*, s:s, s:s, s:I, s:I}",
		"name", ep->name, "share", ep->share, "target", target, "ifname",
		or_null(ep->ifname), "address", or_null(fv_ip_str(&ep->ip4, ip4)), "address6",
		or_null(fv_ip_str(&ep->ip6, ip6)), "publish", publish, "port", or_null(ep->port),
		"mac", fv_mac_str(ep->mac, mac), "port_mac", fv_mac_str(ep->port_mac, port_mac),
		"ns_dev", (json_int_t)ep->ns_dev, "ns_ino", (json_int_t)ep->ns_ino);
	return *ret ? 0 : pack_failed("endpoint", ep->name, &why, err);
}

static int pack_net(const struct fv_net *net, struct fv_err *err, json_t **ret)
{
	char subnet4[FV_IP_STRLEN], subnet6[FV_IP_STRLEN];
	json_auto_t *eps = json_array();
	json_error_t why;

	for (size_t i = 0; i < net->n_eps; i++) {
		json_t *ep = NULL;
		int r = pack_ep(&net->eps[i], err, &ep);

		if (r)
			return r;
		if (json_array_append_new(eps, ep))
			return fv_err_oom(err);
	}
	*ret = json_pack_ex(
		&why, 0, "{s:s, s:i, s:s*, s:s*, s:i, s:s, s:b, s:O}", "name", net->name, "id",
		(int)net->id, "subnet", or_null(fv_prefix_str(&net->subnet4, subnet4)), "subnet6",
		or_null(fv_prefix_str(&net->subnet6, subnet6)), "mtu", (int)net->mtu, "hook",
		hooks[net->hook], "internal", (int)net->internal, "endpoints", eps);
	return *ret ? 0 : pack_failed("network", net->name, &why, err);
}

int fv_state_pack(const struct fv_state *state, struct fv_err *err, struct json_t **ret)
{
	json_auto_t *nets = json_array(), *saved = json_array();
	json_error_t why;

	for (size_t i = 0; i < state->topo.n_nets; i++) {
		json_t *net = NULL;
		int r = pack_net(&state->topo.nets[i], err, &net);

		if (r)
			return r;
		if (json_array_append_new(nets, net))
			return fv_err_oom(err);
	}
	for (size_t i = 0; i < state->n_saved; i++) {
		const struct fv_saved *s = &state->saved[i];
		json_t *entry = json_pack_ex(&why, 0, "{s:s, s:s, s:s}", "path", s->path, "old",
					     s->old, "set", s->set);

		if (!entry)
			return pack_failed("setting", s->path, &why, err);
		if (json_array_append_new(saved, entry))
			return fv_err_oom(err);
	}
	*ret = json_pack_ex(&why, 0, "{s:O, s:O, s:s*, s:b, s:b, s:b}", "networks", nets, "saved",
			    saved, "nft", state->nft, "mounted_bpffs", (int)state->mounted_bpffs,
			    "made_etc_netns", (int)state->made_etc_netns, "made_run_netns",
			    (int)state->made_run_netns);
	return *ret ? 0 : pack_failed("nftables table", "inet fastveth", &why, err);
}

/* false: out of memory. */
static bool copy(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return *ret || !from;
}

static int unpack_mac(const char *s, uint8_t ret[6], struct fv_err *err)
{
	unsigned int b[6];
	char again[FV_MAC_STRLEN];
	uint8_t mac[6];

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) == 6) {
		for (size_t i = 0; i < 6; i++)
			mac[i] = (uint8_t)b[i];
		if (!strcmp(fv_mac_str(mac, again), s)) {
			memcpy(ret, mac, sizeof(mac));
			return 0;
		}
	}
	return fv_err_set(err, -EINVAL, "\"%s\" is no MAC", s);
}

static int unpack_ip(const char *s, int family, struct fv_ip *ret, struct fv_err *err)
{
	if (s && (fv_ip_parse(s, ret) || ret->family != family))
		return fv_err_set(err, -EINVAL, "\"%s\" is no IPv%c address", s,
				  family == AF_INET ? '4' : '6');
	return 0;
}

static int unpack_subnet(const char *s, int family, struct fv_prefix *ret, struct fv_ip *ret_gw,
			 struct fv_err *err)
{
	if (s && (fv_prefix_parse(s, ret) || ret->ip.family != family ||
		  !fv_prefix_host(ret, 1, ret_gw)))
		return fv_err_set(err, -EINVAL, "\"%s\" is no IPv%c subnet", s,
				  family == AF_INET ? '4' : '6');
	return 0;
}

static int unpack_ifname(const char *s, char ret[FV_IFNAME_SIZE], struct fv_err *err)
{
	int r = s ? fv_ifname_check(s, err) : 0;

	if (s && !r)
		strcpy(ret, s);
	return r;
}

static int unpack_publish(const json_t *list, struct fv_ep *ep, struct fv_err *err)
{
	size_t n = json_array_size(list);

	if (!n)
		return list && !json_is_array(list)
			       ? fv_err_set(err, -EINVAL, "\"publish\" is no list")
			       : 0;
	ep->publish = reallocarray(NULL, n, sizeof(*ep->publish));
	if (!ep->publish)
		return fv_err_oom(err);
	for (; ep->n_publish < n; ep->n_publish++) {
		const char *s = json_string_value(json_array_get(list, ep->n_publish));
		int r = fv_publish_parse(s ? s : "", err, &ep->publish[ep->n_publish]);

		if (r)
			return r;
	}
	return 0;
}

static int unpack_ep(json_t *from, struct fv_err *err, struct fv_ep *ep)
{
	const char *name, *share = NULL, *target = NULL, *ifname = NULL, *ip4 = NULL, *ip6 = NULL;
	const char *port = NULL, *mac, *port_mac;
	json_int_t ns_dev, ns_ino;
	json_t *publish = NULL;
	json_error_t why;
	int r;

	if (json_unpack_ex(from, &why, 0,
			   "{s:s, s?s, s?s, s?s, s?s, s?s, s?o, s?s, s:s, s:s, s:I, s:I}", "name",
			   &name, "share", &share, "target", &target, "ifname", &ifname, "address",
			   &ip4, "address6", &ip6, "publish", &publish, "port", &port, "mac", &mac,
			   "port_mac", &port_mac, "ns_dev", &ns_dev, "ns_ino", &ns_ino))
		return fv_err_set(err, -EINVAL, "endpoint: %s", why.text);
	if (!copy(name, &ep->name) || !copy(share, &ep->share))
		return fv_err_oom(err);
	ep->ns_dev = (dev_t)ns_dev;
	ep->ns_ino = (ino_t)ns_ino;
	r = fv_name_check("endpoint", name, err);
	if (!r && share)
		r = fv_name_check("endpoint", share, err);
	if (!r && target)
		r = fv_target_parse(target, ep, err);
	if (!r)
		r = unpack_ifname(ifname, ep->ifname, err);
	if (!r)
		r = unpack_ifname(port, ep->port, err);
	if (!r)
		r = unpack_ip(ip4, AF_INET, &ep->ip4, err);
	if (!r)
		r = unpack_ip(ip6, AF_INET6, &ep->ip6, err);
	if (!r)
		r = unpack_mac(mac, ep->mac, err);
	if (!r)
		r = unpack_mac(port_mac, ep->port_mac, err);
	return r ? r : unpack_publish(publish, ep, err);
}

static int unpack_net(json_t *from, struct fv_err *err, struct fv_net *net)
{
	const char *name, *subnet4 = NULL, *subnet6 = NULL, *hook;
	json_t *eps, *from_ep;
	json_int_t id, mtu;
	json_error_t why;
	int internal, r;
	size_t i;

	if (json_unpack_ex(from, &why, 0, "{s:s, s:I, s?s, s?s, s:I, s:s, s:b, s:o}", "name", &name,
			   "id", &id, "subnet", &subnet4, "subnet6", &subnet6, "mtu", &mtu, "hook",
			   &hook, "internal", &internal, "endpoints", &eps))
		return fv_err_set(err, -EINVAL, "network: %s", why.text);
	if (!copy(name, &net->name))
		return fv_err_oom(err);
	r = fv_name_check("network", name, err);
	if (r)
		return r;
	if (id < 0 || id > FV_NETWORK_ID_MAX || mtu < 0 || mtu > INT32_MAX ||
	    (strcmp(hook, hooks[FV_HOOK_TC]) && strcmp(hook, hooks[FV_HOOK_XDP])) ||
	    !json_is_array(eps))
		return fv_err_set(err, -EINVAL, "network \"%s\": id, mtu, hook or endpoints", name);
	net->id = (uint32_t)id;
	net->mtu = (uint32_t)mtu;
	net->hook = strcmp(hook, hooks[FV_HOOK_TC]) ? FV_HOOK_XDP : FV_HOOK_TC;
	net->internal = internal;
	r = unpack_subnet(subnet4, AF_INET, &net->subnet4, &net->gw4, err);
	if (!r)
		r = unpack_subnet(subnet6, AF_INET6, &net->subnet6, &net->gw6, err);
	json_array_foreach (eps, i, from_ep) {
		struct fv_ep *ep = r ? NULL : fv_net_append(net);

		if (r)
			return r;
		r = ep ? unpack_ep(from_ep, err, ep) : fv_err_oom(err);
	}
	return r;
}

static int unpack_saved(json_t *list, struct fv_err *err, struct fv_state *state)
{
	json_error_t why;

	state->saved = calloc(json_array_size(list) + 1, sizeof(*state->saved));
	if (!state->saved)
		return fv_err_oom(err);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct fv_saved *s = &state->saved[state->n_saved++];
		const char *path, *old, *set;

		if (json_unpack_ex(json_array_get(list, i), &why, 0, "{s:s, s:s, s:s}", "path",
				   &path, "old", &old, "set", &set))
			return fv_err_set(err, -EINVAL, "saved setting: %s", why.text);
		if ((strncmp(path, "/proc/sys/", 10) && strncmp(path, "/sys/", 5)) ||
		    strstr(path, "/../"))
			return fv_err_set(err, -EINVAL,
					  "saved setting \"%s\" is not in /proc/sys or /sys", path);
		if (!copy(path, &s->path) || !copy(old, &s->old) || !copy(set, &s->set))
			return fv_err_oom(err);
	}
	return 0;
}

int fv_state_unpack(struct json_t *root, struct fv_err *err, struct fv_state *ret)
{
	int mounted_bpffs, made_etc_netns, made_run_netns, r = 0;
	const char *nft = NULL;
	json_t *nets, *saved, *from;
	json_error_t why;
	size_t i;

	if (json_unpack_ex(root, &why, 0, "{s:o, s:o, s?s, s:b, s:b, s:b}", "networks", &nets,
			   "saved", &saved, "nft", &nft, "mounted_bpffs", &mounted_bpffs,
			   "made_etc_netns", &made_etc_netns, "made_run_netns", &made_run_netns))
		return fv_err_set(err, -EINVAL, "%s", why.text);
	if (!json_is_array(nets) || !json_is_array(saved))
		return fv_err_set(err, -EINVAL, "\"networks\" or \"saved\" is no list");
	if (!copy(nft, &ret->nft))
		return fv_err_oom(err);
	ret->mounted_bpffs = mounted_bpffs;
	ret->made_etc_netns = made_etc_netns;
	ret->made_run_netns = made_run_netns;
	json_array_foreach (nets, i, from) {
		struct fv_net *net = r ? NULL : fv_topo_append(&ret->topo);

		if (r)
			return r;
		r = net ? unpack_net(from, err, net) : fv_err_oom(err);
	}
	return r ? r : unpack_saved(saved, err, ret);
}
