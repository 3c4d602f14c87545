/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of core share with nobody else. */
#ifndef FV_CORE_PRIV_H
#define FV_CORE_PRIV_H

#include <stddef.h>

#include "core/err.h"
#include "core/state.h"
#include "core/topo.h"

/* No name of a network or endpoint twice: -EEXIST. */
int fv_topo_check_names(const struct fv_topo *topo, const struct fv_topo_index *index,
			struct fv_err *err);
/* The whole part of fv_topo_check that compares objects with each other. */
int fv_topo_check_unique(const struct fv_topo *topo, const struct fv_topo_index *index,
			 struct fv_err *err);

/* Edits (letters put in, taken away, replaced) between two words; SIZE_MAX for long ones. */
size_t fv_word_distance(const char *a, const char *b);

/* From libyaml's document (which has a root) to what fv_yaml_load returns. */
struct yaml_document_s;
int fv_yaml_walk(const char *path, struct yaml_document_s *doc, struct fv_err *err,
		 struct fv_topo *topo);

/* What a state says as JSON; the file adds whose it is. -EINVAL says what is wrong. */
struct json_t;
int fv_state_pack(const struct fv_state *state, struct fv_err *err, struct json_t **ret);
int fv_state_unpack(struct json_t *root, struct fv_err *err, struct fv_state *ret);

/* For messages. */
const char *fv_run_dir(void);

#endif /* FV_CORE_PRIV_H */
