/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One checkpoint, in this order, killed at any point and begun anew:
 *
 *   0  the log's orders do not say that the key was retired;
 *      lock public/: one publisher at a time writes there
 *   1  read the register; unreadable, nothing is signed.  An origin that is
 *      new to it gets the empty tree, before the log gets a heads record: so
 *      a log that has one and is not known was signed with another register
 *   2  the log is at least as long as what went out, and its root at that
 *      size is the one that went out
 *   3  seal the heads record; sync
 *   4  read and hash the new records; write tiles and bundles
 *      and hold the heads that were sealed against them
 *   5  compare-and-swap the register from what was read in 1 to the new size
 *      and root; if another publisher was there first, begin anew
 *   6  sign; put the note into public/checkpoint
 *
 * Between 5 and 6 nothing is signed that is not registered, and whoever comes
 * next signs what is: the log has that root, and Ed25519 gives the same bytes.
 */
#include <errno.h>
#include <string.h>

#include "core/checkpoint.h"
#include "log/fail.h"
#include "log/headtree.h"
#include "log/order.h"
#include "log/reader.h"
#include "publish/register.h"
#include "publish/register_file.h"
#include "publish/signer.h"
#include "publish/signers.h"
#include "publish/tiles.h"
#include "publish/walked.h"

#define REGISTER_NAME "register"
#define CHECKPOINT_NAME "checkpoint"
#define TRIES 8
/* By which a walk may be longer, so that appends are not. */
#define PATIENCE_US 250000
#define NOTE_MAX 65536

/* What stays from one checkpoint to the next. */
struct tally_publisher {
	struct tally_log *log;
	struct tally_publish_options options;
	struct tally_hasher hasher;
	struct tally_headtree heads;
	struct tally_walked *walked; /* since the last checkpoint */
	struct tally_signers signers;
	/* As they were at the last size that was walked to; NULL: not yet. */
	struct tally_tiles *tiles;
};

/* One checkpoint under way.  Directories are opened for each anew, since what
 * lies at a path may have been replaced meanwhile. */
struct publishing {
	struct tally_log *log;
	const struct tally_publish_options *options;
	struct tally_hasher *hasher;
	struct tally_headtree *heads;
	struct tally_publisher *publisher;
	struct tally_published_checkpoint *out;
	struct tally_file_register file;
	struct tally_register *reg;
	int public_dir;
	struct tally_checkpoint last, next;
	uint64_t settled; /* what public/checkpoint says; 0: there is none */
};

/* ---- before ----------------------------------------------------------- */

/* Until it has a checkpoint, it is as the first publisher made it, who may have
 * been killed before he showed it; then its mode is the operator's. */
static int
show_public(struct publishing *p, struct tally_error *error)
{
	struct tally_sys_stat checkpoint;
	int result = tally_sys_stat_at(p->public_dir, CHECKPOINT_NAME,
	    &checkpoint);

	if (result == -ENOENT)
		result = tally_sys_show(p->public_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot open \"public\"");
	return TALLY_OK;
}

static int
open_public(struct publishing *p, struct tally_error *error)
{
	int result = tally_sys_mkdir(p->log->dir, TALLY_PUBLIC_NAME);

	if (result == -EEXIST)
		result = 0;
	if (result == 0) {
		p->public_dir = tally_sys_open_dir(p->log->dir,
		    TALLY_PUBLIC_NAME);
		result = p->public_dir < 0 ? p->public_dir : 0;
	}
	while (result == 0) {
		result = tally_sys_lock(p->public_dir, true);
		if (result == 0)
			return show_public(p, error);
		result = result == -EINTR ? 0 : result;
	}
	return tally_fail_os(error, result, "cannot open \"public\"");
}

