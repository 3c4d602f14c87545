// SPDX-License-Identifier: GPL-2.0-only
/* The topology file as a file: what kind, how large, how nested, and how it is broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/yaml.h"
#include "unit/tmp.h"

static void refuses_what_is_no_file(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "sock" };
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(fv_yaml_load("nowhere.yaml", &err, &topo), -ENOENT);
	assert_string_equal(err.msg, "nowhere.yaml: No such file or directory");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("/", &err, &topo), -EINVAL);
	assert_string_equal(err.msg, "/ is a directory, not a topology file");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("/dev/zero", &err, &topo), -EINVAL);
	assert_string_equal(err.msg, "/dev/zero is a device, not a topology file");
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("sock", &err, &topo), -EINVAL);
	assert_string_equal(err.msg, "sock is a socket, not a topology file");
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("a\x1b]0;x", &err, &topo), -ENOENT);
	assert_string_equal(err.msg, "a\\x1b]0;x: No such file or directory");
}

static void limits_what_it_reads(void **state)
{
	const size_t size = 16 << 20;
	FV_AUTO_FREE char *text = malloc(size + 1);
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size + 1);
	memcpy(text, "networks: { a: {} }", 19);
	tmp_write("large.yaml", text, size + 1);
	assert_int_equal(fv_yaml_load("large.yaml", &err, &topo), -EFBIG);
	assert_string_equal(err.msg, "large.yaml is larger than 16 MiB");
	tmp_write("large.yaml", text, size);
	assert_int_equal(fv_yaml_load("large.yaml", NULL, &topo), 0);
	fv_topo_fini(&topo);
}

/* Nesting and repetition: an answer in bounded time and memory, whichever it is. */
static void survives_bombs(void **state)
{
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	char *text;
	size_t size;
	FILE *f;

	(void)state;
	text = malloc(1 << 20);
	assert_non_null(text);
	memset(text, '[', 1 << 20);
	tmp_write("deep.yaml", text, 1 << 20);
	assert_int_equal(fv_yaml_load("deep.yaml", &err, &topo), -EINVAL);
	assert_string_equal(err.msg, "deep.yaml:1:33: mappings and lists are nested too deep");
	for (size_t i = 0; i < 1 << 20; i += 2)
		memcpy(text + i, "- ", 2);
	tmp_write("deep.yaml", text, 1 << 20);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("deep.yaml", &err, &topo), -EINVAL);
	assert_string_equal(err.msg, "deep.yaml:1:65: mappings and lists are nested too deep");
	free(text);

	for (int aliases = 0; aliases < 2; aliases++) {
		f = open_memstream(&text, &size);
		fputs("- &a b\n", f);
		for (int i = 0; i < 500000; i++)
			fprintf(f, aliases ? "- *a\n" : "- &a%d b\n", i);
		fclose(f);
		tmp_write("anchors.yaml", text, size);
		free(text);
		err = (struct fv_err){ 0 };
		assert_int_equal(fv_yaml_load("anchors.yaml", &err, &topo), -EINVAL);
		assert_string_equal(err.msg, aliases ? "anchors.yaml:10002:3: too many anchors and "
						       "aliases; write the values out instead"
						     : "anchors.yaml:10001:3: too many anchors and "
						       "aliases; write the values out instead");
	}

	f = open_memstream(&text, &size);
	fputs("networks:\n  n0: &n { namespaces: &a {", f);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "a%d, ", i);
	fputs("} }\n", f);
	for (int i = 1; i < 5000; i++)
		fprintf(f, "  n%d: *n\n", i);
	fclose(f);
	tmp_write("wide.yaml", text, size);
	free(text);
	err = (struct fv_err){ 0 };
	assert_int_equal(fv_yaml_load("wide.yaml", &err, &topo), -EINVAL);
	assert_string_equal(err.msg,
			    "wide.yaml:2:30: more than 2000000 values, counting what aliases "
			    "repeat");

	/* An alias to what it stands in. */
	err = (struct fv_err){ 0 };
	assert_int_equal(tmp_load("networks:\n  lab:\n    namespaces: &n { a: *n }\n", &err, &topo),
			 -EINVAL);
	assert_string_equal(err.msg,
			    "lab.yaml:3:22: unknown key \"a\" in namespace \"a\"; known keys: "
			    "address, address6, ifname, publish, share");
}

static void reads_pipes_and_standard_input(void **state)
{
	static const char yaml[] = "networks:\n  lab: { subnet: 10.77.0.0/24, nett: 1 }\n";
	struct fv_topo topo = { 0 };
	struct fv_err err = { 0 };
	int saved = dup(STDIN_FILENO), ends[2];
	char path[32];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], yaml, strlen(yaml)), strlen(yaml));
	close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	assert_int_equal(fv_yaml_load("-", &err, &topo), -EINVAL);
	assert_string_equal(err.msg,
			    "standard input:2:32: unknown key \"nett\" in network \"lab\"; "
			    "known keys: hook, internal, mtu, namespaces, subnet, subnet6");
	dup2(saved, STDIN_FILENO);
	close(saved);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], yaml, strlen(yaml)), strlen(yaml));
	close(ends[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_int_equal(fv_yaml_load(path, NULL, &topo), -EINVAL);
	close(ends[0]);
}

/* Whatever a byte is changed to, the answer is a topology or a message. */
static void survives_changed_bytes(void **state)
{
	static const char yaml[] = "networks:\n  lab:\n    subnet: 10.77.0.0/24\n    namespaces:\n"
				   "      web: &w { address: 10.77.0.10, publish: [\"8080:80\"] }\n"
				   "      s: { share: web }\n      db: *w\n";
	static const char bytes[] = "\0\n\t :{}[]&*!|>'\"%@#-,?\xff\x80"
				    "0a";
	char text[sizeof(yaml)];
	size_t loaded = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(yaml) - 1; i++)
		for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
			struct fv_topo topo = { 0 };
			struct fv_err err = { 0 };
			int r;

			memcpy(text, yaml, sizeof(yaml));
			text[i] = bytes[j];
			tmp_write("lab.yaml", text, sizeof(yaml) - 1);
			r = fv_yaml_load("lab.yaml", &err, &topo);
			assert_int_equal(err.code, r);
			assert_int_equal(*err.msg != '\0', r != 0);
			loaded += !r;
			if (!r)
				fv_topo_check(&topo, NULL);
			fv_topo_fini(&topo);
		}
	assert_in_range(loaded, 1, (sizeof(yaml) - 1) * (sizeof(bytes) - 1) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_file),
		cmocka_unit_test(limits_what_it_reads),
		cmocka_unit_test(survives_bombs),
		cmocka_unit_test(reads_pipes_and_standard_input),
		cmocka_unit_test(survives_changed_bytes),
	};

	return cmocka_run_group_tests(tests, tmp_enter, tmp_leave);
}
