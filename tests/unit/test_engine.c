// SPDX-License-Identifier: GPL-2.0-only
/* Containers that are listed and found, and what is said of those that are not. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "engine/engine.h"
#include "unit/engine_test.h"
#include "unit/tmp.h"

static void refused(const char *word, int code, const char *message)
{
	struct fv_container c = { 0 };
	struct fv_err err = { 0 };

	assert_int_equal(fv_engine_find(word, &err, &c), code);
	assert_int_equal(err.code, code);
	assert_string_equal(engine_msg(&err), message);
	assert_null(c.id);
	assert_int_equal(fv_engine_find(word, NULL, &c), code);
}

static void finds(const char *word, const char *name, const char *engine)
{
	struct fv_container c = { 0 };
	struct fv_err err = { 0 };

	if (fv_engine_find(word, &err, &c))
		fail_msg("%s: %s", word, err.msg);
	assert_string_equal(c.name, name);
	assert_string_equal(c.engine, engine);
	assert_int_equal(c.pid, getpid());
	fv_container_fini(&c);
	assert_null(c.id);
}

static void good_answers(enum fake_way way)
{
	const struct fake_answer answers[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_A "\"},{\"Id\":\"" ID_B "\"}]", way },
		{ AT(ID_A), 200, WEB(SELF), way },
		{ AT(ID_B), 200, DB(SELF), way },
		{ AT("web"), 200, WEB(SELF), way },
		{ AT("aaaab"), 200, DB(SELF), way },
		{ 0 },
	};
	struct fv_container *all;
	struct stat own;
	size_t n;

	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(all[0].id, ID_A);
	assert_string_equal(all[0].name, "web");
	assert_string_equal(all[0].engine, "docker");
	assert_string_equal(all[1].name, "db");
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(all[i].pid, getpid());
		assert_true(all[i].ns_dev == own.st_dev && all[i].ns_ino == own.st_ino);
		assert_true(all[i].host_network);
	}
	assert_string_equal(fv_container_of(all, n, own.st_dev, own.st_ino), "web");
	assert_null(fv_container_of(all, n, own.st_dev, own.st_ino + 1));
	assert_null(fv_container_of(all, n, own.st_dev + 1, own.st_ino));
	assert_null(fv_container_of(NULL, 0, own.st_dev, own.st_ino));
	fv_containers_free(all, n);
	finds("web", "web", "docker");
	finds(ID_B, "db", "docker");
	finds("aaaab", "db", "docker");
}

static void reads_plain_answers(void **state)
{
	(void)state;
	good_answers(FAKE_PLAIN);
	/* One connection for the list, one for each container looked for. */
	assert_int_equal(fake_connections(), 4);
}

static void reads_chunked_answers(void **state)
{
	(void)state;
	good_answers(FAKE_CHUNKED);
	assert_int_equal(fake_connections(), 4);
}

static void survives_closed_connections(void **state)
{
	(void)state;
	good_answers(FAKE_CLOSE);
	assert_int_equal(fake_connections(), 6);
}

static void lists_what_runs(void **state)
{
	static const struct fake_answer answers[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_C "\"},{\"Id\":\"" ID_B "\"},{\"Id\":\"" ID_A "\"}]",
		  FAKE_PLAIN },
		{ AT(ID_A), 200, WEB(SELF), FAKE_PLAIN },
		{ AT(ID_B), 200, DB("0"), FAKE_PLAIN },
		{ AT(ID_C), 404, ERROR("No such container"), FAKE_PLAIN },
		{ 0 },
	};
	static const char *const empty[] = { "[]", "null", " [ ]\n" };
	struct fv_container *all;
	size_t n;

	(void)state;
	engine_at("DOCKER_HOST", "docker");
	fake_start("docker", answers);
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(all[0].name, "web");
	fv_containers_free(all, n);
	for (size_t i = 0; i < FV_ARRAY_SIZE(empty); i++) {
		const struct fake_answer none[] = { { LIST, 200, empty[i], FAKE_PLAIN }, { 0 } };

		fake_start("docker", none);
		assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
		assert_int_equal(n, 0);
		fv_containers_free(all, n);
	}
}

