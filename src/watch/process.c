/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of the daemon: of one log, or of one way to tell an alert.
 *
 * The daemon itself never waits: for no disk, no server, no hook.  What may
 * hang hangs in a process, and a process can be killed; all that it leaves on
 * disk survives that.  The daemon has no threads, so that fork is safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch/watch.h"

#define CHUNK 65536
#define LINE_MAX ((size_t)1 << 20)
/* Chunks that one process may say in its turn. */
#define TURN_MAX 2

/* Set by a signal, and read by threads: lock-free, so good for both. */
static atomic_bool stopping;

static void
take_signal(int number)
{
	(void)number;
	stopping = true;
}

bool
watch_stopping(void)
{
	return stopping;
}

/*
 * The daemon's signals are not the process's.  Its descriptors are: none is
 * used, none survives a program that is started, and that of the lock has to
 * be there, so that no other daemon begins before this process has ended.
 */
static int
enter(pid_t daemon)
{
	struct sigaction action = { .sa_handler = take_signal,
		.sa_flags = SA_RESTART };
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != daemon)
		return -1;
	(void)sigemptyset(&none);
	(void)sigaction(SIGTERM, &action, NULL);
	/* A terminal's interrupt goes to all; the daemon stops its own. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

int
watch_process_start(struct watch_process *process,
    int (*main)(void *arg, int fd), void *arg)
{
	pid_t daemon = getpid();
	int ends[2];

	memset(process, 0, sizeof(*process));
	process->fd = -1;
	if (pipe(ends) != 0)
		return -1;
	(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	process->pid = fork();
	if (process->pid == 0)
		_exit(enter(daemon) != 0 ? 127 : main(arg, ends[1]));
	(void)close(ends[1]);
	if (process->pid < 0) {
		(void)close(ends[0]);
		process->pid = 0;
		return -1;
	}
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	process->fd = ends[0];
	process->begun_us = process->sign_us = watch_monotonic_us();
	return 0;
}

/* All lines that are whole. */
static void
take_lines(struct watch_process *process,
    void (*line)(void *arg, const json_t *message), void *arg)
{
	size_t at = 0;
	char *feed;

	while ((feed = memchr(process->text + at, '\n', process->len - at)) !=
	    NULL) {
		size_t len = (size_t)(feed - process->text) - at;
		json_t *message = json_loadb(process->text + at, len, 0, NULL);

		if (message != NULL)
			line(arg, message);
		json_decref(message);
		at += len + 1;
	}
	process->len -= at;
	memmove(process->text, process->text + at, process->len);
}

void
watch_process_read(struct watch_process *process,
    void (*line)(void *arg, const json_t *message), void *arg)
{
	for (int turn = 0; turn < TURN_MAX || process->is_gone; turn++) {
		ssize_t n;

		if (process->room - process->len < CHUNK) {
			size_t room = process->room + CHUNK;
			char *text = room > LINE_MAX + CHUNK
			    ? NULL
			    : realloc(process->text, room);

			if (text == NULL)
				return;
			process->text = text;
			process->room = room;
		}
		n = read(process->fd, process->text + process->len, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		process->len += (size_t)n;
		process->sign_us = watch_monotonic_us();
		take_lines(process, line, arg);
	}
}

void
watch_process_reap(struct watch_process *process)
{
	if (process->pid > 0 && !process->is_gone &&
	    waitpid(process->pid, &process->status, WNOHANG) == process->pid)
		process->is_gone = true;
}

void
watch_process_wipe(struct watch_process *process)
{
	if (process->fd >= 0)
		(void)close(process->fd);
	free(process->text);
	memset(process, 0, sizeof(*process));
	process->fd = -1;
}
