/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension's own tables, read and written below the executor: no
 * trigger fires, no right is asked for, no search_path matters.
 */
#ifndef TALLY_PG_STORE_H
#define TALLY_PG_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include <tally/record.h>

#define TALLY_SCHEMA "tally"
#define TALLY_LOG_CHAIN "tally:log"

/* Columns of tally.record, of the others in their order in the script. */
enum
{
	TALLY_RECORD_CHAIN_ID = 1,
	TALLY_RECORD_SEQ,
	TALLY_RECORD_TIME,
	TALLY_RECORD_EPOCH,
	TALLY_RECORD_EVENT_ID,
	TALLY_RECORD_DIGEST,
	TALLY_RECORD_PREV,
	TALLY_RECORD_HASH,
	TALLY_RECORD_KEY,
	TALLY_RECORD_ID,
	TALLY_RECORD_SALT,
	TALLY_RECORD_COLUMNS = TALLY_RECORD_SALT
};

enum
{
	TALLY_CHAIN_ID = 1,
	TALLY_CHAIN_NAME,
	TALLY_CHAIN_COLUMNS = TALLY_CHAIN_NAME
};

enum
{
	TALLY_EVENT_ID = 1,
	TALLY_EVENT_EVENT,
	TALLY_EVENT_COLUMNS = TALLY_EVENT_EVENT
};

enum
{
	TALLY_ATTACHMENT_RELATION = 1,
	TALLY_ATTACHMENT_EPOCH,
	TALLY_ATTACHMENT_LABEL,
	TALLY_ATTACHMENT_COLUMNS = TALLY_ATTACHMENT_LABEL
};

enum
{
	TALLY_ORIGIN_NUMBER = 1,
	TALLY_ORIGIN_CLUSTER,
	TALLY_ORIGIN_DATABASE,
	TALLY_ORIGIN_NAME,
	TALLY_ORIGIN_RECORD,
	TALLY_ORIGIN_TIMELINE,
	TALLY_ORIGIN_COLUMNS = TALLY_ORIGIN_TIMELINE
};

enum
{
	TALLY_BACKFILL_RELATION = 1,
	TALLY_BACKFILL_ERA,
	TALLY_BACKFILL_POSITION,
	TALLY_BACKFILL_TAKEN,
	TALLY_BACKFILL_IS_FINISHED,
	TALLY_BACKFILL_COLUMNS = TALLY_BACKFILL_IS_FINISHED
};

/*
 * Somebody may have added columns and dropped them again, which leaves them in
 * the tuples, as nulls: up to so many.
 */
#define TALLY_SPARE_COLUMNS 16

struct tally_tables
{
	Oid			chain;
	Oid			chain_id;		/* index (id) */
	Oid			chain_name;		/* index (name) */
	Oid			chain_number;	/* sequence */
	Oid			event;
	Oid			event_id;		/* index (id) */
	Oid			event_number;	/* sequence */
	Oid			record;
	Oid			record_seq;		/* index (chain_id, seq) */
	Oid			record_id;		/* index (chain_id, id) where id is not null */
	Oid			attachment;
	Oid			attachment_relation;	/* index (relation) */
	Oid			attachment_label;	/* index (label) */
	Oid			origin;
	Oid			origin_number;	/* index (number) */
	Oid			backfill;
	Oid			backfill_relation;	/* index (relation) */
};

/* The head of a chain; seq 0 and a zero hash where it has no record yet. */
struct tally_stored_head
{
	uint64		seq;
	struct tally_hash hash;
	TimestampTz time;
};

/* A record to insert; key and id may be NULL, salt too. */
struct tally_stored_record
{
	int64		chain_id;
	uint64		seq;
	TimestampTz time;
	int64		epoch;			/* 0: no row */
	int64		event_id;		/* 0: its event is not kept */
	const struct tally_hash *digest;
	const struct tally_hash *prev;
	const struct tally_hash *hash;
	const char *key;
	Size		key_len;
	const char *id;
	Size		id_len;
	const uint8 *salt;
};

/* ---- store_tables.c ---- */

/* From _PG_init, once. */
extern void tally_store_init(void);

/*
 * The oids of the tables, cached.  ERROR (undefined_object) if the extension
 * is not created in this database.
 */
