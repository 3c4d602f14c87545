// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the document that libyaml read to a topology: which keys there are, what
 * their values look like. Each complaint names the place in the file. What the
 * values mean together is not looked at here: fv_topo_check does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <yaml.h>

#include "core/cleanup.h"
#include "core/priv.h"

/*
 * An alias costs one line and may stand for a large part of the file: what is
 * walked through is limited, not only what is written.
 */
#define VALUES_MAX 2000000
#define KEYS_MAX 6
#define PLACE_SIZE (FV_NAME_MAX + 32)

struct input {
	const char *path; /* for messages */
	yaml_document_t *doc;
	struct fv_err *err;
	unsigned long values;
};

/* A key and how to read its value into an object (fv_topo, fv_net or fv_ep). */
struct field {
	const char *key;
	int (*parse)(struct input *in, const struct field *field, const char *place,
		     const yaml_node_t *value, void *object);
	size_t offset; /* in the object, where parse serves more than one key */
	int family;    /* of an address or subnet */
};

/* Puts PATH:LINE:COLUMN before the recorded message. Marks count from 0. */
static int locate(struct input *in, yaml_mark_t mark, int code)
{
	fv_err_add(in->err, "%s:%zu:%zu", in->path, mark.line + 1, mark.column + 1);
	return code;
}

#define refuse(in, node, ...)                                                                      \
	locate(in, (node)->start_mark, fv_err_set((in)->err, -EINVAL, __VA_ARGS__))

static const char *type_name(const yaml_node_t *node)
{
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	return node->type == YAML_SEQUENCE_NODE ? "a list" : "a single value";
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool is_null(const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < FV_ARRAY_SIZE(nulls); i++)
		if (!strcmp(text_of(node), nulls[i]))
			return true;
	return false;
}

/* Every node is fetched through here. */
static int visit(struct input *in, int index, const yaml_node_t **ret)
{
	const yaml_node_t *node = yaml_document_get_node(in->doc, index);
	const char *tag = (const char *)node->tag, *plain = YAML_STR_TAG;

	if (node->type != YAML_SCALAR_NODE)
		plain = node->type == YAML_MAPPING_NODE ? YAML_MAP_TAG : YAML_SEQ_TAG;
	if (++in->values > VALUES_MAX)
		return refuse(in, node, "more than %d values, counting what aliases repeat",
			      VALUES_MAX);
	if (strcmp(tag, plain))
		return refuse(in, node, "tag \"%s\" is not supported; write the value without it",
			      tag);
	if (node->type == YAML_SCALAR_NODE && strlen(text_of(node)) != node->data.scalar.length)
		return refuse(in, node, "\"%s\" is followed by a NUL byte", text_of(node));
	*ret = node;
	return 0;
}

/* The text of a key. */
static int visit_key(struct input *in, int index, const char *place, const yaml_node_t **ret)
{
	int r = visit(in, index, ret);

	if (!r && (*ret)->type != YAML_SCALAR_NODE)
		r = refuse(in, *ret, "a key in %s is %s; only text is allowed", place,
			   type_name(*ret));
	return r;
}

/* The text of a value that must be a single one. */
static int scalar(struct input *in, const struct field *field, const char *place,
		  const yaml_node_t *value, const char **ret)
{
	if (value->type != YAML_SCALAR_NODE)
		return refuse(in, value, "\"%s\" of %s must be a single value, not %s", field->key,
			      place, type_name(value));
	if (is_null(value))
		return refuse(in, value, "\"%s\" of %s has no value", field->key, place);
	*ret = text_of(value);
	return 0;
}

