// SPDX-License-Identifier: GPL-2.0-only
/* The table `inet fastveth` in the kernel: written, listed, deleted. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/nat.h"
#include "nat/nft.h"

#define WHAT "table " FV_NFT_TABLE

/* Asked by list: a listing of a table that is absent is an error like any other. */
static int table_exists(struct fv_err *err, bool *ret)
{
	FV_AUTO_FREE char *tables = NULL;
	const char *line;
	bool found = false;
	int r;

	r = fv_nft_run(WHAT, "list tables inet", FV_NFT_TEXT, err, &tables);
	if (r < 0)
		return r;
	for (line = tables; line && !found; line = strchr(line, '\n')) {
		line += *line == '\n';
		found = strncmp(line, WHAT, strlen(WHAT)) == 0 &&
			strchr("\n ", line[strlen(WHAT)]) != NULL;
	}
	*ret = found;
	return 0;
}

int fv_nat_listing(struct fv_err *err, char **ret)
{
	bool exists;
	int r;

	r = table_exists(err, &exists);
	if (r < 0)
		return r;
	if (!exists) {
		*ret = NULL;
		return 0;
	}
	return fv_nft_run(WHAT, "list " WHAT, FV_NFT_TEXT, err, ret);
}

/* Our rules refer to nothing outside the table: what is not found is a part of the kernel. */
static int write_table(const char *ruleset, struct fv_err *err)
{
	struct fv_err cause = {};
	int r;

	r = fv_nft_run(WHAT, ruleset, FV_NFT_TEXT, &cause, NULL);
	if (r == -ENOENT)
		return fv_err_set(err, -EOPNOTSUPP,
				  "%s: the kernel lacks it: load nft_nat, nft_masq, nft_ct, "
				  "nft_fib_inet or use a kernel that has them",
				  cause.msg);
	return r < 0 ? fv_err_set(err, r, "%s", cause.msg) : 0;
}

int fv_nat_apply(const struct fv_topo *topo, struct fv_err *err, char **ret_listing)
{
	FV_AUTO_FREE char *ruleset = NULL;
	int r;

	r = fv_nat_ruleset(topo, err, &ruleset);
	r = r ?: write_table(ruleset, err);
	return r ?: fv_nat_listing(err, ret_listing);
}

int fv_nat_probe(struct fv_err *err)
{
	return fv_nft_check(WHAT, err);
}

int fv_nat_remove(struct fv_err *err)
{
	/* "add" makes the "delete" succeed where there is no table. */
	return fv_nft_run(WHAT, "add " WHAT "\ndelete " WHAT "\n", FV_NFT_TEXT, err, NULL);
}
