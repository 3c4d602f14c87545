/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of engines share. */
#ifndef FV_TEST_ENGINE_TEST_H
#define FV_TEST_ENGINE_TEST_H

#include "core/err.h"
#include "unit/fake.h"

#define ID_A "aaaa000000000000000000000000000000000000000000000000000000000001"
#define ID_B "aaaabbbb00000000000000000000000000000000000000000000000000000002"
#define ID_C "cccc000000000000000000000000000000000000000000000000000000000003"
#define LIST "/containers/json"
#define AT(name) "/containers/" name "/json"
#define WEB(pid) "{\"Id\":\"" ID_A "\",\"Name\":\"/web\",\"State\":{\"Pid\":" pid "}}"
#define DB(pid) "{\"Id\":\"" ID_B "\",\"Name\":\"/db\",\"State\":{\"Pid\":" pid "}}"
#define SELF "@PID@" /* the test's own pid */
#define ERROR(text) "{\"message\":\"" text "\"}"

/* cmocka fixtures: group, test. No socket is looked at but those that a test names. */
int engine_enter(void **state);
int engine_begin(void **state);
int engine_end(void **state);

/* Limits of so many milliseconds, FV_SLOW times as many on a slow machine. */
void engine_limit(long ms);

/* Sets DOCKER_HOST or CONTAINER_HOST to a socket in the test's directory. */
void engine_at(const char *variable, const char *socket);

/* A message, in which the test's directory is called D. */
const char *engine_msg(const struct fv_err *err);

#endif /* FV_TEST_ENGINE_TEST_H */
