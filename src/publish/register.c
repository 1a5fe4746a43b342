/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file register.  A swap reads, compares and replaces under the exclusive
 * lock of the directory; the new entry is on stable storage under another name
 * before it takes the old one's place, and the directory is synced before
 * anybody may sign.  Killed in between, the entry is the old one or the new:
 * if the new one was never signed, whoever comes next signs it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "publish/register.h"
#include "publish/replace.h"

#define CLOSED "closed "
#define ENTRY_MAX \
	(TALLY_CHECKPOINT_TEXT_MAX + sizeof(CLOSED) + TALLY_KEY_NAME_MAX)

static void
entry_name(struct tally_file_register *file, const char *origin,
    char out[TALLY_HASH_TEXT_SIZE])
{
	struct tally_hash hash = tally_hash_bytes(file->hasher, origin,
	    strlen(origin));

	tally_hash_format(&hash, out);
}

/* Takes the line "closed <origin>" off an entry's end; false if there is
 * none.  successor gets a NUL. */
static bool
take_closed(const char *text, size_t *len,
    char successor[TALLY_KEY_NAME_MAX + 1])
{
	const char *line = text;
	size_t line_len;

	for (int i = 0; i < 3 && line != NULL; i++) {
		line = memchr(line, '\n', *len - (size_t)(line - text));
		line = line == NULL ? NULL : line + 1;
	}
	if (line == NULL)
		return false;
	line_len = *len - (size_t)(line - text);
	if (line_len <= sizeof(CLOSED) ||
	    memchr(line, '\n', line_len) != line + line_len - 1 ||
	    memcmp(line, CLOSED, sizeof(CLOSED) - 1) != 0 ||
	    line_len - sizeof(CLOSED) > TALLY_KEY_NAME_MAX)
		return false;
	memcpy(successor, line + sizeof(CLOSED) - 1, line_len - sizeof(CLOSED));
	successor[line_len - sizeof(CLOSED)] = '\0';
	*len = (size_t)(line - text);
	return true;
}

/* successor is empty unless the origin was closed. */
static int
read_any_entry(struct tally_file_register *file, const char *origin,
    struct tally_checkpoint *out, char successor[TALLY_KEY_NAME_MAX + 1],
    struct tally_error *error)
{
	char name[TALLY_HASH_TEXT_SIZE], text[ENTRY_MAX + 1];
	size_t len;
	int64_t n;
	int fd;

	entry_name(file, origin, name);
	fd = tally_sys_open(file->dir, name, TALLY_SYS_READ);
	if (fd == -ENOENT)
		return TALLY_END;
	if (fd < 0)
		return tally_fail_os(error, fd,
		    "cannot read the register \"%s\"", file->path);
	n = tally_sys_read(fd, text, sizeof(text), 0);
	tally_sys_close(fd);
	if (n < 0)
		return tally_fail_os(error, (int)n,
		    "cannot read the register \"%s\"", file->path);
	len = (size_t)n;
	successor[0] = '\0';
	(void)take_closed(text, &len, successor);
	if (tally_checkpoint_parse(text, len, out) != 0 || out->extended ||
	    strcmp(out->origin, origin) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the register's entry \"%s/%s\" is no checkpoint of \"%s\";"
		    " nothing is signed",
		    file->path, name, origin);
	return TALLY_OK;
}

static int
read_entry(struct tally_file_register *file, const char *origin,
    struct tally_checkpoint *out, struct tally_error *error)
{
	char successor[TALLY_KEY_NAME_MAX + 1];
	int result = read_any_entry(file, origin, out, successor, error);

	if (result != 0 || successor[0] == '\0')
		return result;
	return tally_fail(error, TALLY_E_USAGE,
	    "nothing is signed under the origin \"%s\" any more: the log was"
	    " put back, and goes on as \"%s\"",
	    origin, successor);
}

/* successor NULL: the origin goes on. */
static int
write_entry(struct tally_file_register *file,
    const struct tally_checkpoint *next, const char *successor,
    struct tally_error *error)
{
	char name[TALLY_HASH_TEXT_SIZE];
	char text[ENTRY_MAX];
	size_t len = tally_checkpoint_format(next, text);
	int result;

	if (successor != NULL)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    CLOSED "%s\n", successor);
	entry_name(file, next->origin, name);
	result = tally_replace_file(file->dir, name, text, len, false);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write the register \"%s\"; nothing is signed",
		    file->path);
	return TALLY_OK;
}

