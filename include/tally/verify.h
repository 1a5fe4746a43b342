/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying a log: one pass, in constant memory, over all cores, beside live
 * writers.  It finds everything, names each finding, and says what it did not
 * cover.  It never writes to the log.
 */
#ifndef TALLY_VERIFY_H
#define TALLY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/record.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tally_verdict_code {
	TALLY_INTACT = 0,
	TALLY_TAMPERED,
	TALLY_UNVERIFIABLE, /* nothing found, but something not judged; or
			       nothing to judge */
};

/* The names of the kinds are the lower-case words, "content-altered" etc. */
enum tally_finding_kind {
	TALLY_DAMAGED = 0,
	TALLY_CONTENT_ALTERED,
	TALLY_LINK_ALTERED,
	TALLY_MISSING,
	TALLY_INSERTED,
	TALLY_REORDERED,
	TALLY_FORKED,
	TALLY_DUPLICATE,
	TALLY_TRUNCATED,
	TALLY_ROLLED_BACK,
	TALLY_UNSEALED,
	TALLY_ERASED,    /* not a break */
	TALLY_TORN_TAIL, /* not a break */
	TALLY_LEGACY,
	TALLY_NOT_JUDGED, /* "unverifiable" */
	TALLY_KIND_COUNT,
};

/* What a verification did not cover: bits of tally_verdict.not_covered. */
enum {
	TALLY_UNCOVERED_ORDER = 1,         /* the order between chains */
	TALLY_UNCOVERED_LAST = 2,          /* the last record of each chain */
	TALLY_UNCOVERED_CHAINS = 4,        /* whole chains */
	TALLY_UNCOVERED_IDS = 8,           /* that ids are unique */
	TALLY_UNCOVERED_OTHER_CHAINS = 16, /* chains that were not asked for */
	TALLY_UNCOVERED_TAIL = 32,         /* what is not durable yet, or was
				       appended since it began */
	TALLY_UNCOVERED_DETACHED = 64, /* in a database: what was done to rows
					  while their table was detached */
	TALLY_UNCOVERED_ORDERS = 128,  /* who signed the orders in tally:log */
	TALLY_UNCOVERED_CHECKPOINT = 256, /* who signed public/checkpoint */
};

struct tally_finding {
	enum tally_finding_kind kind;
	const char *chain;  /* plain name, or NULL if it is not known */
	uint64_t seq;       /* first seq; 0 if it is not known */
	uint64_t seq_end;   /* last seq + 1, where the finding is a range */
	uint64_t index;     /* UINT64_MAX if it has none (a missing record) */
	const char *file;   /* "log/00000000000000000000.jsonl",
			       "public/checkpoint", or NULL */
	uint64_t offset;    /* byte offset in the file */
	const char *detail; /* one sentence, no full stop */
	/* In a database (tally/pg.h), else NULL: */
	const char *source; /* label of the table whose row it is about */
	const char *key;    /* of that row */
};

struct tally_progress {
	uint64_t bytes;
	uint64_t bytes_total;
	uint64_t records;
	double seconds;
};

struct tally_verify_options {
	unsigned jobs;     /* 0: as many as there are processors */
	const char *chain; /* NULL: all; else only this chain is judged */
	size_t chain_len;
	bool ids;      /* also that no id stands twice in its chain */
	bool has_root; /* an outside root: size and root */
	uint64_t root_size;
	struct tally_hash root;
	const struct tally_outside_head *heads;
	size_t heads_len;
	bool heads_complete; /* heads are all chains as of one size: a chain
				beside them that began before is inserted */
	/*
	 * In a database (tally/pg.h): the hash that a copy has of a record, so
	 * that the first that differs can be named; or NULL.  Returns 0 or an
	 * error, which ends the verification.
	 */
	int (*copy)(void *copy_arg, const char *chain, size_t chain_len,
	    uint64_t seq, struct tally_hash *out_hash,
	    struct tally_error *error);
	void *copy_arg;
	const char *const *vkeys; /* keys of the log, known from outside: orders
				     in tally:log are judged by them, and
				     public/checkpoint */
	size_t vkeys_len;
	const char *resume; /* file: go on from what it holds, keep it there
			       when interrupted; NULL: none */
	/*
	 * File, or NULL: when the verdict is intact, what is known before the
	 * last segment is kept there, and stays.  A verification that resumes
	 * from it, without root, reads the last segment and what comes behind
	 * it, and knows the rest; with both the same file, one that is
	 * interrupted leaves it as it is.  With one segment there is none.
	 */
	const char *keep;
	/* Called for every finding, in order, from one thread at a time. */
	void (*finding)(void *arg, const struct tally_finding *finding);
	/* Called about ten times a second; not 0 interrupts. */
	int (*progress)(void *arg, const struct tally_progress *progress);
	void *arg;
};

struct tally_verdict {
	enum tally_verdict_code verdict;
	uint64_t records;
	uint64_t chains;
	uint64_t size;          /* of the log, as far as it was covered */
	struct tally_hash root; /* RFC 6962, over the stored order */
	double seconds;
	uint64_t findings;
	uint64_t by_kind[TALLY_KIND_COUNT];
	unsigned not_covered;
	bool resumed;
};

/* "content-altered" and so on; static storage. */
TALLY_API const char *
tally_finding_name(enum tally_finding_kind kind);

/* Is it a break (erased, torn-tail and legacy are none)? */
TALLY_API bool
tally_finding_is_break(enum tally_finding_kind kind);

/* "intact", "tampered", "unverifiable"; static storage. */
TALLY_API const char *
tally_verdict_name(enum tally_verdict_code verdict);

/*
 * Verifies the log in dir; options may be NULL.
 * Returns 0 with a verdict, whatever that is; TALLY_PARTIAL if progress
 * interrupted it (with resume, the state was kept); or an error if it could
 * not verify at all.
 */
TALLY_API TALLY_MUST_CHECK int
tally_verify(const char *dir, const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
