/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to somebody else's chain, as its own program does, but for its
 * mistakes.
 *
 * 1. Everything happens under the lock that the chain's own program takes, so
 *    the two may write side by side.
 * 2. The head is read from the end of the file under that lock, never kept.
 * 3. A last line that has no end is what a killed writer left.  Is it a whole
 *    record, it gets its end; else it is moved to FILE.torn, since otherwise
 *    the next record would be glued to it and both were lost.
 * 4. Nothing is changed before every event of the call is known to be good.
 *    What could not be written whole is cut off again; whether it is durable
 *    is not known only if the sync itself failed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/judge.h"
#include "foreign/reader.h"
#include "foreign/tail.h"
#include "log/sys.h"

#define OUT_FIRST ((size_t)1 << 14)
#define UUID_BYTES 16

struct writer {
	const struct tally_profile *profile;
	const char *path;
	struct tally_error *error;
	int lock, fd;
	bool created;
	uint64_t size;   /* of the file, but for what is torn */
	uint64_t torn;   /* bytes behind that */
	bool wants_feed; /* the last line is whole, but has no end */
	bool has_head;
	struct tally_hash head;
	struct tally_tail tail;
	struct tally_judging judging;
	struct tally_canon_room room;
	struct tally_row row;
	struct tally_canon_out text; /* an event with all its members */
	struct tally_canon_out lines;
};

static int
no_memory(struct writer *w)
{
	return tally_fail(w->error, TALLY_E_MEMORY, "out of memory");
}

static int
fail_system(struct writer *w, int r, const char *what)
{
	int code = r == -EACCES || r == -EPERM || r == -EROFS ? TALLY_E_ACCESS
	    : r == -ENOSPC || r == -EDQUOT                    ? TALLY_E_FULL
							      : TALLY_E_IO;

	code = tally_fail(w->error, code, "\"%s\" %s", w->path, what);
	if (w->error != NULL)
		w->error->os_errno = -r;
	return code;
}

/* ---- text that grows -------------------------------------------------- */

static int
grow(struct writer *w, struct tally_canon_out *out, size_t need)
{
	int r = tally_out_reserve(out, need, OUT_FIRST);

	if (r == TALLY_E_LIMIT)
		return tally_fail(w->error, r, "the events are too long");
	return r == 0 ? 0 : no_memory(w);
}

static int
put(struct writer *w, struct tally_canon_out *out, const char *text, size_t len)
{
	int r = grow(w, out, len);

	if (r == 0)
		tally_canon_put(out, text, len);
	return r;
}

static int
put_name(struct writer *w, const struct tally_canon_text *name)
{
	/* Each byte takes six at most, as \u00xx. */
	int r = grow(w, &w->text, 6 * name->len + 4);

	if (r == 0 && w->text.len > 1)
		tally_canon_put_char(&w->text, ',');
	if (r == 0)
		r = tally_canon_write_string(TALLY_CANON_PYTHON, name->at,
		    name->len, &w->text, w->error);
	if (r == 0)
		tally_canon_put_char(&w->text, ':');
	return r;
}

/* ---- records ---------------------------------------------------------- */

/* Reads a JSON object into the room; TALLY_E_EVENT if it is none. */
static int
read_object(struct writer *w, const char *text, size_t len,
    struct tally_error *error)
{
	size_t nodes;
	int r = tally_room_read(&w->room, text, len, TALLY_CANON_READ_NAN,
	    &nodes, error);

	if (r == 0 && w->room.nodes[0].type != TALLY_CANON_OBJECT)
		return tally_fail(error, TALLY_E_EVENT,
		    "the event is no JSON object");
	w->row.line = text;
	w->row.room = &w->room;
	if (r == 0)
		tally_row_pick(w->profile, &w->row);
	return r;
}

static bool
has_member(const struct writer *w, const struct tally_canon_text *name)
{
	const struct tally_canon_node *nodes = w->room.nodes;
	uint32_t at;

	for (at = 1; at < nodes[0].end; at = nodes[at + 1].end) {
		if (tally_canon_equal(w->row.line, &nodes[at], name))
			return true;
	}
	return false;
}

/* ---- the head --------------------------------------------------------- */

/* Takes the hash of a line, if it is a record that has one; *out_whole: it is
 * a record. */
static int
take_head(struct writer *w, const char *line, size_t len, bool *out_whole)
{
	struct tally_canon_text hash;
	int r = read_object(w, line, len, NULL);

	*out_whole = r == 0;
	if (r == TALLY_E_MEMORY)
		return no_memory(w);
	if (r != 0)
		return 0;
	hash = tally_row_text(&w->row, w->profile->hash);
	w->has_head = tally_hash_parse(hash.at, hash.len, &w->head) == 0;
	return 0;
}