static bool
is_same(const struct tally_checkpoint *a, const struct tally_checkpoint *b)
{
	return a->size == b->size && tally_hash_equal(&a->root, &b->root);
}

static int
file_read(struct tally_register *self, const char *origin,
    struct tally_checkpoint *out, struct tally_error *error)
{
	return read_entry((struct tally_file_register *)self, origin, out,
	    error);
}

static int
lock(struct tally_file_register *file, struct tally_error *error)
{
	int result;

	do
		result = tally_sys_lock(file->dir, true);
	while (result == -EINTR);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot lock the register \"%s\"; nothing is signed",
		    file->path);
	return TALLY_OK;
}

/* The directory's own name: a register that is gone after a power cut would
 * lock its logs out. */
static int
sync_name(const struct tally_file_register *file, struct tally_error *error)
{
	int parent = tally_sys_open_dir(file->dir, "..");
	int result = parent < 0 ? parent : tally_sys_sync_all(parent);

	tally_sys_close(parent);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot sync the directory of the register \"%s\"; nothing"
		    " is signed",
		    file->path);
	return TALLY_OK;
}

static int
file_swap(struct tally_register *self, const struct tally_checkpoint *last,
    const struct tally_checkpoint *next, struct tally_error *error)
{
	struct tally_file_register *file = (struct tally_file_register *)self;
	struct tally_checkpoint now;
	int result = lock(file, error);

	if (result != 0)
		return result;
	result = read_entry(file, next->origin, &now, error);
	if (result == TALLY_END)
		result = last == NULL ? TALLY_OK : TALLY_END;
	else if (result == 0 && (last == NULL || !is_same(&now, last)))
		result = TALLY_END;
	if (result == 0 && last == NULL)
		result = sync_name(file, error);
	if (result == 0)
		result = write_entry(file, next, NULL, error);
	tally_sys_unlock(file->dir);
	return result;
}

/* Did the origin end for another successor? */
static int
check_closed(const char *closed, const char *successor,
    struct tally_error *error)
{
	return closed[0] != '\0' && successor != NULL &&
		strcmp(closed, successor) != 0
	    ? tally_fail(error, TALLY_E_USAGE,
		  "the log goes on as \"%s\" already", closed)
	    : TALLY_OK;
}

static int
file_close(struct tally_register *self, const struct tally_checkpoint *last,
    const char *successor, struct tally_error *error)
{
	struct tally_file_register *file = (struct tally_file_register *)self;
	char closed[TALLY_KEY_NAME_MAX + 1];
	struct tally_checkpoint now;
	int result = lock(file, error);

	if (result != 0)
		return result;
	result = read_any_entry(file, last->origin, &now, closed, error);
	if (result == 0)
		result = check_closed(closed, successor, error);
	if (result == 0 && !is_same(&now, last))
		result = TALLY_END;
	else if (result == 0)
		/* Closed already: whoever did it may have been killed before
		 * that was on stable storage. */
		result = write_entry(file, last, successor, error);
	tally_sys_unlock(file->dir);
	return result;
}

int
tally_file_register_find(struct tally_file_register *file, const char *origin,
    struct tally_checkpoint *out, const char *successor,
    struct tally_error *error)
{
	char closed[TALLY_KEY_NAME_MAX + 1];
	int result = read_any_entry(file, origin, out, closed, error);

	return result == 0 ? check_closed(closed, successor, error) : result;
}

int
tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error)
{
	enum tally_sys_fs kind = TALLY_SYS_FS_LOCAL;
	int result;

	memset(out, 0, sizeof(*out));
	out->base.read = file_read;
	out->base.swap = file_swap;
	out->base.close = file_close;
	out->hasher = hasher;
	out->path = path;
	result = tally_sys_mkdir(base, path);
	if (result == 0 || result == -EEXIST)
		result = 0;
	out->dir = result != 0 ? result : tally_sys_open_dir(base, path);
	if (out->dir < 0)
		return tally_fail_os(error, out->dir,
		    "cannot open the register \"%s\"", path);
	result = tally_sys_fs(out->dir, &kind);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot open the register \"%s\"", path);
	if (kind == TALLY_SYS_FS_NETWORK)
		return tally_fail(error, TALLY_E_NETWORK,
		    "the register \"%s\" is on a network file system, whose"
		    " locks nobody can trust",
		    path);
	return TALLY_OK;
}

void
tally_file_register_close(struct tally_file_register *file)
{
	tally_sys_close(file->dir);
	file->dir = -1;
}
