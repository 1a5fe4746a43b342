/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge: everything that is known about the log so far, and what to call
 * what does not fit.  It goes over records in the order of the log; clean
 * chunks are joined to it whole (join.c), all others line by line.
 *
 * Terms.  The head of a chain is its last record in place.  A step is a
 * record as the chain sees it.  A chain is in trouble while something about
 * it waits for what comes next:
 *
 *	next    a record that does not follow the head.  The chain's next
 *	        record tells whether it is next that is out of place, or
 *	        what lies between, or the head.
 *	early   records that stand before their predecessors.
 *	gap     seqs that did not come (yet).
 *	lost    a damaged record whose chain is not known: it may turn out to
 *	        be what a gap wants.
 *	doubt   a record with a seq that was there already: whether it is a
 *	        copy, a fork or foreign is told by a second walk (second.c).
 *
 * All of these are bounded tables.  When one is full, its oldest entry is
 * named as if the log ended there: nothing is left out, it is only named
 * less precisely.
 */
#ifndef TALLY_VERIFY_JUDGE_H
#define TALLY_VERIFY_JUDGE_H

#include "core/tree.h"
#include "verify/chunk.h"
#include "verify/heads.h"
#include "verify/orders.h"
#include "verify/report.h"
#include "verify/salvage.h"
#include "verify/served.h"

#define TALLY_TROUBLES_MAX 256
#define TALLY_EARLIES_MAX 1024
#define TALLY_GAPS_MAX 4096
#define TALLY_LOST_MAX 4096
#define TALLY_DOUBTS_MAX 8192
#define TALLY_BOUNDS_MAX 64

/* Hashes that repairs of names may make in all, and visits of heads. */
#define TALLY_REPAIR_BUDGET ((uint64_t)4 << 20)
#define TALLY_VISIT_BUDGET ((uint64_t)1 << 32)

struct tally_step {
	struct tally_hash prev;
	struct tally_hash hash;
	struct tally_hash alt; /* with has_alt: its successor may also hold
				  this one */
	uint64_t seq;
	struct tally_where where;
	uint32_t chain;
	bool has_alt;
	bool wild;    /* no hash is known: every successor links */
	bool accused; /* it was told already */
};

struct tally_trouble {
	uint32_t chain; /* TALLY_CHAIN_NONE: this one is free */
	bool has_next;
	bool has_alt; /* these three say of the head what a step says */
	bool wild;
	bool accused;
	struct tally_hash alt;
	struct tally_step next;
};

struct tally_gap {
	uint32_t chain;
	bool has_before;
	bool has_after;
	uint64_t begin;           /* first seq */
	uint64_t end;             /* last seq + 1 */
	struct tally_hash before; /* hash of the record before it */
	struct tally_hash after;  /* what the record behind it links to */
	uint64_t low_index;       /* where what is missing can have been */
	uint32_t extent;          /* of the record before it */
	struct tally_where where; /* of the record behind it */
};

struct tally_lost {
	enum tally_finding_kind kind;
	struct tally_where where;
	uint32_t chain; /* claimed, or TALLY_CHAIN_NONE */
	bool has_seq;
	bool has_hash;
	uint64_t seq;
	struct tally_hash hash;          /* as stored */
	char name[TALLY_CHAIN_TEXT_MAX]; /* claimed */
	size_t name_len;
};

struct tally_doubt {
	struct tally_step step;
	bool has_prev;
	bool has_other; /* what the second walk found */
	bool is_copy;
	bool has_parent;
};

/* A segment whose name does not fit what was counted. */
struct tally_bound {
	uint32_t extent;
	int64_t shift; /* records that its name says are missing before it */
};

struct tally_judge {
	const struct tally_snapshot *snapshot;
	const struct tally_verify_options *options;
	const struct tally_chunk_plan *plan;
	struct tally_report *report;
	struct tally_scanner *scanner; /* of the thread that has the turn */
	struct tally_source source;
	struct tally_big *big;
	struct tally_error *error;

	/* How far it is. */
	uint64_t size;        /* records in the order of the log */
	uint64_t records;     /* of these, judged */
	uint32_t extent;      /* segment that was entered last + 1 */
	uint32_t done_extent; /* lines before this place are done */
	uint64_t done_offset;
	bool cut; /* what follows lies behind a torn place */
	struct tally_frontier frontier;
	bool root_seen;         /* the size of the outside root was passed */
	struct tally_hash root; /* at that size */
	struct tally_chains chains;
	uint32_t log_chain; /* tally:log */
	bool log_begun;     /* its first record came in place */
	struct tally_where log_where;

	/* What waits; the tables grow up to their bounds. */
	bool no_memory; /* one could not */
	struct tally_trouble *troubles;
	uint32_t troubles_next; /* which one gives way */
	uint32_t troubles_used;
	struct tally_step *earlies;
	uint32_t earlies_len;
	struct tally_gap *gaps;
	uint32_t gaps_len;
	struct tally_lost *lost;
	uint32_t lost_len;
	struct tally_doubt *doubts;
	uint32_t doubts_len;
	struct tally_bound bounds[TALLY_BOUNDS_MAX];
	uint32_t bounds_len;
	int64_t shift;   /* of the last segment that was entered */
	bool has_erased; /* lines that the second walk holds against orders */
	struct tally_orders orders;
	struct tally_sealed sealed;
	struct tally_served served;

