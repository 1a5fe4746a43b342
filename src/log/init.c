/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a log.  tally.json comes last: a directory without it is no log, so
 * whatever happens before leaves nothing that could be taken for one, and a
 * second init goes over the remains of the first.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/record.h"
#include "log/fail.h"
#include "log/identity.h"
#include "log/mark.h"
#include "log/segment.h"
#include "log/sys.h"

#define CREATED_CHAIN "tally:log"

struct init {
	const char *path;
	struct tally_identity identity;
	struct tally_hasher hasher;
	int dir, log_dir;
};

/* Nothing in it but what an init that was cut short has left. */
static int
is_leftover(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "log") == 0 || strcmp(name, "tally.json.new") == 0
	    ? 0
	    : -EEXIST;
}

/* No more than the one record that an init writes?  Somebody may have lost
 * tally.json and nothing else. */
static bool
is_first_record(int log_dir, const char *name)
{
	char text[TALLY_LINE_MAX(TALLY_IDENTITY_TEXT_MAX) + 1];
	const char *feed;
	int64_t n;
	int fd = tally_sys_open(log_dir, name, TALLY_SYS_READ);

	if (fd < 0)
		return false;
	n = tally_sys_read(fd, text, sizeof(text), 0);
	tally_sys_close(fd);
	if (n < 0 || (size_t)n == sizeof(text))
		return false;
	feed = n == 0 ? NULL : memchr(text, '\n', (size_t)n);
	return feed == NULL || feed == text + n - 1;
}

static int
is_leftover_log(void *arg, const char *name)
{
	const struct init *init = arg;
	uint64_t first;

	if (tally_segment_is_name(name, &first) && first == 0)
		return is_first_record(init->log_dir, name) ? 0 : -EEXIST;
	return strcmp(name, TALLY_MARK_NAME) == 0 ? 0 : -EEXIST;
}

static int
not_empty(const char *path, struct tally_error *error)
{
	return tally_fail(error, TALLY_E_EXISTS,
	    "\"%s\" is there already and is not empty", path);
}

/* The directory, made if it is missing; and its parent, to sync. */
static int
make_directory(struct init *init, struct tally_error *error)
{
	struct tally_sys_stat st;
	int result;

	result = tally_sys_mkdir(TALLY_SYS_CWD, init->path);
	if (result != 0 && result != -EEXIST)
		return tally_fail_os(error, result, "cannot make \"%s\"",
		    init->path);
	init->dir = tally_sys_open_dir(TALLY_SYS_CWD, init->path);
	if (init->dir < 0)
		return tally_fail_os(error, init->dir, "cannot open \"%s\"",
		    init->path);
	/*
	 * One init at a time, or the second writes its first record over a log
	 * that the first has made and that somebody appends to.  The lock goes
	 * with the descriptor.
	 */
	do
		result = tally_sys_lock(init->dir, true);
	while (result == -EINTR);
	if (result != 0)
		return tally_fail_os(error, result, "cannot lock \"%s\"",
		    init->path);
	if (tally_sys_stat_at(init->dir, TALLY_IDENTITY_NAME, &st) == 0)
		return tally_fail(error, TALLY_E_EXISTS,
		    "there is a log at \"%s\" already", init->path);
	result = tally_sys_list(init->dir, is_leftover, NULL);
	if (result == -EEXIST)
		return not_empty(init->path, error);
	if (result != 0)
		return tally_fail_os(error, result, "cannot list \"%s\"",
		    init->path);
	return TALLY_OK;
}

static int
make_log_directory(struct init *init, struct tally_error *error)
{
	int result;

	result = tally_sys_mkdir(init->dir, "log");
	if (result != 0 && result != -EEXIST)
		return tally_fail_os(error, result, "cannot make \"%s/log\"",
		    init->path);
	init->log_dir = tally_sys_open_dir(init->dir, "log");
	if (init->log_dir < 0)
		return tally_fail_os(error, init->log_dir,
		    "cannot open \"%s/log\"", init->path);
	result = tally_sys_list(init->log_dir, is_leftover_log, init);
	if (result == -EEXIST)
		return not_empty(init->path, error);
	if (result != 0)
		return tally_fail_os(error, result, "cannot list \"%s/log\"",
		    init->path);
	return TALLY_OK;
}

