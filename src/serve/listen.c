/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/listen.h"

#define UNIX_PREFIX "unix:"
#define BACKLOG 128

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

static bool
is_unix(const char *where)
{
	return strncmp(where, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
}

/* "127.0.0.1:80", "[::1]:80"; 0 if it is no loopback address with a port. */
static socklen_t
parse_loopback(const char *where, union address *out)
{
	const char *colon = strrchr(where, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	size_t len = colon == NULL ? 0 : (size_t)(colon - where);
	unsigned long port;

	memset(out, 0, sizeof(*out));
	if (len == 0 || len >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
		return 0;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return 0;
	memcpy(host, where, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)port);
		return ntohl(out->v4.sin_addr.s_addr) >> 24 == 127
		    ? sizeof(out->v4)
		    : 0;
	}
	if (host[0] != '[' || host[len - 1] != ']')
		return 0;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) != 1 ||
	    !IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr))
		return 0;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons((uint16_t)port);
	return sizeof(out->v6);
}

static socklen_t
parse_path(const char *where, union address *out)
{
	const char *path = where + sizeof(UNIX_PREFIX) - 1;
	size_t len = strlen(path);

	memset(out, 0, sizeof(*out));
	if (len == 0 || len >= sizeof(out->path.sun_path))
		return 0;
	out->path.sun_family = AF_UNIX;
	memcpy(out->path.sun_path, path, len + 1);
	return sizeof(out->path);
}

/* A socket that a killed server left behind answers nobody: it may go. */
static void
remove_stale(const union address *address, socklen_t len)
{
	struct stat st;
	int fd;

	if (lstat(address->path.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return;
	if (connect(fd, &address->any, len) != 0 && errno == ECONNREFUSED)
		(void)unlink(address->path.sun_path);
	(void)close(fd);
}

static void
format_address(const char *where, int fd, char out[HTTP_ADDRESS_SIZE])
{
	union address address;
	socklen_t len = sizeof(address);
	size_t host = (size_t)(strrchr(where, ':') - where);
	unsigned port = 0;

	if (!is_unix(where) && getsockname(fd, &address.any, &len) == 0)
		port = ntohs(address.any.sa_family == AF_INET
			? address.v4.sin_port
			: address.v6.sin6_port);
	if (is_unix(where))
		(void)snprintf(out, HTTP_ADDRESS_SIZE, "%s", where);
	else
		(void)snprintf(out, HTTP_ADDRESS_SIZE, "%.*s:%u", (int)host,
		    where, port);
}

int
listen_open(const char *where, char out_address[HTTP_ADDRESS_SIZE],
    char out_why[HTTP_WHY_SIZE])
{
	bool is_path = is_unix(where);
	union address address;
	socklen_t len = is_path ? parse_path(where, &address)
				: parse_loopback(where, &address);
	const int yes = 1;
	int fd;

	if (len == 0) {
		(void)snprintf(out_why, HTTP_WHY_SIZE,
		    "\"%s\" is no address to listen on: give 127.0.0.1:PORT,"
		    " [::1]:PORT or unix:PATH, and put a proxy in front of it",
		    where);
		return -1;
	}
	if (is_path)
		remove_stale(&address, len);
	fd = socket(address.any.sa_family, SOCK_STREAM, 0);
	if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
	    (is_path ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ==
		    0) &&
	    bind(fd, &address.any, len) == 0 && listen(fd, BACKLOG) == 0) {
		format_address(where, fd, out_address);
		return fd;
	}
	(void)snprintf(out_why, HTTP_WHY_SIZE, "cannot listen on \"%s\": %s",
	    where, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void
listen_remove(const char *where)
{
	if (is_unix(where))
		(void)unlink(where + sizeof(UNIX_PREFIX) - 1);
}
