// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state file: reading and replacing it, and whose it is. A state holds for
 * one boot and one network namespace. Its fields are in statejson.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/priv.h"
#include "core/state.h"

#define FORMAT 1
#define FILE_NAME "state.json"
#define FILE_NEW "state.json.new"
#define SIZE_LIMIT_MIB 512

struct home {
	char boot_id[64];
	dev_t ns_dev;
	ino_t ns_ino;
};

void fv_state_fini(struct fv_state *state)
{
	fv_topo_fini(&state->topo);
	for (size_t i = 0; i < state->n_attached; i++)
		free(state->attached[i].target);
	free(state->attached);
	for (size_t i = 0; i < state->n_uplinks; i++)
		free(state->uplinks[i]);
	free(state->uplinks);
	free(state->clsact);
	for (size_t i = 0; i < state->n_saved; i++) {
		free(state->saved[i].path);
		free(state->saved[i].old);
		free(state->saved[i].set);
	}
	free(state->saved);
	free(state->nft);
	*state = (struct fv_state){ 0 };
}

static bool is_empty(const struct fv_state *state)
{
	return !state->topo.n_nets && !state->n_attached && !state->n_uplinks &&
	       !state->no_uplinks && !state->n_clsact && !state->n_saved && !state->nft &&
	       !state->mounted_bpffs && !state->made_etc_netns && !state->made_run_netns;
}

static int find_home(struct fv_err *err, struct home *ret)
{
	static const char boot_path[] = "/proc/sys/kernel/random/boot_id";
	static const char ns_path[] = "/proc/self/ns/net";
	FV_AUTO_FILE FILE *f = fopen(boot_path, "re");
	struct stat st;
	int r;

	if (!f || !fgets(ret->boot_id, sizeof(ret->boot_id), f)) {
		r = f ? -EIO : -errno;
		return fv_err_set(err, r, "%s cannot be read: %s", boot_path, strerror(-r));
	}
	ret->boot_id[strcspn(ret->boot_id, "\n")] = '\0';
	if (stat(ns_path, &st)) {
		r = -errno;
		return fv_err_set(err, r, "%s cannot be read: %s", ns_path, strerror(-r));
	}
	ret->ns_dev = st.st_dev;
	ret->ns_ino = st.st_ino;
	return 0;
}

static int damaged(struct fv_err *err, const char *why)
{
	return fv_err_set(err, -EINVAL,
			  "%s/%s is damaged: %s; remove it and run 'fastveth down --all' to start "
			  "anew",
			  fv_run_dir(), FILE_NAME, why);
}

static int failed(struct fv_err *err, int code, const char *verb)
{
	return fv_err_set(err, code, "%s/%s cannot be %s: %s", fv_run_dir(), FILE_NAME, verb,
			  strerror(-code));
}

/* *ret stays NULL where there is no file. */
static int read_file(struct fv_err *err, char **ret, size_t *ret_size)
{
	FV_AUTO_FREE char *text = NULL;
	FV_AUTO_FD int dir = -1, fd = -1;
	struct stat st;
	size_t size = 0;
	ssize_t n = 1;
	int r = fv_run_dir_open(false, err, &dir);

	if (r)
		return r == -ENOENT ? 0 : r;
	fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)
		return damaged(err, "it is a symbolic link");
	if (fd < 0 || fstat(fd, &st))
		return failed(err, -errno, "read");
	if (!S_ISREG(st.st_mode))
		return damaged(err, "it is no regular file");
	if (st.st_size > (off_t)SIZE_LIMIT_MIB << 20)
		return damaged(err, "it is too large");
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return fv_err_oom(err);
	while (n > 0 && size < (size_t)st.st_size) {
		n = read(fd, text + size, (size_t)st.st_size - size);
		if (n < 0)
			return failed(err, -errno, "read");
		size += (size_t)n;
	}
	*ret = FV_TAKE_PTR(text);
	*ret_size = size;
	return 0;
}

/* *ret: where the state was made. *ret_earlier: in an earlier boot, and nothing of it is left. */
static int read_home(json_t *root, const struct home *here, struct fv_err *err, struct home *ret,
		     bool *ret_earlier)
{
	json_int_t format, dev, ino;
	const char *boot_id;
	json_error_t why;

	if (json_unpack_ex(root, &why, 0, "{s:I, s:s, s:{s:I, s:I}}", "format", &format, "boot_id",
			   &boot_id, "netns", "dev", &dev, "ino", &ino))
		return damaged(err, why.text);
	*ret_earlier = strcmp(boot_id, here->boot_id) != 0;
	if (!*ret_earlier && format != FORMAT)
		return fv_err_set(
			err, -EINVAL,
			"%s/%s has format %lld, and this fastveth knows %d: take the networks "
			"down with the one that made them",
			fv_run_dir(), FILE_NAME, (long long)format, FORMAT);
	ret->ns_dev = (dev_t)dev;
	ret->ns_ino = (ino_t)ino;
	return 0;
}

