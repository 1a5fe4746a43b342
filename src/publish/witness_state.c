/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "publish/replace.h"
#include "publish/witness_state.h"

#define NAME_SIZE (TALLY_HASH_TEXT_SIZE + 8)
#define KEYS_TEXT_MAX (TALLY_WITNESS_KEYS_MAX * TALLY_VKEY_TEXT_MAX)
#define KEYS "log"
#define NOTE "note"

/* ---- files ------------------------------------------------------------ */

static void
file_name(const struct tally_witness_entry *entry, const char *suffix,
    char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%s.%s", entry->hash, suffix);
}

/* All of a file; TALLY_END if it is missing. */
static int
read_file(int dir, const struct tally_witness_entry *entry, const char *suffix,
    char *out, size_t size, size_t *out_len, struct tally_error *error)
{
	char name[NAME_SIZE];
	int64_t n;
	int fd;

	file_name(entry, suffix, name);
	fd = tally_sys_open(dir, name, TALLY_SYS_READ);
	if (fd == -ENOENT)
		return TALLY_END;
	n = fd < 0 ? fd : tally_sys_read(fd, out, size, 0);
	tally_sys_close(fd);
	if (n < 0)
		return tally_fail_os(error, (int)n,
		    "cannot read the witness's \"%s\"", name);
	if ((size_t)n == size)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the witness's \"%s\" is too long", name);
	*out_len = (size_t)n;
	return TALLY_OK;
}

static int
write_file(int dir, const struct tally_witness_entry *entry, const char *suffix,
    const char *text, size_t len, struct tally_error *error)
{
	char name[NAME_SIZE];
	int result;

	file_name(entry, suffix, name);
	result = tally_replace_file(dir, name, text, len, false);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write the witness's \"%s\"", name);
	return TALLY_OK;
}

static int
spoiled(const struct tally_witness_entry *entry, const char *suffix,
    struct tally_error *error)
{
	return tally_fail(error, TALLY_E_FORMAT,
	    "the witness's \"%s.%s\" is not what it wrote; nothing is cosigned"
	    " until it is put right",
	    entry->hash, suffix);
}

/* ---- entries ---------------------------------------------------------- */

int
tally_witness_state_find(struct tally_witness_state *state, const char *origin,
    size_t len, struct tally_witness_entry *out, struct tally_error *error)
{
	struct tally_hash hash = tally_hash_bytes(&state->hasher, origin, len);

	if (tally_hasher_failed(&state->hasher))
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_hash_format(&hash, out->hash);
	out->keys = 0;
	return TALLY_OK;
}

int
tally_witness_state_keys(struct tally_witness_state *state,
    struct tally_witness_entry *entry, struct tally_error *error)
{
	char text[KEYS_TEXT_MAX + 1];
	size_t len, at = 0;
	int result = read_file(state->dir, entry, KEYS, text, sizeof(text),
	    &len, error);

	if (result != 0)
		return result;
	entry->keys = 0;
	while (at < len) {
		const char *feed = memchr(text + at, '\n', len - at);

		if (feed == NULL || entry->keys == TALLY_WITNESS_KEYS_MAX ||
		    tally_vkey_parse(&state->hasher, text + at,
			(size_t)(feed - text) - at,
			&entry->key[entry->keys++]) != 0)
			return spoiled(entry, KEYS, error);
		at = (size_t)(feed - text) + 1;
	}
	return entry->keys == 0 ? spoiled(entry, KEYS, error) : TALLY_OK;
}

bool
tally_witness_is_signed(const struct tally_witness_entry *entry,
    const struct tally_note *note)
{
	bool found = false;

	for (size_t i = 0; i < entry->keys; i++) {
		switch (tally_note_check(note, &entry->key[i], NULL)) {
		case TALLY_SIGNED:
			found = true;
			break;
		case TALLY_SIGNED_WRONGLY:
			return false;
		case TALLY_UNSIGNED:
			break;
		}
	}
	return found;
}

/* The note of nothing is text and an empty line. */
static bool
parse_empty(const char *text, size_t len, struct tally_checkpoint *out)
{
	return len > 1 && text[len - 1] == '\n' &&
	    tally_checkpoint_parse(text, len - 1, out) == 0 && out->size == 0;
}

int
tally_witness_state_last(struct tally_witness_state *state,
    struct tally_witness_entry *entry, char text[TALLY_WITNESS_NOTE_MAX],
    size_t *out_len, struct tally_error *error)
{
	struct tally_note note;
	int result = read_file(state->dir, entry, NOTE, text,
	    TALLY_WITNESS_NOTE_MAX, out_len, error);

	if (result < 0)
		return result;
	if (result == TALLY_END)
		return spoiled(entry, NOTE, error);
	if (!parse_empty(text, *out_len, &entry->last) &&
	    (tally_note_parse(text, *out_len, &note) != 0 ||
		tally_checkpoint_parse(note.text.at, note.text.len,
		    &entry->last) != 0 ||
		!tally_witness_is_signed(entry, &note)))
		return spoiled(entry, NOTE, error);
	if (strcmp(entry->last.origin, entry->key[0].name) != 0)
		return spoiled(entry, NOTE, error);
	return TALLY_OK;
}

int
tally_witness_state_put(struct tally_witness_state *state,
    const struct tally_witness_entry *entry, const char *note, size_t len,
    struct tally_error *error)
{
	return write_file(state->dir, entry, NOTE, note, len, error);
}