extern const struct tally_tables *tally_store_tables(void);

/* Are they all there?  Never an error. */
extern bool tally_store_has_tables(void);

/*
 * Grow with each change, as far as this backend has heard of it, of any of the
 * tables or of tally.chain: what was learnt of them may be so no longer.
 */
extern uint64 tally_store_changes(void);
extern uint64 tally_store_chain_changes(void);

/* ---- store_judge.c ---- */

/*
 * ERROR if there is a column, a trigger, an index or a rule of this table of
 * ours that we did not make.  Judged again after a change only.
 */
extern void tally_store_judge(Relation rel);

/* ---- store.c ---- */

/*
 * Takes the locks that sealing will need, for the rest of the transaction,
 * so that nobody waits for one while holding a chain; judges tally.record.
 */
extern void tally_store_prepare(void);

/*
 * Calls take, for each record of tally:log as SnapshotSelf shows them, in
 * their order, with its seq and the id of its event; until it returns false.
 */
extern void tally_store_walk_log(bool (*take) (int64 seq, int64 event_id,
											   void *arg), void *arg);

/* Inserts a row, of which no value is null, with its indexes. */
extern void tally_store_insert(Oid table, const Datum *columns, int ncolumns);

/* Inserts an event that is kept; gives its tally.event.id. */
extern int64 tally_store_event(const char *event, Size len);

/* Takes back an event that this transaction stored. */
extern void tally_store_forget_event(int64 id);

/* The text of an event under snapshot, palloc'd, or NULL. */
extern char *tally_store_read_event(int64 id, Snapshot snapshot);

/*
 * The id of a chain by its plain name under snapshot, or 0.  Chains are made
 * only under their lock.
 */
extern int64 tally_store_find_chain(const char *name, Size len,
									Snapshot snapshot);

/*
 * The same for committed chains, from the backend's cache if it knows: a
 * chain is never taken back.  Not to be asked after this transaction may have
 * made chains itself.
 */
extern int64 tally_store_known_chain(const char *name, Size len);

extern int64 tally_store_make_chain(const char *name, Size len);

/* The head that a record in slot makes; ERROR if it is malformed. */
extern void tally_store_get_head(TupleTableSlot *slot,
								 struct tally_stored_head *out);

extern void tally_store_read_head(int64 chain_id, Snapshot snapshot,
								  struct tally_stored_head *out);

/*
 * The record of an id in a chain under snapshot; false if there is none.
 * out_digest may be NULL.
 */
extern bool tally_store_find_id(int64 chain_id, const char *id, Size len,
								Snapshot snapshot,
								struct tally_stored_head *out,
								struct tally_hash *out_digest);

/*
 * Writing records: open before the chains are locked, since it prepares all
 * that can be; then read heads, append any number, close.  Records are written
 * in batches; flush writes what is waiting.
 */
struct tally_store_writer;
extern struct tally_store_writer *tally_store_open(void);

/*
 * The head of a chain as SnapshotSelf shows it (P4).  hint: a seq that it has
 * reached, probably, or 0; it saves reading a whole page of the index.
 */
extern void tally_store_writer_head(struct tally_store_writer *writer,
									int64 chain_id, uint64 hint,
									struct tally_stored_head *out);
extern void tally_store_append(struct tally_store_writer *writer,
							   const struct tally_stored_record *record);
extern void tally_store_flush(struct tally_store_writer *writer);
extern void tally_store_close(struct tally_store_writer *writer);

/*
 * The configuration table: one row per attached relation.  Both send the
 * relation's invalidation, so that every backend looks again.  remove
 * returns false if there was no row.
 */
extern void tally_store_add_attachment(Oid relation, int64 epoch,
									   const char *label);
extern bool tally_store_remove_attachment(Oid relation);

/*
 * The attachment of exactly this relation under snapshot; false if there is
 * none.  out_label (may be NULL) is palloc'd.
 */
extern bool tally_store_find_attachment(Oid relation, Snapshot snapshot,
										int64 *out_epoch, char **out_label);

/* The relation that has this label under snapshot, or InvalidOid. */
extern Oid	tally_store_find_label(const char *label, Snapshot snapshot);

#endif
