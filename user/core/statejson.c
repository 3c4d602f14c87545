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
#include "core/gate.h"
#include "core/priv.h"
#include "fastveth/abi.h"

static const char *const hooks[] = { [FV_HOOK_TC] = "tc", [FV_HOOK_XDP] = "xdp" };
static const char *const targets[] = {
	[FV_TARGET_OWN] = "",
	[FV_TARGET_PID] = "pid:",
	[FV_TARGET_NETNS] = "netns:",
	[FV_TARGET_PATH] = "path:",
};

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static int pack_failed(const char *what, const char *name, const char *why, struct fv_err *err)
{
	return fv_err_set(err, -EINVAL, "%s \"%s\" cannot be saved: %s", what, name, why);
}

/* What is empty is left out. json_pack_ex takes twice as long, and there are many endpoints. */
static bool put(json_t *object, const char *key, const char *s)
{
	return !s || !*s || !json_object_set_new_nocheck(object, key, json_string(s));
}

static int pack_ep(const struct fv_ep *ep, struct fv_err *err, json_t **ret)
{
	json_auto_t *object = json_object(), *publish = NULL;
	FV_AUTO_FREE char *target = NULL;
	char buf[128];
	bool ok;

	if (ep->target != FV_TARGET_OWN &&
	    asprintf(&target, "%s%s", targets[ep->target], ep->target_arg) < 0)
		return fv_err_oom(err);
	ok = put(object, "name", ep->name) && put(object, "share", ep->share) &&
	     put(object, "target", target) && put(object, "ifname", ep->ifname) &&
	     put(object, "address", fv_ip_str(&ep->ip4, buf)) &&
	     put(object, "address6", fv_ip_str(&ep->ip6, buf)) && put(object, "port", ep->port) &&
	     put(object, "mac", fv_mac_str(ep->mac, buf)) &&
	     put(object, "port_mac", fv_mac_str(ep->port_mac, buf)) &&
	     !json_object_set_new(object, "ns_dev", json_integer((json_int_t)ep->ns_dev)) &&
	     !json_object_set_new(object, "ns_ino", json_integer((json_int_t)ep->ns_ino));
	if (ep->n_publish) {
		publish = json_array();
		ok = ok && !json_object_set(object, "publish", publish);
	}
	for (size_t i = 0; ok && i < ep->n_publish; i++)
		ok = !json_array_append_new(publish,
					    json_string(fv_publish_str(&ep->publish[i], buf)));
	if (!ok)
		return pack_failed("endpoint", ep->name, "it is not UTF-8, or memory is short",
				   err);
	*ret = FV_TAKE_PTR(object);
	return 0;
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
	return *ret ? 0 : pack_failed("network", net->name, why.text, err);
}

static int pack_attached(const struct fv_state *state, struct fv_err *err, json_t **ret_attached,
			 json_t **ret_clsact)
{
	json_auto_t *attached = json_array(), *clsact = json_array();

	for (size_t i = 0; i < state->n_attached; i++) {
		const struct fv_attached_to *a = &state->attached[i];

		if (json_array_append_new(
			    attached, json_pack("{s:s, s:I, s:b, s:I, s:I}", "target", a->target,
						"allow", (json_int_t)a->allow, "no_sysctl",
						(int)a->no_sysctl, "ns_dev", (json_int_t)a->ns_dev,
						"ns_ino", (json_int_t)a->ns_ino)))
			return pack_failed("target", a->target, "it is not UTF-8", err);
	}
	for (size_t i = 0; i < state->n_clsact; i++) {
		const struct fv_made_clsact *c = &state->clsact[i];

		if (json_array_append_new(clsact, json_pack("{s:s, s:i}", "port", c->port,
							    "ifindex", c->ifindex)))
			return pack_failed("device", c->port, "it is not UTF-8", err);
	}
	*ret_attached = FV_TAKE_PTR(attached);
	*ret_clsact = FV_TAKE_PTR(clsact);
	return 0;
}

