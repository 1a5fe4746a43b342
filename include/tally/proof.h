/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proof of one record that travels alone: C2SP tlog-proof text.
 *
 *     c2sp.org/tlog-proof@v1
 *     extra <base64 of the record's line>
 *     index <decimal>
 *     <base64 hash> ...                       inclusion, leaf's sibling first
 *
 *     <origin>
 *     <size>
 *     <base64 root>
 *
 * and, where the log is signed, the signature lines.  Unsigned, such a proof
 * shows that the record is consistent with the root that it names; somebody
 * must vouch for the root.
 */
#ifndef TALLY_PROOF_H
#define TALLY_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The proof of the record (chain, seq): against the checkpoint that went out
 * last, with its signatures, if that covers the record, or else, unsigned,
 * against the log as it is durable now.  Text of *out_len bytes,
 * NUL-terminated, allocated; free() it.
 * Returns 0; TALLY_END if there is no such record; errors as for a cursor.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_prove(struct tally_log *log, const char *chain, size_t chain_len,
    uint64_t seq, char **out_text, size_t *out_len, struct tally_error *error);

/* The root of the log's first size records; 0: of the durable log. */
TALLY_API TALLY_MUST_CHECK int
tally_log_root(struct tally_log *log, uint64_t size, uint64_t *out_size,
    struct tally_hash *out_root, struct tally_error *error);

/*
 * The hash of one record, as the index has it: a record whose line has another
 * was changed since it was indexed.  TALLY_END if the log is not so long.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_leaf(struct tally_log *log, uint64_t index,
    struct tally_hash *out_hash, struct tally_error *error);

/* That the log at one size extends itself at a smaller one. */
struct tally_consistency {
	uint64_t old_size, size;
	struct tally_hash old_root, root;
	struct tally_hash path[64]; /* RFC 6962, section 2.1.2 */
	size_t path_len;            /* 0 if old_size is 0, or size */
};

/*
 * 0 <= old_size <= size, 0 < size.  Returns 0; TALLY_END if the log is not so
 * long; TALLY_E_USAGE.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_consistency(struct tally_log *log, uint64_t old_size, uint64_t size,
    struct tally_consistency *out, struct tally_error *error);

enum tally_proof_verdict {
	TALLY_PROOF_ROOT = 0,   /* holds against the root that was given */
	TALLY_PROOF_UNSIGNED,   /* holds, but nobody vouches for its root */
	TALLY_PROOF_OTHER_ROOT, /* holds, but for another root than given */
	TALLY_PROOF_BROKEN,     /* does not hold in itself */
	TALLY_PROOF_SIGNED,     /* holds, and who is trusted signed its root */
	TALLY_PROOF_OTHER_KEY,  /* holds, but nobody who is trusted signed */
	TALLY_PROOF_FORGED,     /* a trusted key's signature does not hold */
	TALLY_PROOF_RETIRED,    /* holds, but who signed was retired, and no
				   cosignature or timestamp is older */
};

/* A timestamp of RFC 3161 over a checkpoint: the authority's response, or the
 * token alone, DER. */
struct tally_timestamp {
	const void *token;
	size_t token_len;
	const char *note; /* the signed note that it is over: of the same
			     checkpoint, perhaps with other signatures;
			     NULL: as the checkpoint stands in the proof */
	size_t note_len;
};

/* Whom a judge trusts; zero trusts nobody.  All that is given must agree. */
struct tally_trust {
	const struct tally_hash *root; /* a root that somebody vouches for */
	const char *const *vkeys;      /* any one of these signs the log */
	size_t vkeys_len;
	const char *policy; /* text of a C2SP policy, or NULL */
	size_t policy_len;
	/* The bundle of all of tally:log (tally/bundle.h), or NULL: vkeys are
	 * the keys that it begins with, and its orders say which came and
	 * which went.  It must hold, and one of them must have signed it. */
	const char *orders;
	size_t orders_len;
	/* With orders: what a retired key signed holds if one of these is older
	 * than the order, by the certificates in tsa (PEM). */
	const struct tally_timestamp *timestamps;
	size_t timestamps_len;
	const char *tsa;
	size_t tsa_len;
};

struct tally_proof {
	enum tally_proof_verdict verdict;
	const char *detail; /* static storage; what does not hold */
	char origin[TALLY_ORIGIN_MAX + 1];
	uint64_t size;
	struct tally_hash root;
	bool has_signatures;        /* whoever made them */
	struct tally_record record; /* views tally_proof.storage */
	void *storage;              /* free() with tally_proof_wipe */
};

/*
 * Judges a proof without the log.  root NULL: none is known.
 * Returns 0 with a verdict; TALLY_E_FORMAT if the text is no proof (the
 * message names the line); TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_proof_check(const char *text, size_t len, const struct tally_hash *root,
    struct tally_proof *out_proof, struct tally_error *error);

/*
 * The same, by whom the judge trusts; a key counts for the origin that it is
 * named after.  Also TALLY_E_USAGE if a key or the policy is none.
 */
TALLY_API TALLY_MUST_CHECK int
tally_proof_judge(const char *text, size_t len, const struct tally_trust *trust,
    struct tally_proof *out_proof, struct tally_error *error);

TALLY_API void
tally_proof_wipe(struct tally_proof *proof);

#ifdef __cplusplus
}
#endif
#endif
