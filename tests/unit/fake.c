// SPDX-License-Identifier: GPL-2.0-only
/* A container engine that says what a test wants. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit/fake.h"

#define FAKES_MAX 8

static struct {
	char name[108];
	pid_t pid;
	int fd;
} fakes[FAKES_MAX];

/* Shared with the children. */
static struct {
	int connections, requests;
} * seen;

static void die(const char *what)
{
	perror(what);
	abort();
}

static int listen_at(const char *name, int backlog)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(name);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, backlog))
		die(name);
	return fd;
}

/* false: the other side has closed. */
static bool say(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static bool say_text(int fd, const char *text)
{
	return say(fd, text, strlen(text));
}

static bool say_for_ever(int fd, const char *head, const char *piece)
{
	FV_AUTO_FREE char *many = NULL;
	size_t n = strlen(piece);

	many = malloc(1000 * n);
	if (!many || !say_text(fd, head))
		return false;
	for (size_t i = 0; i < 1000; i++)
		memcpy(many + i * n, piece, n);
	while (say(fd, many, 1000 * n))
		;
	return false;
}

static bool say_chunks(int fd, const char *body)
{
	char chunk[32];
	bool ok = true;

	for (size_t n; ok && *body; body += n) {
		n = strlen(body) < 7 ? strlen(body) : 7;
		snprintf(chunk, sizeof(chunk), "%zx\r\n%.*s\r\n", n, (int)n, body);
		ok = say_text(fd, chunk);
	}
	return ok && say_text(fd, "0\r\n\r\n");
}

static bool drip(int fd, const char *text)
{
	for (; *text; text++) {
		if (!say(fd, text, 1))
			return false;
		usleep(100000);
	}
	return true;
}

/* false: this connection ends. */
static bool answer(int fd, const struct fake_answer *a, pid_t test)
{
	static const char *const extra[] = {
		[FAKE_PODMAN] = "Libpod-API-Version: 4.3.1\r\n",
		[FAKE_CHUNKED] = "Transfer-Encoding: chunked\r\n",
		[FAKE_REDIRECT] = "Location: /elsewhere\r\n",
	};
	const char *mark = strstr(a->body, "@PID@");
	char body[1000], head[300], length[40];
	const char *more = (size_t)a->way < FV_ARRAY_SIZE(extra) ? extra[a->way] : NULL;

	if (mark)
		snprintf(body, sizeof(body), "%.*s%d%s", (int)(mark - a->body), a->body, (int)test,
			 mark + 5);
	else
		snprintf(body, sizeof(body), "%s", a->body);
	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n%s%s\r\n", a->status,
		 more ? more : "", a->way == FAKE_CHUNKED ? "" : length);
	switch (a->way) {
	case FAKE_RAW:
		say_text(fd, body);
		return false;
	case FAKE_HANG:
		return recv(fd, head, 1, 0) > 0;
	case FAKE_DRIP:
		return drip(fd, head) && drip(fd, body);
	case FAKE_ENDLESS:
		return say_for_ever(fd, "HTTP/1.1 200 OK\r\n\r\n", " ");
	case FAKE_ENDLESS_HEADERS:
		return say_for_ever(fd, "HTTP/1.1 200 OK\r\n",
				    "X-More: of the same, and no end of it\r\n");
	case FAKE_CHUNKED:
		return say_text(fd, head) && say_chunks(fd, body);
	case FAKE_LAST:
		/* First, so that nobody can come again before the end. */
		for (size_t i = 0; i < FAKES_MAX; i++)
			if (fakes[i].name[0] && fakes[i].fd >= 0)
				close(fakes[i].fd);
		say_text(fd, head);
		say_text(fd, body);
		_exit(0);
	default:
		return say_text(fd, head) && say_text(fd, body) && a->way != FAKE_CLOSE;
	}
}

static void converse(int fd, const struct fake_answer *answers, pid_t test)
{
	static const struct fake_answer none = { "", 404, "{\"message\":\"No such container\"}",
						 0 };
	char request[4096], path[2048];
	bool on = true;

	while (on) {
		size_t n = 0;

		request[0] = '\0';
		while (!strstr(request, "\r\n\r\n")) {
			ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);

			if (got <= 0)
				return;
			n += (size_t)got;
			request[n] = '\0';
		}
		__atomic_add_fetch(&seen->requests, 1, __ATOMIC_SEQ_CST);
		if (sscanf(request, "GET %2047s HTTP/1.1", path) != 1)
			return;
		const struct fake_answer *a = &none;

		for (size_t i = 0; answers && answers[i].path; i++)
			if (!strcmp(answers[i].path, path))
				a = &answers[i];
		on = answer(fd, a, test);
	}
}

static size_t slot_of(const char *name)
{
	for (size_t i = 0; i < FAKES_MAX; i++)
		if (!strcmp(fakes[i].name, name))
			return i;
	for (size_t i = 0; i < FAKES_MAX; i++)
		if (!fakes[i].name[0])
			return i;
	abort();
}

static void stop(size_t i)
{
	if (fakes[i].pid > 0) {
		kill(fakes[i].pid, SIGKILL);
		waitpid(fakes[i].pid, NULL, 0);
	}
	if (fakes[i].name[0] && fakes[i].fd >= 0)
		close(fakes[i].fd);
	memset(&fakes[i], 0, sizeof(fakes[i]));
}

void fake_listen(const char *name, int backlog)
{
	size_t i = slot_of(name);

	stop(i);
	if (!seen) {
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
		if (seen == MAP_FAILED)
			die("mmap");
	}
	fakes[i].fd = listen_at(name, backlog);
	snprintf(fakes[i].name, sizeof(fakes[i].name), "%s", name);
}

void fake_start(const char *name, const struct fake_answer *answers)
{
	pid_t test = getpid();
	size_t i;

	fake_listen(name, 16);
	i = slot_of(name);
	fakes[i].pid = fork();
	if (fakes[i].pid < 0)
		die("fork");
	if (fakes[i].pid) {
		/* The socket ends with the child. */
		close(fakes[i].fd);
		fakes[i].fd = -1;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(fakes[i].fd, NULL, NULL);

		if (fd < 0)
			_exit(1);
		__atomic_add_fetch(&seen->connections, 1, __ATOMIC_SEQ_CST);
		converse(fd, answers, test);
		close(fd);
	}
}

void fake_stop_all(void)
{
	for (size_t i = 0; i < FAKES_MAX; i++)
		stop(i);
	if (seen)
		memset(seen, 0, sizeof(*seen));
}

int fake_connections(void)
{
	return __atomic_load_n(&seen->connections, __ATOMIC_SEQ_CST);
}

int fake_requests(void)
{
	return __atomic_load_n(&seen->requests, __ATOMIC_SEQ_CST);
}
