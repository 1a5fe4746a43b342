/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "outside/child.h"
#include "outside/clock.h"
#include "outside/fail.h"

#define SAID_MAX 300
#define CHUNK 65536

extern char **environ;

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

/* What comes out of one of its descriptors. */
struct stream {
	int fd;
	char *text;
	size_t len, room, max;
	bool cut_off; /* there was more than max */
};

/* ---- starting --------------------------------------------------------- */

/* Ours without the passphrase of the log's key; free() it.  Others' threads
 * read ours, so nothing is taken out of it. */
static char **
make_environment(void)
{
	static const char secret[] = "TALLY_PASSPHRASE=";
	size_t count = 0, kept = 0;
	char **out;

	while (environ[count] != NULL)
		count++;
	out = calloc(count + 1, sizeof(*out));
	for (size_t i = 0; out != NULL && i < count; i++) {
		if (strncmp(environ[i], secret, sizeof(secret) - 1) != 0)
			out[kept++] = environ[i];
	}
	return out;
}

static int
start(const char *const *argv, const int pipes[4], pid_t *out)
{
	union {
		const char *const *in;
		char *const *out;
	} words = { .in = argv };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char **environment = make_environment();
	sigset_t none;
	int failed = posix_spawn_file_actions_init(&actions);

	if (failed == 0) {
		failed = posix_spawnattr_init(&attributes);
		if (failed != 0)
			(void)posix_spawn_file_actions_destroy(&actions);
	}
	if (failed != 0) {
		free(environment);
		return failed;
	}
	(void)sigemptyset(&none);
	failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
	    O_RDONLY, 0);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(&actions, pipes[1],
		    1);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(&actions, pipes[3],
		    2);
	if (failed == 0)
		failed = posix_spawnattr_setsigmask(&attributes, &none);
	if (failed == 0)
		failed = posix_spawnattr_setpgroup(&attributes, 0);
	if (failed == 0)
		failed = posix_spawnattr_setflags(&attributes,
		    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	if (failed == 0)
		failed = environment == NULL
		    ? ENOMEM
		    : posix_spawnp(out, argv[0], &actions, &attributes,
			  words.out, environment);
	free(environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return failed;
}

static int
make_pipes(int pipes[4])
{
	for (int i = 0; i < 4; i += 2) {
		if (pipe(&pipes[i]) != 0)
			return errno;
		(void)fcntl(pipes[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(pipes[i + 1], F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

/* ---- listening -------------------------------------------------------- */

/* One read; false at the end. */
static bool
take(struct stream *stream)
{
	char chunk[CHUNK];
	ssize_t n = read(stream->fd, chunk, sizeof(chunk));
	size_t len = n > 0 ? (size_t)n : 0;

	if (n < 0 && errno == EINTR)
		return true;
	if (len > stream->max - stream->len) {
		stream->cut_off = true;
		len = stream->max - stream->len;
	}
	if (stream->len + len + 1 > stream->room) {
		size_t room = 2 * stream->room + len + 1;
		char *text = realloc(stream->text, room);

		if (text == NULL) {
			stream->cut_off = true;
			return n > 0;
		}
		stream->text = text;
		stream->room = room;
	}
	memcpy(stream->text + stream->len, chunk, len);
	stream->len += len;
	stream->text[stream->len] = '\0';
	return n > 0;
}

/* Until both ends are closed; false if the time was up. */
static bool
listen_to(struct stream streams[2], int64_t until_ms)
{
	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		struct pollfd polled[2] = { { streams[0].fd, POLLIN, 0 },
			{ streams[1].fd, POLLIN, 0 } };
		int64_t left = until_ms - tally_clock_ms();

		if (left <= 0)
			return false;
		if (poll(polled, 2, (int)left) < 0 && errno != EINTR)
			return false;
		for (int i = 0; i < 2; i++) {
			if (polled[i].revents != 0 && !take(&streams[i])) {
				(void)close(streams[i].fd);
				streams[i].fd = -1;
			}
		}
	}
	return true;
}

/* Its status; one that closed its ends and goes on must end in time, too. */
static int
finish(pid_t pid, int64_t until_ms, bool *in_time)
{
	const struct timespec pause = { 0, 2000000 };
	int status = 0;

	while (*in_time) {
		pid_t done = waitpid(pid, &status, WNOHANG);

		if (done == pid || (done < 0 && errno != EINTR))
			return status;
		*in_time = tally_clock_ms() < until_ms;
		(void)nanosleep(&pause, NULL);
	}
	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* ---- the call --------------------------------------------------------- */

static int
judge(const char *name, const struct stream *said, int status, bool in_time,
    int *out_status, struct tally_error *error)
{
	const char *words = said->text == NULL ? "" : said->text;
	int shown = (int)strcspn(words, "\n");

	if (!in_time)
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" took too long, and was killed", name);
	if (!WIFEXITED(status))
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" was ended by signal %d", name, WTERMSIG(status));
	*out_status = WEXITSTATUS(status);
	if (*out_status != 0)
		(void)tally_fail(error, TALLY_E_IO,
		    "\"%s\" ended with status %d: %.*s", name, *out_status,
		    shown, words);
	return TALLY_OK;
}

int
tally_child_run(const char *const *argv, unsigned timeout_s, size_t max,
    char **out, size_t *out_len, int *out_status, struct tally_error *error)
{
	int pipes[4] = { -1, -1, -1, -1 };
	struct stream streams[2] = { { .max = max }, { .max = SAID_MAX } };
	int failed, status = 0, result;
	int64_t until_ms = tally_clock_ms() + (int64_t)timeout_s * 1000;
	bool in_time = true;
	pid_t pid = 0;

	/* One after the other: a program that another thread starts between a
	 * pipe and its flag would keep our end open. */
	(void)pthread_mutex_lock(&starting);
	failed = make_pipes(pipes);
	if (failed == 0)
		failed = start(argv, pipes, &pid);
	(void)pthread_mutex_unlock(&starting);
	for (int i = 1; i < 4; i += 2)
		if (pipes[i] >= 0)
			(void)close(pipes[i]);
	for (int i = 0; i < 2; i++)
		streams[i].fd = pipes[2 * i];
	if (failed == 0)
		in_time = listen_to(streams, until_ms);
	for (int i = 0; i < 2; i++)
		if (streams[i].fd >= 0)
			(void)close(streams[i].fd);
	if (pid > 0)
		status = finish(pid, until_ms, &in_time);
	if (failed != 0)
		result = tally_outside_fail(error, failed, "cannot run \"%s\"",
		    argv[0]);
	else
		result = judge(argv[0], &streams[1], status, in_time,
		    out_status, error);
	if (result == 0 && out != NULL && streams[0].cut_off)
		result = tally_fail(error, TALLY_E_LIMIT,
		    "\"%s\" printed too much", argv[0]);
	free(streams[1].text);
	if (result == 0 && out != NULL) {
		*out = streams[0].text;
		*out_len = streams[0].len;
	} else {
		free(streams[0].text);
	}
	return result;
}
