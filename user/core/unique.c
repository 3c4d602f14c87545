// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not be twice in a topology: names, addresses, published ports. Found
 * by sorting: a file may hold tens of thousands of endpoints.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/priv.h"

/* An address or subnet, and whose it is. */
struct owned {
	struct fv_prefix prefix;
	const struct fv_net *net;
	const struct fv_ep *ep;
};

/* Ports of one host address, or of every one of its family. */
struct ports {
	struct fv_ip ip;
	bool every;
	uint8_t proto;
	uint32_t first, last;
	const struct fv_publish *publish;
	const struct fv_net *net;
	const struct fv_ep *ep;
};

/* " (file:line:column)" of the object met first, "" where it has none. */
static const char *where(const struct fv_net *net, const struct fv_ep *ep, char buf[256])
{
	unsigned int line = ep ? ep->line : net->line;

	*buf = '\0';
	if (line)
		snprintf(buf, 256, " (%s%s%u:%u)", net->file ? net->file : "", net->file ? ":" : "",
			 line, ep ? ep->column : net->column);
	return buf;
}

static int compare_owned(const void *l, const void *r)
{
	const struct owned *a = l, *b = r;
	int order = memcmp(a->prefix.ip.b, b->prefix.ip.b, sizeof(a->prefix.ip.b));

	if (a->prefix.ip.family != b->prefix.ip.family)
		return a->prefix.ip.family - b->prefix.ip.family;
	if (order)
		return order;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len < b->prefix.len ? -1 : 1;
	if (a->net != b->net)
		return a->net < b->net ? -1 : 1;
	return a->ep < b->ep ? -1 : a->ep > b->ep;
}

static int compare_net_names(const void *l, const void *r)
{
	const struct fv_net *const *a = l, *const *b = r;
	int order = strcmp((*a)->name, (*b)->name);

	return order ? order : *a < *b ? -1 : *a > *b;
}

static int check_net_names(const struct fv_topo *topo, struct fv_err *err)
{
	FV_AUTO_FREE const struct fv_net **nets =
		reallocarray(NULL, topo->n_nets + 1, sizeof(*nets));
	char buf[256];

	if (!nets)
		return fv_err_oom(err);
	for (size_t i = 0; i < topo->n_nets; i++)
		nets[i] = &topo->nets[i];
	qsort(nets, topo->n_nets, sizeof(*nets), compare_net_names);
	for (size_t i = 1; i < topo->n_nets; i++)
		if (!strcmp(nets[i - 1]->name, nets[i]->name))
			return fv_topo_err(nets[i], NULL, err, -EEXIST,
					   "network \"%s\" is defined twice%s", nets[i]->name,
					   where(nets[i - 1], NULL, buf));
	return 0;
}

/* Prefixes nest or are apart, so in their order an overlap shows between neighbours. */
static int check_overlap(const struct fv_topo *topo, struct fv_err *err)
{
	FV_AUTO_FREE struct owned *subnets =
		reallocarray(NULL, 2 * topo->n_nets + 1, sizeof(*subnets));
	char a[FV_IP_STRLEN], b[FV_IP_STRLEN], buf[256];
	size_t n = 0;

	if (!subnets)
		return fv_err_oom(err);
	for (size_t i = 0; i < topo->n_nets; i++) {
		const struct fv_net *net = &topo->nets[i];

		if (net->subnet4.ip.family)
			subnets[n++] = (struct owned){ net->subnet4, net, NULL };
		if (net->subnet6.ip.family)
			subnets[n++] = (struct owned){ net->subnet6, net, NULL };
	}
	qsort(subnets, n, sizeof(*subnets), compare_owned);
	for (size_t i = 1; i < n; i++) {
		const struct owned *x = &subnets[i - 1], *y = &subnets[i], *swap = x;

		if (!fv_prefix_overlap(&x->prefix, &y->prefix))
			continue;
		if (y->net < x->net) {
			x = y;
			y = swap;
		}
		return fv_topo_err(
			y->net, NULL, err, -EINVAL,
			"network \"%s\": subnet %s overlaps subnet %s of network \"%s\"%s",
			y->net->name, fv_prefix_str(&y->prefix, a), fv_prefix_str(&x->prefix, b),
			x->net->name, where(x->net, NULL, buf));
	}
	return 0;
}

static int check_ep_names(const struct fv_topo_index *index, struct fv_err *err)
{
	char buf[256];

	for (size_t i = 1; i < index->n; i++) {
		const struct fv_ep_ref *a = &index->refs[i - 1], *b = &index->refs[i];

		if (strcmp(a->ep->name, b->ep->name))
			continue;
		if (a->net == b->net)
			return fv_topo_err(b->net, b->ep, err, -EEXIST,
					   "endpoint \"%s\" is defined twice in network \"%s\"%s",
					   b->ep->name, b->net->name, where(a->net, a->ep, buf));
		return fv_topo_err(
			b->net, b->ep, err, -EEXIST,
			"endpoint \"%s\" of network \"%s\" is also one of network \"%s\"%s; "
			"endpoint names are unique over all networks",
			b->ep->name, b->net->name, a->net->name, where(a->net, a->ep, buf));
	}
	return 0;
}

