// SPDX-License-Identifier: GPL-2.0-only
/* The model of networks and endpoints: its memory, lookups, and the error that says where. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/topo.h"

void fv_ep_fini(struct fv_ep *ep)
{
	free(ep->name);
	free(ep->share);
	free(ep->target_arg);
	free(ep->publish);
	*ep = (struct fv_ep){ 0 };
}

void fv_net_fini(struct fv_net *net)
{
	for (size_t i = 0; i < net->n_eps; i++)
		fv_ep_fini(&net->eps[i]);
	free(net->eps);
	free(net->name);
	free(net->file);
	*net = (struct fv_net){ 0 };
}

void fv_topo_fini(struct fv_topo *topo)
{
	for (size_t i = 0; i < topo->n_nets; i++)
		fv_net_fini(&topo->nets[i]);
	free(topo->nets);
	*topo = (struct fv_topo){ 0 };
}

/* Room for one more: doubled whenever n reaches a power of two. NULL where that fails. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return reallocarray(array, n ? 2 * n : 1, size);
}

struct fv_net *fv_topo_append(struct fv_topo *topo)
{
	struct fv_net *nets = grow(topo->nets, topo->n_nets, sizeof(*nets));

	if (!nets)
		return NULL;
	topo->nets = nets;
	nets[topo->n_nets] = (struct fv_net){ 0 };
	return &nets[topo->n_nets++];
}

struct fv_ep *fv_net_append(struct fv_net *net)
{
	struct fv_ep *eps = grow(net->eps, net->n_eps, sizeof(*eps));

	if (!eps)
		return NULL;
	net->eps = eps;
	eps[net->n_eps] = (struct fv_ep){ 0 };
	return &eps[net->n_eps++];
}

void fv_topo_remove(struct fv_topo *topo, size_t i)
{
	fv_net_fini(&topo->nets[i]);
	topo->n_nets--;
	memmove(&topo->nets[i], &topo->nets[i + 1], (topo->n_nets - i) * sizeof(*topo->nets));
}

void fv_net_remove(struct fv_net *net, size_t i)
{
	fv_ep_fini(&net->eps[i]);
	net->n_eps--;
	memmove(&net->eps[i], &net->eps[i + 1], (net->n_eps - i) * sizeof(*net->eps));
}

/* false: out of memory. */
static bool copy_str(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return *ret || !from;
}

static bool copy_ep(const struct fv_ep *from, struct fv_ep *to)
{
	bool ok;

	*to = *from;
	to->publish = NULL;
	to->n_publish = 0;
	ok = copy_str(from->name, &to->name);
	ok = copy_str(from->share, &to->share) && ok;
	ok = copy_str(from->target_arg, &to->target_arg) && ok;
	if (!ok || !from->n_publish)
		return ok;
	to->publish = reallocarray(NULL, from->n_publish, sizeof(*to->publish));
	if (!to->publish)
		return false;
	memcpy(to->publish, from->publish, from->n_publish * sizeof(*to->publish));
	to->n_publish = from->n_publish;
	return true;
}

int fv_net_copy(const struct fv_net *net, struct fv_err *err, struct fv_net *ret)
{
	FV_CLEANUP(fv_net_fini) struct fv_net copy = *net;
	bool ok;

	copy.eps = NULL;
	copy.n_eps = 0;
	ok = copy_str(net->name, &copy.name);
	ok = copy_str(net->file, &copy.file) && ok;
	for (size_t i = 0; ok && i < net->n_eps; i++) {
		struct fv_ep *ep = fv_net_append(&copy);

		ok = ep && copy_ep(&net->eps[i], ep);
	}
	if (!ok)
		return fv_err_oom(err);
	*ret = copy;
	copy = (struct fv_net){ 0 };
	return 0;
}

struct fv_net *fv_topo_net(const struct fv_topo *topo, const char *name)
{
	for (size_t i = 0; i < topo->n_nets; i++)
		if (!strcmp(topo->nets[i].name, name))
			return &topo->nets[i];
	return NULL;
}

struct fv_ep *fv_net_ep(const struct fv_net *net, const char *name)
{
	for (size_t i = 0; i < net->n_eps; i++)
		if (!strcmp(net->eps[i].name, name))
			return &net->eps[i];
	return NULL;
}

struct fv_ep *fv_topo_ep(const struct fv_topo *topo, const char *name, struct fv_net **ret_net)
{
	for (size_t i = 0; i < topo->n_nets; i++) {
		struct fv_ep *ep = fv_net_ep(&topo->nets[i], name);

		if (!ep)
			continue;
		if (ret_net)
			*ret_net = &topo->nets[i];
		return ep;
	}
	return NULL;
}

static int compare_refs(const void *l, const void *r)
{
	const struct fv_ep_ref *a = l, *b = r;
	int order = strcmp(a->ep->name, b->ep->name);

	if (order)
		return order;
	if (a->net != b->net)
		return a->net < b->net ? -1 : 1;
	return a->ep < b->ep ? -1 : a->ep > b->ep;
}

int fv_topo_index_init(const struct fv_topo *topo, struct fv_err *err, struct fv_topo_index *ret)
{
	struct fv_topo_index index = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < topo->n_nets; i++)
		n += topo->nets[i].n_eps;
	index.refs = reallocarray(NULL, n ? n : 1, sizeof(*index.refs));
	if (!index.refs)
		return fv_err_oom(err);
	for (size_t i = 0; i < topo->n_nets; i++)
		for (size_t j = 0; j < topo->nets[i].n_eps; j++)
			index.refs[index.n++] =
				(struct fv_ep_ref){ &topo->nets[i], &topo->nets[i].eps[j] };
	qsort(index.refs, index.n, sizeof(*index.refs), compare_refs);
	*ret = index;
	return 0;
}

void fv_topo_index_fini(struct fv_topo_index *index)
{
	free(index->refs);
	*index = (struct fv_topo_index){ 0 };
}

static int compare_name(const void *name, const void *ref)
{
	return strcmp(name, ((const struct fv_ep_ref *)ref)->ep->name);
}

struct fv_ep *fv_topo_index_ep(const struct fv_topo_index *index, const char *name,
			       struct fv_net **ret_net)
{
	const struct fv_ep_ref *ref =
		bsearch(name, index->refs, index->n, sizeof(*index->refs), compare_name);

	if (!ref)
		return NULL;
	if (ret_net)
		*ret_net = ref->net;
	return ref->ep;
}

int fv_topo_err(const struct fv_net *net, const struct fv_ep *ep, struct fv_err *err, int code,
		const char *fmt, ...)
{
	unsigned int line = ep ? ep->line : net->line, column = ep ? ep->column : net->column;
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (!line)
		return fv_err_set(err, code, "%s", msg);
	return fv_err_set(err, code, "%s%s%u:%u: %s", net->file ? net->file : "",
			  net->file ? ":" : "", line, column, msg);
}

int fv_topo_copy(const struct fv_topo *from, struct fv_err *err, struct fv_topo *ret)
{
	for (size_t i = 0; i < from->n_nets; i++) {
		struct fv_net *net = fv_topo_append(ret);
		int r = net ? fv_net_copy(&from->nets[i], err, net) : fv_err_oom(err);

		if (r)
			return r;
	}
	return 0;
}