static void knows_its_own_namespace(void **state)
{
	char web[200], has;
	const struct fake_answer answers[] = { { AT("web"), 200, web, FAKE_PLAIN }, { 0 } };
	struct fv_container c = { 0 };
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		has = !unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET) ? 'y' : 'n';
		if (write(ends[1], &has, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ends[0], &has, 1), 1);
	close(ends[0]);
	close(ends[1]);
	snprintf(web, sizeof(web), WEB("%d"), (int)pid);
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	assert_int_equal(fv_engine_find("web", NULL, &c), 0);
	assert_int_equal(c.pid, pid);
	assert_true(c.host_network == (has == 'n'));
	fv_container_fini(&c);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(fv_engine_find("web", NULL, &c), -ESRCH);
}

static void names_what_is_not_there(void **state)
{
	static const struct fake_answer answers[] = {
		{ AT("web"), 200, WEB("0"), FAKE_PLAIN },
		{ AT("aaa"), 200, WEB(SELF), FAKE_PLAIN },
		{ AT("other"), 200, WEB(SELF), FAKE_PLAIN },
		{ AT("dead"), 200, DB("2147483647"), FAKE_PLAIN },
		{ AT("db"), 200, DB("2147483647"), FAKE_PLAIN },
		{ AT("aaaa"), 400, ERROR("Multiple IDs found with provided prefix: aaaa"),
		  FAKE_PLAIN },
		{ AT("aaa0"), 404, ERROR("no such container"), FAKE_PLAIN },
		{ AT("aaaaa"), 500, ERROR("broken"), FAKE_PLAIN },
		{ LIST "?all=1", 200, "[{\"Id\":\"" ID_A "\"},{\"Id\":\"" ID_B "\"}]", FAKE_PLAIN },
		{ 0 },
	};
	static const char none[] =
		"there is none of this name or id (asked D/docker); `docker ps` or "
		"`podman ps` shows which there are";
	char text[300];

	(void)state;
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	refused("web", -ESRCH, "container \"web\" does not run; start it with `docker start web`");
	snprintf(text, sizeof(text), "container \"nginx\": %s", none);
	refused("nginx", -ENOENT, text);
	snprintf(text, sizeof(text), "container \"other\": %s", none);
	refused("other", -ENOENT, text);
	refused("aaa", -ENOENT,
		"container \"aaa\": there is none of this name, and an id needs at least 4 digits; "
		"give more of it");
	refused("aaaa", -ENOTUNIQ,
		"container \"aaaa\": several ids at D/docker begin so; give more of it");
	/* As Podman has it. */
	refused("aa", -ENOTUNIQ,
		"container \"aa\": several ids at D/docker begin so; give more of it");
	snprintf(text, sizeof(text), "container \"aaa0\": %s", none);
	refused("aaa0", -ENOENT, text);
	refused("aaaaa", -EREMOTEIO,
		"D/docker: the container engine answers with HTTP 500: broken; its log may say more");
	refused("db", -ESRCH,
		"container \"db\": there is no process 2147483647 here: it has ended, or its engine "
		"is in another pid namespace; see `docker ps`");
}

static void names_where_it_looked(void **state)
{
	const char *paths[] = { "missing", "refuses", "file", "dir/x/../missing", NULL };
	struct fv_container *all;
	size_t n;

	(void)state;
	fake_start("refuses", NULL);
	fake_stop_all();
	tmp_write("file", "", 0);
	fv_engine_sockets_set(paths);
	refused("web", -ENOENT,
		"container \"web\": no container engine answers (looked at missing, refuses: "
		"Connection refused, file: Socket operation on non-socket, dir/x/../missing); name a "
		"bridge, pid:N, netns:NAME or path:FILE instead");
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_null(all);
	assert_int_equal(n, 0);
	paths[0] = NULL;
	setenv("DOCKER_HOST", "tcp://127.0.0.1:2375", 1);
	refused("web", -ENOENT,
		"container \"web\": no container engine answers (looked at no socket; DOCKER_HOST and "
		"CONTAINER_HOST count as unix:///PATH only); name a bridge, pid:N, netns:NAME or "
		"path:FILE instead");
	setenv("DOCKER_HOST", "", 1);
	refused("web", -ENOENT,
		"container \"web\": no container engine answers (looked at no socket); name a "
		"bridge, pid:N, netns:NAME or path:FILE instead");
	unlink("refuses");
}

