/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways of an alert: a program, sendmail, syslog, a webhook, a table.  A
 * program and a webhook get the alert as one JSON object.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <tally/outside.h>
#include <tally/pg.h>

#include "watch/watch.h"

#define TIMEOUT_MS 30000
#define SENDMAIL "/usr/sbin/sendmail"

extern char **environ;

static const char *
member(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value == NULL ? "" : value;
}

/* ---- programs --------------------------------------------------------- */

static pid_t
start(const char *const *argv, int input)
{
	union {
		const char *const *in;
		char *const *out;
	} words = { .in = argv };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;
	sigset_t none, ours;

	(void)sigemptyset(&none);
	/* Whom we ignore is none of its business. */
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGPIPE);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGHUP);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -1;
	}
	if (posix_spawn_file_actions_adddup2(&actions, input, 0) != 0 ||
	    posix_spawnattr_setsigmask(&attributes, &none) != 0 ||
	    posix_spawnattr_setsigdefault(&attributes, &ours) != 0 ||
	    posix_spawnattr_setpgroup(&attributes, 0) != 0 ||
	    posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
		    POSIX_SPAWN_SETPGROUP) != 0 ||
	    posix_spawnp(&pid, argv[0], &actions, &attributes, words.out,
		environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return pid;
}

