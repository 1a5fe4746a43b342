/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/adopt.h"
#include "log/sys.h"

#define PROGRESS_EVERY 4096
/* Of all chains' sealed records that are in memory at once. */
#define WINDOWS_BYTES ((size_t)64 << 20)

static int
fail_memory(struct tally_adopting *a)
{
	return tally_fail(a->error, TALLY_E_MEMORY,
	    "out of memory at record %llu: what is kept of %lu chains needs"
	    " more than there is",
	    (unsigned long long)a->out->records, (unsigned long)a->chains.len);
}

/* ---- eras ------------------------------------------------------------- */

/*
 * Names an era: the chain that goes on, and behind it the source's chain; one
 * that no name of ours can hold stands there as its digest.
 */
static size_t
name_era(struct tally_adopting *a, const char *key, size_t len,
    char out[TALLY_CHAIN_MAX + 1])
{
	char text[TALLY_CHAIN_TEXT_MAX], hex[TALLY_HASH_TEXT_SIZE];
	const size_t room = TALLY_CHAIN_MAX + 1;
	size_t used, out_len;
	struct tally_hash hash;
	const char *what;

	out_len = (size_t)snprintf(out, room, "%s%s%.*s", a->adoption->chain,
	    len > 0 ? "/" : "", (int)len, key);
	/* A NUL ends what was printed, and would make two chains one. */
	if (len == 0 ||
	    (out_len < room && memchr(key, '\0', len) == NULL &&
		tally_name_escape(out, out_len, TALLY_CHAIN_MAX, text, &used,
		    &what) == 0))
		return out_len;
	hash = tally_hash_bytes(&a->hasher, key, len);
	tally_hash_format(&hash, hex);
	return (size_t)snprintf(out, room, "%s#%s", a->adoption->chain, hex);
}

int
tally_adopting_era(struct tally_adopting *a, const struct tally_canon_text *key,
    struct tally_era **out)
{
	uint32_t number;
	char name[TALLY_CHAIN_MAX + 1];
	size_t capacity, len;
	void *grown;

	if (tally_chain_find(&a->chains, key->at, key->len, &number) != 0)
		return fail_memory(a);
	if (number >= a->era_capacity) {
		capacity = 2 * a->era_capacity + 8;
		grown = tally_sys_realloc(a->era, capacity * sizeof(*a->era));
		if (grown == NULL)
			return fail_memory(a);
		a->era = grown;
		a->era_capacity = capacity;
	}
	*out = &a->era[number];
	if (number < a->eras_len)
		return 0;
	len = name_era(a, key->at, key->len, name);
	if (tally_era_init(*out, name, len) != 0)
		return fail_memory(a);
	a->eras_len++;
	return 0;
}

void
tally_adopting_trim(struct tally_adopting *a)
{
	/*
	 * From here and there: a source often goes through its chains in turn,
	 * and what was used longest ago is then what is needed next.
	 */
	while (a->eras.held > WINDOWS_BYTES) {
		a->hand = a->hand * UINT32_C(1664525) + UINT32_C(1013904223);
		tally_era_drop(&a->eras,
		    &a->era[(uint64_t)a->hand * a->eras_len >> 32]);
	}
}

/* ---- records ---------------------------------------------------------- */

/* Its chain and the hash that it stores, as far as it is a record at all;
 * TALLY_END: it is a torn end. */
static int
read_record(struct tally_adopting *a, const struct tally_reading *reading,
    struct tally_canon_text *chain)
{
	const struct tally_profile *profile = a->adoption->profile;
	size_t nodes;
	int r = TALLY_E_FORMAT;

	*chain = a->hash = (struct tally_canon_text){ "", 0 };
	if (reading->line != NULL)
		r = tally_room_read(&a->room, reading->line, reading->len,
		    TALLY_CANON_READ_NAN, &nodes, NULL);
	if (r == TALLY_E_MEMORY)
		return fail_memory(a);
	if (r != 0 && !reading->whole)
		return TALLY_END;
	if (r != 0 || a->room.nodes[0].type != TALLY_CANON_OBJECT)
		return 0;
	a->row.line = reading->line;
	a->row.room = &a->room;
	tally_row_pick(profile, &a->row);
	a->hash = tally_row_text(&a->row, profile->hash);
	return tally_row_plain(&a->row, profile->chain, &a->name, chain) != 0
	    ? fail_memory(a)
	    : 0;
}

