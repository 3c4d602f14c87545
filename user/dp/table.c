// SPDX-License-Identifier: GPL-2.0-only
/* A hash or trie map brought to a wanted set of entries, and only that. */
#include <errno.h>
#include <string.h>

#include "dp/priv.h"

void fv_table_init(struct fv_table *t, const struct fv_maps *maps, enum fv_map map)
{
	static const struct {
		size_t key, value;
	} sizes[FV_MAP_COUNT] = {
		[FV_MAP_PORTS_X] = { 4, sizeof(struct fv_port) },
		[FV_MAP_ENDPOINTS_X] = { sizeof(struct fv_endpoint_key),
					 sizeof(struct fv_endpoint) },
		[FV_MAP_SUBNETS] = { sizeof(struct fv_subnet_key), 4 },
		[FV_MAP_LIVE] = { 4, 4 },
	};

	memset(t, 0, sizeof(*t));
	t->fd = maps->fd[map];
	t->map = map;
	t->key_size = sizes[map].key;
	t->value_size = sizes[map].value;
}

void fv_table_fini(struct fv_table *t)
{
	free(t->records);
	free(t->found);
	t->records = t->found = NULL;
}

int fv_table_add(struct fv_table *t, const void *key, const void *value, struct fv_err *err)
{
	size_t size = t->key_size + t->value_size;
	char *p;

	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		p = realloc(t->records, t->room * size);
		if (!p)
			return fv_err_oom(err);
		t->records = p;
	}
	p = t->records + t->n++ * size;
	memcpy(p, key, t->key_size);
	memcpy(p + t->key_size, value, t->value_size);
	return 0;
}

static int by_key(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

/* Keys that are in the map now, sorted. A trie has no exact lookup, so this is how to know. */
static int find_all(struct fv_table *t, struct fv_err *err)
{
	size_t room = 0;
	char *prev = NULL;

	for (;;) {
		if (t->n_found == room) {
			char *p;

			room = room ? 2 * room : 64;
			p = realloc(t->found, room * t->key_size);
			if (!p)
				return fv_err_oom(err);
			t->found = p;
			prev = t->n_found ? t->found + (t->n_found - 1) * t->key_size : NULL;
		}
		if (bpf_map_get_next_key(t->fd, prev, t->found + t->n_found * t->key_size))
			break;
		prev = t->found + t->n_found++ * t->key_size;
	}
	qsort_r(t->found, t->n_found, t->key_size, by_key, &t->key_size);
	return 0;
}

static const void *search(const void *key, const char *base, size_t n, size_t size, size_t key_size)
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;
		int c = memcmp(key, base + mid * size, key_size);

		if (!c)
			return base + mid * size;
		if (c < 0)
			n = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Does the map have this record? What the programs write into a value is no difference. */
static bool has(const struct fv_table *t, const char *rec)
{
	union {
		struct fv_port port;
		struct fv_endpoint endpoint;
		__u32 number;
	} v;

	if (!search(rec, t->found, t->n_found, t->key_size, t->key_size) ||
	    bpf_map_lookup_elem(t->fd, rec, &v))
		return false;
	if (t->map == FV_MAP_ENDPOINTS_X)
		v.endpoint.checked = 0;
	if (t->map == FV_MAP_PORTS_X)
		v.port.checked = 0;
	return !memcmp(&v, rec + t->key_size, t->value_size);
}

int fv_table_put(struct fv_table *t, bool apply, bool *ret_same, struct fv_err *err)
{
	size_t size = t->key_size + t->value_size;
	int r;

	r = find_all(t, err);
	if (r)
		return r;
	if (t->n)
		qsort_r(t->records, t->n, size, by_key, &t->key_size);
	for (size_t i = 0; i < t->n; i++) {
		const char *rec = t->records + i * size;

		if (has(t, rec))
			continue;
		*ret_same = false;
		r = apply ? bpf_map_update_elem(t->fd, rec, rec + t->key_size, 0) : 0;
		/* A port that went away meanwhile has no place here; the next run forgets it. */
		if (r == -EINVAL && t->map == FV_MAP_LIVE)
			continue;
		if (r)
			return fv_err_set(err, r, "writing to map %s: %s", fv_map_names[t->map],
					  strerror(-r));
	}
	return 0;
}

int fv_table_prune(struct fv_table *t, bool apply, bool *ret_same, struct fv_err *err)
{
	size_t size = t->key_size + t->value_size;
	int r;

	for (size_t i = 0; i < t->n_found; i++) {
		const char *key = t->found + i * t->key_size;

		if (search(key, t->records, t->n, size, t->key_size))
			continue;
		*ret_same = false;
		r = apply ? bpf_map_delete_elem(t->fd, key) : 0;
		if (r && r != -ENOENT)
			return fv_err_set(err, r, "deleting from map %s: %s", fv_map_names[t->map],
					  strerror(-r));
	}
	return 0;
}
