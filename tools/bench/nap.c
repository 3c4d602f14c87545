// SPDX-License-Identifier: GPL-2.0-only
/*
 * For LD_PRELOAD: a sleep() that takes a twentieth of the time. sockperf sleeps two seconds between
 * its warm-up and its test, in which nothing is measured; a tenth is enough for what a path still
 * has to learn of the flow.
 */
#include <unistd.h>

unsigned int sleep(unsigned int seconds)
{
	return usleep(seconds * 50000) ? seconds : 0;
}
