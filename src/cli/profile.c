/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include "output.h"
#include "profile.h"

#define PROFILE_MAX ((size_t)1 << 20)

static int
fail(struct tally_error *error, int code, const char *what, const char *path,
    const char *why)
{
	error->code = code;
	(void)snprintf(error->message, sizeof(error->message),
	    "%s\"%.300s\": %.100s", what, path, why);
	return code;
}

static int64_t
read_some(void *arg, void *buffer, size_t len)
{
	const int *fd = arg;
	ssize_t n;

	do
		n = read(*fd, buffer, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? TALLY_E_IO : n;
}

/* All of a file, which is not longer than PROFILE_MAX; NULL if it cannot be. */
static char *
slurp(const char *path, size_t *out_len)
{
	char *text = malloc(PROFILE_MAX + 1);
	int fd = text != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int64_t n = fd < 0 ? -1 : 1;
	size_t len = 0;

	while (n > 0 && len <= PROFILE_MAX) {
		n = read_some(&fd, text + len, PROFILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n >= 0 && len > PROFILE_MAX) {
		errno = EFBIG;
		n = -1;
	}
	if (fd >= 0)
		(void)close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	*out_len = len;
	return text;
}

int
profile_load(const char *name, struct tally_profile **out,
    struct tally_error *error)
{
	const char *folder = getenv("TALLY_PROFILES");
	char path[4096];
	size_t len;
	char *text;
	int result;

	if (strchr(name, '/') != NULL || strchr(name, '.') != NULL)
		(void)snprintf(path, sizeof(path), "%s", name);
	else
		(void)snprintf(path, sizeof(path), "%s/%s.json",
		    folder != NULL ? folder : TALLY_PROFILES, name);
	text = slurp(path, &len);
	if (text == NULL)
		return fail(error, errno == ENOENT ? TALLY_END : TALLY_E_IO,
		    "no profile ", path, output_reason(errno));
	result = tally_profile_parse(text, len, NULL, 0, out, error);
	free(text);
	/* A profile that is wrong is a call that is wrong. */
	return result == TALLY_E_FORMAT ? TALLY_E_USAGE : result;
}

int
profile_verify(const char *profile, const char *path,
    const struct tally_verify_options *options, struct tally_verdict *verdict,
    struct tally_error *error)
{
	struct tally_profile *parsed = NULL;
	struct tally_profile_source source = { .read = read_some,
		.name = path };
	int fd = STDIN_FILENO;
	int result = profile_load(profile, &parsed, error);

	if (result != 0)
		return result;
	if (strcmp(path, "-") != 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	source.arg = &fd;
	if (fd < 0)
		result = fail(error, errno == ENOENT ? TALLY_END : TALLY_E_IO,
		    "cannot open ", path, output_reason(errno));
	else
		result = tally_profile_verify(parsed, &source, options, verdict,
		    error);
	if (fd > STDERR_FILENO)
		(void)close(fd);
	tally_profile_free(parsed);
	return result;
}
