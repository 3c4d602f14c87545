// SPDX-License-Identifier: GPL-2.0-only
/* inspect. */
#include <stdio.h>

#include "cli/cli.h"
#include "core/cleanup.h"

static json_t *inspect_json(const struct fv_inspect *in)
{
	json_t *progs = json_array(), *maps = json_array(), *links = json_array();

	for (size_t i = 0; i < in->n_progs; i++) {
		const struct fv_inspect_prog *p = &in->progs[i];
		json_t *attached = json_array();

		for (size_t k = 0; k < in->n_at; k++)
			if (in->at[k].prog_id == p->id)
				json_array_append_new(attached, json_string(in->at[k].device));
		json_array_append_new(
			progs, json_pack("{s:s, s:I, s:s, s:s, s:o, s:o}", "name", p->name, "id",
					 (json_int_t)p->id, "tag", p->tag, "pin", p->pin, "run_ns",
					 int_or_null(p->run_ns), "attached", attached));
	}
	for (size_t i = 0; i < in->n_maps; i++)
		json_array_append_new(
			maps, json_pack("{s:s, s:I, s:I, s:s}", "name", in->maps[i].name, "id",
					(json_int_t)in->maps[i].id, "entries",
					(json_int_t)in->maps[i].entries, "pin", in->maps[i].pin));
	for (size_t i = 0; i < in->n_links; i++)
		json_array_append_new(links, json_pack("{s:I, s:s, s:o, s:I}", "id",
						       (json_int_t)in->links[i].id, "pin",
						       in->links[i].pin, "device",
						       str_or_null(in->links[i].device), "program",
						       (json_int_t)in->links[i].prog_id));
	return json_pack("{s:o, s:o, s:o, s:o}", "programs", progs, "maps", maps, "links", links,
			 "kernel", kernel_json(&in->kernel));
}

static void inspect_text(const struct fv_inspect *in)
{
	static const char *const prog_columns[] = {
		"<PROGRAM", "ID", "<TAG", "NS/RUN", "<PIN", NULL
	};
	static const char *const map_columns[] = { "<MAP", "ID", "ENTRIES", "<PIN", NULL };
	static const char *const link_columns[] = { "<LINK", "ID", "PROGRAM", "<PIN", NULL };
	struct table *t = table_new(prog_columns);

	for (size_t i = 0; i < in->n_progs; i++) {
		const struct fv_inspect_prog *p = &in->progs[i];

		table_cell(t, "%s", p->name);
		table_cell(t, "%u", p->id);
		table_cell(t, "%s", p->tag);
		table_cell(t, p->run_cnt ? "%lu" : "-",
			   (unsigned long)(p->run_cnt ? p->run_ns / p->run_cnt : 0));
		table_cell(t, "%s", p->pin);
	}
	table_print(&t);
	putchar('\n');
	t = table_new(map_columns);
	for (size_t i = 0; i < in->n_maps; i++) {
		table_cell(t, "%s", in->maps[i].name);
		table_cell(t, "%u", in->maps[i].id);
		table_cell(t, "%u", in->maps[i].entries);
		table_cell(t, "%s", in->maps[i].pin);
	}
	table_print(&t);
	putchar('\n');
	t = table_new(link_columns);
	for (size_t i = 0; i < in->n_links; i++) {
		table_cell(t, "%s", *in->links[i].device ? in->links[i].device : "(gone)");
		table_cell(t, "%u", in->links[i].id);
		table_cell(t, "%u", in->links[i].prog_id);
		table_cell(t, "%s", in->links[i].pin);
	}
	table_print(&t);
	putchar('\n');
	kernel_text(&in->kernel);
	if (in->n_maps)
		printf("for example: bpftool map dump id %u; bpftool prog dump xlated id %u\n",
		       in->maps[0].id, in->n_progs ? in->progs[0].id : 0);
}

int cmd_inspect(struct cli *cli, int argc, char **argv)
{
	FV_CLEANUP(fv_inspect_fini) struct fv_inspect in = {};
	struct fv_err err = {};

	if (cli_options(cli, argc, argv, NULL, NULL, NULL, 0, 0) < 0)
		return EXIT_USAGE;
	if (fv_inspect(&err, &in))
		return cli_failed(&err);
	if (cli->json)
		return cli_json(inspect_json(&in));
	if (!cli->quiet)
		inspect_text(&in);
	return EXIT_DONE;
}
