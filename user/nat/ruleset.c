// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text of the table `inet fastveth`. Only strings here: nat.c hands them to the kernel.
 *
 * Rules name networks by the device group of their ports and by their subnets,
 * so there is one set element per network and none per endpoint. What a
 * topology does not need is not written: conntrack hooks cost every packet of
 * the host, and rules that mention it are what turns it on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "fastveth/abi.h"
#include "nat/nat.h"

#define COMMENT_MAX 100 /* nft's limit is 127 bytes, FV_NAME_MAX is longer */

/* What the topology needs; [0] is IPv4, [1] is IPv6. */
struct needs {
	bool family[2];
	bool open[2]; /* a network that may go out */
	bool any[2];  /* published on every local address */
	bool at[2];   /* published on one address */
	bool internal;
	bool internal_publish;
};

/* The spelling of a family in sets and rules. */
struct spelling {
	const char *ip; /* payload expression, and family of a NAT statement */
	const char *type;
	const char *digit;
};

static const struct spelling families[2] = {
	{ "ip", "ipv4_addr", "4" },
	{ "ip6", "ipv6_addr", "6" },
};

struct out {
	FILE *f;
	unsigned int elements; /* so far in the open set */
};

static bool publishes(const struct needs *needs)
{
	return needs->any[0] || needs->any[1] || needs->at[0] || needs->at[1];
}

static bool opens(const struct needs *needs)
{
	return needs->open[0] || needs->open[1];
}

static const struct fv_prefix *subnet_of(const struct fv_net *net, int v)
{
	return v ? &net->subnet6 : &net->subnet4;
}

static const struct fv_ip *address_of(const struct fv_ep *ep, int v)
{
	return v ? &ep->ip6 : &ep->ip4;
}

static bool unspecified(const struct fv_ip *ip)
{
	static const uint8_t zero[sizeof(ip->b)];

	return memcmp(ip->b, zero, sizeof(zero)) == 0;
}

static bool is_at(const struct fv_publish *p)
{
	return p->host_ip.family && !unspecified(&p->host_ip);
}

/* "8080:80" without a host address means both families, as far as the endpoint has them. */
static bool wants_family(const struct fv_publish *p, const struct fv_ep *ep, int v)
{
	if (p->host_ip.family)
		return (p->host_ip.family == AF_INET6) == (v == 1);
	return address_of(ep, v)->family != 0;
}

static int check_publish(const struct fv_net *net, const struct fv_ep *ep,
			 const struct fv_publish *p, struct fv_err *err)
{
	char buf[128];

	if (!wants_family(p, ep, 0) && !wants_family(p, ep, 1))
		return fv_err_set(err, -EINVAL,
				  "endpoint %s of network %s: cannot publish %s: it has no address",
				  ep->name, net->name, fv_publish_str(p, buf));
	if (p->host_ip.family == AF_INET6 && memcmp(p->host_ip.b, &in6addr_loopback, 16) == 0)
		return fv_err_set(err, -EINVAL,
				  "endpoint %s of network %s: cannot publish %s: Linux routes "
				  "nothing from ::1 to another device; use 127.0.0.1",
				  ep->name, net->name, fv_publish_str(p, buf));
	for (int v = 0; v < 2; v++)
		if (wants_family(p, ep, v) && !address_of(ep, v)->family)
			return fv_err_set(err, -EINVAL,
					  "endpoint %s of network %s: cannot publish %s: it has "
					  "no %s address; give the network a subnet%s",
					  ep->name, net->name, fv_publish_str(p, buf),
					  v ? "IPv6" : "IPv4", v ? "6" : "");
	return 0;
}

static int find_needs(const struct fv_topo *topo, struct fv_err *err, struct needs *ret)
{
	struct needs needs = {};
	int r;

	for (size_t i = 0; i < topo->n_nets; i++) {
		const struct fv_net *net = &topo->nets[i];

		if (net->id == 0 || net->id > FV_NETWORK_ID_MAX)
			return fv_err_set(err, -EINVAL, "network %s: it has no id yet", net->name);
		needs.internal |= net->internal;
		for (int v = 0; v < 2; v++) {
			needs.family[v] |= subnet_of(net, v)->ip.family != 0;
			needs.open[v] |= subnet_of(net, v)->ip.family && !net->internal;
		}
		for (size_t j = 0; j < net->n_eps; j++) {
			const struct fv_ep *ep = &net->eps[j];

			for (size_t k = 0; !ep->share && k < ep->n_publish; k++) {
				const struct fv_publish *p = &ep->publish[k];

				r = check_publish(net, ep, p, err);
				if (r < 0)
					return r;
				needs.internal_publish |= net->internal;
				for (int v = 0; v < 2; v++) {
					needs.any[v] |= wants_family(p, ep, v) && !is_at(p);
					needs.at[v] |= wants_family(p, ep, v) && is_at(p);
				}
			}
		}
	}
	*ret = needs;
	return 0;
}

