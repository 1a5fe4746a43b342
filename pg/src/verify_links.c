/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of the chains.  Records of a chain that does not fit together are
 * sorted, and gone over place by place (core/walk.h).
 */
#include "postgres.h"

#include "compat.h"
#include "hasher.h"
#include "verify_accused.h"
#include "verify_links.h"
#include "verify_outside.h"
#include "verify_runs.h"
#include "verify_sort.h"

#include "core/walk.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

struct tally_links
{
	struct tally_runs *runs;
	struct tally_sorter *steps; /* of suspect chains */
	bool		has_suspects;
	struct tally_judge judge;
	struct tally_walk walk;
	struct tally_places places;
};

enum
{
	STEP_CHAIN,
	STEP_SEQ,
	STEP_AT,
	STEP_BYTES,
	STEP_COLUMNS,
};

/* A step as it stands in the sorter. */
struct step_bytes
{
	int32		header;
	uint8		bytes[sizeof(struct tally_step)];
};

/* ---- what the core needs of us ---------------------------------------- */

static uint64
encode_tid(const ItemPointerData * tid)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static void judge_tell(void *arg, enum tally_finding_kind kind,
					   const struct tally_seen *chain, int64_t seq,
					   int64_t end, const char *format, va_list args)
			pg_attribute_printf(6, 0);

static void
judge_tell(void *arg, enum tally_finding_kind kind,
		   const struct tally_seen *chain, int64_t seq, int64_t end,
		   const char *format, va_list args)
{
	struct tally_subject subject = {chain == NULL ? NULL : chain->name, seq};

	tally_report_vtell(arg, kind, &subject, format, args);
}

static void
judge_accuse(void *arg, uint64_t at, struct tally_seen *chain, int64_t seq)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, (BlockNumber) (at >> 16), (OffsetNumber) at);
	tally_accused_add(arg, &tid, (struct tally_chain *) chain, seq);
}

static void
judge_found(void *arg, struct tally_seen *seen, int64_t seq,
			const struct tally_step *step)
{
	struct tally_chain *chain = (struct tally_chain *) seen;

	if (chain->watch != NULL)
		tally_outside_pass(chain, seq, step);
}

static struct tally_seen *
judge_next(void *arg, size_t *position)
{
	int			number = (int) *position;
	struct tally_chain *chain = tally_chains_next(arg, &number);

	*position = number;
	return (struct tally_seen *) chain;
}

static void
judge_pause(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

void
tally_links_open(struct tally_verifier *v)
{
	/* Some megabytes, of which what is not written is not touched. */
	v->links = palloc(sizeof(*v->links));
	v->links->runs = tally_runs_new();
	v->links->has_suspects = false;
	v->links->judge = (struct tally_judge)
	{
		.arg = v,
			.hasher = tally_hasher_get(),
			.from = v->scope.from,
			.to = v->scope.to,
			.only = (struct tally_seen *) tally_chains_only(v),
			.tell = judge_tell,
			.accuse = judge_accuse,
			.found = judge_found,
			.next = judge_next,
			.pause = judge_pause,
	};
	tally_places_init(&v->links->places, &v->links->judge);
}

/* ---- while records pass ----------------------------------------------- */

static void
make_step(const struct tally_sealed *record, const struct tally_chain *chain,
		  struct tally_step *step)
{
	step->at = encode_tid(&record->tid);
	step->seq = record->has_seq ? record->seq : 0;
	step->has_prev = record->has_prev;
	step->has_hash = record->has_hash;
	step->damage = record->damage;
	step->prev = record->prev;
	step->hash = record->hash;
	step->parts = tally_record_parts(record);
	tally_step_judge(step, tally_hasher_get(),
					 chain == NULL ? NULL : &chain->seen);
}

void
tally_links_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_chain *chain;
	struct tally_step step;

	if (!record->has_chain)
	{
		make_step(record, NULL, &step);
		tally_places_add_stray(&v->links->places, NULL, &step);
		return;
	}
	chain = tally_chains_get(v, record->chain_id);
	chain->seen.records++;
	make_step(record, chain, &step);
	if (chain->watch != NULL)
		tally_outside_pass(chain, record->seq, &step);
	if (step.holds)
	{
		tally_runs_add(v->links->runs, record->chain_id, record->seq,
					   &record->prev, &record->hash);
		return;
	}
	chain->bad++;
	chain->suspect = true;
}

