/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/fail.h"
#include "publish/replace.h"
#include "publish/tilefiles.h"

/* Folders of one path: ".", "tile", the level, five groups, ".p". */
#define DEPTH_MAX 9
/* Tiles of a folder: its files and folders have three digits. */
#define FOLDER_WIDTH 1000
/* A tile that is not full, until it has its name. */
#define PARTIAL_NEW "new"

/* ---- what is public --------------------------------------------------- */

int
tally_public_mkdir(int base, const char *path)
{
	int result = tally_sys_mkdir(base, path);
	int dir;

	if (result != 0)
		return result;
	dir = tally_sys_open_dir(base, path);
	result = dir < 0 ? dir : tally_sys_show(dir);
	tally_sys_close(dir);
	return result;
}

int
tally_public_write(int dir, const char *name, const void *bytes, size_t len,
    struct tally_error *error)
{
	int result = tally_replace_file(dir, name, bytes, len, true);

	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write \"public/%s\"", name);
	return TALLY_OK;
}

/* ---- folders ---------------------------------------------------------- */

static bool
find_folder(const struct tally_tile_files *files, const char *path, size_t len,
    size_t *out)
{
	for (size_t i = files->folders_len; i-- > 0;) {
		const struct tally_tile_folder *folder = &files->folder[i];

		if (strncmp(folder->path, path, len) == 0 &&
		    folder->path[len] == '\0') {
			*out = i;
			return true;
		}
	}
	return false;
}

/* Opens the folder of a path of len, made if it is missing; name is the last
 * part of it. */
static int
add_folder(struct tally_tile_files *files, size_t parent, const char *path,
    size_t len, const char *name)
{
	size_t at = files->folders_len;
	struct tally_tile_folder *folder = &files->folder[at];
	int base = at == 0 ? files->dir : files->folder[parent].fd;
	char part[TALLY_TILE_PATH_MAX];
	size_t part_len = len - (size_t)(name - path);

	memcpy(part, name, part_len);
	part[part_len] = '\0';
	folder->fd = tally_sys_open_dir(base, part);
	if (folder->fd == -ENOENT) {
		int result = tally_public_mkdir(base, part);

		if (result != 0 && result != -EEXIST)
			return result;
		files->folder[parent].changed = true;
		folder->fd = tally_sys_open_dir(base, part);
	}
	if (folder->fd < 0)
		return folder->fd;
	/* Story: a publisher is killed between making the folder and showing
	 * it, or the power goes, and nobody else can enter it.  What public/
	 * itself lets in is the operator's; one that is another user's is put
	 * right by him. */
	if (at != 0)
		(void)tally_sys_show(folder->fd);
	memcpy(folder->path, path, len);
	folder->path[len] = '\0';
	folder->parent = parent;
	folder->changed = false;
	files->folders_len++;
	return 0;
}

/* The folder that a path lies in, and all that it lies in. */
static int
enter_folder(struct tally_tile_files *files, const char *path, size_t *out)
{
	const char *name = path, *slash;
	size_t parent = 0;
	int result = 0;

	if (files->folders_len == 0)
		result = add_folder(files, 0, ".", 1, ".");
	for (; result == 0 && (slash = strchr(name, '/')) != NULL;
	     name = slash + 1) {
		size_t len = (size_t)(slash - path), at;

		if (!find_folder(files, path, len, &at)) {
			at = files->folders_len;
			result = add_folder(files, parent, path, len, name);
		}
		parent = at;
	}
	*out = parent;
	return result;
}

/*
 * Has something in the folder of a tile been settled?  Then it was, too.  If
 * not, a publisher that was killed may have made it, and not have synced what
 * it lies in.
 */
static void
doubt_folders(struct tally_tile_files *files, const struct tally_tile *tile,
    size_t folder)
{
	uint64_t hashes = tally_tile_hashes(files->settled, tile->level);
	uint64_t first = tile->index - tile->index % FOLDER_WIDTH;

	if (tile->width != TALLY_TILE_WIDTH) {
		if (tile->index * TALLY_TILE_WIDTH < hashes &&
		    tile->index == hashes / TALLY_TILE_WIDTH)
			return;
		folder = files->folder[folder].parent;
		files->folder[folder].changed = true;
	}
	if (first * TALLY_TILE_WIDTH < hashes)
		return;
	while (folder != 0) {
		folder = files->folder[folder].parent;
		files->folder[folder].changed = true;
	}
}

/* ---- files ------------------------------------------------------------ */

