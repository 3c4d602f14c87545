// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs that change something: each makes a topology as it shall be out of the
 * saved one and what the user said, and hands it to a run.
 */
#include "fastveth/fastveth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/yaml.h"
#include "guest.h"
#include "run.h"

#define DEFAULT_MTU 1500

int fv_check_privilege(struct fv_err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
	};
	FV_AUTO_FILE FILE *f = fopen("/proc/self/status", "re");
	unsigned long long have = 0;
	char line[256];

	if (!f)
		return fv_err_set(err, -errno, "/proc/self/status: %s (is /proc mounted?)",
				  strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &have) == 1)
			break;
	for (size_t i = 0; i < FV_ARRAY_SIZE(needed); i++)
		if (!(have & (1ULL << needed[i].cap)))
			return fv_err_set(err, -EPERM,
					  "missing capability %s: run as root (sudo fastveth "
					  "...)",
					  needed[i].name);
	return 0;
}

/* Devices of others keep their names: ours gets one with a hash. */
static int free_port_names(const struct fv_run *run, struct fv_topo *topo, struct fv_err *err)
{
	for (size_t i = 0; i < topo->n_nets; i++) {
		struct fv_net *net = &topo->nets[i];

		for (size_t k = 0; k < net->n_eps; k++) {
			struct fv_ep *ep = &net->eps[k];
			const struct fv_link *link =
				ep->share ? NULL : fv_host_link(&run->host, ep->port);
			unsigned int salt = 0;

			while (link && !fv_link_is_ours(link, net->name, ep->name)) {
				if (++salt > 16)
					return fv_topo_err(
						net, ep, err, -EEXIST,
						"endpoint \"%s\": a device named %s exists "
						"and is not ours: remove it, or choose another "
						"name",
						ep->name, link->name);
				fv_port_name(net->name, ep->name, salt, ep->port);
				link = fv_host_link(&run->host, ep->port);
			}
		}
	}
	return 0;
}

/* Check and complete a topology, with the host's part of it: MTU and device names. */
static int complete(struct fv_run *run, struct fv_topo *want, struct fv_err *err)
{
	const struct fv_link *uplink = fv_host_uplink(&run->host);
	int r;

	r = fv_topo_check(want, err);
	if (r)
		return r;
	for (size_t i = 0; i < want->n_nets; i++)
		if (!want->nets[i].mtu)
			want->nets[i].mtu = uplink ? uplink->mtu : DEFAULT_MTU;
	r = fv_topo_resolve(want, &run->state.topo, err);
	return r ?: free_port_names(run, want, err);
}

int fv_up(const struct fv_options *opts, const char *file, const struct fv_uplink_choice *uplinks,
	  bool dry, struct fv_err *err, struct fv_actions *ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo wanted = {}, all = {};
	struct fv_scope scope = { .nets = &wanted };
	struct fv_run run;
	int r;

	r = fv_yaml_load(file, err, &wanted);
	r = r ?: fv_topo_check(&wanted, err);
	if (r)
		return r;
	r = fv_run_open(&run, opts, dry, err, ret);
	if (r)
		return r;
	run.rejudge = true;
	r = fv_run_set_uplinks(&run, uplinks, err);
	/* In the order of before, or the rules would be the same in another order. */
	for (size_t i = 0; i < run.state.topo.n_nets && !r; i++) {
		struct fv_net *old = &run.state.topo.nets[i];
		struct fv_topo one = { .nets = fv_topo_net(&wanted, old->name) ?: old,
				       .n_nets = 1 };

		r = fv_topo_copy(&one, err, &all);
	}
	for (size_t i = 0; i < wanted.n_nets && !r; i++) {
		struct fv_topo one = { .nets = &wanted.nets[i], .n_nets = 1 };

		if (!fv_topo_net(&run.state.topo, wanted.nets[i].name))
			r = fv_topo_copy(&one, err, &all);
	}
	r = r ?: complete(&run, &all, err);
	r = r ?: fv_run_converge(&run, &all, &scope, err);
	fv_run_close(&run);
	return r;
}

