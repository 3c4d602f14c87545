// SPDX-License-Identifier: GPL-2.0-only
/*
 * What 64 bytes and an answer take, over and over; for runs of a fraction of a second.
 *
 *	pingpong serve tcp|udp ADDRESS PORT		until the client is done
 *	pingpong ask tcp|udp ADDRESS PORT SECONDS	prints {"packets": N, "turns": N, "p50": us}
 *
 * tcp: one segment each way. udp: a burst of datagrams, and when the last of them has come one
 * back, which is not among the packets that are told. Of the times, it is the median: other
 * processes on the same CPU make a rate what they leave of it, but disturb a turn in a hundred. The
 * first tenth of a second is not counted.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64
#define BURST 32
#define LAST 1 /* the first byte of a burst's last datagram */
#define TIMES_MAX 10000000
#define WARM_UP 0.1

static char data[BURST][SIZE];
static struct iovec parts[BURST];
static struct mmsghdr messages[BURST];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int opened(int type)
{
	int fd = socket(AF_INET, type, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err(1, "socket");
	return fd;
}

static void at_once(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		err(1, "TCP_NODELAY");
}

/* A lost datagram must not be waited for. */
static void impatient(int fd)
{
	struct timeval patience = { .tv_usec = 50000 };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "SO_RCVTIMEO");
}

static void make_burst(void)
{
	for (int i = 0; i < BURST; i++) {
		parts[i] = (struct iovec){ data[i], SIZE };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	data[BURST - 1][0] = LAST;
}

static void answer_segments(int fd)
{
	ssize_t n;

	at_once(fd);
	while ((n = recv(fd, data[0], SIZE, 0)) > 0)
		if (send(fd, data[0], (size_t)n, MSG_NOSIGNAL) != n)
			err(1, "send");
	if (n < 0)
		err(1, "recv");
}

/* Until the control connection ends. */
static void answer_bursts(int fd, int control)
{
	struct sockaddr_in from;
	char byte;

	make_burst();
	impatient(fd);
	for (int i = 0; i < BURST; i++)
		messages[i].msg_hdr.msg_name = &from;
	for (;;) {
		int n;

		for (int i = 0; i < BURST; i++)
			messages[i].msg_hdr.msg_namelen = sizeof(from);
		n = recvmmsg(fd, messages, BURST, MSG_WAITFORONE, NULL);
		if (n < 0 && errno != EAGAIN)
			err(1, "recvmmsg");
		if (n < 0 && recv(control, &byte, 1, MSG_DONTWAIT) == 0)
			return;
		for (int i = 0; i < n; i++)
			if (data[i][0] == LAST &&
			    sendto(fd, data[i], SIZE, 0, (struct sockaddr *)&from, sizeof(from)) <
				    0)
				err(1, "sendto");
	}
}

static void serve(struct sockaddr_in at, bool udp)
{
	int listener = opened(SOCK_STREAM), fd = udp ? opened(SOCK_DGRAM) : -1, control;

	if (udp && bind(fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "bind");
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1))
		err(1, "listen");
	control = accept(listener, NULL, NULL);
	if (control < 0)
		err(1, "accept");
	if (udp)
		answer_bursts(fd, control);
	else
		answer_segments(control);
}

static bool segment(int fd)
{
	if (send(fd, data[0], SIZE, MSG_NOSIGNAL) != SIZE)
		err(1, "send");
	if (recv(fd, data[0], SIZE, MSG_WAITALL) != SIZE)
		err(1, "recv");
	return true;
}

static bool burst(int fd)
{
	char back[SIZE];

	for (int done = 0; done < BURST;) {
		int n = sendmmsg(fd, messages + done, (unsigned int)(BURST - done), 0);

		if (n <= 0)
			err(1, "sendmmsg");
		done += n;
	}
	return recv(fd, back, SIZE, 0) == SIZE;
}

static int by_length(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void ask(struct sockaddr_in to, bool udp, double seconds)
{
	float *times = malloc(TIMES_MAX * sizeof(*times));
	int control = opened(SOCK_STREAM), fd = udp ? opened(SOCK_DGRAM) : control;
	bool (*turn)(int fd) = udp ? burst : segment;
	double begun, end, last;
	unsigned int n = 0;

	if (!times)
		err(1, "malloc");
	if (connect(control, (struct sockaddr *)&to, sizeof(to)) ||
	    (udp && connect(fd, (struct sockaddr *)&to, sizeof(to))))
		err(1, "connect");
	at_once(control);
	make_burst();
	if (udp)
		impatient(fd);
	for (begun = now() + WARM_UP; now() < begun;)
		turn(fd);
	last = now();
	for (end = last + seconds; last < end && n < TIMES_MAX;) {
		double start = last;
		bool whole = turn(fd);

		last = now();
		if (whole)
			times[n++] = (float)(last - start);
	}
	qsort(times, n, sizeof(*times), by_length);
	printf("{\"packets\": %u, \"turns\": %u, \"p50\": %.3f}\n", n * (udp ? BURST : 2), n,
	       n ? (double)times[n / 2] * 1e6 : 0);
	free(times);
	close(control);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	bool asks = argc == 6 && !strcmp(argv[1], "ask");
	bool serves = argc == 5 && !strcmp(argv[1], "serve");
	bool udp = argc > 2 && !strcmp(argv[2], "udp");

	if ((!asks && !serves) || (!udp && strcmp(argv[2], "tcp")) ||
	    inet_pton(AF_INET, argv[3], &to.sin_addr) != 1)
		errx(2,
		     "usage: pingpong serve tcp|udp ADDRESS PORT | pingpong ask tcp|udp ADDRESS PORT SECONDS");
	to.sin_port = htons((uint16_t)atoi(argv[4]));
	if (asks)
		ask(to, udp, atof(argv[5]));
	else
		serve(to, udp);
	return 0;
}