static void takes_local_sockets_only(void **state)
{
	static const char *const other[] = {
		"tcp://127.0.0.1:1", "ssh://host", "unix://", "unix:///",
		"unix://docker",     "docker",	   "",	      "http://x"
	};
	static const struct fake_answer answers[] = { { AT("web"), 200, WEB(SELF), FAKE_PLAIN },
						      { 0 } };
	const char *const paths[] = { "docker", NULL };

	(void)state;
	fake_start("docker", answers);
	fv_engine_sockets_set(paths);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	for (size_t i = 0; i < FV_ARRAY_SIZE(other); i++) {
		setenv("DOCKER_HOST", other[i], 1);
		setenv("CONTAINER_HOST", other[i], 1);
		finds("web", "web", "docker");
	}
	assert_int_equal(fake_connections(), FV_ARRAY_SIZE(other));
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void names_a_path_too_long(void **state)
{
	char name[200], text[400];

	(void)state;
	memset(name, 'd', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	/* What is not there is only not there. */
	engine_at("DOCKER_HOST", name);
	snprintf(text, sizeof(text),
		 "container \"web\": no container engine answers (looked at D/%s); name a bridge, "
		 "pid:N, netns:NAME or path:FILE instead",
		 name);
	refused("web", -ENOENT, text);
	fake_start("docker", NULL);
	assert_int_equal(link("docker", name), 0);
	{
		struct fv_container c = { 0 };
		struct fv_err err = { 0 };

		assert_int_equal(fv_engine_find("web", &err, &c), -ENAMETOOLONG);
		assert_non_null(strstr(err.msg, "longer than 107 bytes"));
	}
	unlink(name);
}

static void refuses_names_before_it_asks(void **state)
{
	static const char *const names[] = { "",     "/web", "../info", "..",	 ".",
					     "a/b",  "a b",  "a?all=1", "a%2fb", "a#b",
					     "-web", "_web", "a\n",	"a\x1b", "w\xc3\xa4",
					     "a&b",  "a\\b", "a:b",	"a\"" };
	static const struct fake_answer none[] = { { 0 } };
	struct fv_container c = { 0 };
	struct fv_err err = { 0 };
	char name[300];

	(void)state;
	fake_start("docker", none);
	engine_at("DOCKER_HOST", "docker");
	for (size_t i = 0; i < FV_ARRAY_SIZE(names); i++)
		assert_int_equal(fv_engine_find(names[i], NULL, &c), -EINVAL);
	refused("../x\x1b[2J", -EINVAL,
		"container \"../x\\x1b[2J\": not a name (letters, digits, \"_\", \".\" and \"-\", at "
		"most 255) or id");
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	assert_int_equal(fv_engine_find(name, NULL, &c), -EINVAL);
	assert_int_equal(fake_requests(), 0);
	name[255] = '\0';
	assert_int_equal(fv_engine_find(name, &err, &c), -ENOENT);
	assert_int_equal(fake_requests(), 1);
}

static void each_socket_and_container_once(void **state)
{
	static const struct fake_answer answers[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_A "\"}]", FAKE_PLAIN },
		{ AT(ID_A), 200, WEB(SELF), FAKE_PLAIN },
		{ AT("web"), 200, WEB(SELF), FAKE_PLAIN },
		{ 0 },
	};
	const char *const paths[] = { "docker", "link", NULL };
	struct fv_container *all;
	size_t n;

	(void)state;
	fake_start("docker", answers);
	assert_int_equal(symlink("docker", "link"), 0);
	engine_at("DOCKER_HOST", "docker");
	engine_at("CONTAINER_HOST", "link");
	fv_engine_sockets_set(paths);
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_int_equal(n, 1);
	fv_containers_free(all, n);
	assert_int_equal(fake_connections(), 1);
	unlink("link");

	/* Another socket with the same containers, as a relay has them. */
	fake_start("relay", answers);
	engine_at("CONTAINER_HOST", "relay");
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_int_equal(n, 1);
	fv_containers_free(all, n);
	finds("web", "web", "docker");
}

static void asks_both_engines(void **state)
{
	static const struct fake_answer docker[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_A "\"}]", FAKE_PLAIN },
		{ AT(ID_A), 200, WEB(SELF), FAKE_PLAIN },
		{ AT("web"), 200, WEB(SELF), FAKE_PLAIN },
		{ AT("old"), 200, "{\"Id\":\"" ID_A "\",\"Name\":\"old\",\"State\":{\"Pid\":0}}",
		  FAKE_PLAIN },
		{ 0 },
	};
	static const struct fake_answer podman[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_C "\"}]", FAKE_PODMAN },
		{ AT(ID_C), 200,
		  "{\"Id\":\"" ID_C "\",\"Name\":\"web\",\"State\":{\"Pid\":" SELF "}}",
		  FAKE_PODMAN },
		{ AT("web"), 200,
		  "{\"Id\":\"" ID_C "\",\"Name\":\"web\",\"State\":{\"Pid\":" SELF "}}",
		  FAKE_PODMAN },
		{ AT("old"), 200,
		  "{\"Id\":\"" ID_C "\",\"Name\":\"old\",\"State\":{\"Pid\":" SELF "}}",
		  FAKE_PODMAN },
		{ 0 },
	};
	struct fv_container *all;
	size_t n;

	(void)state;
	fake_start("docker", docker);
	fake_start("podman", podman);
	engine_at("DOCKER_HOST", "docker");
	engine_at("CONTAINER_HOST", "podman");
	assert_int_equal(fv_engine_list(NULL, &all, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(all[0].engine, "docker");
	assert_string_equal(all[1].engine, "podman");
	fv_containers_free(all, n);
	refused("web", -ENOTUNIQ,
		"container \"web\": docker at D/docker and podman at D/podman both have one; give its "
		"id");
	finds(ID_C, "web", "podman");
	finds("old", "old", "podman");
	engine_at("DOCKER_HOST", "podman");
	engine_at("CONTAINER_HOST", "docker");
	finds("old", "old", "podman");
}

/* Values elsewhere that a strict reader would stumble over, though real engines have them. */
static void minds_its_own_fields_only(void **state)
{
	static const struct fake_answer answers[] = {
		{ AT("web"), 200,
		  "{\"Id\":\"" ID_A "\",\"Name\":\"/web\",\"Labels\":{\"a\":\"\\u0000\"},"
		  "\"Rate\":18446744073709551615,\"State\":{\"Pid\":" SELF ",\"x\":[{}]}}",
		  FAKE_PLAIN },
		{ 0 },
	};

	(void)state;
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	finds("web", "web", "docker");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, engine_begin, engine_end)
	const struct CMUnitTest tests[] = {
		TEST(reads_plain_answers),
		TEST(reads_chunked_answers),
		TEST(survives_closed_connections),
		TEST(lists_what_runs),
		TEST(knows_its_own_namespace),
		TEST(names_what_is_not_there),
		TEST(names_where_it_looked),
		TEST(takes_local_sockets_only),
		TEST(names_a_path_too_long),
		TEST(refuses_names_before_it_asks),
		TEST(each_socket_and_container_once),
		TEST(asks_both_engines),
		TEST(minds_its_own_fields_only),
	};

	return cmocka_run_group_tests(tests, engine_enter, tmp_leave);
}
