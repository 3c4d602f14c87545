/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files behind fv_look share. */
#ifndef FV_VIEW_H
#define FV_VIEW_H

#include "guest.h"
#include "run.h"

/* fv_view_reasons - a line for each. @allow: those that do not count */
int fv_view_reasons(const struct fv_gate_list *list, uint32_t allow, char **lines);
/* fv_view_line - one more line of text; 0 or -ENOMEM. */
int fv_view_line(char **lines, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* fv_view_attached - attached ports as endpoints of the view. */
int fv_view_attached(struct fv_run *run, unsigned int what, struct fv_err *err,
		     struct fv_view *view);
/* viewuplink.c: the same of uplinks. */
int fv_view_uplinks(struct fv_run *run, struct fv_err *err, struct fv_view *view);
int fv_view_judge_uplinks(struct fv_run *run, const struct fv_gate_list *rules,
			  struct fv_view *view, struct fv_err *err);
/* Was nf_conntrack loaded after programs that would know NAT now? */
bool fv_view_nat_came(const struct fv_run *run);
/* What is wrong where a port's programs are not those that would be attached now. */
const char *fv_view_not_current(const struct fv_run *run);
/* Why loaded programs that do not know NAT do not, and what to do. */
const char *fv_view_no_nat(void);
/* fv_view_judge - their hook, state, and what speaks against a shortcut, if @what asks for it. */
int fv_view_judge(struct fv_run *run, unsigned int what, struct fv_view *view, struct fv_err *err);

#endif /* FV_VIEW_H */
