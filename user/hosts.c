// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names inside: `ip netns exec` and ours bind the files of /etc/netns/NAME over those of
 * /etc. NAME there is a symbolic link to a directory of the network's, with one
 * hosts file in it, so that a thousand endpoints are one file to write; where the user has
 * a directory of his own, the link is the file `hosts` in it. The link's target is what proves
 * it ours, and after a reboot it leads nowhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "run.h"

#define ETC_NETNS "/etc/netns"

static void dir_of(const char *network, char ret[256])
{
	snprintf(ret, 256, FV_RUN_DIR "/etc.%s", network);
}

int fv_hosts_write(const struct fv_net *net, struct fv_err *err)
{
	char dir[256], path[272], tmp[272], ip[FV_IP_STRLEN];
	FV_AUTO_FILE FILE *f = NULL;

	dir_of(net->name, dir);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return fv_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	/* Not beside it: everything in the directory is bound over /etc. */
	snprintf(tmp, sizeof(tmp), "%s.new", dir);
	snprintf(path, sizeof(path), "%s/hosts", dir);
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
	char dir[256], path[272];

	dir_of(network, dir);
	snprintf(path, sizeof(path), "%s/hosts", dir);
	if (unlink(path) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	/* What a run left that was killed while it wrote. */
	snprintf(path, sizeof(path), "%s.new", dir);
	if (unlink(path) && errno != ENOENT)
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (rmdir(dir) && errno != ENOENT && errno != ENOTEMPTY)
		return fv_err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

enum whose {
	NOBODYS,
	OURS,
	SOMEBODYS,
};

static enum whose whose(const char *path, const char *want)
{
	char target[280];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? NOBODYS : SOMEBODYS;
	target[n] = '\0';
	return strcmp(target, want) ? SOMEBODYS : OURS;
}

/* The place for an endpoint's link and what it must lead to. */
static enum whose find_link(const char *network, const char *name, char path[280], char target[272])
{
	char dir[256];
	struct stat st;

	dir_of(network, dir);
	snprintf(path, 280, ETC_NETNS "/%s", name);
	snprintf(target, 272, "%s", dir);
	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		return whose(path, target);
	snprintf(path, 280, ETC_NETNS "/%s/hosts", name);
	snprintf(target, 272, "%s/hosts", dir);
	return whose(path, target);
}

bool fv_hosts_linked(const char *network, const char *name)
{
	char path[280], target[272];

	return find_link(network, name, path, target) != NOBODYS;
}

int fv_hosts_link(struct fv_state *state, const char *network, const char *name, struct fv_err *err)
{
	char path[280], target[272];

	if (find_link(network, name, path, target) != NOBODYS)
		return 0;
	if (!symlink(target, path))
		return 0;
	if (errno == ENOENT && !mkdir(ETC_NETNS, 0755)) {
		state->made_etc_netns = true;
		if (!symlink(target, path))
			return 0;
	}
	return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
}

int fv_hosts_unlink(const char *network, const char *name, struct fv_err *err)
{
	char path[280], target[272];

	if (find_link(network, name, path, target) != OURS)
		return 0;
	if (unlink(path))
		return fv_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

void fv_hosts_foresee(struct fv_state *state)
{
	if (access(ETC_NETNS, F_OK) && errno == ENOENT)
		state->made_etc_netns = true;
}

void fv_hosts_rmdir(struct fv_state *state)
{
	if (state->made_etc_netns)
		rmdir(ETC_NETNS);
	state->made_etc_netns = false;
}