/* The file if it is there with these bytes, open; else a negative number. */
static int
open_same(int dir, const char *name, const void *bytes, size_t len)
{
	int fd = tally_sys_open(dir, name, TALLY_SYS_READ);
	char *now = fd < 0 ? NULL : tally_sys_alloc(len + 1);

	if (now != NULL &&
	    tally_sys_read(fd, now, len + 1, 0) == (int64_t)len &&
	    memcmp(now, bytes, len) == 0) {
		tally_sys_free(now);
		return fd;
	}
	tally_sys_free(now);
	tally_sys_close(fd);
	return -1;
}

static bool
is_settled(const struct tally_tile_files *files, const struct tally_tile *tile)
{
	return tile->index * TALLY_TILE_WIDTH + tile->width <=
	    tally_tile_hashes(files->settled, tile->level);
}

/*
 * What it is called until it has its name.  Story: a publisher is killed before
 * the rename of a tile of 9 hashes, and the next one writes 11.  So all widths
 * have one other name, which each overwrites; and of the full tile, whose
 * folder is another, what is left of them is removed.
 */
static void
choose_other(const struct tally_tile *tile, const char *name, int dir,
    char out[TALLY_TILE_NAME_MAX])
{
	char left[TALLY_TILE_NAME_MAX];

	if (tile->width != TALLY_TILE_WIDTH) {
		(void)snprintf(out, TALLY_TILE_NAME_MAX, "%s", PARTIAL_NEW);
		return;
	}
	(void)snprintf(out, TALLY_TILE_NAME_MAX, "%s.new", name);
	(void)snprintf(left, sizeof(left), "%s.p/%s", name, PARTIAL_NEW);
	(void)tally_sys_unlink(dir, left);
}

/* Its folder is entered. */
static int
put(struct tally_tile_files *files, const struct tally_tile *tile,
    size_t folder, const char *name, const void *bytes, size_t len)
{
	struct tally_tile_file *file = &files->pending[files->pending_len];
	int dir = files->folder[folder].fd;
	int fd = open_same(dir, name, bytes, len);

	file->found = fd >= 0;
	if (file->found && is_settled(files, tile)) {
		tally_sys_close(fd);
		return 0;
	}
	choose_other(tile, name, dir, file->other);
	if (!file->found)
		fd = tally_replace_begin(dir, file->other, bytes, len, true);
	if (fd < 0)
		return fd;
	file->fd = fd;
	file->folder = folder;
	(void)snprintf(file->name, sizeof(file->name), "%s", name);
	files->pending_len++;
	files->folder[folder].changed = true;
	doubt_folders(files, tile, folder);
	return 0;
}

int
tally_tile_files_put(struct tally_tile_files *files,
    const struct tally_tile *tile, const void *bytes, size_t len,
    struct tally_error *error)
{
	char path[TALLY_TILE_PATH_MAX];
	size_t folder;
	int result = TALLY_OK;

	(void)tally_tile_path(tile, path);
	if (files->pending_len == TALLY_TILE_FILES_PENDING ||
	    files->folders_len > TALLY_TILE_FOLDERS - DEPTH_MAX)
		result = tally_tile_files_settle(files, error);
	if (result != 0)
		return result;
	result = enter_folder(files, path, &folder);
	if (result == 0)
		result = put(files, tile, folder, strrchr(path, '/') + 1, bytes,
		    len);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write \"public/%s\"", path);
	return TALLY_OK;
}

/* ---- settling --------------------------------------------------------- */

void
tally_tile_files_drop(struct tally_tile_files *files)
{
	for (size_t i = 0; i < files->pending_len; i++)
		tally_sys_close(files->pending[i].fd);
	for (size_t i = 0; i < files->folders_len; i++)
		tally_sys_close(files->folder[i].fd);
	files->pending_len = 0;
	files->folders_len = 0;
}

static int
sync_files(const struct tally_tile_files *files)
{
	int fd[TALLY_TILE_FILES_PENDING];

	for (size_t i = 0; i < files->pending_len; i++)
		fd[i] = files->pending[i].fd;
	return tally_sys_sync_files(fd, files->pending_len);
}

int
tally_tile_files_settle(struct tally_tile_files *files,
    struct tally_error *error)
{
	int result = sync_files(files);

	for (size_t i = 0; i < files->pending_len && result == 0; i++) {
		const struct tally_tile_file *file = &files->pending[i];

		if (!file->found)
			result = tally_replace_end(
			    files->folder[file->folder].fd, file->other,
			    file->name);
	}
	for (size_t i = 0; i < files->folders_len && result == 0; i++) {
		if (files->folder[i].changed)
			result = tally_sys_sync_all(files->folder[i].fd);
	}
	tally_tile_files_drop(files);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write \"public\"");
	return TALLY_OK;
}