int fv_state_pack(const struct fv_state *state, struct fv_err *err, struct json_t **ret)
{
	json_auto_t *nets = json_array(), *saved = json_array();
	json_auto_t *attached = NULL, *clsact = NULL, *uplinks = json_array();
	json_error_t why;
	int r;

	r = pack_attached(state, err, &attached, &clsact);
	if (r)
		return r;

	for (size_t i = 0; i < state->topo.n_nets; i++) {
		json_t *net = NULL;

		r = pack_net(&state->topo.nets[i], err, &net);
		if (r)
			return r;
		if (json_array_append_new(nets, net))
			return fv_err_oom(err);
	}
	for (size_t i = 0; i < state->n_uplinks; i++)
		if (json_array_append_new(uplinks, json_string(state->uplinks[i])))
			return pack_failed("uplink", state->uplinks[i], "it is not UTF-8", err);
	for (size_t i = 0; i < state->n_saved; i++) {
		const struct fv_saved *s = &state->saved[i];
		json_t *entry = json_pack_ex(&why, 0, "{s:s, s:s, s:s}", "path", s->path, "old",
					     s->old, "set", s->set);

		if (!entry)
			return pack_failed("setting", s->path, why.text, err);
		if (json_array_append_new(saved, entry))
			return fv_err_oom(err);
	}
	*ret = json_pack_ex(&why, 0, "{s:O, s:O, s:O, s:b, s:O, s:O, s:s*, s:b, s:b, s:b}",
			    "networks", nets, "attached", attached, "uplinks", uplinks,
			    "no_uplinks", (int)state->no_uplinks, "clsact", clsact, "saved", saved,
			    "nft", state->nft, "mounted_bpffs", (int)state->mounted_bpffs,
			    "made_etc_netns", (int)state->made_etc_netns, "made_run_netns",
			    (int)state->made_run_netns);
	return *ret ? 0 : pack_failed("nftables table", "inet fastveth", why.text, err);
}

/* false: out of memory. */
static bool copy(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return *ret || !from;
}

/* The text of a key; *ret is NULL where there is none. */
static int get(const json_t *object, const char *key, struct fv_err *err, const char **ret)
{
	const json_t *value = json_object_get(object, key);

	if (value && !json_is_string(value))
		return fv_err_set(err, -EINVAL, "\"%s\" is no text", key);
	*ret = json_string_value(value);
	return 0;
}

static int unpack_mac(const char *s, uint8_t ret[6], struct fv_err *err)
{
	if (!s || fv_mac_parse(s, ret))
		return fv_err_set(err, -EINVAL, "\"%s\" is no MAC", s ? s : "");
	return 0;
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

static int unpack_words(const char *name, const char *share, const char *target, struct fv_ep *ep,
			struct fv_err *err)
{
	int r = name ? fv_name_check("endpoint", name, err)
		     : fv_err_set(err, -EINVAL, "an endpoint has no name");

	if (!r && share)
		r = fv_name_check("endpoint", share, err);
	if (!r && target)
		r = fv_target_parse(target, ep, err);
	if (!r && (!copy(name, &ep->name) || !copy(share, &ep->share)))
		r = fv_err_oom(err);
	return r;
}

static int unpack_ep(const json_t *from, struct fv_err *err, struct fv_ep *ep)
{
	const char *name, *share, *target, *ifname, *ip4, *ip6, *port, *mac, *port_mac;
	const struct {
		const char *key, **value;
	} texts[] = { { "name", &name },     { "share", &share }, { "target", &target },
		      { "ifname", &ifname }, { "address", &ip4 }, { "address6", &ip6 },
		      { "port", &port },     { "mac", &mac },	  { "port_mac", &port_mac } };
	int r = 0;

	for (size_t i = 0; !r && i < FV_ARRAY_SIZE(texts); i++)
		r = get(from, texts[i].key, err, texts[i].value);
	if (!r)
		r = unpack_words(name, share, target, ep, err);
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
	if (r)
		return r;
	ep->ns_dev = (dev_t)json_integer_value(json_object_get(from, "ns_dev"));
	ep->ns_ino = (ino_t)json_integer_value(json_object_get(from, "ns_ino"));
	return unpack_publish(json_object_get(from, "publish"), ep, err);
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

	if (!json_array_size(list))
		return 0;
	state->saved = calloc(json_array_size(list), sizeof(*state->saved));
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

static int unpack_attached(const json_t *list, struct fv_err *err, struct fv_state *state)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *from = json_array_get(list, i);
		const char *target = json_string_value(json_object_get(from, "target"));
		json_int_t allow = json_integer_value(json_object_get(from, "allow"));
		struct fv_attached_to *at;
		int r;

		if (!target || allow < 0 || allow > FV_GATE_ALL)
			return fv_err_set(err, -EINVAL, "\"attached\": target or allow");
		r = fv_state_attach(state, target, (uint32_t)allow,
				    json_is_true(json_object_get(from, "no_sysctl")), err);
		if (r)
			return r;
		at = &state->attached[fv_state_attached(state, target)];
		at->ns_dev = (dev_t)json_integer_value(json_object_get(from, "ns_dev"));
		at->ns_ino = (ino_t)json_integer_value(json_object_get(from, "ns_ino"));
	}
	return 0;
}

