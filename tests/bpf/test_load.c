// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel makes of the programs: how much the verifier has to look at, and their BTF.
 *
 * tests/bpf/insns holds what it looked at when that was last recorded, by kernel and compiler: more
 * than a tenth above that fails. The lines "# insns ..." that this prints are its format (tests/vm/insns
 * puts them there).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "bpf/bed.h"
#include "fastveth_nat.skel.h"
#include "fastveth_tc.skel.h"
#include "fastveth_xdp.skel.h"

/* Far below the kernel's million: older verifiers look at more, and it takes time at each start. */
#define MOST_INSNS 100000
/* BPF_LOG_STATS */
#define LOG_STATS 4

#define RECORD "tests/bpf/insns"

static char log_text[4096];

/* What was seen, and what is recorded of it (0: nothing). */
static struct seen {
	char program[32];
	unsigned int insns, recorded;
} seen[16];
static size_t n_seen;

/* "6.1" of "6.1.0-50-cloud-amd64"; the compiler's release by the runner. */
static void where(char kernel[16], const char **clang)
{
	struct utsname u;
	unsigned int major, minor;

	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
	snprintf(kernel, 16, "%u.%u", major, minor);
	*clang = getenv("FV_CLANG") ?: "?";
}

static unsigned int recorded(const char *program)
{
	FILE *f = fopen(RECORD, "re");
	char line[128], k[16], c[16], p[32], kernel[16];
	unsigned int n, found = 0;
	const char *clang;

	assert_non_null(f);
	where(kernel, &clang);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %15s %31s %u", k, c, p, &n) == 4 && !strcmp(k, kernel) &&
		    !strcmp(c, clang) && !strcmp(p, program))
			found = n;
	fclose(f);
	return found;
}

static void note(const char *program, unsigned int insns)
{
	struct seen *s = &seen[n_seen++];
	const char *clang;
	char kernel[16];

	assert_true(n_seen <= FV_ARRAY_SIZE(seen));
	snprintf(s->program, sizeof(s->program), "%s", program);
	s->insns = insns;
	s->recorded = recorded(program);
	where(kernel, &clang);
	print_message("# insns %s %s %s %u\n", kernel, clang, program, insns);
}

static int make_bed(void **state)
{
	(void)state;
	bed_make_devices();
	OK(fv_dp_load(&bed_features, N_WHO, FV_LOAD_XDP | FV_LOAD_FLOWS, &err, &bed_dp));
	return 0;
}

static void give_maps(struct bpf_object *obj)
{
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, fv_map_names[i]);

		assert_int_equal(bpf_map__reuse_fd(map, bed_dp->maps.fd[i]), 0);
	}
}

static void watch(struct bpf_program *prog)
{
	memset(log_text, 0, sizeof(log_text));
	assert_int_equal(bpf_program__set_log_buf(prog, log_text, sizeof(log_text)), 0);
	assert_int_equal(bpf_program__set_log_level(prog, LOG_STATS), 0);
}

static void report(const struct bpf_program *prog, const char *how)
{
	char name[32];

	const char *line = strstr(log_text, "processed ");
	struct bpf_prog_info info;
	unsigned int insns = 0;

	assert_non_null(line);
	assert_int_equal(sscanf(line, "processed %u insns", &insns), 1);
	assert_int_equal(fv_prog_info(bpf_program__fd(prog), &info), 0);
	snprintf(name, sizeof(name), "%s%s", bpf_program__name(prog), how);
	print_message("# %s: %u bytes of BPF, %u of machine code\n", name, info.xlated_prog_len,
		      info.jited_prog_len);
	note(name, insns);
	if (!insns || insns > MOST_INSNS)
		fail_msg("%s: the verifier looks at %u instructions, more than %u",
			 bpf_program__name(prog), insns, MOST_INSNS);
	assert_int_not_equal(info.btf_id, 0);
}

/* One program of an object alone. */
static void load_only(struct bpf_object *obj, enum fv_prog which, const char *how)
{
	struct bpf_program *prog, *only;

	give_maps(obj);
	only = bpf_object__find_program_by_name(obj, fv_prog_name(which));
	assert_non_null(only);
	bpf_object__for_each_program(prog, obj)
		assert_int_equal(bpf_program__set_autoload(prog, prog == only), 0);
	watch(only);
	assert_int_equal(bpf_object__load(obj), 0);
	report(only, how);
}

