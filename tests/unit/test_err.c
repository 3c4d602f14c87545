// SPDX-License-Identifier: GPL-2.0-only
/* The error record: first one stays, context goes in front, nothing harms a terminal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/err.h"

static void keeps_the_first(void **state)
{
	struct fv_err err = { 0 };

	(void)state;
	assert_int_equal(fv_err_set(&err, -ENOENT, "no %s", "lab"), -ENOENT);
	assert_int_equal(fv_err_set(&err, -EINVAL, "later"), -EINVAL);
	assert_int_equal(fv_err_oom(&err), -ENOMEM);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.msg, "no lab");
}

static void does_without_a_record(void **state)
{
	(void)state;
	assert_int_equal(fv_err_set(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(fv_err_oom(NULL), -ENOMEM);
	fv_err_add(NULL, "x");
}

static void puts_context_in_front(void **state)
{
	struct fv_err err = { 0 };

	(void)state;
	fv_err_add(&err, "ignored");
	assert_string_equal(err.msg, "");
	fv_err_set(&err, -EINVAL, "bad");
	fv_err_add(&err, "%s:%d", "lab.yaml", 7);
	assert_string_equal(err.msg, "lab.yaml:7: bad");
	assert_int_equal(err.code, -EINVAL);
}

static void escapes_what_is_no_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain ~", "plain ~" },
		{ "gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x90\xa7",
		  "gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 "
		  "\xf0\x9f\x90\xa7" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "a\nb\tc\rd\x7f", "a\\nb\\tc\\x0dd\\x7f" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc3", "\\xc3" },				/* cut off */
		{ "\xe4\xbd", "\\xe4\\xbd" },			/* cut off */
		{ "\xf0\x9f\x90", "\\xf0\\x9f\\x90" },		/* cut off */
		{ "\xc0\xaf", "\\xc0\\xaf" },			/* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },		/* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
		{ "\xc2\x9b"
		  "2J",
		  "\\xc2\\x9b"
		  "2J" },			       /* C1 control */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* right-to-left override */
		{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
	};

	(void)state;
	for (size_t i = 0; i < FV_ARRAY_SIZE(cases); i++) {
		struct fv_err err = { 0 };

		fv_err_set(&err, -EINVAL, "%s", cases[i].in);
		assert_string_equal(err.msg, cases[i].out);
		fv_err_add(&err, "%s", cases[i].in);
		assert_memory_equal(err.msg, cases[i].out, strlen(cases[i].out));
	}
}

static void cuts_what_is_too_long(void **state)
{
	struct fv_err err = { 0 };
	char text[2000];

	(void)state;
	memset(text, '\x01', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fv_err_set(&err, -EINVAL, "%s", text);
	assert_in_range(strlen(err.msg), sizeof(err.msg) - 8, sizeof(err.msg) - 1);
	assert_int_equal(strlen(err.msg) % 4, 0);
	fv_err_add(&err, "front");
	assert_memory_equal(err.msg, "front: \\x01", 11);
	memset(text, 'x', sizeof(text) - 1);
	fv_err_add(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_first),	 cmocka_unit_test(does_without_a_record),
		cmocka_unit_test(puts_context_in_front), cmocka_unit_test(escapes_what_is_no_text),
		cmocka_unit_test(cuts_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
