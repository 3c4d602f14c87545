/* SPDX-License-Identifier: GPL-2.0-only */
/* A container engine that says what a test wants: a child with a socket. */
#ifndef FV_TEST_FAKE_H
#define FV_TEST_FAKE_H

enum fake_way {
	FAKE_PLAIN,
	FAKE_PODMAN, /* with Podman's header */
	FAKE_CHUNKED,
	FAKE_CLOSE,	      /* closes the connection afterwards, and has not said so */
	FAKE_LAST,	      /* ends with this answer */
	FAKE_REDIRECT,	      /* with a Location */
	FAKE_RAW,	      /* the body and nothing else, then the end */
	FAKE_HANG,	      /* nothing at all */
	FAKE_DRIP,	      /* byte by byte, slowly */
	FAKE_ENDLESS,	      /* spaces until the other side has had enough */
	FAKE_ENDLESS_HEADERS, /* the same with headers */
};

struct fake_answer {
	const char *path; /* NULL: the end of the list */
	int status;
	const char *body; /* @PID@ becomes the pid of the test */
	enum fake_way way;
};

/*
 * Answers on a socket of this name until the test ends; one of the same name is replaced.
 * What is not in the list is a 404 as engines say it. NULL: nothing is in it.
 */
void fake_start(const char *socket, const struct fake_answer *answers);
/* Listens and never accepts. */
void fake_listen(const char *socket, int backlog);
void fake_stop_all(void);

/* Of all since the last fake_stop_all. */
int fake_connections(void);
int fake_requests(void);

#endif /* FV_TEST_FAKE_H */