static void load_tc(enum fv_prog which, bool flows)
{
	struct fastveth_tc *skel = fastveth_tc__open();

	assert_non_null(skel);
	skel->rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	skel->rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	skel->rodata->fv_note_mask = flows ? FV_NOTES_PER_CPU - 1 : 0;
	load_only(skel->obj, which, flows ? "+flows" : "");
	fastveth_tc__destroy(skel);
}

static void load_nat(enum fv_prog which)
{
	struct fastveth_nat *skel = fastveth_nat__open();

	assert_non_null(skel);
	skel->rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	skel->rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	skel->rodata->fv_note_mask = FV_NOTES_PER_CPU - 1;
	load_only(skel->obj, which, "+nat");
	fastveth_nat__destroy(skel);
}

static void load_xdp(bool frags)
{
	struct fastveth_xdp *skel = fastveth_xdp__open();
	struct bpf_program *prog;

	assert_non_null(skel);
	give_maps(skel->obj);
	prog = skel->progs.fv_xdp_from_ns;
	skel->rodata->fv_port_mask = bed_dp->maps.n_ports - 1;
	skel->rodata->fv_endpoint_mask = bed_dp->maps.n_endpoints - 1;
	skel->rodata->fv_xdp_frags = frags;
	if (frags)
		assert_int_equal(bpf_program__set_flags(prog, 1U << 5 /* BPF_F_XDP_HAS_FRAGS */),
				 0);
	watch(prog);
	assert_int_equal(fastveth_xdp__load(skel), 0);
	report(prog, frags ? "+frags" : "");
	fastveth_xdp__destroy(skel);
}

static void the_verifier_has_little_to_do(void **state)
{
	(void)state;
	for (int flows = 0; flows < 2; flows++) {
		load_tc(FV_PROG_FROM_NS, flows);
		load_tc(FV_PROG_TO_NS, flows);
	}
	load_tc(FV_PROG_FROM_UPLINK, true);
	load_tc(FV_PROG_TO_UPLINK, true);
	if (fv_dp_could_nat()) {
		load_nat(FV_PROG_TO_NS);
		load_nat(FV_PROG_TO_UPLINK);
	}
	load_xdp(false);
	if (bed_features.xdp_frags)
		load_xdp(true);
}

static void it_has_no_more_to_do_than_it_had(void **state)
{
	(void)state;
	assert_true(n_seen);
	for (size_t i = 0; i < n_seen; i++) {
		const struct seen *s = &seen[i];

		if (!s->recorded) {
			print_message("# skip: " RECORD " has no %s for this kernel and compiler\n",
				      s->program);
			skip();
		}
		if (s->insns > s->recorded + s->recorded / 10)
			fail_msg(
				"%s: the verifier looks at %u instructions, more than a tenth above "
				"the %u of " RECORD,
				s->program, s->insns, s->recorded);
	}
}

/* bpftool shows field names by it. The kernel takes none for a device map. */
static void maps_and_programs_carry_btf(void **state)
{
	(void)state;
	for (int i = 0; i < FV_MAP_COUNT; i++) {
		struct bpf_map_info info;

		assert_int_equal(fv_map_info(bed_dp->maps.fd[i], &info), 0);
		assert_string_equal(info.name, fv_map_names[i]);
		if (i != FV_MAP_LIVE && (!info.btf_id || !info.btf_value_type_id))
			fail_msg("map %s has no BTF", info.name);
	}
	for (int i = 0; i < FV_PROG_COUNT; i++) {
		struct bpf_prog_info info;

		assert_int_equal(fv_prog_info(bed_dp->prog[i], &info), 0);
		assert_string_equal(info.name, fv_prog_name(i));
		assert_int_not_equal(info.btf_id, 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verifier_has_little_to_do),
		cmocka_unit_test(it_has_no_more_to_do_than_it_had),
		cmocka_unit_test(maps_and_programs_carry_btf),
	};

	bed_isolate();
	return cmocka_run_group_tests(tests, make_bed, bed_close);
}
