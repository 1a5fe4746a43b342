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
/* What has no name yet lies in one small folder: in a large one each entry
 * costs a look at hundreds of others, and this one is looked through. */
#define STAGE "tile/.new"

/* ---- what is public --------------------------------------------------- */

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

/*
 * A directory for all, made if it is missing.  Story: a publisher is killed
 * between making it and showing it, or the power goes, and nobody else can
 * enter it; so one that is found is shown, too.  That of another user is put
 * right by him.
 */
static int
open_shown(int base, const char *name, bool *out_made)
{
	int dir = tally_sys_open_dir(base, name), result;

	*out_made = dir == -ENOENT;
	if (*out_made) {
		result = tally_sys_mkdir(base, name);
		if (result != 0 && result != -EEXIST)
			return result;
		dir = tally_sys_open_dir(base, name);
	}
	if (dir < 0)
		return dir;
	result = tally_sys_show(dir);
	if (!*out_made || result == 0)
		return dir;
	tally_sys_close(dir);
	return result;
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
	bool made = false;

	memcpy(part, name, part_len);
	part[part_len] = '\0';
	/* What public/ itself lets in is the operator's. */
	folder->fd = at == 0 ? tally_sys_open_dir(base, part)
			     : open_shown(base, part, &made);
	if (folder->fd < 0)
		return folder->fd;
	if (made)
		files->folder[parent].changed = true;
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

/* ---- others first ------------------------------------------------------ */

/*
 * A walk is work for some tens of milliseconds, and the scheduler would let it
 * have a processor for three of them at a time, with a writer of the log behind
 * it, and behind that one all who wait for his sync.  A lower priority would be
 * worse: a commit of the file system's journal waits for whoever is writing,
 * at whatever priority he is.
 */
void
tally_tile_files_give_way(struct tally_tile_files *files)
{
	if (files->patience_us > 0)
		files->patience_us -= tally_sys_yield();
}

/* ---- files ------------------------------------------------------------ */

/* The file if it is there with these bytes, open; else a negative number. */
static int
open_same(int dir, const char *path, const void *bytes, size_t len)
{
	int fd = tally_sys_open(dir, path, TALLY_SYS_READ);
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

static int
remove_left(void *arg, const char *name)
{
	const int *stage = arg;

	(void)tally_sys_unlink(*stage, name);
	return 0;
}

/* The folder of what has no name yet; what a publisher that was killed left
 * there goes. */
static int
enter_stage(struct tally_tile_files *files)
{
	int stage, result;
	bool made;

	if (files->staged)
		return 0;
	/* Who copies public/ as another user looks into it, too. */
	stage = open_shown(files->dir, STAGE, &made);
	if (stage < 0)
		return stage;
	result = tally_sys_list(stage, remove_left, &stage);
	tally_sys_close(stage);
	files->staged = result == 0;
	return result;
}

static void
stage_name(size_t at, char out[TALLY_TILE_PATH_MAX])
{
	(void)snprintf(out, TALLY_TILE_PATH_MAX, STAGE "/%zu.new", at);
}

void
tally_tile_files_take_up(struct tally_tile_files *files, int dir,
    uint64_t settled)
{
	files->dir = dir;
	files->settled = settled;
	files->staged = false;
}

/* The next pending file, without its name; at: where it lies until then. */
static int
begin(struct tally_tile_files *files, const void *bytes, size_t len,
    char at[TALLY_TILE_PATH_MAX])
{
	int result;

	stage_name(files->pending_len, at);
	result = enter_stage(files);
	return result != 0
	    ? result
	    : tally_replace_begin(files->dir, at, bytes, len, true);
}

/* Its folder is entered; at: its path, and afterwards where it failed. */
static int
put(struct tally_tile_files *files, const struct tally_tile *tile,
    size_t folder, const void *bytes, size_t len, char at[TALLY_TILE_PATH_MAX])
{
	struct tally_tile_file *file = &files->pending[files->pending_len];
	bool settled = is_settled(files, tile);
	int fd = settled || !files->alone
	    ? open_same(files->dir, at, bytes, len)
	    : -1;

	file->found = fd >= 0;
	if (file->found && settled) {
		tally_sys_close(fd);
		return 0;
	}
	(void)snprintf(file->path, sizeof(file->path), "%s", at);
	if (!file->found)
		fd = begin(files, bytes, len, at);
	if (fd < 0)
		return fd;
	file->fd = fd;
	files->pending_len++;
	files->folder[folder].changed = true;
	doubt_folders(files, tile, folder);
	tally_tile_files_give_way(files);
	return 0;
}

static int
enter_and_put(struct tally_tile_files *files, const struct tally_tile *tile,
    const void *bytes, size_t len, char at[TALLY_TILE_PATH_MAX])
{
	size_t folder;
	int result;

	(void)tally_tile_path(tile, at);
	result = enter_folder(files, at, &folder);
	return result != 0 ? result : put(files, tile, folder, bytes, len, at);
}

int
tally_tile_files_put(struct tally_tile_files *files,
    const struct tally_tile *tile, const void *bytes, size_t len,
    struct tally_error *error)
{
	char at[TALLY_TILE_PATH_MAX];
	int result = TALLY_OK;

	if (files->pending_len == TALLY_TILE_FILES_PENDING ||
	    files->folders_len > TALLY_TILE_FOLDERS - DEPTH_MAX)
		result = tally_tile_files_settle(files, error);
	if (result != 0)
		return result;
	result = enter_and_put(files, tile, bytes, len, at);
	/* A batch may be more than the process has descriptors for. */
	if (result == -EMFILE && files->folders_len > 0) {
		result = tally_tile_files_settle(files, error);
		if (result != 0)
			return result;
		result = enter_and_put(files, tile, bytes, len, at);
	}
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write \"public/%s\"", at);
	return TALLY_OK;
}

/* ---- settling --------------------------------------------------------- */

static void
close_all(struct tally_tile_files *files)
{
	for (size_t i = 0; i < files->pending_len; i++)
		tally_sys_close(files->pending[i].fd);
	for (size_t i = 0; i < files->folders_len; i++)
		tally_sys_close(files->folder[i].fd);
	files->pending_len = 0;
	files->folders_len = 0;
}

void
tally_tile_files_drop(struct tally_tile_files *files)
{
	/* What has no name yet never gets one. */
	if (files->pending_len > 0)
		files->staged = false;
	close_all(files);
}

static int
sync_files(const struct tally_tile_files *files)
{
	int fd[TALLY_TILE_FILES_PENDING];

	for (size_t i = 0; i < files->pending_len; i++)
		fd[i] = files->pending[i].fd;
	return tally_sys_sync_files(fd, files->pending_len);
}

static int
give_names(struct tally_tile_files *files, struct tally_error *error)
{
	char other[TALLY_TILE_PATH_MAX];

	for (size_t i = 0; i < files->pending_len; i++) {
		const struct tally_tile_file *file = &files->pending[i];
		int result = 0;

		stage_name(i, other);
		if (!file->found)
			result = tally_sys_rename(files->dir, other,
			    file->path);
		if (result != 0)
			return tally_fail_os(error, result,
			    "cannot rename \"public/%s\" to \"public/%s\"",
			    other, file->path);
		tally_tile_files_give_way(files);
	}
	return TALLY_OK;
}

static int
sync_folders(const struct tally_tile_files *files)
{
	int result = 0;

	for (size_t i = 0; i < files->folders_len && result == 0; i++) {
		if (files->folder[i].changed)
			result = tally_sys_sync_all(files->folder[i].fd);
	}
	return result;
}

int
tally_tile_files_settle(struct tally_tile_files *files,
    struct tally_error *error)
{
	int failed = sync_files(files), result = TALLY_OK;

	if (failed == 0)
		result = give_names(files, error);
	if (failed == 0 && result == 0)
		failed = sync_folders(files);
	if (failed != 0)
		result = tally_fail_os(error, failed,
		    "cannot write \"public\"");
	if (result == 0)
		close_all(files);
	else
		tally_tile_files_drop(files);
	return result;
}
