/* SPDX-License-Identifier: GPL-2.0-only */
/* iptables-legacy: rules that nftables does not see. */
#ifndef FV_NAT_LEGACY_H
#define FV_NAT_LEGACY_H

#include <stdio.h>

/*
 * fv_legacy_hint - where its FORWARD drops by default and does not know our ports, write a line
 * with the command that lets them through. What cannot be found out gives no line.
 */
void fv_legacy_hint(FILE *hints);

/*
 * fv_legacy_judge - the same from the text of "iptables-legacy -S"; NULL where nothing is to be
 * done, else the chain to put the rules in.
 */
const char *fv_legacy_judge(const char *rules);

#endif /* FV_NAT_LEGACY_H */
