/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file register.  A swap reads, compares and replaces under the exclusive
 * lock of the directory; the new entry is on stable storage under another name
 * before it takes the old one's place, and the directory is synced before
 * anybody may sign.  Killed in between, the entry is the old one or the new:
 * if the new one was never signed, whoever comes next signs it.
 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "publish/register.h"

#define NAME_SIZE (TALLY_HASH_TEXT_SIZE + 4)

static void
entry_name(struct tally_file_register *file, const char *origin,
    char out[NAME_SIZE])
{
	struct tally_hash hash = tally_hash_bytes(file->hasher, origin,
	    strlen(origin));

	tally_hash_format(&hash, out);
}

static int
read_entry(struct tally_file_register *file, const char *origin,
    struct tally_checkpoint *out, struct tally_error *error)
{
	char name[NAME_SIZE], text[TALLY_CHECKPOINT_TEXT_MAX + 1];
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
	if (tally_checkpoint_parse(text, (size_t)n, out) != 0 ||
	    out->extended || strcmp(out->origin, origin) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the register's entry \"%s/%s\" is no checkpoint of \"%s\";"
		    " nothing is signed",
		    file->path, name, origin);
	return TALLY_OK;
}

static int
write_entry(struct tally_file_register *file,
    const struct tally_checkpoint *next, struct tally_error *error)
{
	char name[NAME_SIZE], new[NAME_SIZE];
	char text[TALLY_CHECKPOINT_TEXT_MAX];
	size_t len = tally_checkpoint_format(next, text);
	int fd, result;

	entry_name(file, next->origin, name);
	memcpy(new, name, TALLY_HASH_TEXT_SIZE - 1);
	memcpy(new + TALLY_HASH_TEXT_SIZE - 1, ".new", 5);
	fd = tally_sys_open(file->dir, new,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	result = fd < 0 ? fd : tally_sys_write(fd, text, len, 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(file->dir, new, name);
	if (result == 0)
		result = tally_sys_sync_all(file->dir);
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
file_swap(struct tally_register *self, const struct tally_checkpoint *last,
    const struct tally_checkpoint *next, struct tally_error *error)
{
	struct tally_file_register *file = (struct tally_file_register *)self;
	struct tally_checkpoint now;
	int result;

	do
		result = tally_sys_lock(file->dir, true);
	while (result == -EINTR);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot lock the register \"%s\"; nothing is signed",
		    file->path);
	result = read_entry(file, next->origin, &now, error);
	if (result == TALLY_END)
		result = last == NULL ? TALLY_OK : TALLY_END;
	else if (result == 0 && (last == NULL || !is_same(&now, last)))
		result = TALLY_END;
	if (result == 0)
		result = write_entry(file, next, error);
	tally_sys_unlock(file->dir);
	return result;
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
