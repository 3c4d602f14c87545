/* SPDX-License-Identifier: GPL-2.0-only */
/* libnftables as this room uses it: text in, text out, its errors as one line. */
#ifndef FV_NAT_NFT_H
#define FV_NAT_NFT_H

#include <stddef.h>

#include "core/err.h"

enum fv_nft_output {
	FV_NFT_TEXT, /* as nft(8) reads it, without handles and counters, protocols as numbers */
	FV_NFT_JSON, /* libnftables-json(5) */
};

/*
 * fv_nft_run - carry out commands, in one transaction, in the caller's network namespace.
 * @what: object for messages, "table inet fastveth"
 * @ret_output: what list commands printed (malloc'ed, "" where nothing); may be NULL
 * Returns 0, -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP where the kernel has no nftables, or
 * what the kernel said.
 */
int fv_nft_run(const char *what, const char *commands, enum fv_nft_output output,
	       struct fv_err *err, char **ret_output);

/* fv_nft_check - 0, or -EPERM, -EOPNOTSUPP as above; changes nothing. */
int fv_nft_check(const char *what, struct fv_err *err);

/*
 * fv_nft_explain - first error in what libnftables printed, as one line: the reason, then the
 * line it is about. Returns the negative errno that the reason names, -EINVAL for a syntax
 * error.
 */
int fv_nft_explain(const char *printed, char *ret, size_t size);

#endif /* FV_NAT_NFT_H */
