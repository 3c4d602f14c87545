/* SPDX-License-Identifier: GPL-2.0-only */
/* The topology file. Its room is the only one that knows libyaml. */
#ifndef FV_CORE_YAML_H
#define FV_CORE_YAML_H

#include "core/err.h"
#include "core/topo.h"

/*
 * fv_yaml_load - read a topology file, check its form (not yet fv_topo_check).
 * Unknown and duplicate keys, wrong types and values are refused with
 * "PATH:LINE:COLUMN: what, what is allowed". "-" reads standard input. A file larger than
 * 16 MiB, a directory or a device is refused.
 * Returns 0, -EINVAL (form), -EEXIST (a name twice), or the errno of opening and reading it.
 */
int fv_yaml_load(const char *path, struct fv_err *err, struct fv_topo *ret);

#endif /* FV_CORE_YAML_H */
