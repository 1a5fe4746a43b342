/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness (c2sp.org/tlog-witness) without its network: a directory with the
 * last checkpoint of each log that it knows, and what it answers.
 */
#ifndef TALLY_WITNESS_H
#define TALLY_WITNESS_H

#include <stddef.h>

#include <tally/error.h>
#include <tally/publish.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TALLY_WITNESS_SIGNERS_MAX 4
#define TALLY_WITNESS_BODY_MAX 2048
#define TALLY_WITNESS_REQUEST_MAX ((size_t)1 << 16) /* bytes of a body */

/*
 * Makes an Ed25519 key that cosigns, as tally_key_generate makes one that
 * signs a log; name is the witness's.
 */
TALLY_API TALLY_MUST_CHECK int
tally_key_generate_witness(const char *path, const char *name,
    const char *passphrase, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    struct tally_error *error);

/*
 * Adds the signature lines of note, a checkpoint with cosignatures that the
 * caller checked, to public/checkpoint of the log in dir, if that has the same
 * text.  Returns 0; TALLY_END if another checkpoint is public by now; errors
 * of files.
 */
TALLY_API TALLY_MUST_CHECK int
tally_publish_cosign(const char *dir, const char *note, size_t note_len,
    struct tally_error *error);

/*
 * From now on the witness whose state is in dir (made if it is missing) knows
 * the log with this key; the key's name is the log's origin.  A log may have
 * several keys.  Durable when it returns; what was cosigned stays.
 * Errors: TALLY_E_USAGE (no key of a log), _EXISTS (it is known), _ACCESS,
 * _FULL, _NETWORK, _IO, _MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_witness_know(const char *dir, const char *vkey,
    struct tally_error *error);

struct tally_witness;

/*
 * signers are the caller's and outlive the witness; each must be a key that
 * cosigns.  Close it with tally_witness_close.
 * Errors: TALLY_E_USAGE, TALLY_E_NO_LOG (no such directory), as above.
 */
TALLY_API TALLY_MUST_CHECK int
tally_witness_open(const char *dir, struct tally_signer *const *signers,
    size_t signers_len, struct tally_witness **out, struct tally_error *error);

TALLY_API void
tally_witness_close(struct tally_witness *witness);

struct tally_witness_answer {
	unsigned status;  /* of HTTP */
	const char *type; /* of the content; static storage */
	char body[TALLY_WITNESS_BODY_MAX];
	size_t body_len;
};

/*
 * Judges the body of add-checkpoint.  With status 200 the checkpoint is on
 * stable storage and is never gone back behind.  Any number of threads and
 * processes may call it at once.
 * Returns 0 with an answer; or an error: nothing was cosigned, and the state
 * is the old one or, if writing it failed at the end, the new one.
 */
TALLY_API TALLY_MUST_CHECK int
tally_witness_add(struct tally_witness *witness, const char *body, size_t len,
    struct tally_witness_answer *out, struct tally_error *error);

/*
 * The last checkpoint of the log whose origin has this SHA-256, 64 lower-case
 * hexadecimal digits, with the signatures of log and witness.  Allocated;
 * free() it.  Returns 0; TALLY_END if the log is unknown or has none yet.
 */
TALLY_API TALLY_MUST_CHECK int
tally_witness_latest(struct tally_witness *witness, const char *origin_hash,
    char **out_note, size_t *out_len, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
