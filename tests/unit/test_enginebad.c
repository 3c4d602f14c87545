// SPDX-License-Identifier: GPL-2.0-only
/* No bad answer is believed, and none is waited for for ever. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "engine/engine.h"
#include "unit/engine_test.h"
#include "unit/tmp.h"

/* All that a find and a list of such an engine must refuse. */
static void engine_is_refused(const struct fake_answer *answers, const char *why)
{
	static const struct fake_answer good[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_B "\"}]", FAKE_PLAIN },
		{ AT(ID_B), 200, DB(SELF), FAKE_PLAIN },
		{ AT("web"), 404, ERROR("none"), FAKE_PLAIN },
		{ 0 },
	};
	struct fv_err err = { 0 }, found = { 0 };
	struct fv_container *all, c = { 0 };
	int r, code;
	size_t n;

	fake_start("bad", answers);
	fake_start("good", good);
	engine_at("DOCKER_HOST", "bad");
	engine_at("CONTAINER_HOST", "good");
	r = fv_engine_find("web", &found, &c);
	if (r >= 0 || r == -ENOENT || r == -ESRCH || !strstr(found.msg, why))
		fail_msg("\"%s\": find: %d: %s", why, r, found.msg);
	assert_non_null(strstr(engine_msg(&found), "D/bad: "));
	code = fv_engine_list(&err, &all, &n);
	if (code != r || !strstr(err.msg, why))
		fail_msg("\"%s\": list: %d: %s", why, code, err.msg);
	assert_non_null(strstr(engine_msg(&err), "D/bad: "));
	assert_int_equal(n, 1);
	assert_string_equal(all[0].name, "db");
	fv_containers_free(all, n);
	fake_stop_all();
}