/* ---- all suspect chains ----------------------------------------------- */

static void
put_bytes(struct tally_verifier *v, const struct tally_sealed *record,
		  const struct tally_step *step)
{
	struct step_bytes room;
	Datum		values[STEP_COLUMNS];
	bool		nulls[STEP_COLUMNS] = {false};

	values[STEP_CHAIN] = Int64GetDatum(record->chain_id);
	values[STEP_SEQ] = Int64GetDatum(step->seq);
	values[STEP_AT] = Int64GetDatum((int64) step->at);
	SET_VARSIZE(&room, VARHDRSZ + sizeof(*step));
	memcpy(room.bytes, step, sizeof(*step));
	values[STEP_BYTES] = PointerGetDatum(&room);
	tally_sorter_put(v->links->steps, values, nulls);
}

static bool
put_step(struct tally_verifier *v, const struct tally_sealed *record,
		 void *arg)
{
	struct tally_chain *chain;
	struct tally_step step;

	if (!record->has_chain)
		return true;
	chain = tally_chains_get(v, record->chain_id);
	if (!chain->suspect || !tally_scope_is_near(&v->scope, record))
		return true;
	/* It is copied as a whole. */
	memset(&step, 0, sizeof(step));
	make_step(record, chain, &step);
	if (chain->seen.name == NULL || step.seq == 0)
		tally_places_add_stray(&v->links->places, &chain->seen, &step);
	else
		put_bytes(v, record, &step);
	return true;
}

static void
walk_steps(struct tally_verifier *v)
{
	struct tally_walk *walk = &v->links->walk;
	struct tally_chain *chain;
	struct tally_step step;
	Datum	   *values;
	bool	   *nulls;

	tally_walk_init(walk, &v->links->places, Max(v->scope.from - 1, 1));
	while (tally_sorter_next(v->links->steps, &values, &nulls))
	{
		CHECK_FOR_INTERRUPTS();
		chain = tally_chains_get(v, DatumGetInt64(values[STEP_CHAIN]));
		memcpy(&step, VARDATA_ANY(DatumGetPointer(values[STEP_BYTES])),
			   sizeof(step));
		tally_walk_take(walk, &chain->seen, &step);
	}
	tally_walk_end(walk);
}

static void
judge_suspects(struct tally_verifier *v)
{
	static const Oid types[STEP_COLUMNS] = {
		INT8OID, INT8OID, INT8OID, BYTEAOID,
	};
	struct tally_chain *chain;
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		if (!chain->suspect)
			continue;
		v->links->has_suspects = true;
		chain->seen.last_seq = 0;
		tally_walk_judge_name(&v->links->judge, &chain->seen, chain->bad);
	}
	if (!v->links->has_suspects)
		return;
	v->links->steps = tally_sorter_new(STEP_COLUMNS, types, 3, 2);
	tally_record_walk(v, 0, put_step, NULL);
	tally_sorter_sort(v->links->steps);
	walk_steps(v);
	tally_sorter_free(v->links->steps);
}

/* The end that was asked for must be there. */
static void
judge_end(struct tally_verifier *v)
{
	struct tally_chain *only = tally_chains_only(v);
	struct tally_hole hole = {(struct tally_seen *) only};

	if (only == NULL || only->seen.name == NULL ||
		v->scope.to == PG_INT64_MAX || only->seen.last_seq >= v->scope.to)
		return;
	hole.begin = Max(only->seen.last_seq + 1, v->scope.from);
	hole.end = v->scope.to + 1;
	tally_places_add_hole(&v->links->places, &hole);
}

void
tally_links_judge(struct tally_verifier *v)
{
	tally_runs_join(v, v->links->runs, Max(v->scope.from - 1, 1));
	judge_suspects(v);
	judge_end(v);
	tally_places_resolve(&v->links->places);
}
