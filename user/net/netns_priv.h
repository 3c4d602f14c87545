/* SPDX-License-Identifier: GPL-2.0-only */
/* What the namespace files of user/net share. */
#ifndef FV_NET_NETNS_PRIV_H
#define FV_NET_NETNS_PRIV_H

#include <dirent.h>

#include "net/netns.h"

/* 0 where the name can be one file below /run/netns, else -EINVAL with a message. */
int fv_netns_check_name(const char *name, struct fv_err *err);

/* A directory of namespaces to go through: /run/netns or /proc. -ENOENT without a message. */
int fv_netns_open_dir(const char *path, struct fv_err *err, DIR **ret);

#endif /* FV_NET_NETNS_PRIV_H */