/* ---- sets and maps ---- */

static void begin_set(struct out *out, const char *head, const char *type, const char *comment)
{
	fprintf(out->f, "\t%s {\n\t\ttype %s\n", head, type);
	if (comment)
		fprintf(out->f, "\t\tcomment \"%s\"\n", comment);
	out->elements = 0;
}

static void element(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void element(struct out *out, const char *fmt, ...)
{
	va_list ap;

	fputs(out->elements++ ? ",\n\t\t\t" : "\t\telements = {\n\t\t\t", out->f);
	va_start(ap, fmt);
	vfprintf(out->f, fmt, ap);
	va_end(ap);
}

static void end_set(struct out *out)
{
	fputs("\n\t\t}\n\t}\n\n", out->f);
}

static unsigned int group_of(const struct fv_net *net)
{
	return FV_GROUP_BASE + net->id;
}

static void write_groups(struct out *out, const struct fv_topo *topo, const struct needs *needs)
{
	begin_set(out, "set own", "devgroup", "ports of own networks");
	for (size_t i = 0; i < topo->n_nets; i++)
		element(out, "%u comment \"%.*s\"", group_of(&topo->nets[i]), COMMENT_MAX,
			topo->nets[i].name);
	end_set(out);

	begin_set(out, "set same", "devgroup . devgroup", "from and to the same network");
	for (size_t i = 0; i < topo->n_nets; i++)
		element(out, "%u . %u", group_of(&topo->nets[i]), group_of(&topo->nets[i]));
	end_set(out);

	if (!needs->internal)
		return;
	begin_set(out, "set internal", "devgroup", "ports of networks with no way out");
	for (size_t i = 0; i < topo->n_nets; i++)
		if (topo->nets[i].internal)
			element(out, "%u", group_of(&topo->nets[i]));
	end_set(out);
}

static void write_subnets(struct out *out, const struct fv_topo *topo, const struct needs *needs,
			  int v)
{
	const struct spelling *fam = &families[v];
	char head[32], type[64], buf[FV_IP_STRLEN];

	snprintf(type, sizeof(type), "%s\n\t\tflags interval", fam->type);
	if (needs->open[v]) {
		snprintf(head, sizeof(head), "set open%s", fam->digit);
		begin_set(out, head, type, "may leave the host, masqueraded");
		for (size_t i = 0; i < topo->n_nets; i++)
			if (subnet_of(&topo->nets[i], v)->ip.family && !topo->nets[i].internal)
				element(out, "%s",
					fv_prefix_str(subnet_of(&topo->nets[i], v), buf));
		end_set(out);
	}
	if (!needs->any[v] && !needs->at[v])
		return;

	snprintf(head, sizeof(head), "set near%s", fam->digit);
	begin_set(out, head, type, "published ports show these clients as the gateway");
	if (v == 0)
		element(out, "127.0.0.0/8");
	for (size_t i = 0; i < topo->n_nets; i++)
		if (subnet_of(&topo->nets[i], v)->ip.family)
			element(out, "%s", fv_prefix_str(subnet_of(&topo->nets[i], v), buf));
	end_set(out);

	snprintf(head, sizeof(head), "map gateway%s", fam->digit);
	snprintf(type, sizeof(type), "devgroup : %s", fam->type);
	begin_set(out, head, type, NULL);
	for (size_t i = 0; i < topo->n_nets; i++)
		if (subnet_of(&topo->nets[i], v)->ip.family)
			element(out, "%u : %s", group_of(&topo->nets[i]),
				fv_ip_str(v ? &topo->nets[i].gw6 : &topo->nets[i].gw4, buf));
	end_set(out);
}

static void write_ports(struct out *out, const struct fv_ep *ep, const struct fv_publish *p, int v)
{
	const char *proto = p->proto == IPPROTO_UDP ? "udp" : "tcp";
	char at[FV_IP_STRLEN + 4] = "", to[FV_IP_STRLEN], buf[FV_IP_STRLEN];

	if (is_at(p))
		snprintf(at, sizeof(at), "%s . ", fv_ip_str(&p->host_ip, buf));
	fv_ip_str(address_of(ep, v), to);
	for (unsigned int n = 0; n < p->count; n++)
		element(out, "%s%s . %u comment \"%.*s\" : %s . %u", at, proto, p->host_port + n,
			COMMENT_MAX, ep->name, to, p->port + n);
}

static void write_published(struct out *out, const struct fv_topo *topo, int v, bool at)
{
	const struct spelling *fam = &families[v];
	char head[32], type[128];

	snprintf(head, sizeof(head), "map publish%s%s", at ? "_at" : "", fam->digit);
	snprintf(type, sizeof(type), "%s%sinet_proto . inet_service : %s . inet_service",
		 at ? fam->type : "", at ? " . " : "", fam->type);
	begin_set(out, head, type, NULL);
	for (size_t i = 0; i < topo->n_nets; i++) {
		for (size_t j = 0; j < topo->nets[i].n_eps; j++) {
			const struct fv_ep *ep = &topo->nets[i].eps[j];

			for (size_t k = 0; !ep->share && k < ep->n_publish; k++)
				if (wants_family(&ep->publish[k], ep, v) &&
				    is_at(&ep->publish[k]) == at)
					write_ports(out, ep, &ep->publish[k], v);
		}
	}
	end_set(out);
}

/* ---- chains ---- */

/*
 * In prerouting and before conntrack: a forged packet makes no entry there. 127.0.0.0/8 is
 * refused because ports with published ports have route_localnet set. Link-local sources have no
 * route back (ports have no address of their own) and are never forwarded.
 */
static void write_guard(FILE *f, const struct needs *needs)
{
	fputs("\tchain guard {\n"
	      "\t\ttype filter hook prerouting priority raw; policy accept;\n"
	      "\t\tmeta iifgroup != @own accept\n",
	      f);
	if (needs->family[0])
		fputs("\t\tip daddr 127.0.0.0/8 drop comment \"the host's own loopback\"\n", f);
	/*
	 * A host that takes router advertisements takes them from any device: a namespace must
	 * not become its router. Even a network without IPv6 sends router solicitations.
	 */
	fputs("\t\ticmpv6 type { nd-router-advert, nd-redirect } drop "
	      "comment \"no routes for the host\"\n"
	      "\t\tip6 saddr { ::, fe80::/10 } accept comment \"neighbour discovery\"\n"
	      "\t\tfib saddr . iif oif missing drop comment \"not the sender's address\"\n"
	      "\t}\n",
	      f);
}

/*
 * Internal networks come first: somebody else's DNAT must not lead out of them.
 * A connection that was let in has conntrack's dnat mark in both directions.
 */
static void write_forward(FILE *f, const struct needs *needs)
{
	fputs("\n\tchain forward {\n"
	      "\t\ttype filter hook forward priority filter; policy accept;\n"
	      "\t\tmeta iifgroup . meta oifgroup @same accept comment \"inside one network\"\n",
	      f);
	if (needs->internal_publish)
		fputs("\t\tmeta iifgroup @internal ct state established,related accept "
		      "comment \"answers of published ports\"\n",
		      f);
	if (needs->internal)
		fputs("\t\tmeta iifgroup @internal drop comment \"no way out\"\n", f);
	if (publishes(needs))
		fputs("\t\tmeta oifgroup @own ct status dnat accept comment \"published ports\"\n",
		      f);
	if (opens(needs))
		fputs("\t\tmeta oifgroup @own meta iifgroup != @own ct state established,related "
		      "accept comment \"answers from outside\"\n",
		      f);
	fputs("\t\tmeta oifgroup @own drop comment \"other networks, outside\"\n"
	      "\t}\n",
	      f);
}

/*
 * Without the exception for 127.0.0.0/8 a neighbour on the wire could reach what is published
 * on localhost only: DNAT comes before the kernel's check for such destinations. IPv6 has no
 * route_localnet: a connection to ::1 is better refused than left hanging, since the client tries
 * 127.0.0.1 next.
 */
static void write_dnat(FILE *f, const struct needs *needs)
{
	static const char jump[] =
		"\t\tmeta l4proto { tcp, udp } fib daddr type local jump publish\n";

	fputs("\n\tchain publish {\n", f);
	for (int v = 0; v < 2; v++) {
		const struct spelling *fam = &families[v];

		if (needs->at[v])
			fprintf(f,
				"\t\tdnat %s to %s daddr . meta l4proto . th dport map "
				"@publish_at%s\n",
				fam->ip, fam->ip, fam->digit);
		if (needs->any[v])
			fprintf(f, "\t\tdnat %s to meta l4proto . th dport map @publish%s\n",
				fam->ip, fam->digit);
	}
	fputs("\t}\n"
	      "\n\tchain prerouting {\n"
	      "\t\ttype nat hook prerouting priority dstnat; policy accept;\n",
	      f);
	if (needs->internal)
		fputs("\t\tmeta iifgroup @internal accept comment \"no way out\"\n", f);
	if (needs->any[0] || needs->at[0])
		fputs("\t\tip daddr 127.0.0.0/8 accept comment \"for the host itself only\"\n", f);
	fprintf(f,
		"%s\t}\n"
		"\n\tchain output {\n"
		"\t\ttype nat hook output priority -100; policy accept;\n",
		jump);
	if (needs->any[1] || needs->at[1])
		fputs("\t\tip6 daddr ::1 accept comment \"answers find no way to ::1\"\n", f);
	fprintf(f, "%s\t}\n", jump);
}

/*
 * A published port answers a client of an own network directly, past the DNAT, unless it sees
 * the gateway as the client: its answers must come back to the host. The input device is not
 * known in this hook, so networks are recognised by their subnets; a gateway's address is in its
 * subnet but the host's own, hence "fib saddr type".
 */
static void write_postrouting(FILE *f, const struct needs *needs)
{
	fputs("\n\tchain postrouting {\n"
	      "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
	      f);
	for (int v = 0; v < 2; v++) {
		const struct spelling *fam = &families[v];

		if (needs->any[v] || needs->at[v])
			fprintf(f,
				"\t\tmeta oifgroup @own ct status dnat %s saddr @near%s "
				"snat %s to meta oifgroup map @gateway%s\n",
				fam->ip, fam->digit, fam->ip, fam->digit);
		if (needs->open[v])
			fprintf(f,
				"\t\tmeta oifgroup != @own %s saddr @open%s "
				"fib saddr type != local masquerade\n",
				fam->ip, fam->digit);
	}
	fputs("\t}\n", f);
}

static void write_table(struct out *out, const struct fv_topo *topo, const struct needs *needs)
{
	fputs("table " FV_NFT_TABLE " {\n", out->f);
	write_groups(out, topo, needs);
	for (int v = 0; v < 2; v++) {
		write_subnets(out, topo, needs, v);
		if (needs->at[v])
			write_published(out, topo, v, true);
		if (needs->any[v])
			write_published(out, topo, v, false);
	}
	write_guard(out->f, needs);
	write_forward(out->f, needs);
	if (publishes(needs))
		write_dnat(out->f, needs);
	if (publishes(needs) || opens(needs))
		write_postrouting(out->f, needs);
	fputs("}\n", out->f);
}

int fv_nat_ruleset(const struct fv_topo *topo, struct fv_err *err, char **ret)
{
	FV_AUTO_FREE char *text = NULL;
	FV_AUTO_FILE FILE *f = NULL;
	struct needs needs = {};
	struct out out = {};
	size_t size;
	int r;

	r = find_needs(topo, err, &needs);
	if (r < 0)
		return r;
	f = open_memstream(&text, &size);
	if (!f)
		return fv_err_oom(err);
	out.f = f;
	/* "add" makes the "delete" succeed where there is no table yet. */
	fputs("add table " FV_NFT_TABLE "\ndelete table " FV_NFT_TABLE "\n", f);
	if (topo->n_nets)
		write_table(&out, topo, &needs);
	r = fclose(FV_TAKE_PTR(f));
	if (r != 0)
		return fv_err_oom(err);
	*ret = FV_TAKE_PTR(text);
	return 0;
}