static int load_text(const char *text, size_t size, struct fv_err *err, struct fv_state *ret)
{
	struct home here = { 0 }, home = { 0 };
	json_auto_t *root = NULL;
	struct fv_err bad = { 0 };
	json_error_t why;
	bool earlier = false;
	int r = find_home(err, &here);

	if (r)
		return r;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!root) {
		fv_err_set(&bad, -EINVAL, "byte %d: %s", why.position, why.text);
		return damaged(err, bad.msg);
	}
	r = read_home(root, &here, err, &home, &earlier);
	if (r || earlier)
		return r;
	r = fv_state_unpack(root, &bad, ret);
	if (r)
		return r == -EINVAL ? damaged(err, bad.msg) : fv_err_set(err, r, "%s", bad.msg);
	if (!is_empty(ret) && (home.ns_dev != here.ns_dev || home.ns_ino != here.ns_ino))
		return fv_err_set(err, -EXDEV,
				  "this host's networks were made from another network namespace "
				  "(net:[%llu]); run it there",
				  (unsigned long long)home.ns_ino);
	return 0;
}

int fv_state_load(struct fv_err *err, struct fv_state *ret)
{
	FV_CLEANUP(fv_state_fini) struct fv_state state = { 0 };
	FV_AUTO_FREE char *text = NULL;
	size_t size = 0;
	int r = read_file(err, &text, &size);

	if (!r && text)
		r = load_text(text, size, err, &state);
	if (r)
		return r;
	*ret = state;
	state = (struct fv_state){ 0 };
	return 0;
}

static int not_written(int dir, struct fv_err *err)
{
	int r = -errno;

	unlinkat(dir, FILE_NEW, 0);
	return failed(err, r, "written");
}

static int write_file(int dir, const char *text, struct fv_err *err)
{
	size_t size = strlen(text), at = 0;
	FV_AUTO_FD int fd = -1;

	/* What a killed run left. */
	if (unlinkat(dir, FILE_NEW, 0) && errno != ENOENT)
		return failed(err, -errno, "written");
	fd = openat(dir, FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, -errno, "written");
	while (at < size) {
		ssize_t n = write(fd, text + at, size - at);

		if (n < 0)
			return not_written(dir, err);
		at += (size_t)n;
	}
	if (fsync(fd) || renameat(dir, FILE_NEW, dir, FILE_NAME) || fsync(dir))
		return not_written(dir, err);
	return 0;
}

/* Does the file say so already? */
static bool is_written(const char *text)
{
	FV_AUTO_FREE char *old = NULL;
	size_t size = 0;

	return !read_file(NULL, &old, &size) && old && size == strlen(text) &&
	       !memcmp(old, text, size);
}

static int remove_file(struct fv_err *err)
{
	FV_AUTO_FD int dir = -1;
	int r = fv_run_dir_open(false, err, &dir);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (unlinkat(dir, FILE_NAME, 0) && errno != ENOENT)
		return failed(err, -errno, "removed");
	/* What a killed run left. */
	if (unlinkat(dir, FILE_NEW, 0) && errno != ENOENT)
		return failed(err, -errno, "removed");
	return 0;
}

int fv_state_store(const struct fv_state *state, struct fv_err *err)
{
	FV_AUTO_FREE char *text = NULL;
	FV_AUTO_FD int dir = -1;
	json_auto_t *root = NULL;
	struct home home = { 0 };
	int r;

	if (is_empty(state))
		return remove_file(err);
	r = find_home(err, &home);
	if (!r)
		r = fv_state_pack(state, err, &root);
	if (r)
		return r;
	if (json_object_set_new(root, "format", json_integer(FORMAT)) ||
	    json_object_set_new(root, "boot_id", json_string(home.boot_id)) ||
	    json_object_set_new(root, "netns",
				json_pack("{s:I, s:I}", "dev", (json_int_t)home.ns_dev, "ino",
					  (json_int_t)home.ns_ino)))
		return fv_err_oom(err);
	text = json_dumps(root, JSON_COMPACT);
	if (!text)
		return fv_err_oom(err);
	if (is_written(text))
		return 0;
	r = fv_run_dir_open(true, err, &dir);
	return r ? r : write_file(dir, text, err);
}