int
tally_witness_state_settle(struct tally_witness_state *state,
    struct tally_error *error)
{
	int result = tally_sys_sync_all(state->dir);

	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot sync the witness's directory");
	return TALLY_OK;
}

/* ---- the directory ---------------------------------------------------- */

int
tally_witness_state_lock(struct tally_witness_state *state,
    struct tally_error *error)
{
	int result;

	do
		result = tally_sys_lock(state->dir, true);
	while (result == -EINTR);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot lock the witness's directory");
	return TALLY_OK;
}

void
tally_witness_state_unlock(struct tally_witness_state *state)
{
	tally_sys_unlock(state->dir);
}

int
tally_witness_state_open(const char *path, struct tally_witness_state *out,
    struct tally_error *error)
{
	enum tally_sys_fs kind = TALLY_SYS_FS_LOCAL;
	int result;

	memset(out, 0, sizeof(*out));
	out->dir = tally_sys_open_dir(TALLY_SYS_CWD, path);
	if (out->dir == -ENOENT)
		return tally_fail(error, TALLY_E_NO_LOG,
		    "there is no state of a witness in \"%s\"; \"tally witness"
		    " add\" makes one",
		    path);
	result = out->dir < 0 ? out->dir : tally_sys_fs(out->dir, &kind);
	if (result != 0)
		return tally_fail_os(error, result, "cannot open \"%s\"", path);
	if (kind == TALLY_SYS_FS_NETWORK)
		return tally_fail(error, TALLY_E_NETWORK,
		    "\"%s\" is on a network file system, whose locks nobody"
		    " can trust",
		    path);
	if (tally_hasher_open(&out->hasher) != 0)
		return tally_fail_memory(error);
	return TALLY_OK;
}

void
tally_witness_state_close(struct tally_witness_state *state)
{
	tally_sys_close(state->dir);
	tally_hasher_close(&state->hasher);
	state->dir = -1;
}

/* ---- a log that becomes known ----------------------------------------- */

/* The empty tree, unless there is a note; the keys and one more. */
static int
know(struct tally_witness_state *state, const struct tally_vkey *key,
    struct tally_error *error)
{
	struct tally_checkpoint empty = { .origin_len = key->name_len };
	char text[KEYS_TEXT_MAX + 2 * TALLY_CHECKPOINT_TEXT_MAX];
	struct tally_witness_entry entry;
	char note[NAME_SIZE];
	struct tally_sys_stat st;
	size_t len = 0;
	int result = tally_witness_state_find(state, key->name, key->name_len,
	    &entry, error);

	if (result == 0)
		result = tally_witness_state_keys(state, &entry, error);
	if (result < 0)
		return result;
	for (size_t i = 0; i < entry.keys; i++) {
		if (tally_vkey_equal(&entry.key[i], key))
			return tally_fail(error, TALLY_E_EXISTS,
			    "the witness knows this key of \"%s\" already",
			    key->name);
	}
	if (entry.keys == TALLY_WITNESS_KEYS_MAX)
		return tally_fail(error, TALLY_E_USAGE,
		    "a log has %d keys at most", TALLY_WITNESS_KEYS_MAX);
	file_name(&entry, NOTE, note);
	result = tally_sys_stat_at(state->dir, note, &st);
	if (result == -ENOENT) {
		memcpy(empty.origin, key->name, key->name_len);
		empty.root = tally_hash_bytes(&state->hasher, "", 0);
		len = tally_checkpoint_format(&empty, text);
		text[len++] = '\n';
		result = write_file(state->dir, &entry, NOTE, text, len, error);
	} else if (result != 0) {
		return tally_fail_os(error, result, "cannot read \"%s\"", note);
	}
	if (result != 0)
		return result;
	entry.key[entry.keys++] = *key;
	len = 0;
	for (size_t i = 0; i < entry.keys; i++) {
		len += tally_vkey_format(&entry.key[i], text + len);
		text[len++] = '\n';
	}
	return write_file(state->dir, &entry, KEYS, text, len, error);
}

/* The parent's entry for the directory, which another process may have made
 * and not have lived to sync. */
static int
sync_parent(struct tally_witness_state *state, struct tally_error *error)
{
	int parent = tally_sys_open_dir(state->dir, "..");
	int result = parent < 0 ? parent : tally_sys_sync_all(parent);

	tally_sys_close(parent);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot sync the witness's directory");
	return TALLY_OK;
}

int
tally_witness_know(const char *dir, const char *vkey, struct tally_error *error)
{
	struct tally_witness_state state;
	struct tally_vkey key;
	int result = tally_sys_mkdir(TALLY_SYS_CWD, dir);

	if (result != 0 && result != -EEXIST)
		return tally_fail_os(error, result, "cannot make \"%s\"", dir);
	result = tally_witness_state_open(dir, &state, error);
	if (result == 0 &&
	    (tally_vkey_parse(&state.hasher, vkey, strlen(vkey), &key) != 0 ||
		key.type != TALLY_VKEY_ED25519))
		result = tally_fail(error, TALLY_E_USAGE,
		    "\"%s\" is not the public key of a log", vkey);
	if (result == 0)
		result = sync_parent(&state, error);
	if (result == 0)
		result = tally_witness_state_lock(&state, error);
	if (result == 0) {
		result = know(&state, &key, error);
		tally_witness_state_unlock(&state);
	}
	tally_witness_state_close(&state);
	return result;
}