static int
open_register(struct publishing *p, struct tally_error *error)
{
	const char *path = p->options->register_dir;
	struct tally_sys_stat log, beside;
	int result;

	p->reg = p->options->reg;
	if (p->reg != NULL)
		return TALLY_OK;
	p->reg = &p->file.base;
	result = tally_file_register_open(&p->file,
	    path == NULL ? p->log->dir : TALLY_SYS_CWD,
	    path == NULL ? REGISTER_NAME : path, p->hasher, error);
	if (result != 0)
		return result;
	result = tally_sys_stat(p->log->dir, &log);
	if (result == 0)
		result = tally_sys_stat(p->file.dir, &beside);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read the register");
	p->out->register_beside = log.device == beside.device;
	return TALLY_OK;
}

/* What public/checkpoint says; TALLY_END if there is none of this log's, or,
 * by all, none that all of the keys signed. */
static int
read_published(struct publishing *p, bool by_all, char text[NOTE_MAX],
    size_t *out_len, struct tally_checkpoint *out)
{
	const struct tally_signers *signers = &p->publisher->signers;
	struct tally_note note;
	int fd = tally_sys_open(p->public_dir, CHECKPOINT_NAME, TALLY_SYS_READ);
	int64_t n = fd < 0 ? fd : tally_sys_read(fd, text, NOTE_MAX, 0);

	tally_sys_close(fd);
	if (n <= 0 || tally_note_parse(text, (size_t)n, &note) != 0 ||
	    tally_checkpoint_parse(note.text.at, note.text.len, out) != 0 ||
	    strcmp(out->origin, p->log->identity.origin) != 0)
		return TALLY_END;
	if (!(by_all ? tally_signers_signed(signers, &note)
		     : tally_signers_know(signers, &note)))
		return tally_sign_works() ? TALLY_END : TALLY_E_BUG;
	*out_len = (size_t)n;
	return TALLY_OK;
}

/* An origin that the register does not know: is it new? */
static int
begin_register(struct publishing *p, struct tally_error *error)
{
	struct tally_head head;
	int result = tally_log_head(p->log, TALLY_HEADS_CHAIN,
	    sizeof(TALLY_HEADS_CHAIN) - 1, &head, error);

	if (result == 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log was signed before, and the register \"%s\" does"
		    " not know \"%s\"; use the register that was used, or make"
		    " its entry from the last checkpoint outside",
		    p->reg->name, p->log->identity.origin);
	if (result != TALLY_END)
		return result;
	p->last = p->next;
	p->last.size = 0;
	p->last.root = tally_hash_bytes(p->hasher, "", 0);
	return tally_register_swap(p->reg, NULL, &p->last, error);
}

/* Step 1.  What is public was registered before, so it is read first. */
static int
read_register(struct publishing *p, struct tally_error *error)
{
	struct tally_checkpoint published = { .size = 0 };
	char text[NOTE_MAX];
	size_t len;
	int found = read_published(p, false, text, &len, &published);
	bool is_public = found == 0;
	int result = tally_register_read(p->reg, p->log->identity.origin,
	    &p->last, error);
	bool is_known = result == 0;

	p->settled = is_public ? published.size : 0;
	if (result < 0)
		return result;
	if (found < 0)
		return tally_fail(error, found, "libcrypto failed");
	/* Who made "public" may have been killed before that was there. */
	if (!is_public)
		result = tally_sys_sync_all(p->log->dir);
	if (result < 0)
		return tally_fail_os(error, result, "cannot open \"public\"");
	if (is_public && (!is_known || published.size > p->last.size))
		return tally_fail(error, TALLY_E_USAGE,
		    "the register \"%s\" is behind \"public/checkpoint\", size"
		    " %llu: it is not the one that was used, or was put back;"
		    " nothing is signed",
		    p->reg->name, (unsigned long long)published.size);
	return is_known ? TALLY_OK : begin_register(p, error);
}

/* ---- the log against what went out ------------------------------------ */

/* Step 2, by size. */
static int
is_short(struct publishing *p, bool *out, struct tally_error *error)
{
	struct tally_place horizon;
	int result = tally_reader_horizon(p->log, &horizon, error);

	if (result == 0) {
		*out = horizon.size < p->last.size;
		p->out->size = horizon.size;
	}
	return result;
}

