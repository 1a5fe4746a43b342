/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside half: keys, and checkpoints of a log that are signed with them.
 *
 * A checkpoint is a C2SP signed note: origin, size, root, signatures.  What is
 * signed was registered first, in a register that is not restored together
 * with the log; so a log that was cut or put back is never signed anew.
 */
#ifndef TALLY_PUBLISH_H
#define TALLY_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "<name>+<key id>+<base64>" and a NUL. */
#define TALLY_VKEY_TEXT_SIZE 384

/* ---- keys ------------------------------------------------------------- */

struct tally_signer;

/*
 * Makes an Ed25519 key in a new file of mode 0600: its vkey in the first line,
 * then PKCS #8 in PEM, encrypted with scrypt and AES-256 under the passphrase,
 * or not at all if that is NULL.  Durable when it returns.
 * Errors: TALLY_E_EXISTS, _USAGE (the name), _ACCESS, _FULL, _IO, _MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_key_generate(const char *path, const char *name, const char *passphrase,
    char out_vkey[TALLY_VKEY_TEXT_SIZE], struct tally_error *error);

/*
 * The vkey of a key file; no passphrase is needed.  *out_encrypted may be
 * NULL.  Errors: TALLY_E_NO_LOG (no such file), _FORMAT, _ACCESS, _IO.
 */
TALLY_API TALLY_MUST_CHECK int
tally_key_show(const char *path, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    bool *out_encrypted, struct tally_error *error);

/*
 * Reads a key to sign with; refuses a file that others may read.  Free it with
 * tally_signer_free.
 * Errors: TALLY_E_USAGE (the passphrase is missing or wrong), and as above.
 */
TALLY_API TALLY_MUST_CHECK int
tally_signer_load(const char *path, const char *passphrase,
    struct tally_signer **out_signer, struct tally_error *error);

/* Overwrites the secret and frees; NULL is left alone. */
TALLY_API void
tally_signer_free(struct tally_signer *signer);

enum tally_key_change {
	TALLY_KEY_ADD = 0,     /* vkey may sign from here on */
	TALLY_KEY_ROTATE,      /* the same, and the signer signs no more */
	TALLY_KEY_RETIRE,      /* vkey signs no more; another key still does */
	TALLY_KEY_RETIRE_LAST, /* the same, and none need be left */
};

/*
 * Seals an order about a key of the log in tally:log, signed by signer, which
 * a verifier must know for it to count.  Durable when it returns; out may be
 * NULL.
 * Errors: TALLY_E_USAGE (a key of another name; one that was retired, is there
 * already, or is not known to the log's orders; the last one that signs), and
 * those of an append.
 */
TALLY_API TALLY_MUST_CHECK int
tally_key_order(struct tally_log *log, const struct tally_signer *signer,
    enum tally_key_change change, const char *vkey, struct tally_receipt *out,
    struct tally_error *error);

/* ---- registers -------------------------------------------------------- */

/* No entry of a register is as long. */
#define TALLY_REGISTER_ENTRY_MAX 1024

/*
 * A register that is no directory: where the last size and root of each origin
 * that may be signed are held, as a short text.  libtally-outside makes one
 * (tally_outside_register_open); any store that compares and swaps atomically,
 * for all hosts that publish, can be one.  A caller's own begins with this
 * struct.  One thread at a time uses it.
 */
struct tally_register {
	const char *name; /* in messages */
	/*
	 * The entry of an origin, or its first TALLY_REGISTER_ENTRY_MAX bytes.
	 * Returns 0, TALLY_END if there is none, or an error.
	 */
	int (*read)(struct tally_register *self, const char *origin,
	    char out[TALLY_REGISTER_ENTRY_MAX], size_t *out_len,
	    struct tally_error *error);
	/*
	 * Puts next in the place of last, byte for byte (NULL: of nothing), in
	 * one step that no other comes between; durable when it returns, also
	 * where both are the same.  Returns 0; TALLY_END if the entry is not
	 * last; an error, after which nobody knows which of the two it is, and
	 * which it may become later.
	 */
	int (*swap)(struct tally_register *self, const char *origin,
	    const char *last, size_t last_len, const char *next,
	    size_t next_len, struct tally_error *error);
};

/* ---- checkpoints ------------------------------------------------------ */