/* The last line, if it has no end: whole, or torn. */
static int
judge_end(struct writer *w, const char *line, size_t len, uint64_t begin)
{
	bool whole;
	int r = take_head(w, line, len, &whole);

	if (r != 0)
		return r;
	/* What a killed writer left is no object: its brace is missing. */
	if (whole) {
		w->wants_feed = true;
	} else {
		w->torn = w->size - begin;
		w->size = begin;
	}
	return 0;
}

static int
find_head(struct writer *w)
{
	uint64_t end = w->size, begin;
	bool at_end = true, whole;
	const char *line;
	size_t len, mark;
	int r = 0, os_errno = 0;

	while (end > 0 && !w->has_head && r == 0) {
		r = tally_tail_line(&w->tail, end, &begin, &line, &os_errno);
		if (r == TALLY_E_MEMORY)
			return no_memory(w);
		if (r == TALLY_E_LIMIT)
			return tally_fail(w->error, r,
			    "\"%s\" has a line of more than %zu bytes", w->path,
			    TALLY_LINE_MAX);
		if (r != 0)
			return fail_system(w, -os_errno, "cannot be read");
		len = (size_t)(end - begin);
		mark = begin == 0 ? tally_mark_len(line, len) : 0;
		line += mark;
		len -= mark;
		if (at_end && len > 0)
			r = judge_end(w, line, len, begin + mark);
		else if (!at_end)
			r = take_head(w, line, len, &whole);
		at_end = false;
		if (begin == 0)
			break;
		end = begin - 1;
	}
	return r;
}

/* ---- composing -------------------------------------------------------- */

static int
put_filling(struct writer *w, const struct tally_fill *fill)
{
	char text[2 * UUID_BYTES + TALLY_TIME_TEXT_SIZE], value[64];
	uint8_t uuid[UUID_BYTES];
	int r = put_name(w, &fill->name);

	if (r != 0)
		return r;
	switch (fill->kind) {
	case TALLY_FILL_JSON:
		return put(w, &w->text, fill->json.at, fill->json.len);
	case TALLY_FILL_UUID:
		if (tally_sys_random(uuid, sizeof(uuid)) != 0)
			return tally_fail(w->error, TALLY_E_IO,
			    "there are no random numbers");
		uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
		uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
		tally_hex_format(uuid, sizeof(uuid), text);
		(void)snprintf(value, sizeof(value), "\"%.32s\"", text);
		break;
	default:
		tally_time_format(tally_sys_time_us(), text);
		(void)snprintf(value, sizeof(value), "\"%.*sZ\"",
		    fill->kind == TALLY_FILL_NOW_MS ? 23 : 26, text);
		break;
	}
	return put(w, &w->text, value, strlen(value));
}

/* The members that the event has, without its braces. */
static int
put_members(struct writer *w, const char *event, size_t len)
{
	const char *open = memchr(event, '{', len);
	const char *close = tally_last_byte(event, len, '}');

	w->text.len = 0;
	w->text.full = false;
	if (w->room.nodes[0].len == 0)
		return put(w, &w->text, "{", 1);
	return put(w, &w->text, open, (size_t)(close - open));
}

/* Is it an event that may become a record? */
static int
judge_event(struct writer *w, const char *event, size_t len)
{
	const struct tally_profile *profile = w->profile;
	const struct tally_writer_rule *rule = &profile->writer;
	const struct tally_canon_text *name;
	size_t i;
	int r = read_object(w, event, len, w->error);

	if (r != 0)
		return r;
	if (w->row.node[profile->hash] != 0 || w->row.node[profile->prev] != 0)
		return tally_fail(w->error, TALLY_E_EVENT,
		    "\"%s\" and \"%s\" are made by whoever appends",
		    profile->fields[profile->hash].name.at,
		    profile->fields[profile->prev].name.at);
	for (i = 0; i < rule->needs_len; i++) {
		name = &rule->needs[i];
		if (!has_member(w, name))
			return tally_fail(w->error, TALLY_E_EVENT,
			    "the event has no member \"%s\"", name->at);
	}
	return 0;
}

