/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a witness: a directory with two files for each log, named by
 * the SHA-256 of the origin:
 *
 *     <hash>.log     the log's keys, a vkey a line
 *     <hash>.note    the last checkpoint that was cosigned: a note; before the
 *                    first, the text of the empty tree's and an empty line
 *
 * A log is known if it has keys; the note was there before them.  A note that
 * is missing, or that none of the keys signed, is an error: whoever lost it
 * would cosign another history.
 */
#ifndef TALLY_PUBLISH_WITNESS_STATE_H
#define TALLY_PUBLISH_WITNESS_STATE_H

#include <tally/witness.h>

#include "core/checkpoint.h"

#define TALLY_WITNESS_KEYS_MAX 16
#define TALLY_WITNESS_NOTE_MAX \
	(TALLY_WITNESS_REQUEST_MAX + TALLY_WITNESS_BODY_MAX)

struct tally_witness_state {
	int dir; /* -1: closed */
	struct tally_hasher hasher;
};

/* One log, as its files say; hash is set first. */
struct tally_witness_entry {
	char hash[TALLY_HASH_TEXT_SIZE]; /* of the origin */
	struct tally_vkey key[TALLY_WITNESS_KEYS_MAX];
	size_t keys;
	struct tally_checkpoint last;
};

/* TALLY_E_NO_LOG if the directory is missing.  Close it in any case. */
TALLY_MUST_CHECK int
tally_witness_state_open(const char *path, struct tally_witness_state *out,
    struct tally_error *error);

void
tally_witness_state_close(struct tally_witness_state *state);

/* The lock of all processes; threads need another. */
TALLY_MUST_CHECK int
tally_witness_state_lock(struct tally_witness_state *state,
    struct tally_error *error);

void
tally_witness_state_unlock(struct tally_witness_state *state);

TALLY_MUST_CHECK int
tally_witness_state_find(struct tally_witness_state *state, const char *origin,
    size_t len, struct tally_witness_entry *out, struct tally_error *error);

/* The keys; TALLY_END if the log is not known. */
TALLY_MUST_CHECK int
tally_witness_state_keys(struct tally_witness_state *state,
    struct tally_witness_entry *entry, struct tally_error *error);

/* What was cosigned last; text gets the note. */
TALLY_MUST_CHECK int
tally_witness_state_last(struct tally_witness_state *state,
    struct tally_witness_entry *entry, char text[TALLY_WITNESS_NOTE_MAX],
    size_t *out_len, struct tally_error *error);

/* On stable storage when it returns. */
TALLY_MUST_CHECK int
tally_witness_state_put(struct tally_witness_state *state,
    const struct tally_witness_entry *entry, const char *note, size_t len,
    struct tally_error *error);

/*
 * What was read is on stable storage when it returns: a server that was killed
 * may have put it there and not have lived to sync its name.
 */
TALLY_MUST_CHECK int
tally_witness_state_settle(struct tally_witness_state *state,
    struct tally_error *error);

/* Did one of the log's keys sign it, and none of them wrongly? */
bool
tally_witness_is_signed(const struct tally_witness_entry *entry,
    const struct tally_note *note);

#endif
