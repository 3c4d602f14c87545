// SPDX-License-Identifier: GPL-2.0-only
/* What the tests of engines share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "unit/engine_test.h"
#include "unit/tmp.h"

int engine_enter(void **state)
{
	unsetenv("DOCKER_HOST");
	unsetenv("CONTAINER_HOST");
	return tmp_enter(state);
}

int engine_begin(void **state)
{
	static const char *const none[] = { NULL };

	(void)state;
	fv_engine_sockets_set(none);
	return 0;
}

int engine_end(void **state)
{
	(void)state;
	fake_stop_all();
	fv_engine_limits_set(NULL);
	unsetenv("DOCKER_HOST");
	unsetenv("CONTAINER_HOST");
	return 0;
}

/* For a machine that is busy; what hangs, hangs until this is over. */
void engine_limit(long ms)
{
	const char *slow = getenv("FV_SLOW");
	long factor = slow && atol(slow) > 0 ? atol(slow) : 1;
	const struct fv_engine_limits limits = { factor * ms, factor * ms, (size_t)64 << 20 };

	fv_engine_limits_set(&limits);
}

void engine_at(const char *variable, const char *path)
{
	char value[600];

	snprintf(value, sizeof(value), "unix://%s/%s", tmp_dir(), path);
	setenv(variable, value, 1);
}

/* In messages the directory has another name each time. */
const char *engine_msg(const struct fv_err *err)
{
	static char text[sizeof(err->msg)];
	const char *from = err->msg, *hit;
	size_t at = 0;

	while ((hit = strstr(from, tmp_dir()))) {
		memcpy(text + at, from, (size_t)(hit - from));
		at += (size_t)(hit - from);
		text[at++] = 'D';
		from = hit + strlen(tmp_dir());
	}
	strcpy(text + at, from);
	return text;
}