static int check_addresses_once(const struct fv_topo_index *index, struct fv_err *err)
{
	FV_AUTO_FREE struct owned *owned = reallocarray(NULL, 2 * index->n + 1, sizeof(*owned));
	char a[FV_IP_STRLEN], buf[256];
	size_t n = 0;

	if (!owned)
		return fv_err_oom(err);
	for (size_t i = 0; i < index->n; i++) {
		const struct fv_ep_ref *ref = &index->refs[i];

		if (ref->ep->ip4.family)
			owned[n++] = (struct owned){ { ref->ep->ip4, 0 }, ref->net, ref->ep };
		if (ref->ep->ip6.family)
			owned[n++] = (struct owned){ { ref->ep->ip6, 0 }, ref->net, ref->ep };
	}
	qsort(owned, n, sizeof(*owned), compare_owned);
	for (size_t i = 1; i < n; i++) {
		const struct owned *x = &owned[i - 1], *y = &owned[i];

		if (fv_ip_equal(&x->prefix.ip, &y->prefix.ip))
			return fv_topo_err(
				y->net, y->ep, err, -EEXIST,
				"endpoint \"%s\": address %s is already that of endpoint "
				"\"%s\"%s",
				y->ep->name, fv_ip_str(&y->prefix.ip, a), x->ep->name,
				where(x->net, x->ep, buf));
	}
	return 0;
}

static int compare_ports(const void *l, const void *r)
{
	const struct ports *a = l, *b = r;

	if (a->proto != b->proto)
		return a->proto - b->proto;
	if (a->ip.family != b->ip.family)
		return a->ip.family - b->ip.family;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->net != b->net)
		return a->net < b->net ? -1 : 1;
	return a->ep != b->ep ? (a->ep < b->ep ? -1 : 1) : a->publish < b->publish ? -1 : 1;
}

static int compare_ports_by_ip(const void *l, const void *r)
{
	const struct ports *a = l, *b = r;
	int order = memcmp(a->ip.b, b->ip.b, sizeof(a->ip.b));

	if (a->every != b->every)
		return a->every - b->every;
	return order ? order : compare_ports(l, r);
}

static int report_ports(const struct ports *x, const struct ports *y, struct fv_err *err)
{
	const struct ports *swap = x;
	char a[128], b[128], buf[256];

	if (y->net < x->net || (y->net == x->net && y->ep < x->ep)) {
		x = y;
		y = swap;
	}
	return fv_topo_err(y->net, y->ep, err, -EEXIST,
			   "endpoint \"%s\": published port \"%s\" meets \"%s\" of endpoint "
			   "\"%s\"%s; take another port of the host",
			   y->ep->name, fv_publish_str(y->publish, a),
			   fv_publish_str(x->publish, b), x->ep->name, where(x->net, x->ep, buf));
}

/* One record for each family that the endpoint has and the port is published for. */
static size_t add_ports(const struct fv_ep_ref *ref, const struct fv_publish *p, struct ports *to)
{
	static const uint8_t zero[sizeof(p->host_ip.b)];
	size_t n = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		const struct fv_prefix *subnet = v6 ? &ref->net->subnet6 : &ref->net->subnet4;
		int family = v6 ? AF_INET6 : AF_INET;

		if (!subnet->ip.family || (p->host_ip.family && p->host_ip.family != family))
			continue;
		to[n] = (struct ports){ .ip = p->host_ip,
					.every = !memcmp(p->host_ip.b, zero, sizeof(zero)),
					.proto = p->proto,
					.first = p->host_port,
					.last = p->host_port + p->count - 1U,
					.publish = p,
					.net = ref->net,
					.ep = ref->ep };
		to[n++].ip.family = family;
	}
	return n;
}

static bool meets(const struct ports *a, const struct ports *b)
{
	return a->proto == b->proto && a->ip.family == b->ip.family && a->first <= b->last &&
	       b->first <= a->last;
}

/*
 * Twice over records in order: first those of the same address, then those of
 * one address against those of every address. Within an order the last end so
 * far is enough to compare with.
 */
static int check_ports(const struct fv_topo_index *index, struct fv_err *err)
{
	FV_AUTO_FREE struct ports *all = NULL;
	const struct ports *reach[2] = { NULL, NULL };
	size_t n = 0;

	for (size_t i = 0; i < index->n; i++)
		n += 2 * index->refs[i].ep->n_publish;
	all = reallocarray(NULL, n + 1, sizeof(*all));
	if (!all)
		return fv_err_oom(err);
	n = 0;
	for (size_t i = 0; i < index->n; i++)
		for (size_t j = 0; j < index->refs[i].ep->n_publish; j++)
			n += add_ports(&index->refs[i], &index->refs[i].ep->publish[j], &all[n]);

	qsort(all, n, sizeof(*all), compare_ports_by_ip);
	for (size_t i = 1; i < n; i++)
		if (meets(&all[i - 1], &all[i]) && fv_ip_equal(&all[i - 1].ip, &all[i].ip))
			return report_ports(&all[i - 1], &all[i], err);

	qsort(all, n, sizeof(*all), compare_ports);
	for (size_t i = 0; i < n; i++) {
		const struct ports *other = reach[!all[i].every], **own = &reach[all[i].every];

		if (other && meets(other, &all[i]))
			return report_ports(other, &all[i], err);
		if (!*own || (*own)->proto != all[i].proto ||
		    (*own)->ip.family != all[i].ip.family || (*own)->last < all[i].last)
			*own = &all[i];
	}
	return 0;
}

int fv_topo_check_names(const struct fv_topo *topo, const struct fv_topo_index *index,
			struct fv_err *err)
{
	int r = check_net_names(topo, err);

	return r ? r : check_ep_names(index, err);
}

int fv_topo_check_unique(const struct fv_topo *topo, const struct fv_topo_index *index,
			 struct fv_err *err)
{
	int r = fv_topo_check_names(topo, index, err);

	if (!r)
		r = check_overlap(topo, err);
	if (!r)
		r = check_addresses_once(index, err);
	return r ? r : check_ports(index, err);
}