struct tally_hash
tally_adopting_digest(struct tally_adopting *a,
    const struct tally_reading *reading)
{
	if (reading->line != NULL)
		return tally_hash_bytes(&a->hasher,
		    reading->line - reading->mark,
		    reading->len + reading->mark);
	return tally_hash_bytes(&a->hasher,
	    reading->raw != NULL ? reading->raw : "", reading->raw_len);
}

static int
take(struct tally_adopting *a, const struct tally_reading *reading,
    tally_adopt_fn fn)
{
	struct tally_canon_text chain;
	struct tally_hash digest;
	struct tally_era *era = NULL;
	int r = read_record(a, reading, &chain);

	if (r == 0)
		r = tally_adopting_era(a, &chain, &era);
	if (r != 0)
		return r == TALLY_END ? 0 : r;
	digest = tally_adopting_digest(a, reading);
	a->out->digest = tally_hash_node(&a->hasher, &a->out->digest, &digest);
	a->index = a->out->records++;
	a->offset = reading->offset;
	a->out->chains += era->count++ == 0;
	r = fn(a, era, &digest);
	tally_adopting_trim(a);
	return r;
}

static int
report_progress(struct tally_adopting *a)
{
	const struct tally_verify_options *options = a->adoption->options;
	struct tally_progress progress = { .records = a->out->records,
		.bytes = a->offset };

	if (options == NULL || options->progress == NULL ||
	    a->out->records % PROGRESS_EVERY != 0)
		return 0;
	return options->progress(options->arg, &progress) != 0 ? TALLY_PARTIAL
							       : 0;
}

int
tally_adopting_walk(struct tally_adopting *a,
    const struct tally_profile_source *source, tally_adopt_fn fn)
{
	struct tally_reading reading;
	int r = 0;

	tally_reader_init(&a->reader, a->adoption->profile, source, a->error);
	while (r == 0) {
		r = tally_reader_next(&a->reader, &reading);
		if (r == 0)
			r = take(a, &reading, fn);
		if (r == 0)
			r = report_progress(a);
	}
	tally_reader_wipe(&a->reader);
	if (r == TALLY_END && tally_hasher_failed(&a->hasher))
		return tally_fail(a->error, TALLY_E_MEMORY, "libcrypto failed");
	return r == TALLY_END ? 0 : r;
}

/* ---- begin and end ---------------------------------------------------- */

static int
check_name(const struct tally_adoption *adoption, struct tally_error *error)
{
	char text[TALLY_CHAIN_TEXT_MAX];
	const size_t room = sizeof("#") + TALLY_HASH_TEXT_SIZE;
	size_t len = strlen(adoption->chain), used;
	const char *what = "is too long to go on with";

	if (len <= TALLY_CHAIN_MAX - room &&
	    tally_name_escape(adoption->chain, len, TALLY_CHAIN_MAX, text,
		&used, &what) == 0)
		return 0;
	return tally_fail(error, TALLY_E_USAGE, "the chain's name %s", what);
}

int
tally_adopting_open(struct tally_adopting *a,
    const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error)
{
	int r;

	memset(a, 0, sizeof(*a));
	memset(out, 0, sizeof(*out));
	a->adoption = adoption;
	a->out = out;
	a->error = error;
	a->eras.log = log;
	a->eras.salted = adoption->salted;
	a->eras.error = error;
	r = check_name(adoption, error);
	if (r == 0 && tally_hasher_open(&a->hasher) != 0)
		r = fail_memory(a);
	if (r == 0 && log != NULL)
		r = tally_cursor_open(log, NULL, &a->eras.cursor, error);
	return r;
}

void
tally_adopting_close(struct tally_adopting *a)
{
	for (uint32_t i = 0; i < a->eras_len; i++)
		tally_era_wipe(&a->eras, &a->era[i]);
	tally_sys_free(a->era);
	tally_chain_wipe(&a->chains);
	tally_room_wipe(&a->room);
	tally_sys_free(a->name.at);
	tally_hasher_close(&a->hasher);
	tally_cursor_close(a->eras.cursor);
}