static void
drop_tiles(struct tally_publisher *publisher)
{
	if (publisher->tiles == NULL)
		return;
	tally_tiles_close(publisher->tiles);
	tally_sys_free(publisher->tiles);
	publisher->tiles = NULL;
}

static void
hear(void *arg, const struct tally_record *record)
{
	struct tally_publisher *publisher = arg;

	tally_signers_hear(&publisher->signers, &publisher->hasher, record);
}

static int
pass(void *arg, uint64_t index, const struct tally_line *line)
{
	struct tally_publisher *publisher = arg;

	return tally_walked_take(publisher->walked, index, line);
}

/* Tiles of the last size: those that were kept, or of the log. */
static int
open_tiles(struct publishing *p, struct tally_error *error)
{
	struct tally_publisher *publisher = p->publisher;
	struct tally_tiles *tiles = publisher->tiles;
	struct tally_hash root;
	int result;

	if (tiles != NULL && tiles->size == p->last.size) {
		tally_tile_files_take_up(&tiles->files, p->public_dir,
		    p->settled);
		root = tally_tiles_root(tiles);
		if (tally_hash_equal(&root, &p->last.root))
			return TALLY_OK;
	}
	drop_tiles(publisher);
	/* From there on, orders are heard of on the way. */
	result = tally_signers_ask(&publisher->signers, p->log, p->hasher,
	    error);
	if (result != 0)
		return result;
	tiles = tally_sys_alloc(sizeof(*tiles));
	if (tiles == NULL)
		return tally_fail_memory(error);
	publisher->tiles = tiles;
	result = tally_tiles_open(tiles, p->log, p->public_dir, p->hasher,
	    p->last.size, error);
	tiles->files.settled = p->settled;
	tiles->taken = hear;
	tiles->passed = pass;
	tiles->arg = publisher;
	if (result == 0)
		result = tally_tiles_take(tiles, p->last.size, error);
	if (result != 0)
		return result;
	root = tally_tiles_root(tiles);
	return tally_hash_equal(&root, &p->last.root) ? TALLY_OK
						      : TALLY_PARTIAL;
}

/* Steps 2 and 4, as one walk; TALLY_PARTIAL if the root at the last size is
 * another. */