static int parse_subnet(struct input *in, const struct field *field, const char *place,
			const yaml_node_t *value, void *object)
{
	struct fv_prefix *to = (void *)((char *)object + field->offset), base;
	const char *text = "", *example = field->family == AF_INET ? "10.77.0.0/24" : "fd77::/64";
	char buf[FV_IP_STRLEN];
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	if (fv_prefix_parse(text, to))
		return refuse(in, value, "\"%s\" of %s: \"%s\" is no prefix; write it as %s",
			      field->key, place, text, example);
	if (to->ip.family != field->family)
		return refuse(in, value,
			      "\"%s\" of %s: \"%s\" is %s; it belongs under "
			      "\"%s\"",
			      field->key, place, text, field->family == AF_INET ? "IPv6" : "IPv4",
			      field->family == AF_INET ? "subnet6" : "subnet");
	base = fv_prefix_base(to);
	if (!fv_ip_equal(&base.ip, &to->ip))
		return refuse(in, value,
			      "\"%s\" of %s: \"%s\" is an address inside a subnet; the "
			      "subnet is %s",
			      field->key, place, text, fv_prefix_str(&base, buf));
	return 0;
}

static int parse_address(struct input *in, const struct field *field, const char *place,
			 const yaml_node_t *value, void *object)
{
	struct fv_ip *to = (void *)((char *)object + field->offset);
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	if (fv_ip_parse(text, to))
		return refuse(in, value, "\"%s\" of %s: \"%s\" is no IP address%s", field->key,
			      place, text,
			      strchr(text, '/') ? "; leave the prefix length away" : "");
	if (to->family != field->family)
		return refuse(in, value,
			      "\"%s\" of %s: %s is IPv%c; it belongs under "
			      "\"%s\"",
			      field->key, place, text, field->family == AF_INET ? '6' : '4',
			      field->family == AF_INET ? "address6" : "address");
	return 0;
}

static int parse_mtu(struct input *in, const struct field *field, const char *place,
		     const yaml_node_t *value, void *object)
{
	struct fv_net *net = object;
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	/* Six digits: enough to be told by fv_topo_check that it is too large. */
	if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 6)
		return refuse(in, value, "\"mtu\" of %s: \"%s\" is no number of bytes", place,
			      text);
	net->mtu = (uint32_t)strtoul(text, NULL, 10);
	if (!net->mtu)
		return refuse(in, value, "\"mtu\" of %s is 0; leave it out for the uplink's",
			      place);
	return 0;
}

static int parse_hook(struct input *in, const struct field *field, const char *place,
		      const yaml_node_t *value, void *object)
{
	struct fv_net *net = object;
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	if (strcmp(text, "tc") && strcmp(text, "xdp"))
		return refuse(in, value, "\"hook\" of %s: \"%s\" is neither tc nor xdp", place,
			      text);
	net->hook = strcmp(text, "tc") ? FV_HOOK_XDP : FV_HOOK_TC;
	return 0;
}

static int parse_internal(struct input *in, const struct field *field, const char *place,
			  const yaml_node_t *value, void *object)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" },
						{ "off", "on" },     { "False", "True" },
						{ "No", "Yes" },     { "Off", "On" },
						{ "FALSE", "TRUE" }, { "NO", "YES" },
						{ "OFF", "ON" } };
	struct fv_net *net = object;
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	for (size_t i = 0; i < 2 * FV_ARRAY_SIZE(words); i++)
		if (!strcmp(text, words[i / 2][i % 2])) {
			net->internal = i % 2;
			return 0;
		}
	return refuse(in, value, "\"%s\" of %s: \"%s\" is neither true nor false", field->key,
		      place, text);
}

static int parse_share(struct input *in, const struct field *field, const char *place,
		       const yaml_node_t *value, void *object)
{
	struct fv_ep *ep = object;
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	r = fv_name_check("shared namespace's", text, in->err);
	if (r)
		return locate(in, value->start_mark, r);
	ep->share = strdup(text);
	return ep->share ? 0 : fv_err_oom(in->err);
}

static int parse_ifname(struct input *in, const struct field *field, const char *place,
			const yaml_node_t *value, void *object)
{
	struct fv_ep *ep = object;
	const char *text = "";
	int r = scalar(in, field, place, value, &text);

	if (r)
		return r;
	r = fv_ifname_check(text, in->err);
	if (r)
		return locate(in, value->start_mark, r);
	strcpy(ep->ifname, text);
	return 0;
}