int fv_file_networks(const char *file, struct fv_err *err, char ***ret, size_t *ret_n)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo topo = {};
	char **names;
	int r;

	r = fv_yaml_load(file, err, &topo);
	if (r)
		return r;
	names = calloc(topo.n_nets + 1, sizeof(*names));
	if (!names)
		return fv_err_oom(err);
	for (size_t i = 0; i < topo.n_nets; i++)
		names[i] = FV_TAKE_PTR(topo.nets[i].name);
	*ret = names;
	*ret_n = topo.n_nets;
	return 0;
}

static bool named(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return !n;
}

int fv_down(const struct fv_options *opts, const char *const *networks, size_t n, bool missing_ok,
	    struct fv_err *err, struct fv_actions *ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo keep = {};
	struct fv_scope scope = {};
	struct fv_run run;
	int r;

	r = fv_run_open(&run, opts, false, err, ret);
	if (r)
		return r;
	for (size_t i = 0; i < n && !r && !missing_ok; i++)
		if (!fv_topo_net(&run.state.topo, networks[i]))
			r = fv_err_set(err, -ENOENT,
				       "network \"%s\": there is none of that name (fastveth "
				       "list shows them)",
				       networks[i]);
	for (size_t i = 0; i < run.state.topo.n_nets && !r; i++) {
		struct fv_topo one = { .nets = &run.state.topo.nets[i], .n_nets = 1 };

		if (!named(one.nets->name, networks, n))
			r = fv_topo_copy(&one, err, &keep);
	}
	/* What stays may share a namespace that goes. */
	r = r ?: fv_topo_check(&keep, err);
	r = r ?: fv_run_converge(&run, &keep, &scope, err);
	fv_run_close(&run);
	return r;
}

/* A network that `add` makes: around the endpoint's addresses where no subnet is given. */
static int new_net(struct fv_topo *want, const struct fv_net *given, const struct fv_ep *ep,
		   struct fv_err *err, struct fv_net **ret)
{
	struct fv_net *net;
	int r;

	if (!given->subnet4.ip.family && !given->subnet6.ip.family && !ep->ip4.family &&
	    !ep->ip6.family)
		return fv_err_set(
			err, -ENOENT,
			"network \"%s\": there is none of that name; to make it, give --subnet, or "
			"--address for the /24 around it",
			given->name);
	net = fv_topo_append(want);
	if (!net)
		return fv_err_oom(err);
	r = fv_net_copy(given, err, net);
	if (r)
		return r;
	if (!net->subnet4.ip.family && ep->ip4.family) {
		const struct fv_prefix p = { ep->ip4, 24 };

		net->subnet4 = fv_prefix_base(&p);
	}
	if (!net->subnet6.ip.family && ep->ip6.family) {
		const struct fv_prefix p = { ep->ip6, 64 };

		net->subnet6 = fv_prefix_base(&p);
	}
	fv_prefix_host(&net->subnet4, 1, &net->gw4);
	fv_prefix_host(&net->subnet6, 1, &net->gw6);
	*ret = net;
	return 0;
}

/* Said again: the same endpoint is looked after, another of that name is refused. */
static int check_again(const struct fv_ep *old, const struct fv_ep *ep, struct fv_err *err)
{
	if (old->target == ep->target && !strcmp(old->target_arg ?: "", ep->target_arg ?: "") &&
	    (!ep->ip4.family || fv_ip_equal(&old->ip4, &ep->ip4)) &&
	    (!ep->ip6.family || fv_ip_equal(&old->ip6, &ep->ip6)) &&
	    (!*ep->ifname || !strcmp(old->ifname, ep->ifname)))
		return 0;
	return fv_err_set(
		err, -EEXIST,
		"endpoint \"%s\" exists with another target, address or interface: remove it "
		"first (fastveth del %s), or choose another name",
		ep->name, ep->name);
}

