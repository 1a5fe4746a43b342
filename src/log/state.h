/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared runtime state, run/state: what all writers of a log on one
 * machine know together.  Derived: it can be lost at any moment and is then
 * rebuilt from the segments.
 *
 * Who may touch what:
 *   - the chains, the recent ids, the tail: whoever holds the order lock;
 *     the tail's place may be read by anybody (tally_state_tail);
 *   - the durable place, sync_began, sync_ended: whoever holds the sync lock;
 *     the place may be read by anybody (tally_state_durable);
 *   - epoch and bells: anybody; they only decide who sleeps, never who may
 *     write.
 *
 * Killed at any instruction.  A place is published by one store of turn.  A
 * chain keeps its last two heads; the valid one is the later of those whose
 * index lies below the published size.  So a writer that dies between its
 * write and its publication leaves heads that nobody takes for valid, and
 * whoever finds dirty set erases them before indexes are given again.
 */
#ifndef TALLY_LOG_STATE_H
#define TALLY_LOG_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/record.h"
#include "core/sip.h"
#include "log/segment.h"

#define TALLY_RUN_NAME "run"
#define TALLY_STATE_NAME "state"
#define TALLY_STATE_BELLS 64
#define TALLY_NO_INDEX UINT64_MAX

/* Why a log is poisoned (R5). */
enum {
	TALLY_SOUND = 0,
	TALLY_LEADER_DIED = 1, /* in its sync; recovery comes by itself */
	TALLY_SYNC_FAILED = 2, /* the system said so */
};

/* A published place: two copies, the valid one is turn % 2. */
struct tally_published {
	_Atomic uint64_t turn;
	struct {
		_Atomic uint64_t size;
		_Atomic uint64_t segment;
		_Atomic uint64_t offset;
	} copy[2];
};

/* The last record; valid with the tail, so two copies likewise. */
struct tally_last {
	uint64_t segment;
	uint64_t offset; /* where its line begins */
	struct tally_hash hash;
	int64_t time_us;
	uint64_t chains;                        /* that have a record */
	uint64_t segment_device, segment_inode; /* of the tail's segment */
};

struct tally_chain_head {
	uint64_t index; /* TALLY_NO_INDEX: none */
	uint64_t seq;
	int64_t time_us;
	struct tally_hash hash;
};

struct tally_chain {
	uint64_t key;     /* 0: the slot is empty */
	uint64_t name_at; /* escaped, in the arena */
	uint32_t name_len;
	uint32_t ordinal; /* by first record; UINT32_MAX: has none yet */
	struct tally_chain_head head[2];
};

/* An id that was given lately, and its record. */
struct tally_recent {
	uint64_t key; /* 0: empty */
	uint64_t index;
	uint64_t segment;
	uint64_t offset;
};

/* The file.  Its arrays follow, at the offsets given. */
struct tally_shared {
	char magic[8];
	uint64_t layout; /* of this struct and the arrays: versions of the
			    library that differ here do not share a state */
	uint64_t bytes;
	uint8_t boot[16];
	uint8_t log_id[16];
	uint64_t log_device, log_inode; /* of log/ */
	struct tally_sip_key seed;      /* of all keys in it */
	uint64_t chain_slots; /* a power of two; half of them may be used */
	uint64_t arena_bytes;
	uint64_t recent_slots; /* of each table; a power of two, likewise */
	uint64_t chains_at, order_at, arena_at, recent_at[2];
	/* Of the file that it was made in: a copy, put back beside a log/ that
	 * was given the old inode again, knows no segment. */
	uint64_t own_device, own_inode;

	/* order */
	_Alignas(64) _Atomic uint32_t superseded; /* there is a newer file */
	_Atomic uint32_t poisoned;
	_Atomic uint32_t dirty;
	uint32_t recent_active;
	uint64_t chains_used, arena_used;
	uint64_t recent_used[2];
	uint64_t recent_from[2]; /* the table has every id from this index on */
	uint64_t heads_saved;    /* size at the last snapshot of the heads */
	struct tally_published tail;
	struct tally_last last[2];

	/* durability */
	_Alignas(64) struct tally_published durable;
	_Atomic uint32_t sync_began, sync_ended;
	_Atomic uint64_t syncs;
	_Atomic uint64_t sync_us;
	_Atomic int64_t mark_us; /* monotonic time of the last watermark */
	_Atomic uint64_t indexed_size;  /* records that the index covers */
	_Atomic uint64_t recent_oldest; /* ids of records from here on are in
					   the recent tables */

