/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of tally.record, as an adversary may have left it.
 */
#ifndef TALLY_PG_VERIFY_RECORD_H
#define TALLY_PG_VERIFY_RECORD_H

#include "verify.h"

#include "core/step.h"

struct tally_chain;

/* What it points to is there until the next record is read. */
struct tally_sealed
{
	ItemPointerData tid;
	bool		has_chain;
	bool		has_seq;
	bool		has_digest;		/* 32 bytes, as the two below */
	bool		has_prev;
	bool		has_hash;
	bool		has_time;		/* of the years 1970 to 9999 */
	int64		chain_id;
	int64		seq;
	int64		time_us;		/* since 1970 */
	int64		epoch;			/* 0: null */
	int64		event_id;		/* 0: null */
	struct tally_hash digest;
	struct tally_hash prev;
	struct tally_hash hash;		/* as stored */
	const char *key;			/* NULL: null; not terminated */
	Size		key_len;
	const char *id;
	Size		id_len;
	const uint8 *salt;			/* NULL: none */
	const char *damage;			/* what is impossible in it, or NULL */
};

/* Is it in the range that was asked for, or next to it?  Or nobody knows. */
static inline bool
tally_scope_is_near(const struct tally_scope *scope,
					const struct tally_sealed *record)
{
	return scope->chain == NULL || !record->has_seq ||
		(record->seq >= scope->from - 1 &&
		 (scope->to == PG_INT64_MAX || record->seq <= scope->to + 1));
}

/* Returns false to end a walk. */
typedef bool (*tally_record_fn) (struct tally_verifier *v,
								 const struct tally_sealed *record, void *arg);

/*
 * Calls fn for every record that the snapshot shows, in the order in which
 * they lie, until it returns false; of chain chain_id only, unless that is 0.
 * fn is called in the scratch context.
 */
extern void tally_record_walk(struct tally_verifier *v, int64 chain_id,
							  tally_record_fn fn, void *arg);

/* The record at tid; false if the snapshot shows none there. */
extern bool tally_record_fetch(struct tally_verifier *v,
							   const ItemPointerData * tid,
							   tally_record_fn fn, void *arg);

/* What its header is made of; views the record. */
extern struct tally_parts tally_record_parts(const struct tally_sealed *record);

/*
 * The hash that the record's header has as seq of the chain, behind prev.
 * False if its other members make no header, or the chain's name is none.
 */
extern bool tally_record_hash(const struct tally_sealed *record,
							  const struct tally_chain *chain, int64 seq,
							  const struct tally_hash *prev,
							  struct tally_hash *out);

#endif
