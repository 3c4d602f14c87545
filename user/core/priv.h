/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of core share with nobody else. */
#ifndef FV_CORE_PRIV_H
#define FV_CORE_PRIV_H

#include "core/err.h"
#include "core/topo.h"

/* The part of fv_topo_check that compares objects with each other. */
int fv_topo_check_unique(const struct fv_topo *topo, const struct fv_topo_index *index,
			 struct fv_err *err);

#endif /* FV_CORE_PRIV_H */
