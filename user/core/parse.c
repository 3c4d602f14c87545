// SPDX-License-Identifier: GPL-2.0-only
/* Words of the file and of the command line: names, devices, targets, published ports. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/priv.h"

#define DISTANCE_MAX 16

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int fv_name_check(const char *what, const char *name, struct fv_err *err)
{
	size_t n = strlen(name);

	if (!n)
		return fv_err_set(err, -EINVAL, "%s name is empty", what);
	if (n > FV_NAME_MAX)
		return fv_err_set(err, -EINVAL,
				  "%s name \"%.40s...\" has %zu bytes; at most %d are allowed",
				  what, name, n, FV_NAME_MAX);
	if (!is_alnum(*name))
		return fv_err_set(err, -EINVAL,
				  "%s name \"%s\" does not begin with a letter or a digit", what,
				  name);
	for (const char *p = name; *p; p++)
		if (!is_alnum(*p) && !strchr("_.-", *p))
			return fv_err_set(
				err, -EINVAL,
				"%s name \"%s\": only letters, digits, '_', '.' and '-' are "
				"allowed",
				what, name);
	return 0;
}

int fv_ifname_check(const char *name, struct fv_err *err)
{
	/* The loopback device, and directories of net.ipv4.conf that are no device. */
	static const char *const reserved[] = { ".", "..", "lo", "all", "default" };

	if (!*name || strlen(name) >= FV_IFNAME_SIZE)
		return fv_err_set(err, -EINVAL,
				  "interface name \"%.40s\" has %zu bytes; 1 to %d are "
				  "allowed",
				  name, strlen(name), FV_IFNAME_SIZE - 1);
	/* '%' makes the kernel treat a name as a template. */
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("/:%", *p))
			return fv_err_set(err, -EINVAL,
					  "interface name \"%s\": only printable ASCII characters "
					  "without '/', ':', '%%' and spaces are allowed",
					  name);
	for (size_t i = 0; i < FV_ARRAY_SIZE(reserved); i++)
		if (!strcmp(name, reserved[i]))
			return fv_err_set(err, -EINVAL, "interface name \"%s\" is reserved", name);
	return 0;
}

/* Decimal digits, at most max; returns what follows them, NULL where there is no such number. */
static const char *parse_number(const char *s, unsigned long max, unsigned long *ret)
{
	unsigned long n = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned long)(*p - '0');
		if (n > max)
			return NULL;
	}
	if (p == s)
		return NULL;
	*ret = n;
	return p;
}

int fv_target_parse(const char *s, struct fv_ep *ep, struct fv_err *err)
{
	static const struct {
		const char *prefix;
		enum fv_target target;
	} kinds[] = { { "pid:", FV_TARGET_PID },
		      { "netns:", FV_TARGET_NETNS },
		      { "path:", FV_TARGET_PATH } };
	enum fv_target target = FV_TARGET_OWN;
	const char *arg = s, *end;
	unsigned long pid;
	char *copy;

	for (size_t i = 0; i < FV_ARRAY_SIZE(kinds); i++)
		if (!strncmp(s, kinds[i].prefix, strlen(kinds[i].prefix))) {
			target = kinds[i].target;
			arg = s + strlen(kinds[i].prefix);
		}
	if (target == FV_TARGET_OWN)
		return fv_err_set(err, -EINVAL, "target \"%s\": say pid:N, netns:NAME or path:P",
				  s);
	if (target == FV_TARGET_PID) {
		end = parse_number(arg, INT32_MAX, &pid);
		if (!end || *end || !pid)
			return fv_err_set(err, -EINVAL, "target \"%s\": \"%s\" is no process id", s,
					  arg);
	}
	if (target == FV_TARGET_NETNS &&
	    (!*arg || strchr(arg, '/') || !strcmp(arg, ".") || !strcmp(arg, "..")))
		return fv_err_set(
			err, -EINVAL,
			"target \"%s\": \"%s\" is no name of a namespace in /run/netns; for a "
			"path say path:%s",
			s, arg, arg);
	if (target == FV_TARGET_PATH && *arg != '/')
		return fv_err_set(err, -EINVAL, "target \"%s\": the path must begin with '/'", s);
	copy = strdup(arg);
	if (!copy)
		return fv_err_oom(err);
	free(ep->target_arg);
	ep->target_arg = copy;
	ep->target = target;
	return 0;
}