	/* Counts for what the names of the segments say; told findings, of
	 * places before the last segment. */
	uint64_t extra;   /* records too many */
	uint64_t missing; /* seqs */
	uint64_t moved;   /* records out of place, anywhere */
	uint64_t repair_budget;
	uint64_t visit_budget;
	struct tally_ids *ids; /* NULL unless options.ids */
};

/* judge.c */
TALLY_MUST_CHECK int
tally_judge_init(struct tally_judge *judge);

void
tally_judge_wipe(struct tally_judge *judge);

/* Goes over to a segment, and over the empty ones before it. */
void
tally_judge_enter(struct tally_judge *judge, uint32_t extent);

/* One record more: its leaf. */
void
tally_judge_leaf(struct tally_judge *judge, const struct tally_hash *leaf);

/* A line that holds, or whose content alone was altered. */
TALLY_MUST_CHECK int
tally_judge_record(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_where *where);

/* lines.c: takes a chunk that was scanned; its first_index is set if it is
 * clean. */
TALLY_MUST_CHECK int
tally_judge_chunk(struct tally_judge *judge, const struct tally_chunk *chunk);

/* join.c: not joined, nothing was changed and the judge must go over it. */
TALLY_MUST_CHECK int
tally_judge_join(struct tally_judge *judge, const struct tally_chunk *chunk,
    bool *out_joined);

/* piece.c: bytes [begin, end) of a segment that are not one good line.
 * Takes the records in them. */
TALLY_MUST_CHECK int
tally_judge_run(struct tally_judge *judge, uint32_t extent, uint64_t begin,
    uint64_t end);

/* identity.c: which record is it?  TALLY_CHAIN_NONE if that is not known. */
TALLY_MUST_CHECK int
tally_judge_identify(struct tally_judge *judge, const char *text,
    const struct tally_salvage *salvage, uint32_t *out_chain,
    uint64_t *out_seq);

/* steps.c */
void
tally_steps_take(struct tally_judge *judge, const struct tally_step *step);

/* A record that is bad itself, and was told; it is where it says. */
void
tally_steps_force(struct tally_judge *judge, const struct tally_step *step);

/* A damaged record whose place is not known. */
void
tally_steps_lose(struct tally_judge *judge, const struct tally_lost *lost);

/* The log ends: names what still waits, but for doubts. */
void
tally_steps_finish(struct tally_judge *judge);

/* The chain's, made if there is none: the oldest is settled if need be. */
struct tally_trouble *
tally_trouble_make(struct tally_judge *judge, uint32_t chain);

void
tally_trouble_settle(struct tally_judge *judge, uint32_t chain);

/* waiting.c: the bounded tables. */
/* Or NULL. */
struct tally_trouble *
tally_trouble_find(const struct tally_judge *judge, uint32_t chain);
/* The table with room for one entry more; NULL if there is no memory, which
 * the judge remembers. */
void *
tally_table_room(struct tally_judge *judge, void *table, uint32_t len,
    size_t size);
void
tally_early_add(struct tally_judge *judge, const struct tally_step *step);
struct tally_step *
tally_early_find(struct tally_judge *judge, uint32_t chain, uint64_t seq);
void
tally_early_drop(struct tally_judge *judge, struct tally_step *early);
void
tally_gap_open(struct tally_judge *judge, const struct tally_gap *gap);
struct tally_gap *
tally_gap_find(struct tally_judge *judge, uint32_t chain, uint64_t seq);
/* One seq of it is there after all; hash and prev where they are known. */
void
tally_gap_split(struct tally_judge *judge, struct tally_gap *gap, uint64_t seq,
    const struct tally_hash *hash, const struct tally_hash *prev);
void
tally_gap_tell(struct tally_judge *judge, const struct tally_gap *gap);
void
tally_lost_tell(struct tally_judge *judge, const struct tally_lost *lost,
    uint32_t chain, uint64_t seq);
void
tally_doubt_add(struct tally_judge *judge, const struct tally_step *step);
/* Makes barrier what the chain's trouble, earlies and outside head ask for. */
void
tally_barrier_set(struct tally_judge *judge, uint32_t chain);

/* told.c: findings, in words. */
void
tally_tell_step(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_step *step, const char *detail);
void
tally_tell_chain(struct tally_judge *judge, enum tally_finding_kind kind,
    uint32_t chain, uint64_t seq, const struct tally_where *where,
    const char *detail);

/* second.c: a second walk, if anything asks for it. */
TALLY_MUST_CHECK int
tally_judge_second(struct tally_judge *judge);

/* outside.c: what the caller and the segments' names know. */
TALLY_MUST_CHECK int
tally_outside_init(struct tally_judge *judge);
/* The record that an outside head speaks of came by. */
void
tally_outside_pass(struct tally_judge *judge, const struct tally_step *step);
void
tally_outside_finish(struct tally_judge *judge);
/* The first record against tally.json. */
void
tally_outside_first(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_where *where);

#endif
