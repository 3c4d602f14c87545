// SPDX-License-Identifier: GPL-2.0-only
/* Uplinks: the words that choose them, and what `status` and `stats` say of them. */
#include <string.h>

#include "cli/cli.h"
#include "core/cleanup.h"

bool uplink_word(struct uplink_words *words, const char *word)
{
	struct fv_uplink_choice *c = &words->choice;
	bool none = !strcmp(word, "none"), by_routes = !strcmp(word, "auto");

	if (!*word || c->none || (c->said && !c->n) || ((none || by_routes) && c->said) ||
	    c->n == FV_ARRAY_SIZE(words->names))
		return false;
	c->said = true;
	c->none = none;
	c->names = words->names;
	if (!none && !by_routes)
		words->names[c->n++] = word;
	return true;
}

/* Seen from the host, as `ip -s link` has it: what came in by the device is rx. */
static struct fv_counters from_host(const struct fv_counters *c)
{
	return (struct fv_counters){
		.rx_shortcut_packets = c->tx_shortcut_packets,
		.rx_shortcut_bytes = c->tx_shortcut_bytes,
		.rx_other_packets = c->tx_other_packets,
		.rx_other_bytes = c->tx_other_bytes,
		.tx_shortcut_packets = c->rx_shortcut_packets,
		.tx_shortcut_bytes = c->rx_shortcut_bytes,
		.tx_other_packets = c->rx_other_packets,
		.tx_other_bytes = c->rx_other_bytes,
	};
}

json_t *uplinks_stats_json(const struct fv_view *view)
{
	json_t *list = json_array();

	for (size_t i = 0; i < view->n_uplinks; i++) {
		const struct fv_view_uplink *u = &view->uplinks[i];
		const struct fv_counters c = from_host(&u->counters);
		json_t *j = json_pack("{s:s, s:i}", "device", u->device, "ifindex", u->ifindex);

		json_array_append_new(list, counters_json(j, &c, &u->reasons));
	}
	return list;
}

void uplinks_stats_text(const struct fv_view *view)
{
	static const char *const columns[] = { "<UPLINK",     "RX-PACKETS", "RX-BYTES",
					       "RX-SHORTCUT", "TX-PACKETS", "TX-BYTES",
					       "TX-SHORTCUT", "SLOW",	    "DROP",
					       "<WHY",	      NULL };
	struct table *t;

	if (!view->n_uplinks)
		return;
	t = table_new(columns);
	for (size_t i = 0; i < view->n_uplinks; i++) {
		const struct fv_counters c = from_host(&view->uplinks[i].counters);

		table_cell(t, "%s", view->uplinks[i].device);
		counters_cells(t, &c, &view->uplinks[i].reasons);
	}
	table_print(&t);
}

static const char *state_of(const struct fv_view_uplink *u)
{
	return u->declined ? "declined" : "accelerated";
}

json_t *uplinks_json(const struct fv_view *view)
{
	json_t *list = json_array();

	for (size_t i = 0; i < view->n_uplinks; i++) {
		const struct fv_view_uplink *u = &view->uplinks[i];
		json_t *reasons = lines_json(u->objections), *problems = lines_json(u->problems);

		json_array_extend(reasons, problems);
		json_decref(problems);
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o}", "device", u->device,
						      "hook", str_or_null(u->hook), "state",
						      state_of(u), "reasons", reasons));
	}
	return list;
}

void uplinks_text(const struct fv_view *view)
{
	static const char *const columns[] = { "<UPLINK", "<HOOK", "<STATE", "<REASON", NULL };
	struct table *t;

	if (!view->n_uplinks)
		return;
	t = table_new(columns);
	for (size_t i = 0; i < view->n_uplinks; i++) {
		const struct fv_view_uplink *u = &view->uplinks[i];

		table_cell(t, "%s", u->device);
		table_cell(t, "%s", *u->hook ? u->hook : "none");
		table_cell(t, "%s", state_of(u));
		why_cell(t, u->problems, u->objections);
	}
	table_print(&t);
}