	_Alignas(64) _Atomic uint32_t epoch;
	_Atomic uint32_t sleepers;  /* on bells; too many only costs a call */
	_Atomic uint32_t growth;    /* counts syncs, for those who follow */
	_Atomic uint32_t followers; /* on growth */
	_Atomic uint32_t crowd;     /* calls that waited when the last sync
				       ended, covered by it or not */
	_Atomic uint32_t wanted;    /* a leader waits for so many; 0: none */
	_Atomic uint32_t rest;      /* syncs to come that do not gather */
	_Atomic uint32_t calls[TALLY_STATE_BELLS]; /* by epoch % BELLS */
	_Alignas(64) _Atomic uint32_t bell[TALLY_STATE_BELLS];
};

/* A handle's view of one such file, or of private memory of that shape. */
struct tally_state {
	struct tally_shared *shared;
	struct tally_chain *chains;
	uint32_t *order;
	char *arena;
	struct tally_recent *recent[2];
	uint64_t device, inode; /* of the file; 0: private */
	_Atomic uint32_t refs;
	bool writable;
};

/* How large a state is to be; zeros are the smallest. */
struct tally_state_room {
	uint64_t chains;
	uint64_t arena_bytes;
	uint64_t recent;
};

/* Whose state it is. */
struct tally_state_owner {
	uint8_t boot[16];
	uint8_t log_id[16];
	uint64_t log_device, log_inode;
};

/*
 * Writes a new state file under a temporary name, in full, and maps it; it
 * becomes the state with tally_state_install.  run_dir < 0, or of a directory
 * that was removed: private memory.
 */
TALLY_MUST_CHECK int
tally_state_create(int run_dir, const struct tally_state_owner *owner,
    const struct tally_state_room *room, struct tally_state **out,
    struct tally_error *error);

TALLY_MUST_CHECK int
tally_state_install(int run_dir, struct tally_state *state,
    struct tally_error *error);

/*
 * Maps the state file that is there.  TALLY_END if there is none, or it is
 * another log's, another boot's, or not whole.
 */
TALLY_MUST_CHECK int
tally_state_attach(int run_dir, const struct tally_state_owner *owner,
    bool writable, struct tally_state **out, struct tally_error *error);

struct tally_state *
tally_state_ref(struct tally_state *state);

void
tally_state_unref(struct tally_state *state);

/* Is it the one at its path in the log's directory, and not superseded? */
bool
tally_state_is_current(const struct tally_state *state, int dir);

/* There is a newer state than this one: everybody who sleeps on it wakes. */
void
tally_state_supersede(struct tally_state *state);

void
tally_published_set(struct tally_published *published,
    const struct tally_place *place);

struct tally_place
tally_published_get(const struct tally_published *published);

static inline struct tally_place
tally_state_tail(const struct tally_state *state)
{
	return tally_published_get(&state->shared->tail);
}

static inline struct tally_place
tally_state_durable(const struct tally_state *state)
{
	return tally_published_get(&state->shared->durable);
}

/* The last record of the tail; order lock. */
static inline const struct tally_last *
tally_state_last(const struct tally_state *state)
{
	return &state->shared->last[state->shared->tail.turn % 2];
}

/* Publishes a new tail with its last record; order lock. */
void
tally_state_publish(struct tally_state *state, const struct tally_place *tail,
    const struct tally_last *last);

/* ---- chains (order lock) ---------------------------------------------- */

struct tally_chain *
tally_state_chain(const struct tally_state *state, uint64_t key,
    const char *name, size_t name_len);

/* Finds or adds; NULL if there is no room. */
struct tally_chain *
tally_state_chain_add(struct tally_state *state, uint64_t key, const char *name,
    size_t name_len);

/* The head below the published size, or NULL. */
const struct tally_chain_head *
tally_state_head(const struct tally_state *state,
    const struct tally_chain *chain);

/* Writes a head that becomes valid with the next publication. */
void
tally_state_head_set(struct tally_state *state, struct tally_chain *chain,
    const struct tally_chain_head *head);

/* Gives a chain its place in the order of first records. */
void
tally_state_chain_order(struct tally_state *state, struct tally_chain *chain,
    uint64_t ordinal);

/* Erases what a dead writer left above the published size. */
void
tally_state_sweep(struct tally_state *state);

/* ---- recent ids (order lock) ------------------------------------------ */

/*
 * Records that may have the id: at first with *cursor 0, then again with what
 * it left there, until NULL.
 */
const struct tally_recent *
tally_state_recent(const struct tally_state *state, uint64_t key,
    uint64_t *cursor);

/* Puts one into a table of the two; the other, into the one in use. */
void
tally_state_recent_put(struct tally_state *state, uint32_t table,
    const struct tally_recent *recent);

void
tally_state_recent_add(struct tally_state *state,
    const struct tally_recent *recent);

/*
 * Starts the other table anew, if the index's runs have what it holds.
 * False if they do not.
 */
bool
tally_state_recent_turn(struct tally_state *state);

#endif