/* "PORT[-LAST]" and nothing behind it. */
static bool parse_ports(const char *s, unsigned long *ret_first, unsigned long *ret_last)
{
	const char *p = parse_number(s, UINT16_MAX, ret_first);

	*ret_last = *ret_first;
	if (p && *p == '-')
		p = parse_number(p + 1, UINT16_MAX, ret_last);
	return p && !*p && *ret_first && *ret_first <= *ret_last;
}

/* Cuts the host address and its ':' off; family 0 where there is none. NULL: malformed. */
static char *parse_host_ip(char *s, struct fv_ip *ret)
{
	struct fv_ip ip = { 0 };
	char *end;

	if (*s == '[') {
		end = strstr(s, "]:");
		if (!end)
			return NULL;
		*end++ = '\0';
		s++;
	} else {
		end = strchr(s, ':');
		if (!end || !strchr(end + 1, ':')) {
			*ret = ip;
			return s;
		}
	}
	*end = '\0';
	if (fv_ip_parse(s, &ip))
		return NULL;
	*ret = ip;
	return end + 1;
}

int fv_publish_parse(const char *s, struct fv_err *err, struct fv_publish *ret)
{
	struct fv_publish pub = { .proto = IPPROTO_TCP };
	unsigned long host = 0, host_last = 0, port = 0, last = 0;
	FV_AUTO_FREE char *text = strdup(s);
	char *rest, *sep;

	if (!text)
		return fv_err_oom(err);
	sep = strrchr(text, '/');
	if (sep) {
		*sep++ = '\0';
		if (strcmp(sep, "tcp") && strcmp(sep, "udp"))
			return fv_err_set(
				err, -EINVAL,
				"published port \"%s\": protocol \"%s\" is neither tcp nor udp", s,
				sep);
		pub.proto = *sep == 't' ? IPPROTO_TCP : IPPROTO_UDP;
	}
	rest = parse_host_ip(text, &pub.host_ip);
	if (!rest)
		return fv_err_set(
			err, -EINVAL,
			"published port \"%s\": no IP address before the host's port; an IPv6 "
			"one is written in brackets, as [fd00::1]:8080:80",
			s);
	sep = strchr(rest, ':');
	if (!sep)
		return fv_err_set(err, -EINVAL,
				  "published port \"%s\": say HOST_PORT:PORT, as 8080:80", s);
	*sep++ = '\0';
	if (!parse_ports(rest, &host, &host_last) || !parse_ports(sep, &port, &last))
		return fv_err_set(
			err, -EINVAL,
			"published port \"%s\": \"%s\" is neither a port (1 to 65535) nor a "
			"range of ports (FIRST-LAST)",
			s, parse_ports(rest, &host, &host_last) ? sep : rest);
	if (host_last - host != last - port)
		return fv_err_set(
			err, -EINVAL,
			"published port \"%s\": %lu ports of the host lead to %lu ports; both "
			"ranges must have the same length",
			s, host_last - host + 1, last - port + 1);
	pub.host_port = (uint16_t)host;
	pub.port = (uint16_t)port;
	pub.count = (uint16_t)(last - port + 1);
	*ret = pub;
	return 0;
}

const char *fv_publish_str(const struct fv_publish *p, char buf[128])
{
	char ip[FV_IP_STRLEN], host_last[8] = "", last[8] = "";
	bool v6 = p->host_ip.family == AF_INET6;

	if (p->count > 1) {
		snprintf(host_last, sizeof(host_last), "-%u", p->host_port + p->count - 1U);
		snprintf(last, sizeof(last), "-%u", p->port + p->count - 1U);
	}
	snprintf(buf, 128, "%s%s%s%s%u%s:%u%s/%s", v6 ? "[" : "", fv_ip_str(&p->host_ip, ip),
		 v6 ? "]" : "", p->host_ip.family ? ":" : "", p->host_port, host_last, p->port,
		 last, p->proto == IPPROTO_UDP ? "udp" : "tcp");
	return buf;
}

size_t fv_word_distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[DISTANCE_MAX + 1], diagonal, above;

	if (strlen(a) > DISTANCE_MAX || n > DISTANCE_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t least = diagonal + (a[i] != b[j]);

			above = row[j + 1];
			if (above + 1 < least)
				least = above + 1;
			if (row[j] + 1 < least)
				least = row[j] + 1;
			diagonal = above;
			row[j + 1] = least;
		}
	}
	return row[n];
}
