// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names inside: /etc/netns/NAME/hosts, which `ip netns exec` and ours bind over
 * /etc/hosts, is a symbolic link to one file per network, so that a thousand
 * endpoints are one file to write. The link's target is what proves it ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "run.h"

#define ETC_NETNS "/etc/netns"

static void file_of(const char *network, char ret[256])
{
	snprintf(ret, 256, FV_RUN_DIR "/hosts.%s", network);
}

int fv_hosts_write(const struct fv_net *net, struct fv_err *err)
{
	char path[256], tmp[272], ip[FV_IP_STRLEN];
	FV_AUTO_FILE FILE *f = NULL;

	file_of(net->name, path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "we");
	if (!f)
		return fv_err_set(err, -errno, "%s: %s", tmp, strerror(errno));
	fprintf(f, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	if (net->gw4.family)
		fprintf(f, "%s\tgateway\n", fv_ip_str(&net->gw4, ip));
	for (size_t i = 0; i < net->n_eps; i++) {
		const struct fv_ep *ep = &net->eps[i];

		if (ep->share)
			continue;
		if (ep->ip4.family)
			fprintf(f, "%s\t%s\n", fv_ip_str(&ep->ip4, ip), ep->name);
		if (ep->ip6.family)
			fprintf(f, "%s\t%s\n", fv_ip_str(&ep->ip6, ip), ep->name);
	}
	/* Anybody inside may read it. */
	if (fflush(f) || ferror(f) || fchmod(fileno(f), 0644) || rename(tmp, path))
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int fv_hosts_remove(const char *network, struct fv_err *err)
{
	char path[256];

	file_of(network, path);
	if (unlink(path) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static void link_of(const char *name, char ret[256])
{
	snprintf(ret, 256, ETC_NETNS "/%s/hosts", name);
}

/* 1 ours, 0 there is none, -1 somebody else's */
static int whose(const char *network, const char *path)
{
	char target[256], want[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	target[n] = '\0';
	file_of(network, want);
	return strcmp(target, want) ? -1 : 1;
}

bool fv_hosts_linked(const char *network, const char *name)
{
	char path[256];

	link_of(name, path);
	return whose(network, path) != 0;
}

static int make_dir(const char *path, struct fv_err *err, bool *ret_made)
{
	if (!mkdir(path, 0755)) {
		*ret_made = true;
		return 0;
	}
	return errno == EEXIST ? 0 : fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
}

int fv_hosts_link(struct fv_state *state, const char *network, const char *name, struct fv_err *err)
{
	char dir[256], path[256], file[256];
	bool made = false;
	int r;

	link_of(name, path);
	if (whose(network, path))
		return 0;
	snprintf(dir, sizeof(dir), ETC_NETNS "/%s", name);
	r = make_dir(ETC_NETNS, err, &made);
	state->made_etc_netns |= made;
	r = r ?: make_dir(dir, err, &made);
	if (r)
		return r;
	file_of(network, file);
	if (symlink(file, path))
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int fv_hosts_unlink(struct fv_state *state, const char *network, const char *name,
		    struct fv_err *err)
{
	char dir[256], path[256];

	link_of(name, path);
	if (whose(network, path) != 1)
		return 0;
	if (unlink(path))
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	/* A directory with other files in it stays, as does one that is not empty. */
	snprintf(dir, sizeof(dir), ETC_NETNS "/%s", name);
	rmdir(dir);
	if (state->made_etc_netns && !rmdir(ETC_NETNS))
		state->made_etc_netns = false;
	return 0;
}
