/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include "options.h"
#include "profile.h"
#include "signals.h"

#define PROFILE_MAX ((size_t)1 << 20)
#define MARK "\xef\xbb\xbf"

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

/* What is passed over is told. */
static void
tell_mark(const char *path)
{
	complain("\"%s\" begins with a byte order mark, which is passed over",
	    path);
}

/* Of a source: its first bytes are looked at as they come. */
static int64_t
read_source(void *arg, void *buffer, size_t len)
{
	struct foreign *foreign = arg;
	int64_t n = read_some(&foreign->fd, buffer, len);

	for (int64_t i = 0; i < n && foreign->mark_len < MARK_LEN; i++) {
		foreign->mark[foreign->mark_len++] = ((const char *)buffer)[i];
		if (foreign->mark_len == MARK_LEN &&
		    memcmp(foreign->mark, MARK, MARK_LEN) == 0)
			tell_mark(foreign->source.name);
	}
	return n;
}

void
foreign_tell_mark(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char begin[MARK_LEN];

	if (fd < 0)
		return;
	if (pread(fd, begin, sizeof(begin), 0) == MARK_LEN &&
	    memcmp(begin, MARK, MARK_LEN) == 0)
		tell_mark(path);
	(void)close(fd);
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

#define SETTINGS_MAX 16

/* Cuts "NAME=VALUE,..." up, in place; how many, or -1. */
static int
cut_settings(char *text, struct tally_profile_setting *out)
{
	char *next = text, *value;
	int count = 0;

	while (next != NULL) {
		char *name = next;

		next = strchr(name, ',');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(name, '=');
		if (value == NULL || count == SETTINGS_MAX)
			return -1;
		*value++ = '\0';
		out[count].name = name;
		out[count++].value = value;
	}
	return count;
}

static int
parse(const char *text, size_t len, const char *set, struct tally_profile **out,
    struct tally_error *error)
{
	struct tally_profile_setting settings[SETTINGS_MAX];
	char *copy = set != NULL ? strdup(set) : NULL;
	int count = copy != NULL ? cut_settings(copy, settings) : 0;
	int result;

	if (count < 0)
		result = fail(error, TALLY_E_USAGE,
		    "\"--set\" needs NAME=VALUE: ", set,
		    "a name, \"=\" and a value, or several with commas");
	else
		result = tally_profile_parse(text, len, settings, (size_t)count,
		    out, error);
	free(copy);
	/* A profile that is wrong is a call that is wrong. */
	return result == TALLY_E_FORMAT ? TALLY_E_USAGE : result;
}

const char *
profile_folder(void)
{
	const char *folder = getenv("TALLY_PROFILES");

	return folder != NULL ? folder : TALLY_PROFILES;
}

int
profile_text(const char *name, char **out, size_t *out_len,
    struct tally_error *error)
{
	char path[4096];

	if (strchr(name, '/') != NULL || strchr(name, '.') != NULL)
		(void)snprintf(path, sizeof(path), "%s", name);
	else
		(void)snprintf(path, sizeof(path), "%s/%s.json",
		    profile_folder(), name);
	*out = slurp(path, out_len);
	if (*out == NULL)
		return fail(error, errno == ENOENT ? TALLY_END : TALLY_E_IO,
		    "no profile ", path, output_reason(errno));
	return 0;
}

int
profile_slurp(const char *path, char **out, size_t *out_len,
    struct tally_error *error)
{
	*out = slurp(path, out_len);
	if (*out == NULL)
		return fail(error, errno == ENOENT ? TALLY_END : TALLY_E_IO,
		    "cannot read ", path, output_reason(errno));
	return 0;
}

int
profile_load(const char *name, const char *set, struct tally_profile **out,
    struct tally_error *error)
{
	size_t len;
	char *text;
	int result = profile_text(name, &text, &len, error);

	if (result != 0)
		return result;
	result = parse(text, len, set, out, error);
	free(text);
	return result;
}

bool
foreign_is_csv(const struct foreign_options *options, const char *path)
{
	size_t len = strlen(path);

	return options->csv || (len > 4 && strcmp(path + len - 4, ".csv") == 0);
}

static int
open_file(struct foreign *foreign, const struct foreign_options *options,
    struct tally_error *error)
{
	const char *path = options->path;

	foreign->source.read = read_source;
	foreign->source.arg = foreign;
	foreign->source.name = path;
	if (foreign_is_csv(options, path))
		foreign->source.format = TALLY_PROFILE_CSV;
	foreign->fd = STDIN_FILENO;
	if (strcmp(path, "-") != 0)
		foreign->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (foreign->fd < 0)
		return fail(error, errno == ENOENT ? TALLY_END : TALLY_E_IO,
		    "cannot open ", path, output_reason(errno));
	return 0;
}

static int
is_interrupted(void *arg)
{
	(void)arg;
	return signals_caught();
}

static int
open_query(struct foreign *foreign, const struct foreign_options *options,
    struct tally_error *error)
{
	struct tally_profile_about about;
	const char *sql = options->query;
	int result;

	tally_profile_describe(foreign->profile, &about);
	if (sql == NULL)
		sql = about.query;
	if (sql == NULL)
		return fail(error, TALLY_E_USAGE, "the profile ",
		    options->profile, "has no query; \"--query\" gives one");
	result = tally_pg_query_open(options->pg, sql, is_interrupted, NULL,
	    &foreign->query, error);
	foreign->source.record = tally_pg_query_record;
	foreign->source.arg = foreign->query;
	return result;
}

int
foreign_open(struct foreign *foreign, const struct foreign_options *options,
    struct tally_error *error)
{
	int result;

	memset(foreign, 0, sizeof(*foreign));
	foreign->fd = -1;
	result = profile_load(options->profile, options->set, &foreign->profile,
	    error);
	if (result != 0)
		return result;
	if (options->pg != NULL)
		return open_query(foreign, options, error);
	return open_file(foreign, options, error);
}

void
foreign_warn(const struct foreign *foreign)
{
	struct tally_profile_about about;

	tally_profile_describe(foreign->profile, &about);
	if (about.confidence != NULL)
		complain("the profile \"%s\" is %s: its rule is a guess that"
			 " no record of the system has borne out yet",
		    about.name, about.confidence);
}

void
foreign_close(struct foreign *foreign)
{
	tally_pg_query_close(foreign->query);
	if (foreign->fd > STDERR_FILENO)
		(void)close(foreign->fd);
	tally_profile_free(foreign->profile);
}

enum status
foreign_check(const struct command *command,
    const struct foreign_options *options)
{
	if (options->profile == NULL)
		return options_refuse(command, "\"--profile\" is missing");
	if ((options->path == NULL) == (options->pg == NULL))
		return options_refuse(command,
		    "\"--profile\" needs either FILE or \"--pg CONNINFO\"");
	if (options->query != NULL && options->pg == NULL)
		return options_refuse(command,
		    "\"--query\" goes with \"--pg\" only");
	if (options->csv && options->pg != NULL)
		return options_refuse(command,
		    "\"--csv\" goes with a file only");
	return STATUS_DONE;
}