static void refuses_nonsense(void **state)
{
	static const struct {
		const char *body, *why;
	} cases[] = {
		{ "", "not JSON" },
		{ "hello", "not JSON" },
		{ "{", "not JSON" },
		{ "{\"Id\":\"\xff\"}", "not JSON" },
		{ "[]", "not a JSON object" },
		{ "null", "not a JSON object" },
		{ "7", "not a JSON object" },
		{ "{}", "no id of 64 hex digits" },
		{ "{\"Id\":7}", "no id of 64 hex digits" },
		{ "{\"Id\":\"abc\"}", "no id of 64 hex digits: \"abc\"" },
		{ "{\"Id\":\"" ID_A "0\"}", "no id of 64 hex digits" },
		{ "{\"Id\":\"../../../info\"}", "no id of 64 hex digits: \"../../../info\"" },
		{ "{\"Id\":\"" ID_A "\\u0000\"}", "no id of 64 hex digits" },
		{ "{\"Id\":\"" ID_A "\"}", "a name that no container has" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":[\"web\"]}", "a name that no container has" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"\"}", "a name that no container has: \"\"" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/\"}", "a name that no container has: \"\"" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/a/b\"}",
		  "a name that no container has: \"a/b\"" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/a\\u001b[2J\\n\"}",
		  "a name that no container has: \"a\\x1b[2J\\n\"" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/web\\u0000x\"}",
		  "a name that no container has" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/web\"}", "no process id" },
		{ "{\"Id\":\"" ID_A "\",\"Name\":\"/web\",\"State\":7}", "no process id" },
		{ WEB("\"7\""), "no process id" },
		{ WEB("null"), "no process id" },
		{ WEB("true"), "no process id" },
		{ WEB("-1"), "no process id" },
		{ WEB("1.5"), "no process id" },
		{ WEB("2147483648"), "no process id" },
		{ WEB("4294967297"), "no process id" },
		{ WEB("99999999999999999999999999"), "no process id" },
		{ WEB("1e300"), "no process id" },
		{ WEB("1e999"), "not JSON" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		const struct fake_answer answers[] = {
			{ LIST, 200, "[{\"Id\":\"" ID_A "\"}]", FAKE_PLAIN },
			{ AT(ID_A), 200, cases[i].body, FAKE_PLAIN },
			{ AT("web"), 200, cases[i].body, FAKE_PLAIN },
			{ 0 },
		};

		engine_is_refused(answers, cases[i].why);
	}
}

static void refuses_nonsense_lists(void **state)
{
	static const char *const lists[] = {
		"{}",
		"7",
		"[7]",
		"[{}]",
		"[[]]",
		"[{\"Id\":null}]",
		"[{\"Id\":\"../x\"}]",
		"[{\"Id\":\"" ID_C "\"}]",
		"[",
		"",
	};

	(void)state;
	engine_at("DOCKER_HOST", "docker");
	for (size_t i = 0; i < FV_ARRAY_SIZE(lists); i++) {
		const struct fake_answer answers[] = {
			{ LIST, 200, lists[i], FAKE_PLAIN },
			{ AT(ID_C), 200, WEB(SELF), FAKE_PLAIN },
			{ 0 },
		};
		struct fv_container *all;
		struct fv_err err = { 0 };
		size_t n;

		fake_start("docker", answers);
		assert_int_equal(fv_engine_list(&err, &all, &n), -EPROTO);
		assert_non_null(strstr(err.msg, "no answer of a container engine"));
		assert_null(all);
		assert_int_equal(n, 0);
		assert_int_equal(fv_engine_list(NULL, &all, &n), -EPROTO);
	}
}

static void refuses_bad_answers(void **state)
{
	static const struct {
		int status;
		const char *body, *why;
		enum fake_way way;
	} cases[] = {
		{ 500, ERROR("boom\\u001b[2J"), "HTTP 500: boom\\x1b[2J; its log", FAKE_PLAIN },
		{ 500, "", "HTTP 500: no reason given", FAKE_PLAIN },
		{ 503, "<html>", "HTTP 503: no reason given", FAKE_CHUNKED },
		{ 301, "", "HTTP 301", FAKE_REDIRECT },
		{ 204, WEB(SELF), "HTTP 204", FAKE_PLAIN },
		{ 404, "not found", "HTTP 404: no reason given", FAKE_PLAIN },
		{ 404, "[\"message\"]", "HTTP 404: no reason given", FAKE_PLAIN },
		{ 200, "hello\n", "no answer of a container engine", FAKE_RAW },
		{ 200, "", "no answer of a container engine", FAKE_RAW },
		{ 200, "SSH-2.0-OpenSSH_9.2\r\n", "no answer of a container engine", FAKE_RAW },
		{ 200, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
		  "no answer of a container engine", FAKE_RAW },
		{ 200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		  "no answer of a container engine", FAKE_RAW },
		{ 200, "HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n",
		  "no answer of a container engine", FAKE_RAW },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		const struct fake_answer answers[] = {
			{ LIST, cases[i].status, cases[i].body, cases[i].way },
			{ AT("web"), cases[i].status, cases[i].body, cases[i].way },
			{ 0 },
		};

		engine_is_refused(answers, cases[i].why);
	}
}

static void does_not_wait_for_ever(void **state)
{
	static const enum fake_way ways[] = { FAKE_HANG, FAKE_DRIP };

	(void)state;
	engine_limit(1000);
	for (size_t i = 0; i < FV_ARRAY_SIZE(ways); i++) {
		const struct fake_answer answers[] = {
			{ LIST, 200, "[]", ways[i] },
			{ AT("web"), 200, WEB(SELF), ways[i] },
			{ 0 },
		};

		engine_is_refused(answers, "no answer within ");
	}
}

static void lists_the_others_of_an_engine(void **state)
{
	static const struct fake_answer answers[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_B "\"},{\"Id\":\"" ID_A "\"}]", FAKE_PLAIN },
		{ AT(ID_A), 200, WEB(SELF), FAKE_PLAIN },
		{ AT(ID_B), 500, ERROR("layer is locked"), FAKE_PLAIN },
		{ 0 },
	};
	struct fv_err err = { 0 };
	struct fv_container *all;
	size_t n;

	(void)state;
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	assert_int_equal(fv_engine_list(&err, &all, &n), -EREMOTEIO);
	assert_string_equal(engine_msg(&err),
			    "D/docker: the container engine answers with HTTP 500: "
			    "layer is locked; its log may say more");
	assert_int_equal(n, 1);
	assert_string_equal(all[0].name, "web");
	fv_containers_free(all, n);
}

static void says_that_an_engine_has_gone(void **state)
{
	static const struct fake_answer answers[] = {
		{ LIST, 200, "[{\"Id\":\"" ID_A "\"},{\"Id\":\"" ID_B "\"}]", FAKE_PLAIN },
		{ AT(ID_A), 200, WEB(SELF), FAKE_LAST },
		{ 0 },
	};
	struct fv_err err = { 0 };
	struct fv_container *all;
	size_t n;

	(void)state;
	fake_start("docker", answers);
	engine_at("DOCKER_HOST", "docker");
	assert_int_equal(fv_engine_list(&err, &all, &n), -ECONNRESET);
	assert_string_equal(engine_msg(&err),
			    "D/docker: GET /containers/" ID_B "/json: the engine has gone "
			    "(Connection refused); start it, and try again");
	assert_int_equal(n, 1);
	assert_string_equal(all[0].name, "web");
	fv_containers_free(all, n);
}

/* Nobody accepts: the connection is there all the same, or the queue is full. */
static void does_not_wait_for_a_busy_one(void **state)
{
	struct fv_container c = { 0 };
	struct fv_err err = { 0 };
	int r;

	(void)state;
	engine_limit(1000);
	fake_listen("docker", 0);
	engine_at("DOCKER_HOST", "docker");
	for (int i = 0; i < 3; i++) {
		err.code = 0;
		r = fv_engine_find("web", &err, &c);
		if (r != -ETIMEDOUT)
			fail_msg("%d: %s", r, err.msg);
	}
}

static void refuses_endless_answers(void **state)
{
	static const struct fake_answer body[] = {
		{ LIST, 200, "", FAKE_ENDLESS },
		{ AT("web"), 200, "", FAKE_ENDLESS },
		{ 0 },
	};
	static const struct fake_answer headers[] = {
		{ LIST, 200, "", FAKE_ENDLESS_HEADERS },
		{ AT("web"), 200, "", FAKE_ENDLESS_HEADERS },
		{ 0 },
	};
	const struct fv_engine_limits limits = { 60000, 60000, (size_t)1 << 20 };

	(void)state;
	fv_engine_limits_set(&limits);
	engine_is_refused(body, "the answer is larger than 1024 KiB");
	engine_is_refused(headers, "/bad: GET /containers/");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, engine_begin, engine_end)
	const struct CMUnitTest tests[] = {
		TEST(refuses_nonsense),
		TEST(refuses_nonsense_lists),
		TEST(refuses_bad_answers),
		TEST(does_not_wait_for_ever),
		TEST(lists_the_others_of_an_engine),
		TEST(says_that_an_engine_has_gone),
		TEST(does_not_wait_for_a_busy_one),
		TEST(refuses_endless_answers),
	};

	return cmocka_run_group_tests(tests, engine_enter, tmp_leave);
}