/* The event with all its members; its hash is 64 zeros, at *out_hash. */
static int
compose(struct writer *w, const char *event, size_t len, size_t *out_hash)
{
	const struct tally_profile *profile = w->profile;
	const struct tally_writer_rule *rule = &profile->writer;
	char hex[TALLY_HASH_TEXT_SIZE];
	size_t i;
	int r = put_members(w, event, len);

	for (i = 0; i < rule->fill_len && r == 0; i++) {
		if (!has_member(w, &rule->fill[i].name))
			r = put_filling(w, &rule->fill[i]);
	}
	if (r == 0)
		r = put_name(w, &profile->fields[profile->prev].name);
	if (r != 0)
		return r;
	if (w->has_head) {
		tally_hash_format(&w->head, hex);
		r = put(w, &w->text, "\"", 1);
		if (r == 0)
			r = put(w, &w->text, hex, strlen(hex));
		if (r == 0)
			r = put(w, &w->text, "\"", 1);
	} else if (profile->start_null) {
		r = put(w, &w->text, "null", 4);
	} else {
		r = grow(w, &w->text, 6 * profile->start.len + 2);
		if (r == 0)
			r = tally_canon_write_string(TALLY_CANON_PYTHON,
			    profile->start.at, profile->start.len, &w->text,
			    w->error);
	}
	if (r == 0)
		r = put_name(w, &profile->fields[profile->hash].name);
	*out_hash = w->text.len + 1;
	memset(hex, '0', sizeof(hex));
	if (r == 0)
		r = put(w, &w->text, "\"", 1);
	if (r == 0)
		r = put(w, &w->text, hex, sizeof(hex) - 1);
	return r == 0 ? put(w, &w->text, "\"}", 2) : r;
}

/* The line of a record, behind those that are there. */
static int
put_line(struct writer *w)
{
	size_t before = w->lines.len;
	int r;

	do {
		w->lines.len = before;
		r = grow(w, &w->lines,
		    w->lines.full ? w->lines.capacity + 1 : w->text.len + 1);
		w->lines.full = false;
		if (r == 0)
			r = tally_canon_write(w->text.at, &w->room, 0,
			    &w->profile->writer.style, &w->lines, w->error);
		tally_canon_put_char(&w->lines, '\n');
	} while ((r == 0 || r == TALLY_PARTIAL) && w->lines.full);
	/* Nobody could read a longer one, nor append behind it. */
	if (r == 0 && w->lines.len - before > TALLY_LINE_MAX)
		r = tally_fail(w->error, TALLY_E_LIMIT,
		    "the event makes a record of more than %zu bytes",
		    TALLY_LINE_MAX);
	return r;
}

static int
add(struct writer *w, const struct tally_profile_event *event)
{
	const struct tally_profile *profile = w->profile;
	const struct tally_input *input = &profile->eras[profile->eras_len - 1]
					       .input;
	struct tally_canon_text basis;
	struct tally_digest digest;
	struct tally_hash hash;
	char hex[TALLY_HASH_TEXT_SIZE];
	size_t at;
	int r = judge_event(w, event->text, event->len);

	if (r == 0)
		r = compose(w, event->text, event->len, &at);
	if (r == 0)
		r = read_object(w, w->text.at, w->text.len, w->error);
	if (r != 0)
		return r;
	basis = tally_row_basis(profile, &w->row);
	r = tally_judge_hash(&w->judging, input, &w->row, &basis, &digest);
	if (r != 0)
		return tally_fail(w->error, r,
		    "the event cannot be written as the profile wants it");
	memcpy(hash.b, digest.b, sizeof(hash.b));
	tally_hash_format(&hash, hex);
	memcpy(w->text.at + at, hex, TALLY_HASH_TEXT_SIZE - 1);
	r = put_line(w);
	w->head = hash;
	w->has_head = true;
	return r;
}

/* ---- the file --------------------------------------------------------- */

static int
open_beside(struct writer *w, const char *suffix, int *out)
{
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s%s", w->path, suffix);

	*out = n < 0 || (size_t)n >= sizeof(name)
	    ? -ENAMETOOLONG
	    : tally_sys_open(TALLY_SYS_CWD, name,
		  TALLY_SYS_WRITE | TALLY_SYS_CREATE);
	return *out < 0 ? *out : 0;
}

static int
open_locked(struct writer *w)
{
	struct tally_sys_stat stat;
	int r = open_beside(w, w->profile->writer.lock, &w->lock);

	if (r != 0)
		return fail_system(w, r, "cannot be locked");
	r = tally_sys_lock(w->lock, true);
	if (r == -EINTR)
		return tally_fail(w->error, TALLY_E_BUSY,
		    "interrupted while \"%s\" was locked by another", w->path);
	if (r != 0)
		return fail_system(w, r, "cannot be locked");
	w->created = tally_sys_stat_at(TALLY_SYS_CWD, w->path, &stat) ==
	    -ENOENT;
	r = open_beside(w, "", &w->fd);
	if (r == 0)
		r = tally_sys_stat(w->fd, &stat);
	if (r != 0)
		return fail_system(w, r, "cannot be opened");
	w->size = stat.size;
	w->tail.fd = w->fd;
	return 0;
}

