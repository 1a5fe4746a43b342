/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this transaction captured and has not sealed.
 *
 * Two arrays that only grow at their ends: entries, and the bytes that
 * entries refer to by offset.  A savepoint is a mark in both; rolling it back
 * cuts them there, so a loop of rolled-back savepoints costs no memory.
 */
#ifndef TALLY_PG_PENDING_H
#define TALLY_PG_PENDING_H

#include "postgres.h"

#include "core/text.h"

#include "access/htup.h"
#include "storage/itemptr.h"

/* A chain that this transaction has captured something for. */
struct tally_pending_chain
{
	char	   *name;			/* plain */
	Size		name_len;
	uint64		hash;			/* of the name */
	uint64		count;			/* of entries; counted when sealing begins */
	/* Filled in while sealing: */
	int64		id;
	uint64		seq;			/* of its head */
	struct tally_hash head;
	char		escaped[TALLY_CHAIN_TEXT_MAX];
	Size		escaped_len;
};

/*
 * The version of a row that was there before (tally.backfill): sealed only if
 * it still is the row when the chain is locked.
 */
struct tally_version
{
	Oid			relation;
	ItemPointerData tid;
	TransactionId xmin;
};

struct tally_pending
{
	uint32		chain;			/* position among the chains */
	uint16		key_len;
	uint16		id_len;
	bool		has_key;
	bool		has_id;
	bool		has_salt;
	bool		only_first;		/* dropped unless it is the chain's first */
	bool		wants_receipt;
	bool		has_version;
	bool		is_gone;		/* not to be sealed: that version is gone */
	int64		epoch;
	int64		event_id;
	uint64		bytes;			/* offset of salt, key, id and version, in
								 * this order */
	CommandId	made_by;		/* of a row: the command that changed it */
	CommandId	before;			/* to be sealed before what came from here on */
	struct tally_hash digest;
};

/* What to remember; everything is copied. */
struct tally_pending_request
{
	const char *chain;			/* plain, legal */
	Size		chain_len;
	const struct tally_hash *digest;
	const uint8 *salt;			/* NULL: none */
	int64		epoch;			/* 0: no row */
	int64		event_id;		/* 0: not kept */
	const char *key;			/* NULL: no row */
	Size		key_len;
	CommandId	made_by;		/* which changed the row */
	CommandId	before;			/* of that key; InvalidCommandId: none */
	const char *id;				/* NULL: none */
	Size		id_len;
	bool		only_first;
	bool		wants_receipt;	/* which tally_seal_receipt will give */
	const struct tally_version *version;	/* NULL: sealed in any case */
};

/*
 * Remembers one more.  ERROR (program_limit_exceeded) from
 * tally.max_rows_per_transaction on.
 */
extern void tally_pending_add(const struct tally_pending_request *request);

extern uint64 tally_pending_count(void);
extern struct tally_pending *tally_pending_get(uint64 position);
extern struct tally_pending_chain *tally_pending_chains(uint32 *out_count);

/*
 * Brings what was captured of a row into the order in which it happened
 * (pending_order.c).  Before sealing; not more than once.
 */
extern bool tally_pending_is_disordered(void);
extern void tally_pending_put_in_order(void);

/*
 * With the chains' locks: leaves out what is of a version of a row that is no
 * longer the row, and gives the number of these (pending_gone.c).
 */
extern uint64 tally_pending_leave_gone(void);

/* Counts the entries of each chain anew (savepoints may have gone). */
extern void tally_pending_count_chains(void);

extern const uint8 *tally_pending_salt(const struct tally_pending *entry);
extern const char *tally_pending_key(const struct tally_pending *entry);
extern const char *tally_pending_id(const struct tally_pending *entry);
extern void tally_pending_version(const struct tally_pending *entry,
								  struct tally_version *out);

/* The end of the subtransaction of this nesting level. */
extern void tally_pending_commit_sub(int level);
extern void tally_pending_abort_sub(int level);

/* The end of the transaction: forgets all. */
extern void tally_pending_reset(void);

#endif
