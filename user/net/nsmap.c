/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which namespace is behind an id.
 *
 * The kernel only answers the other way round, for a descriptor. So all that holds a namespace is
 * looked at with stat, which is cheap, sorted by namespace, and one descriptor of each is opened,
 * one at a time: a host has many more processes than namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "net/netns_priv.h"

/* A name or a process, and the namespace that it seems to hold. */
struct holder {
	dev_t dev;
	ino_t ino;
	char *name; /* NULL: a process */
	pid_t pid;
};

struct holders {
	struct holder *items;
	size_t n, cap;
};

static void free_holders(struct holders *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->items[i].name);
	free(all->items);
}

static int add_holder(struct holders *all, const struct stat *st, const char *name, pid_t pid)
{
	struct holder holder = { .dev = st->st_dev, .ino = st->st_ino, .pid = pid };

	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 256;
		struct holder *items = reallocarray(all->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		all->items = items;
		all->cap = cap;
	}
	if (name) {
		holder.name = strdup(name);
		if (!holder.name)
			return -ENOMEM;
	}
	all->items[all->n++] = holder;
	return 0;
}

/* Plain files stay in: so a namespace looks before it is opened. */
static int add_names(struct holders *all, struct fv_err *err)
{
	FV_AUTO_DIR DIR *dir = NULL;
	const struct dirent *entry;
	struct stat st;
	int r;

	r = fv_netns_open_dir(FV_NETNS_DIR, err, &dir);
	if (r)
		return r == -ENOENT ? 0 : r;
	while (!r && (entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			r = add_holder(all, &st, entry->d_name, 0);
	}
	return r ? fv_err_oom(err) : 0;
}

static int add_processes(struct holders *all, struct fv_err *err)
{
	FV_AUTO_DIR DIR *dir = NULL;
	const struct dirent *entry;
	struct stat st;
	int r;

	r = fv_netns_open_dir("/proc", err, &dir);
	if (r)
		return fv_err_set(err, r, "/proc: cannot be read: %s", strerror(-r));
	while (!r && (entry = readdir(dir))) {
		char path[sizeof(entry->d_name) + sizeof("/ns/net")];
		int pid = atoi(entry->d_name);

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "%s/ns/net", entry->d_name);
		if (fstatat(dirfd(dir), path, &st, 0) == 0)
			r = add_holder(all, &st, NULL, pid);
	}
	return r ? fv_err_oom(err) : 0;
}

static bool same_namespace(const struct holder *a, const struct holder *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* By namespace; names first, for they last longer than processes, and in their order. */
static int by_namespace(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->name && y->name)
		return strcmp(x->name, y->name);
	if (x->name || y->name)
		return x->name ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_nsid(const void *a, const void *b)
{
	const struct fv_nsid *x = a, *y = b;

	return (x->nsid > y->nsid) - (x->nsid < y->nsid);
}

/* Opens what the holder held when it was looked at. -ENOENT: not any more, or not for us. */
static int open_holder(const struct holder *holder, struct fv_err *err, int *ret_fd)
{
	FV_AUTO_FD int fd = -1;
	dev_t dev;
	ino_t ino;
	int r;

	r = holder->name ? fv_netns_open_name(holder->name, NULL, &fd)
			 : fv_netns_open_pid(holder->pid, NULL, &fd);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return fv_err_set(err, r, "cannot open a network namespace: %s", strerror(-r));
	if (r || fv_netns_id(fd, NULL, &dev, &ino) || dev != holder->dev || ino != holder->ino)
		return -ENOENT;
	*ret_fd = FV_TAKE_FD(fd);
	return 0;
}

/* The n holders of one namespace: the first that can still be opened tells its id. */
static int identify(struct fv_rtnl *rt, const struct holder *holders, size_t n, struct fv_err *err,
		    struct fv_nsid *ret)
{
	FV_AUTO_FD int fd = -1;
	int r = -ENOENT;

	*ret = (struct fv_nsid){ .nsid = -1, .dev = holders->dev, .ino = holders->ino };
	for (size_t i = 0; i < n && r == -ENOENT; i++)
		r = open_holder(&holders[i], err, &fd);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = fv_nsid_of(rt, fd, err, &ret->nsid);
	if (r)
		return r;

	if (holders->name)
		snprintf(ret->name, sizeof(ret->name), "%s", holders->name);
	for (size_t i = 0; i < n && !ret->pid; i++)
		ret->pid = holders[i].pid;
	return 0;
}

int fv_nsid_map(struct fv_rtnl *rt, struct fv_err *err, struct fv_nsid **ret, size_t *ret_n)
{
	FV_CLEANUP(free_holders) struct holders all = { 0 };
	FV_AUTO_FREE struct fv_nsid *map = NULL;
	size_t n = 0, groups = 0;
	int r;

	r = add_names(&all, err);
	r = r ?: add_processes(&all, err);
	if (r)
		return r;
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), by_namespace);
	for (size_t i = 0; i < all.n; i++)
		groups += !i || !same_namespace(&all.items[i - 1], &all.items[i]);
	map = calloc(groups ?: 1, sizeof(*map));
	if (!map)
		return fv_err_oom(err);

	for (size_t i = 0, end; i < all.n && !r; i = end) {
		for (end = i + 1; end < all.n; end++)
			if (!same_namespace(&all.items[i], &all.items[end]))
				break;
		r = identify(rt, &all.items[i], end - i, err, &map[n]);
		n += !r && map[n].nsid >= 0;
	}
	if (r)
		return r;
	qsort(map, n, sizeof(*map), by_nsid);
	*ret = FV_TAKE_PTR(map);
	*ret_n = n;
	return 0;
}