static int unpack_clsact(const json_t *list, struct fv_err *err, struct fv_state *state)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *from = json_array_get(list, i);
		const char *port = json_string_value(json_object_get(from, "port"));
		json_int_t ifindex = json_integer_value(json_object_get(from, "ifindex"));
		int r;

		if (!port || ifindex <= 0 || ifindex > INT32_MAX)
			return fv_err_set(err, -EINVAL, "\"clsact\": port or ifindex");
		r = fv_ifname_check(port, err);
		r = r ?: fv_state_clsact_add(state, port, (int)ifindex, err);
		if (r)
			return r;
	}
	return 0;
}

static int unpack_uplinks(const json_t *list, bool none, struct fv_err *err, struct fv_state *state)
{
	size_t n = json_array_size(list);
	FV_AUTO_FREE const char **names = calloc(n + 1, sizeof(*names));

	if (!names)
		return fv_err_oom(err);
	if ((list && !json_is_array(list)) || (n && none))
		return fv_err_set(err, -EINVAL,
				  "\"uplinks\": no list, or one beside \"no_uplinks\"");
	for (size_t i = 0; i < n; i++) {
		names[i] = json_string_value(json_array_get(list, i));
		if (!names[i])
			return fv_err_set(err, -EINVAL, "\"uplinks\": no text");
		if (fv_ifname_check(names[i], err))
			return -EINVAL;
	}
	return fv_state_set_uplinks(state, names, n, none, err);
}

int fv_state_unpack(struct json_t *root, struct fv_err *err, struct fv_state *ret)
{
	int mounted_bpffs, made_etc_netns, made_run_netns, no_uplinks = 0, r = 0;
	const char *nft = NULL;
	json_t *nets, *saved, *from, *attached = NULL, *clsact = NULL, *uplinks = NULL;
	json_error_t why;
	size_t i;

	if (json_unpack_ex(root, &why, 0, "{s:o, s?o, s?o, s?b, s?o, s:o, s?s, s:b, s:b, s:b}",
			   "networks", &nets, "attached", &attached, "uplinks", &uplinks,
			   "no_uplinks", &no_uplinks, "clsact", &clsact, "saved", &saved, "nft",
			   &nft, "mounted_bpffs", &mounted_bpffs, "made_etc_netns", &made_etc_netns,
			   "made_run_netns", &made_run_netns))
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
	if (!r)
		r = unpack_attached(attached, err, ret);
	if (!r)
		r = unpack_uplinks(uplinks, no_uplinks, err, ret);
	if (!r)
		r = unpack_clsact(clsact, err, ret);
	return r ? r : unpack_saved(saved, err, ret);
}