static int
walk(struct publishing *p, uint64_t size, struct tally_error *error)
{
	struct tally_tiles *tiles;
	int result = tally_walked_begin(p->publisher->walked, p->last.size);

	if (result != 0)
		return tally_fail_memory(error);
	result = open_tiles(p, error);
	tiles = p->publisher->tiles;
	if (result == 0)
		tiles->files.patience_us = PATIENCE_US;
	if (result == 0)
		result = tally_tiles_take(tiles, size, error);
	if (result == 0)
		result = tally_tiles_finish(tiles, error);
	if (result == 0)
		p->next.root = tally_tiles_root(tiles);
	if (result == 0 && tally_hasher_failed(p->hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	if (result != 0)
		drop_tiles(p->publisher);
	return result;
}

/* An index that went bad must not look like a history that was replaced. */
static int
walk_twice(struct publishing *p, uint64_t size, struct tally_error *error)
{
	int result = walk(p, size, error);

	if (result != TALLY_PARTIAL)
		return result;
	tally_index_discard(p->log);
	return walk(p, size, error);
}

/* What was sealed of the heads, against the records that were walked. */
static int
check_heads(struct publishing *p, struct tally_error *error)
{
	int result = tally_walked_check(p->publisher->walked, p->heads,
	    p->hasher);

	if (result == TALLY_E_MEMORY)
		return tally_fail_memory(error);
	if (result == 0)
		return TALLY_OK;
	tally_headtree_wipe(p->heads);
	tally_order_distrust(p->log);
	return tally_fail(error, TALLY_E_DAMAGED,
	    "the heads that the log's shared state gave are not those of its"
	    " records; the state was dropped, and nothing is signed");
}

/* ---- signing ---------------------------------------------------------- */

/* Step 6; what was signed is read back before it goes out. */
static int
sign(struct publishing *p, struct tally_error *error)
{
	const struct tally_publish_options *options = p->options;
	size_t room = TALLY_CHECKPOINT_TEXT_MAX + 1 +
	    options->signers_len * TALLY_SIGNATURE_LINE_MAX;
	char *note = tally_sys_alloc(room);
	size_t text_len, len, line;
	struct tally_note read;
	int result = TALLY_OK;

	if (note == NULL)
		return tally_fail_memory(error);
	text_len = tally_checkpoint_format(&p->next, note);
	note[text_len] = '\n';
	len = text_len + 1;
	for (size_t i = 0; i < options->signers_len && result == 0; i++) {
		result = tally_note_sign(&options->signers[i]->vkey,
		    options->signers[i]->seed,
		    (uint64_t)tally_sys_time_us() / 1000000, note, text_len,
		    note + len, &line);
		len += result == 0 ? line : 0;
	}
	if (result == 0)
		result = tally_note_parse(note, len, &read);
	for (size_t i = 0; i < options->signers_len && result == 0; i++) {
		if (tally_note_check(&read, &options->signers[i]->vkey, NULL) !=
		    TALLY_SIGNED)
			result = TALLY_E_BUG;
	}
	if (result != 0) {
		tally_sys_free(note);
		return tally_fail(error, result, "libcrypto cannot sign");
	}
	result = tally_public_write(p->public_dir, CHECKPOINT_NAME, note, len,
	    error);
	if (result != 0) {
		tally_sys_free(note);
		return result;
	}
	p->out->note = note;
	p->out->note_len = len;
	return TALLY_OK;
}

/* Nothing is new: the note as it went out; TALLY_PARTIAL if it did not. */
static int
stand(struct publishing *p, struct tally_error *error)
{
	struct tally_checkpoint published;
	char text[NOTE_MAX];
	size_t len;

	if (read_published(p, true, text, &len, &published) != 0 ||
	    published.size != p->next.size ||
	    !tally_hash_equal(&published.root, &p->next.root))
		return TALLY_PARTIAL;
	p->out->note = tally_sys_alloc(len + 1);
	if (p->out->note == NULL)
		return tally_fail_memory(error);
	memcpy(p->out->note, text, len);
	p->out->note_len = len;
	p->out->verdict = TALLY_PUBLISH_CURRENT;
	return TALLY_OK;
}

/* Once through; TALLY_END if another publisher was there first. */
static int
publish_once(struct publishing *p, struct tally_error *error)
{
	bool is_cut = false, sealed;
	uint64_t size = 0;
	int result = TALLY_OK;

	/* The first time: whose public/checkpoint may be. */
	if (p->publisher->tiles == NULL)
		result = tally_signers_ask(&p->publisher->signers, p->log,
		    p->hasher, error);
	if (result == 0)
		result = read_register(p, error);
	if (result == 0)
		result = is_short(p, &is_cut, error);
	if (result != 0)
		return result;
	p->out->last_size = p->last.size;
	p->out->last_root = p->last.root;
	if (is_cut) {
		p->out->verdict = TALLY_PUBLISH_TRUNCATED;
		return TALLY_OK;
	}
	/* What went out is held against the log before anything is added. */
	result = walk_twice(p, p->last.size, error);
	if (result == TALLY_PARTIAL) {
		p->out->verdict = TALLY_PUBLISH_ROLLED_BACK;
		return TALLY_OK;
	}
	if (result == 0)
		result = tally_headtree_seal(p->log, p->heads, p->last.size,
		    p->options->beat, &size, &sealed, error);
	if (result == 0)
		result = walk_twice(p, size, error);
	if (result == TALLY_PARTIAL)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "the log changed while it was read; nothing is signed");
	if (result == 0)
		result = check_heads(p, error);
	if (result != 0)
		return result;
	/* An order that was appended since. */
	result = tally_signers_may_sign(&p->publisher->signers, error);
	if (result != 0)
		return result;
	p->next.size = size;
	p->out->size = size;
	p->out->root = p->next.root;
	result = size == p->last.size ? stand(p, error) : TALLY_PARTIAL;
	if (result != TALLY_PARTIAL)
		return result;
	/* Also of the same: who registered it may not have synced it. */
	result = tally_register_swap(p->reg, &p->last, &p->next, error);
	return result == 0 ? sign(p, error) : result;
}

static int
publish(struct publishing *p, struct tally_error *error)
{
	int result = open_public(p, error);

	if (result == 0)
		result = open_register(p, error);
	if (result != 0)
		return result;
	p->next.origin_len = strlen(p->log->identity.origin);
	memcpy(p->next.origin, p->log->identity.origin, p->next.origin_len);
	result = TALLY_END;
	for (int i = 0; i < TRIES && result == TALLY_END; i++)
		result = publish_once(p, error);
	if (result == TALLY_END)
		result = tally_fail(error, TALLY_E_BUSY,
		    "others register checkpoints all the time; try again");
	return result;
}

/* ---- the calls -------------------------------------------------------- */

int
tally_publisher_open(struct tally_log *log,
    const struct tally_publish_options *options,
    struct tally_publisher **out_publisher, struct tally_error *error)
{
	struct tally_publisher *publisher;
	int result = tally_signers_check(log, options, error);

	if (result != 0)
		return result;
	publisher = tally_sys_alloc(sizeof(*publisher));
	if (publisher == NULL)
		return tally_fail_memory(error);
	if (tally_walked_new(&publisher->walked) != 0 ||
	    tally_signers_open(&publisher->signers, log, options) != 0 ||
	    tally_hasher_open(&publisher->hasher) != 0) {
		tally_walked_free(publisher->walked);
		tally_signers_close(&publisher->signers);
		tally_sys_free(publisher);
		return tally_fail_memory(error);
	}
	publisher->log = log;
	publisher->options = *options;
	*out_publisher = publisher;
	return TALLY_OK;
}

void
tally_publisher_beat(struct tally_publisher *publisher, bool beat)
{
	publisher->options.beat = beat;
}

int
tally_publisher_publish(struct tally_publisher *publisher,
    struct tally_published_checkpoint *out, struct tally_error *error)
{
	struct publishing *p = tally_sys_alloc(sizeof(*p));
	int result;

	memset(out, 0, sizeof(*out));
	if (p == NULL)
		return tally_fail_memory(error);
	p->publisher = publisher;
	p->log = publisher->log;
	p->options = &publisher->options;
	p->hasher = &publisher->hasher;
	p->heads = &publisher->heads;
	p->out = out;
	p->public_dir = -1;
	p->file.dir = -1;
	result = publish(p, error);
	tally_file_register_close(&p->file);
	/* With it goes the lock. */
	tally_sys_close(p->public_dir);
	tally_sys_free(p);
	return result;
}

void
tally_publisher_close(struct tally_publisher *publisher)
{
	if (publisher == NULL)
		return;
	drop_tiles(publisher);
	tally_headtree_save(publisher->log, &publisher->heads);
	tally_headtree_wipe(&publisher->heads);
	tally_walked_free(publisher->walked);
	tally_signers_close(&publisher->signers);
	tally_hasher_close(&publisher->hasher);
	tally_sys_free(publisher);
}

int
tally_publish(const char *dir, const struct tally_publish_options *options,
    struct tally_published_checkpoint *out, struct tally_error *error)
{
	struct tally_publisher *publisher = NULL;
	struct tally_log *log;
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_log_open(dir, NULL, &log, error);
	if (result != 0)
		return result;
	result = tally_publisher_open(log, options, &publisher, error);
	if (result == 0)
		result = tally_publisher_publish(publisher, out, error);
	tally_publisher_close(publisher);
	if (result == 0)
		result = tally_log_close(log, error);
	else
		(void)tally_log_close(log, NULL);
	if (result != 0) {
		/* It went out, but the caller is told that it failed. */
		tally_sys_free(out->note);
		out->note = NULL;
	}
	return result;
}