static int parse_publish(struct input *in, const struct field *field, const char *place,
			 const yaml_node_t *value, void *object)
{
	const yaml_node_item_t *first, *end;
	struct fv_ep *ep = object;

	if (value->type != YAML_SEQUENCE_NODE)
		return refuse(in, value,
			      "\"publish\" of %s must be a list, as [\"8080:80/tcp\"], "
			      "not %s",
			      place, type_name(value));
	first = value->data.sequence.items.start;
	end = value->data.sequence.items.top;
	ep->publish = reallocarray(NULL, (size_t)(end - first) + 1, sizeof(*ep->publish));
	if (!ep->publish)
		return fv_err_oom(in->err);
	for (const yaml_node_item_t *item = first; item < end; item++) {
		const yaml_node_t *node;
		const char *text = "";
		int r = visit(in, *item, &node);

		if (!r)
			r = scalar(in, field, place, node, &text);
		if (r)
			return r;
		r = fv_publish_parse(text, in->err, &ep->publish[ep->n_publish]);
		if (r)
			return locate(in, node->start_mark, r);
		ep->n_publish++;
	}
	return 0;
}

static int unknown_key(struct input *in, const yaml_node_t *key, const char *place,
		       const struct field *fields, size_t n)
{
	char known[128] = "", hint[64] = "";
	size_t best = 3, at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t d = fv_word_distance(text_of(key), fields[i].key);

		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
				       fields[i].key);
		if (d >= best)
			continue;
		best = d;
		snprintf(hint, sizeof(hint), "; did you mean \"%s\"?", fields[i].key);
	}
	return refuse(in, key, "unknown key \"%s\" in %s; known keys: %s%s", text_of(key), place,
		      known, hint);
}

/* A mapping whose keys are fields. */
static int walk_fields(struct input *in, const yaml_node_t *node, const char *place,
		       const struct field *fields, size_t n, void *object)
{
	size_t first[KEYS_MAX] = { 0 };
	int r = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(in, node, "%s must be a mapping of keys to values, not %s", place,
			      type_name(node));
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     !r && pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key, *value;
		size_t i = 0;

		r = visit_key(in, pair->key, place, &key);
		if (r)
			return r;
		while (i < n && strcmp(fields[i].key, text_of(key)))
			i++;
		if (i == n)
			return unknown_key(in, key, place, fields, n);
		if (first[i])
			return refuse(in, key,
				      "key \"%s\" is twice in %s; the first is in line %zu",
				      fields[i].key, place, first[i]);
		first[i] = key->start_mark.line + 1;
		r = visit(in, pair->value, &value);
		if (!r)
			r = fields[i].parse(in, &fields[i], place, value, object);
	}
	return r;
}

/* Sorted as messages name them. */
static const struct field ns_fields[] = {
	{ "address", parse_address, offsetof(struct fv_ep, ip4), AF_INET },
	{ "address6", parse_address, offsetof(struct fv_ep, ip6), AF_INET6 },
	{ "ifname", parse_ifname, 0, 0 },
	{ "publish", parse_publish, 0, 0 },
	{ "share", parse_share, 0, 0 },
};

static int walk_ns(struct input *in, const yaml_node_t *key, const yaml_node_t *value,
		   struct fv_net *net)
{
	struct fv_ep *ep = fv_net_append(net);
	char place[PLACE_SIZE];
	int r;

	if (ep)
		ep->name = strdup(text_of(key));
	if (!ep || !ep->name)
		return fv_err_oom(in->err);
	ep->line = (unsigned int)key->start_mark.line + 1;
	ep->column = (unsigned int)key->start_mark.column + 1;
	r = fv_name_check("namespace", ep->name, in->err);
	if (r)
		return locate(in, key->start_mark, r);
	if (is_null(value))
		return 0;
	snprintf(place, sizeof(place), "namespace \"%s\"", ep->name);
	return walk_fields(in, value, place, ns_fields, FV_ARRAY_SIZE(ns_fields), ep);
}

