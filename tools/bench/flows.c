// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams of 64 bytes over many flows at once, as fast as they go.
 *
 *	flows receive ADDRESS PORT FLOWS	until the sender is done; prints {"packets": N, "seconds": T}
 *	flows send ADDRESS PORT FLOWS SECONDS
 *
 * FLOWS is N x N: N sockets send to N ports each, from PORT on, in turn. A TCP connection to PORT
 * says when the sender begins and ends. What arrives in the first quarter of a second is not counted.
 */
#include <arpa/inet.h>
#include <err.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64
#define BATCH 32
#define SIDE_MAX 1000
#define WARM_UP 0.25

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

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

/* Datagrams that a socket holds, up to a batch. */
static unsigned int take(int fd)
{
	static char data[BATCH][SIZE];
	static struct iovec parts[BATCH];
	static struct mmsghdr messages[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ data[i], SIZE };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	return n > 0 ? (unsigned int)n : 0;
}

static void receive(struct sockaddr_in to, unsigned int side)
{
	int epoll = epoll_create1(0), listener = opened(SOCK_STREAM), sender;
	struct epoll_event events[BATCH];
	double begun = 0, last = 0;
	unsigned long packets = 0;
	bool over = false;

	if (epoll < 0)
		err(1, "epoll_create1");
	for (unsigned int i = 0; i < side; i++) {
		struct sockaddr_in at = to;
		int fd = opened(SOCK_DGRAM);

		at.sin_port = htons((uint16_t)(ntohs(to.sin_port) + i));
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
			err(1, "bind");
		watch(epoll, fd);
	}
	if (bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 1))
		err(1, "listen");
	sender = accept(listener, NULL, NULL);
	if (sender < 0)
		err(1, "accept");
	watch(epoll, sender);
	begun = now() + WARM_UP;
	while (!over) {
		int n = epoll_wait(epoll, events, BATCH, -1);

		last = now();
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == sender)
				over = true;
			else if (last < begun)
				take(events[i].data.fd);
			else
				packets += take(events[i].data.fd);
		}
	}
	printf("{\"packets\": %lu, \"seconds\": %.6f}\n", packets, last - begun);
}

static void transmit(struct sockaddr_in to, unsigned int side, double seconds)
{
	static const char data[SIZE];
	static struct sockaddr_in ports[SIDE_MAX];
	static struct mmsghdr messages[SIDE_MAX];
	static int socks[SIDE_MAX];
	struct iovec part = { (void *)(uintptr_t)data, SIZE };
	int control = opened(SOCK_STREAM);
	unsigned int batch = side < BATCH ? BATCH : side;
	double end;

	if (connect(control, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect");
	for (unsigned int i = 0; i < batch; i++) {
		ports[i] = to;
		ports[i].sin_port = htons((uint16_t)(ntohs(to.sin_port) + i % side));
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &ports[i],
						       .msg_namelen = sizeof(to),
						       .msg_iov = &part,
						       .msg_iovlen = 1 };
	}
	for (unsigned int i = 0; i < side; i++)
		socks[i] = opened(SOCK_DGRAM);
	end = now() + seconds;
	for (unsigned int i = 0; now() < end; i = (i + 1) % side)
		for (unsigned int done = 0; done < batch;) {
			int n = sendmmsg(socks[i], messages + done, batch - done, 0);

			if (n <= 0)
				err(1, "sendmmsg");
			done += (unsigned int)n;
		}
	close(control);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	bool sends = argc == 6 && !strcmp(argv[1], "send");
	unsigned int side;

	if ((!sends && (argc != 5 || strcmp(argv[1], "receive"))) ||
	    inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		errx(2,
		     "usage: flows receive ADDRESS PORT FLOWS | flows send ADDRESS PORT FLOWS SECONDS");
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	side = (unsigned int)lround(sqrt(atof(argv[4])));
	if (side < 1 || side > SIDE_MAX)
		errx(2, "%s: flows are 1 to %d squared", argv[4], SIDE_MAX);
	if (sends)
		transmit(to, side, atof(argv[5]));
	else
		receive(to, side);
	return 0;
}
