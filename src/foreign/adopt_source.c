/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source that is adopted: a file that nobody may write to meanwhile.  Where
 * its writers take a lock that the profile knows, it is held; else the kernel
 * is asked whether somebody has it open for writing; and its size and time at
 * the end must be those of the beginning.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "foreign/adopt.h"
#include "log/fail.h"
#include "log/sys.h"

static int64_t
read_on(void *arg, void *buffer, size_t len)
{
	struct tally_adopt_source *source = arg;
	int64_t n;

	/* What was appended since it was opened is another's turn. */
	if (len > source->size - source->at)
		len = (size_t)(source->size - source->at);
	n = tally_sys_read(source->fd, buffer, len, source->at);
	if (n < 0)
		return TALLY_E_IO;
	source->at += (uint64_t)n;
	return n;
}

static int
lock(struct tally_adopt_source *source, const struct tally_adoption *adoption,
    struct tally_error *error)
{
	const struct tally_writer_rule *writer = &adoption->profile->writer;
	char name[4096];
	int r;

	if (!writer->present)
		return 0;
	(void)snprintf(name, sizeof(name), "%s%s", source->path, writer->lock);
	source->lock = tally_sys_open(TALLY_SYS_CWD, name,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE);
	if (source->lock < 0)
		return tally_fail_os(error, source->lock,
		    "\"%s\" cannot be locked", source->path);
	r = tally_sys_lock(source->lock, true);
	if (r == -EINTR)
		return tally_fail(error, TALLY_E_BUSY,
		    "interrupted while \"%s\" was locked by another",
		    source->path);
	return r == 0
	    ? 0
	    : tally_fail_os(error, r, "\"%s\" cannot be locked", source->path);
}

static int
open_source(struct tally_adopt_source *source, struct tally_error *error)
{
	struct tally_sys_stat stat;
	int r;

	source->fd = tally_sys_open(TALLY_SYS_CWD, source->path,
	    TALLY_SYS_READ);
	if (source->fd == -ENOENT)
		return tally_fail(error, TALLY_END,
		    "cannot open \"%s\": no such file or directory",
		    source->path);
	r = source->fd < 0 ? source->fd : tally_sys_stat(source->fd, &stat);
	if (r < 0)
		return tally_fail_os(error, r, "cannot open \"%s\"",
		    source->path);
	source->size = stat.size;
	return 0;
}

int
tally_adopt_source_open(struct tally_adopt_source *source,
    const struct tally_adoption *adoption, bool writing,
    struct tally_error *error)
{
	int r = 0;

	memset(source, 0, sizeof(*source));
	source->path = adoption->path;
	source->fd = source->lock = -1;
	if (source->path == NULL)
		return 0;
	source->source.read = read_on;
	source->source.arg = source;
	source->source.format = adoption->format;
	source->source.name = adoption->path;
	if (writing)
		r = lock(source, adoption, error);
	if (r == 0)
		r = open_source(source, error);
	if (r == 0 && writing && source->lock < 0 &&
	    tally_sys_is_written(source->fd))
		r = tally_fail(error, TALLY_E_BUSY,
		    "\"%s\" is open for writing; stop its writer first",
		    source->path);
	return r;
}

int
tally_adopt_source_begin(struct tally_adopt_source *source,
    const struct tally_adoption *adoption, struct tally_error *error)
{
	source->at = 0;
	return source->path != NULL
	    ? 0
	    : adoption->begin(adoption->begin_arg, &source->source, error);
}

void
tally_adopt_source_close(struct tally_adopt_source *source)
{
	tally_sys_close(source->fd);
	tally_sys_close(source->lock);
}

bool
tally_adopt_source_is_same(const struct tally_adopt_source *source)
{
	struct tally_sys_stat stat, named;

	return source->path == NULL ||
	    (tally_sys_stat(source->fd, &stat) == 0 &&
		tally_sys_stat_at(TALLY_SYS_CWD, source->path, &named) == 0 &&
		stat.size == source->size && named.inode == stat.inode &&
		named.device == stat.device);
}