int fv_add(const struct fv_options *opts, const struct fv_net *net, const struct fv_ep *ep,
	   struct fv_err *err, struct fv_actions *ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo want = {};
	struct fv_scope scope = { .endpoint = ep->name };
	struct fv_net *in, *old_net = NULL;
	const struct fv_ep *old;
	struct fv_run run;
	int r;

	r = fv_name_check("network", net->name, err) ?: fv_name_check("endpoint", ep->name, err);
	if (r)
		return r;
	r = fv_run_open(&run, opts, false, err, ret);
	if (r)
		return r;
	r = fv_topo_copy(&run.state.topo, err, &want);
	in = fv_topo_net(&want, net->name);
	old = fv_topo_ep(&run.state.topo, ep->name, &old_net);
	if (!r && old && strcmp(old_net->name, net->name))
		r = fv_err_set(err, -EEXIST, "endpoint \"%s\" exists in network \"%s\"", ep->name,
			       old_net->name);
	else if (!r && old)
		r = check_again(old, ep, err);
	if (!r && !in)
		r = new_net(&want, net, ep, err, &in);
	if (!r && !old) {
		struct fv_net one = { .name = in->name, .eps = (struct fv_ep *)ep, .n_eps = 1 };
		struct fv_net copy = {};
		struct fv_ep *new_ep = fv_net_append(in);

		r = new_ep ? fv_net_copy(&one, err, &copy) : fv_err_oom(err);
		if (!r) {
			*new_ep = copy.eps[0];
			memset(&copy.eps[0], 0, sizeof(copy.eps[0]));
		}
		fv_net_fini(&copy);
	}
	r = r ?: complete(&run, &want, err);
	r = r ?: fv_run_converge(&run, &want, &scope, err);
	fv_run_close(&run);
	return r;
}

int fv_del(const struct fv_options *opts, const char *name, struct fv_err *err,
	   struct fv_actions *ret)
{
	FV_CLEANUP(fv_topo_fini) struct fv_topo want = {};
	struct fv_scope scope = { .endpoint = name };
	struct fv_net *net;
	struct fv_ep *ep;
	struct fv_run run;
	int r;

	r = fv_run_open(&run, opts, false, err, ret);
	if (r)
		return r;
	r = fv_topo_copy(&run.state.topo, err, &want);
	ep = r ? NULL : fv_topo_ep(&want, name, &net);
	if (!r && !ep)
		r = fv_err_set(err, -ENOENT,
			       "endpoint \"%s\": there is none of that name (fastveth list "
			       "shows them)",
			       name);
	for (size_t i = 0; i < want.n_nets && !r; i++)
		for (size_t k = 0; k < want.nets[i].n_eps && !r; k++)
			if (want.nets[i].eps[k].share && !strcmp(want.nets[i].eps[k].share, name))
				r = fv_err_set(err, -EBUSY,
					       "endpoint \"%s\": \"%s\" is a second name for "
					       "it: remove that first",
					       name, want.nets[i].eps[k].name);
	if (!r) {
		fv_net_remove(net, ep - net->eps);
		/* A network is its endpoints: without any there is nothing to keep. */
		if (!net->n_eps)
			fv_topo_remove(&want, net - want.nets);
	}
	r = r ?: fv_run_converge(&run, &want, &scope, err);
	fv_run_close(&run);
	return r;
}

int fv_exec(const char *name, char *const argv[], struct fv_err *err)
{
	FV_CLEANUP(fv_state_fini) struct fv_state state = {};
	FV_AUTO_FD int fd = -1;
	const struct fv_ep *ep;
	int r;

	r = fv_check_privilege(err);
	r = r ?: fv_state_load(err, &state);
	if (r)
		return r;
	ep = fv_topo_ep(&state.topo, name, NULL);
	if (!ep)
		return fv_err_set(err, -ENOENT,
				  "endpoint \"%s\": there is none of that name (fastveth "
				  "list shows them)",
				  name);
	r = fv_ep_open_ns(ep, err, &fd);
	if (r)
		return fv_err_set(err, r, "endpoint \"%s\": its namespace is gone", name);
	return fv_netns_exec(fd, name, argv, err);
}
