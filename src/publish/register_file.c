/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A swap reads, compares and replaces under the exclusive lock of the
 * directory; the new entry is on stable storage under another name before it
 * takes the old one's place, and the directory is synced before anybody may
 * sign.  Killed in between, the entry is the old one or the new: if the new one
 * was never signed, whoever comes next signs it.
 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "publish/register_file.h"
#include "publish/replace.h"

static void
entry_name(struct tally_file_register *file, const char *origin,
    char out[TALLY_HASH_TEXT_SIZE])
{
	struct tally_hash hash = tally_hash_bytes(file->hasher, origin,
	    strlen(origin));

	tally_hash_format(&hash, out);
}

static int
file_read(struct tally_register *self, const char *origin,
    char out[TALLY_REGISTER_ENTRY_MAX], size_t *out_len,
    struct tally_error *error)
{
	struct tally_file_register *file = (struct tally_file_register *)self;
	char name[TALLY_HASH_TEXT_SIZE];
	int64_t n;
	int fd;

	entry_name(file, origin, name);
	fd = tally_sys_open(file->dir, name, TALLY_SYS_READ);
	if (fd == -ENOENT)
		return TALLY_END;
	n = fd < 0 ? fd : tally_sys_read(fd, out, TALLY_REGISTER_ENTRY_MAX, 0);
	tally_sys_close(fd);
	if (n < 0)
		return tally_fail_os(error, (int)n,
		    "cannot read the register \"%s\"", self->name);
	*out_len = (size_t)n;
	return TALLY_OK;
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
		    file->base.name);
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
		    file->base.name);
	return TALLY_OK;
}

/* Is the entry last? */
static int
compare(struct tally_file_register *file, const char *origin, const char *last,
    size_t last_len, struct tally_error *error)
{
	char now[TALLY_REGISTER_ENTRY_MAX];
	size_t len;
	int result = file_read(&file->base, origin, now, &len, error);

	if (result == TALLY_END)
		return last == NULL ? TALLY_OK : TALLY_END;
	if (result != 0)
		return result;
	return last != NULL && len == last_len && memcmp(now, last, len) == 0
	    ? TALLY_OK
	    : TALLY_END;
}

static int
file_swap(struct tally_register *self, const char *origin, const char *last,
    size_t last_len, const char *next, size_t next_len,
    struct tally_error *error)
{
	struct tally_file_register *file = (struct tally_file_register *)self;
	char name[TALLY_HASH_TEXT_SIZE];
	int result = lock(file, error);

	if (result != 0)
		return result;
	result = compare(file, origin, last, last_len, error);
	if (result == 0 && last == NULL)
		result = sync_name(file, error);
	if (result == 0) {
		entry_name(file, origin, name);
		result = tally_replace_file(file->dir, name, next, next_len,
		    false);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot write the register \"%s\"; nothing is"
			    " signed",
			    self->name);
	}
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
	out->base.name = path;
	out->base.read = file_read;
	out->base.swap = file_swap;
	out->hasher = hasher;
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
