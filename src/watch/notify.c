/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3), by its protocol: a datagram to $NOTIFY_SOCKET. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "watch/watch.h"

#define LIMIT_US 200000

void
watch_notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_usec = LIMIT_US };
	size_t len = path == NULL ? 0 : strlen(path);
	socklen_t size;
	int fd;

	if (len == 0 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	/* "@name" is an abstract socket. */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Of one that does not listen the daemon has seen enough. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&address, size);
	(void)close(fd);
}

void
watch_notify_reloading(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)watch_monotonic_us());
	watch_notify(text);
}

int64_t
watch_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
watch_monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
watch_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("tally: ", stderr);
	(void)vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