enum tally_publish_verdict {
	TALLY_PUBLISH_SIGNED = 0, /* a new checkpoint went out */
	TALLY_PUBLISH_CURRENT,   /* nothing was appended: the last one stands */
	TALLY_PUBLISH_TRUNCATED, /* the log is shorter than what went out */
	TALLY_PUBLISH_ROLLED_BACK, /* it has other history than what went out */
};

struct tally_publish_options {
	struct tally_signer *const *signers; /* the first under the origin */
	size_t signers_len;
	const char *register_dir; /* NULL: "register" in the log's directory */
	struct tally_register *reg; /* not NULL: in the place of a directory */
	/* A checkpoint although nothing was appended: with a heads record more,
	 * so that who looks on from outside sees that somebody publishes. */
	bool beat;
};

struct tally_published_checkpoint {
	enum tally_publish_verdict verdict;
	uint64_t size;
	struct tally_hash root;
	uint64_t last_size; /* what the register held before; 0: nothing */
	struct tally_hash last_root;
	bool register_beside; /* a directory on the log's own file system */
	char *note;           /* the signed note, or NULL; free() it */
	size_t note_len;
};

/*
 * Signs a checkpoint of the log in dir and puts it into public/checkpoint:
 * syncs the log, holds it against what went out last, seals the heads record,
 * registers size and root, and only then signs.  What it signs it read and
 * hashed itself, from the records.
 *
 * Returns 0 with a verdict.  Errors: TALLY_E_USAGE (an origin nothing is signed
 * under, a key of another name, a log that went out with a register that is
 * not this one), _BUSY (others register all the time), _DAMAGED, and those of
 * opening a log.  Any number of processes may call it at once.
 */
TALLY_API TALLY_MUST_CHECK int
tally_publish(const char *dir, const struct tally_publish_options *options,
    struct tally_published_checkpoint *out, struct tally_error *error);

/*
 * The same for a log that is open, again and again: what one checkpoint
 * hashed of the heads, the next one does not hash anew.  log, and all that
 * options lead to, must outlive the publisher; one thread at a time may use
 * it.  Other publishers of the log may work beside it, and its lock is held
 * during a call only.  Close it with tally_publisher_close.
 * Errors: TALLY_E_USAGE (see above; a log that is open for reading), _MEMORY.
 */
struct tally_publisher;

TALLY_API TALLY_MUST_CHECK int
tally_publisher_open(struct tally_log *log,
    const struct tally_publish_options *options,
    struct tally_publisher **out_publisher, struct tally_error *error);

/*
 * One checkpoint, as tally_publish.  After an error the publisher can be used
 * again; after TALLY_E_SWAPPED or _POISONED the log should be opened anew.
 */
TALLY_API TALLY_MUST_CHECK int
tally_publisher_publish(struct tally_publisher *publisher,
    struct tally_published_checkpoint *out, struct tally_error *error);

/* Changes the option beat, for what is published from now on. */
TALLY_API void
tally_publisher_beat(struct tally_publisher *publisher, bool beat);

/* NULL is left alone. */
TALLY_API void
tally_publisher_close(struct tally_publisher *publisher);

/* ---- a log that was put back ------------------------------------------ */

struct tally_restore_options {
	const char *dir;    /* the log as it was found; it is only read */
	const char *into;   /* the new log: not there, or begun by this call */
	const char *origin; /* the new one */
	const struct tally_signer *signer; /* under the new origin */
	const char *register_dir;   /* of the old log; NULL: in its directory */
	struct tally_register *reg; /* not NULL: in the place of a directory */
	const char *outside; /* the last checkpoint outside; NULL: what the
				register holds */
	size_t outside_len;
	const char *reason; /* UTF-8, not empty */
};

struct tally_restored {
	uint64_t size; /* records that the old log has left */
	struct tally_hash root;
	uint64_t outside_size; /* what went out */
	struct tally_hash outside_root;
	struct tally_receipt receipt; /* of the order in the new log */
};

/*
 * Ends the origin of a log that was cut or put back, and begins a new log: its
 * first order names the old log, what is left of it, and the last checkpoint
 * that went out.  The register ends the old origin before that order is sealed,
 * so nothing is signed under it any more; killed anywhere, the same call goes
 * on.
 *
 * Errors: TALLY_E_USAGE (the log is what went out; the register knows a later
 * checkpoint than that which is given; names; the origin goes on as another),
 * _EXISTS (something else is in into), _FORMAT (no checkpoint), and those of
 * opening and making a log.
 */
TALLY_API TALLY_MUST_CHECK int
tally_restore(const struct tally_restore_options *options,
    struct tally_restored *out, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