/* The line of the record at index 0. */
static size_t
created_line(struct init *init, char *out)
{
	char event[TALLY_IDENTITY_TEXT_MAX], header[TALLY_HEADER_MAX];
	size_t event_len = tally_identity_event(&init->identity, event);
	struct tally_header fields = {
		.chain = CREATED_CHAIN,
		.chain_len = strlen(CREATED_CHAIN),
		.digest = tally_hash_commitment(&init->hasher, NULL, event,
		    event_len),
		.seq = 1,
		.time_us = init->identity.created_us,
	};
	size_t header_len = tally_header_encode(&fields, header);
	struct tally_hash hash = tally_hash_leaf(&init->hasher, header,
	    header_len);

	return tally_line_encode(header, header_len, &hash, NULL, event,
	    event_len, out);
}

/* A file with this content, on the disk but for its name. */
static int
write_file(int dir, const char *name, const char *bytes, size_t len,
    struct tally_error *error)
{
	int fd, result;

	fd = tally_sys_open(dir, name,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot make \"%s\"", name);
	result = tally_sys_write(fd, bytes, len, 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write \"%s\"",
		    name);
	return TALLY_OK;
}

static int
write_segment(struct init *init, struct tally_error *error)
{
	char line[TALLY_LINE_MAX(TALLY_IDENTITY_TEXT_MAX)];
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_mark mark = { 0 };
	struct tally_place place = { .size = 1 };
	size_t len = created_line(init, line);
	int result;

	if (tally_hasher_failed(&init->hasher))
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	place.offset = len;
	tally_segment_name(0, name);
	result = write_file(init->log_dir, name, line, len, error);
	if (result == 0)
		result = tally_mark_write(&init->hasher, init->log_dir, &place,
		    &mark, error);
	if (result == 0) {
		result = tally_sys_sync_all(init->log_dir);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot sync \"%s/log\"", init->path);
	}
	return result;
}

/* The parent's entry for the directory. */
static int
sync_parent(struct init *init, struct tally_error *error)
{
	int parent = tally_sys_open_dir(init->dir, "..");
	int result = parent < 0 ? parent : tally_sys_sync_all(parent);

	tally_sys_close(parent);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot sync the directory above \"%s\"", init->path);
	return TALLY_OK;
}

static int
write_identity(struct init *init, struct tally_error *error)
{
	char text[TALLY_IDENTITY_TEXT_MAX];
	size_t len = tally_identity_format(&init->identity, text);
	int result;

	result = tally_sys_sync_all(init->dir);
	if (result == 0)
		result = write_file(init->dir, "tally.json.new", text, len,
		    error);
	else
		return tally_fail_os(error, result, "cannot sync \"%s\"",
		    init->path);
	if (result != 0)
		return result;
	result = tally_sys_rename(init->dir, "tally.json.new",
	    TALLY_IDENTITY_NAME);
	if (result == 0)
		result = tally_sys_sync_all(init->dir);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write \"%s/tally.json\"", init->path);
	return TALLY_OK;
}

int
tally_log_init(const char *dir, const struct tally_init_options *options,
    struct tally_error *error)
{
	struct init init = { .path = dir, .dir = -1, .log_dir = -1 };
	int result;

	result = tally_hasher_open(&init.hasher);
	if (result != 0)
		return tally_fail_memory(error);
	result = tally_identity_make(options, &init.identity, error);
	if (result == 0)
		result = make_directory(&init, error);
	if (result == 0)
		result = tally_identity_refuse_network(init.dir, dir, error);
	if (result == 0)
		result = make_log_directory(&init, error);
	if (result == 0)
		result = write_segment(&init, error);
	if (result == 0)
		result = sync_parent(&init, error);
	if (result == 0)
		result = write_identity(&init, error);
	tally_sys_close(init.log_dir);
	tally_sys_close(init.dir);
	tally_hasher_close(&init.hasher);
	return result;
}