/* Its status within the time; a program that hangs must not stop alerts. */
static int
finish(pid_t pid)
{
	const struct timespec pause = { 0, 20000000 };
	int status = 0;

	for (int waited = 0; waited < TIMEOUT_MS && !watch_stopping();
	     waited += 20) {
		pid_t done = waitpid(pid, &status, WNOHANG);

		if (done == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		if (done < 0 && errno != EINTR)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return -1;
}

/*
 * The text, to be read: out of a pipe that takes all of it at once, so that no
 * disk is needed, of which there may be something to tell; else out of a file
 * without a name.  -1: neither.
 */
static int
open_text(const char *text)
{
	size_t len = strlen(text);
	int ends[2], fd = -1;
	FILE *file;

	if (pipe(ends) == 0) {
		(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
		(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
		(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
		if (write(ends[1], text, len) == (ssize_t)len)
			fd = ends[0];
		else
			(void)close(ends[0]);
		(void)close(ends[1]);
	}
	if (fd >= 0)
		return fd;
	file = tmpfile();
	if (file != NULL && fputs(text, file) >= 0 && fflush(file) == 0 &&
	    fseek(file, 0, SEEK_SET) == 0)
		fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
	if (file != NULL)
		(void)fclose(file);
	return fd;
}

static int
run(const char *const *argv, const char *text)
{
	int fd = open_text(text), status = -1;
	pid_t pid = -1;

	if (fd >= 0)
		pid = start(argv, fd);
	if (pid > 0)
		status = finish(pid);
	if (fd >= 0)
		(void)close(fd);
	if (status != 0)
		watch_say("an alert could not be given to \"%s\"", argv[0]);
	return status == 0 ? 0 : -1;
}

static int
send_exec(const json_t *way, const char *text)
{
	const json_t *command = json_object_get(way, "command");
	const char *argv[WATCH_WORDS_MAX + 1];
	size_t count = json_array_size(command);

	if (count == 0 || count > WATCH_WORDS_MAX)
		return -1;
	for (size_t i = 0; i < count; i++) {
		argv[i] = json_string_value(json_array_get(command, i));
		if (argv[i] == NULL)
			return -1;
	}
	argv[count] = NULL;
	return run(argv, text);
}

/* ---- words ------------------------------------------------------------ */

static void
make_line(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

/* One line; what others chose must not begin a header, or a line of a log. */
static void
summarize(const json_t *alert, char *out, size_t size)
{
	const char *chain = member(alert, "chain");
	const char *sink = member(alert, "sink");
	int n = snprintf(out, size, "%s: %s", member(alert, "target"),
	    member(alert, "kind"));

	if (n > 0 && (size_t)n < size && chain[0] != '\0')
		n += snprintf(out + n, size - (size_t)n,
		    " in chain \"%s\", seq %" JSON_INTEGER_FORMAT, chain,
		    json_integer_value(json_object_get(alert, "seq")));
	if (n > 0 && (size_t)n < size && sink[0] != '\0')
		(void)snprintf(out + n, size - (size_t)n, ", sink \"%s\"",
		    sink);
	make_line(out);
}

static int
send_mail(const json_t *way, const json_t *alert, const char *text)
{
	const char *path = member(way, "path"), *to = member(way, "to");
	const char *argv[] = { path[0] != '\0' ? path : SENDMAIL, "-i", "--",
		to, NULL };
	char line[1024], *mail;
	size_t room;
	int result;

	summarize(alert, line, sizeof(line));
	room = strlen(to) + strlen(line) + strlen(text) +
	    strlen(member(alert, "evidence")) + 256;
	mail = malloc(room);
	if (mail == NULL)
		return -1;
	(void)snprintf(mail, room,
	    "To: %s\nSubject: tally: %s\nContent-Type: text/plain;"
	    " charset=utf-8\n\n%s\n\n%s\n\nAcknowledge it by: tally watch"
	    " CONFIG --ack %" JSON_INTEGER_FORMAT "\n\n%s\n",
	    to, line, line, member(alert, "evidence"),
	    json_integer_value(json_object_get(alert, "id")), text);
	result = run(argv, mail);
	free(mail);
	return result;
}

/* syslog(3) does not say that nobody listens. */
static bool
has_syslog(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_there = fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
		0 ||
	    (errno != ENOENT && errno != ECONNREFUSED);

	if (fd >= 0)
		(void)close(fd);
	return is_there;
}

static int
send_syslog(const json_t *alert)
{
	char line[1024], evidence[1024];

	if (!has_syslog()) {
		watch_say("an alert could not be given to syslog: nobody"
			  " listens at /dev/log");
		return -1;
	}
	summarize(alert, line, sizeof(line));
	(void)snprintf(evidence, sizeof(evidence), "%s",
	    member(alert, "evidence"));
	make_line(evidence);
	syslog(LOG_AUTHPRIV | LOG_ALERT, "%s: %s", line, evidence);
	return 0;
}

static int
send_webhook(const json_t *way, const char *text)
{
	struct tally_error error = { 0 };
	const char *ca = member(way, "ca");

	if (tally_outside_post(member(way, "url"), ca[0] == '\0' ? NULL : ca,
		text, strlen(text), &error) == 0)
		return 0;
	watch_say("an alert could not be posted: %s", error.message);
	return -1;
}

/* A row; what is no column of the table is left out. */
static int
send_row(const json_t *way, const char *text)
{
	struct tally_error error = { 0 };

	if (tally_pg_insert(member(way, "pg"), member(way, "table"), text,
		&error) == 0)
		return 0;
	watch_say("an alert could not be written to table \"%s\": %s",
	    member(way, "table"), error.message);
	return -1;
}

int
watch_send(const json_t *way, const json_t *alert)
{
	const char *type = member(way, "type");
	json_t *shown = json_copy((json_t *)(uintptr_t)alert);
	char *text;
	int result = -1;

	/* Who was told when is the daemon's own. */
	(void)json_object_del(shown, "told");
	text = json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(shown);

	if (text == NULL)
		return -1;
	if (strcmp(type, "exec") == 0)
		result = send_exec(way, text);
	else if (strcmp(type, "sendmail") == 0)
		result = send_mail(way, alert, text);
	else if (strcmp(type, "syslog") == 0)
		result = send_syslog(alert);
	else if (strcmp(type, "webhook") == 0)
		result = send_webhook(way, text);
	else if (strcmp(type, "table") == 0)
		result = send_row(way, text);
	free(text);
	return result;
}
