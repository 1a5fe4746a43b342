/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <sys/select.h>

#include "signals.h"

/*
 * timeout(1) and others send a signal to the process and then to its group:
 * only one that comes later than this is somebody who lost patience.
 */
#define PATIENCE_S 2

static volatile sig_atomic_t caught;
static volatile sig_atomic_t caught_at; /* seconds, as far as they fit */

static void
remember(int number)
{
	sig_atomic_t now = (sig_atomic_t)(time(NULL) & 0xffffff);

	if (caught == 0) {
		caught_at = now;
		caught = 1;
	} else if (now - caught_at >= PATIENCE_S) {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
}

void
signals_catch(void)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction action;
	struct sigaction old;

	memset(&action, 0, sizeof(action));
	action.sa_handler = remember;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* What the caller ignores (nohup, "&") stays ignored. */
		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &action, NULL);
	}
}

bool
signals_caught(void)
{
	return caught != 0;
}

/*
 * pselect with the signals let through while it waits, so that none slips in
 * between the look and the wait.  fd -1: none.
 */
static int
wait_for(int fd, const struct timespec *timeout)
{
	sigset_t both;
	sigset_t before;
	fd_set readable;
	int result = 0;

	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	FD_ZERO(&readable);
	if (fd >= 0)
		FD_SET(fd, &readable);
	if (sigprocmask(SIG_BLOCK, &both, &before) != 0)
		return -1;
	if (!signals_caught())
		result = pselect(fd + 1, &readable, NULL, NULL, timeout,
		    &before);
	if (result < 0 && errno == EINTR)
		result = 0;
	if (sigprocmask(SIG_SETMASK, &before, NULL) != 0)
		return -1;
	return result;
}

int
signals_wait_readable(int fd, bool wait)
{
	const struct timespec now = { 0, 0 };

	return wait_for(fd, wait ? NULL : &now);
}

void
signals_sleep(uint64_t seconds)
{
	const struct timespec timeout = { .tv_sec = (time_t)seconds };

	(void)wait_for(-1, &timeout);
}
