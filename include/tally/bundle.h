/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an auditor of one chain is given: its records, or a range of them, with
 * their place under a checkpoint; and the proof that one checkpoint goes on
 * from another.  Both are texts (doc/format.md, section 9), and are judged
 * without the log.
 */
#ifndef TALLY_BUNDLE_H
#define TALLY_BUNDLE_H

#include <tally/proof.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bundles ---------------------------------------------------------- */

struct tally_bundle_range {
	const char *chain; /* plain name */
	size_t chain_len;
	uint64_t from_seq; /* 0: 1 */
	uint64_t to_seq;   /* 0: the last that the checkpoint covers */
};

/* Takes bytes in order; what is not 0 ends the call and is returned. */
typedef int
tally_write_fn(void *arg, const void *bytes, size_t len);

/*
 * Writes the bundle of a chain under the checkpoint that went out last.
 * Returns 0; TALLY_END if the log has no checkpoint yet, or it does not cover
 * such records (the message says which); TALLY_E_DAMAGED if the log is not
 * that which the checkpoint speaks of; errors as for a cursor.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_bundle(struct tally_log *log, const struct tally_bundle_range *range,
    tally_write_fn *write, void *arg, struct tally_error *error);

struct tally_bundle {
	enum tally_proof_verdict verdict;
	char detail[200]; /* one sentence: what does not hold, or what does */
	char origin[TALLY_ORIGIN_MAX + 1];
	uint64_t size; /* of the checkpoint */
	struct tally_hash root;
	bool has_signatures; /* whoever made them */
	char chain[TALLY_CHAIN_MAX + 1];
	size_t chain_len;
	uint64_t chains;           /* that the log had, but for tally:heads */
	uint64_t from_seq, to_seq; /* that are given, both included */
	uint64_t head_seq;         /* of the chain's last record then */
	struct tally_hash head_hash;
	uint64_t elsewhere; /* records whose event another store has */
	uint64_t erased;    /* records that were erased; by which order is in
			       tally:log */
};

/* Gives up to room bytes and how many; 0 of them at the end. */
typedef int
tally_read_fn(void *arg, void *bytes, size_t room, size_t *out_len);

/*
 * Judges a bundle as it is read, in constant memory; an answer of read that is
 * not 0 is returned.  TALLY_PROOF_ROOT and _SIGNED say: the records are the
 * chain's, unchanged, none between from_seq and to_seq is missing, and the
 * chain had head_seq records then.
 * Returns 0 with a verdict; TALLY_E_FORMAT if it is no bundle (the message
 * names the line); TALLY_E_USAGE if a key or the policy is none;
 * TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_bundle_judge(tally_read_fn *read, void *arg,
    const struct tally_trust *trust, struct tally_bundle *out_bundle,
    struct tally_error *error);

/* ---- consistency ------------------------------------------------------ */

enum tally_consistency_verdict {
	TALLY_CONSISTENT = 0,
	TALLY_CONSISTENT_NOT_OLD, /* the log has another root at old's size */
	TALLY_CONSISTENT_NOT_NEW, /* or at new's */
	TALLY_CONSISTENT_SHORT,   /* the log is shorter than new */
};

/*
 * The proof that the checkpoint new goes on from old; both are notes, signed
 * or not, and new NULL is the one that went out last.  *out_text is allocated,
 * NUL-terminated, and NULL unless the verdict is TALLY_CONSISTENT; free() it.
 * Returns 0 with a verdict; TALLY_E_FORMAT if one is no checkpoint;
 * TALLY_E_USAGE if it is another log's, or new is smaller than old; TALLY_END
 * if nothing went out yet; errors as for a cursor.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_prove_consistency(struct tally_log *log, const char *old,
    size_t old_len, const char *new_note, size_t new_len,
    enum tally_consistency_verdict *out_verdict, char **out_text,
    size_t *out_len, struct tally_error *error);

struct tally_consistency_proof {
	enum tally_proof_verdict verdict;
	const char *detail; /* static storage */
	char origin[TALLY_ORIGIN_MAX + 1];
	uint64_t old_size, size;
	struct tally_hash old_root, root;
	bool has_signatures; /* both of them */
};

/*
 * Judges such a proof.  A root of trust is new's; keys and policies must hold
 * for both.  Returns as tally_proof_judge.
 */
TALLY_API TALLY_MUST_CHECK int
tally_consistency_judge(const char *text, size_t len,
    const struct tally_trust *trust, struct tally_consistency_proof *out,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