/* Moves the torn end to FILE.torn, as a line of it. */
static int
set_aside(struct writer *w)
{
	struct tally_sys_stat stat;
	size_t written, len = (size_t)w->torn;
	char *bytes = tally_sys_alloc(len + 1);
	int fd = -1, r;

	if (bytes == NULL)
		return no_memory(w);
	r = tally_sys_read(w->fd, bytes, len, w->size) == (int64_t)len ? 0
								       : -EIO;
	bytes[len] = '\n';
	if (r == 0)
		r = open_beside(w, ".torn", &fd);
	if (r == 0)
		r = tally_sys_stat(fd, &stat);
	if (r == 0)
		r = tally_sys_write(fd, bytes, len + 1, stat.size, &written);
	if (r == 0)
		r = tally_sys_sync_all(fd);
	if (r == 0)
		r = tally_sys_truncate(w->fd, w->size);
	if (fd >= 0)
		tally_sys_close(fd);
	tally_sys_free(bytes);
	return r == 0
	    ? 0
	    : fail_system(w, r, "has a torn end that cannot be set aside");
}

/* The file's name, too, is durable. */
static int
sync_folder(struct writer *w)
{
	char folder[4096];
	const char *slash = strrchr(w->path, '/');
	size_t len = slash == NULL ? 1 : (size_t)(slash - w->path) + 1;
	int fd, r;

	if (len >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, slash == NULL ? "." : w->path, len);
	folder[len] = '\0';
	fd = tally_sys_open_dir(TALLY_SYS_CWD, folder);
	if (fd < 0)
		return fd;
	r = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	return r;
}

static int
write_lines(struct writer *w)
{
	size_t written;
	int r = w->torn > 0 ? set_aside(w) : 0;

	if (r != 0)
		return r;
	r = tally_sys_write(w->fd, w->lines.at, w->lines.len, w->size,
	    &written);
	if (r != 0) {
		(void)tally_sys_truncate(w->fd, w->size);
		return fail_system(w, r, "cannot be written");
	}
	r = tally_sys_sync(w->fd);
	if (r == 0 && (w->created || w->torn > 0))
		r = sync_folder(w);
	if (r == 0)
		return 0;
	(void)fail_system(w, r,
	    "cannot be synced: whether the records are durable is not known");
	if (w->error != NULL)
		w->error->code = TALLY_E_POISONED;
	return TALLY_E_POISONED;
}

/* ---- the whole -------------------------------------------------------- */

static int
append(struct writer *w, const struct tally_profile_event *events, size_t count,
    struct tally_hash *out_hashes)
{
	size_t i;
	int r = open_locked(w);

	if (r == 0)
		r = find_head(w);
	if (r == 0 && w->wants_feed)
		r = put(w, &w->lines, "\n", 1);
	for (i = 0; i < count && r == 0; i++) {
		r = add(w, &events[i]);
		if (r != 0 && w->error != NULL)
			w->error->item = i;
		if (r == 0 && out_hashes != NULL)
			out_hashes[i] = w->head;
	}
	if (r == 0 && w->judging.digester.failed)
		r = no_memory(w);
	return r == 0 && count > 0 ? write_lines(w) : r;
}

int
tally_profile_append(const struct tally_profile *profile, const char *path,
    const struct tally_profile_event *events, size_t count,
    struct tally_hash *out_hashes, uint64_t *out_torn,
    struct tally_error *error)
{
	struct writer *w;
	int r;

	if (!profile->writer.present)
		return tally_fail(error, TALLY_E_USAGE,
		    "the profile \"%s\" does not say how records are written",
		    profile->name);
	w = tally_sys_alloc(sizeof(*w));
	if (w == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	w->profile = profile;
	w->path = path;
	w->error = error;
	w->lock = w->fd = -1;
	r = tally_judging_init(&w->judging, profile);
	if (r != 0)
		r = no_memory(w);
	else
		r = append(w, events, count, out_hashes);
	if (out_torn != NULL)
		*out_torn = r == 0 ? w->torn : 0;
	if (w->fd >= 0)
		tally_sys_close(w->fd);
	if (w->lock >= 0)
		tally_sys_close(w->lock);
	tally_judging_wipe(&w->judging);
	tally_tail_wipe(&w->tail);
	tally_room_wipe(&w->room);
	tally_sys_free(w->text.at);
	tally_sys_free(w->lines.at);
	tally_sys_free(w);
	return r;
}