static int parse_namespaces(struct input *in, const struct field *field, const char *place,
			    const yaml_node_t *value, void *object)
{
	int r = 0;

	if (is_null(value))
		return 0;
	if (value->type != YAML_MAPPING_NODE)
		return refuse(in, value,
			      "\"%s\" of %s must be a mapping of names to namespaces, not %s",
			      field->key, place, type_name(value));
	for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start;
	     !r && pair < value->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name, *ns;

		r = visit_key(in, pair->key, "\"namespaces\"", &name);
		if (!r)
			r = visit(in, pair->value, &ns);
		if (!r)
			r = walk_ns(in, name, ns, object);
	}
	return r;
}

static const struct field net_fields[] = {
	{ "hook", parse_hook, 0, 0 },
	{ "internal", parse_internal, 0, 0 },
	{ "mtu", parse_mtu, 0, 0 },
	{ "namespaces", parse_namespaces, 0, 0 },
	{ "subnet", parse_subnet, offsetof(struct fv_net, subnet4), AF_INET },
	{ "subnet6", parse_subnet, offsetof(struct fv_net, subnet6), AF_INET6 },
};

_Static_assert(FV_ARRAY_SIZE(net_fields) <= KEYS_MAX && FV_ARRAY_SIZE(ns_fields) <= KEYS_MAX,
	       "walk_fields notes where it saw each key");

static int walk_net(struct input *in, const yaml_node_t *key, const yaml_node_t *value,
		    struct fv_topo *topo)
{
	struct fv_net *net = fv_topo_append(topo);
	char place[PLACE_SIZE];
	int r;

	if (net) {
		net->name = strdup(text_of(key));
		net->file = strdup(in->path);
	}
	if (!net || !net->name || !net->file)
		return fv_err_oom(in->err);
	net->line = (unsigned int)key->start_mark.line + 1;
	net->column = (unsigned int)key->start_mark.column + 1;
	r = fv_name_check("network", net->name, in->err);
	if (r)
		return locate(in, key->start_mark, r);
	snprintf(place, sizeof(place), "network \"%s\"", net->name);
	return walk_fields(in, value, place, net_fields, FV_ARRAY_SIZE(net_fields), net);
}

static int parse_networks(struct input *in, const struct field *field, const char *place,
			  const yaml_node_t *value, void *object)
{
	int r = 0;

	if (value->type != YAML_MAPPING_NODE && !is_null(value))
		return refuse(in, value,
			      "\"%s\" of %s must be a mapping of names to networks, not %s",
			      field->key, place, type_name(value));
	if (is_null(value) || value->data.mapping.pairs.start == value->data.mapping.pairs.top)
		return refuse(in, value, "\"%s\" holds no network", field->key);
	for (const yaml_node_pair_t *pair = value->data.mapping.pairs.start;
	     !r && pair < value->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name, *net;

		r = visit_key(in, pair->key, "\"networks\"", &name);
		if (!r)
			r = visit(in, pair->value, &net);
		if (!r)
			r = walk_net(in, name, net, object);
	}
	return r;
}

int fv_yaml_walk(const char *path, yaml_document_t *doc, struct fv_err *err, struct fv_topo *topo)
{
	static const struct field fields[] = { { "networks", parse_networks, 0, 0 } };
	FV_CLEANUP(fv_topo_index_fini) struct fv_topo_index index = { 0 };
	struct input in = { .path = path, .doc = doc, .err = err };
	const yaml_node_t *root;
	int r = visit(&in, 1, &root);

	if (!r)
		r = walk_fields(&in, root, "the file", fields, FV_ARRAY_SIZE(fields), topo);
	if (!r && !topo->n_nets)
		r = refuse(&in, root, "there is no \"networks\" in the file");
	if (!r)
		r = fv_topo_index_init(topo, err, &index);
	return r ? r : fv_topo_check_names(topo, &index, err);
}
