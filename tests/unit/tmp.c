// SPDX-License-Identifier: GPL-2.0-only
/* A directory for a test program, and files in it. */
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/yaml.h"
#include "unit/tmp.h"

static char dir[PATH_MAX];

int tmp_enter(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/fastveth-unit.XXXXXX", base && *base ? base : "/tmp");
	return !mkdtemp(dir) || chdir(dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int tmp_leave(void **state)
{
	(void)state;
	return chdir("/") || nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tmp_dir(void)
{
	return dir;
}

void tmp_write(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		perror(path);
		abort();
	}
}

char *tmp_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (!f)
		return NULL;
	n = getdelim(&text, &room, '\0', f);
	fclose(f);
	if (n < 0) {
		free(text);
		return strdup("");
	}
	return text;
}

int tmp_load(const char *yaml, struct fv_err *err, struct fv_topo *ret)
{
	tmp_write("lab.yaml", yaml, strlen(yaml));
	return fv_yaml_load("lab.yaml", err, ret);
}
