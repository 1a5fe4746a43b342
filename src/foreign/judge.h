/* SPDX-License-Identifier: Apache-2.0 */
/* Does one record hold, and by which rule? */
#ifndef TALLY_FOREIGN_JUDGE_H
#define TALLY_FOREIGN_JUDGE_H

#include "core/digest.h"
#include "foreign/out.h"
#include "foreign/profile.h"

/* One record: its line, read into the room's nodes; a node for each field, 0
 * if it is absent (node 0 is the record itself). */
struct tally_row {
	const char *line;
	struct tally_canon_room *room;
	uint32_t node[TALLY_FIELDS_MAX];
};

/* Where inputs are built; grows as needed. */
struct tally_judging {
	const struct tally_profile *profile;
	struct tally_digester digester;
	struct tally_canon_out out;
	int64_t shift_us;         /* of times, while a trap looks for a zone */
	int64_t zone_us;          /* the zone that was found last */
	uint64_t searches, finds; /* of zones */
	/* For members without a value: a document made anew. */
	struct tally_canon_out made;
	struct tally_canon_room made_room;
};

enum tally_judgement {
	TALLY_HOLDS,
	TALLY_HOLDS_BY_TRAP,
	TALLY_HOLDS_NOT,
	TALLY_CHECK_FAILS, /* the record holds, but what it covers does not */
	TALLY_HAS_NO_FORM, /* a field cannot be written as the rules want */
};

static inline bool
tally_row_is_null(const struct tally_row *row, int field)
{
	return field < 0 || row->node[field] == 0 ||
	    row->room->nodes[row->node[field]].type == TALLY_CANON_NULL;
}

/* The characters of a field that is a string without escapes, or a number;
 * else len is 0. */
struct tally_canon_text
tally_row_text(const struct tally_row *row, int field);

/*
 * The same, whatever it is: a string with escapes is decoded into room.
 * 0, TALLY_E_LIMIT or TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_row_plain(const struct tally_row *row, int field,
    struct tally_canon_out *room, struct tally_canon_text *out);

/* The node of the last member of this name in an object; 0 if there is none. */
uint32_t
tally_row_member(const struct tally_row *row, uint32_t object,
    const struct tally_canon_text *plain);

#define TALLY_LINE_MAX ((size_t)16 << 20) /* bytes of a foreign record */

/* Reads a document into a room that grows; TALLY_E_MEMORY, or as
 * tally_canon_read. */
TALLY_MUST_CHECK int
tally_room_read(struct tally_canon_room *room, const char *text, size_t len,
    unsigned read, size_t *out_nodes, struct tally_error *error);

void
tally_room_wipe(struct tally_canon_room *room);

/* Finds the profile's fields in the object that the row's room holds. */
void
tally_row_pick(const struct tally_profile *profile, struct tally_row *row);

/* Is its link that of a record that has no predecessor? */
bool
tally_row_is_start(const struct tally_profile *profile,
    const struct tally_row *row);

/* What is hashed in the place of the link; at is NULL if it has none. */
struct tally_canon_text
tally_row_basis(const struct tally_profile *profile,
    const struct tally_row *row);

/* 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_judging_init(struct tally_judging *judging,
    const struct tally_profile *profile);

void
tally_judging_wipe(struct tally_judging *judging);

/*
 * Builds an input in judging->out.  0; TALLY_E_EVENT or TALLY_E_LIMIT if it
 * has no form; TALLY_E_MEMORY.  Of an input without form, *out_step (may be
 * NULL) is the step that has none.
 */
TALLY_MUST_CHECK int
tally_judge_build(struct tally_judging *judging,
    const struct tally_input *input, const struct tally_row *row,
    const struct tally_canon_text *basis, size_t *out_step);

/* Appends what one step gives; nested digests are tally_judge_build's. */
TALLY_MUST_CHECK int
tally_judge_step(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row, const struct tally_canon_text *basis);

/* Hashes the input of a record; as tally_judge_build. */
TALLY_MUST_CHECK int
tally_judge_hash(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    struct tally_digest *out);

/*
 * Judges with the eras from *era on, then the earlier ones, then the traps;
 * *era is the era or the trap that fits, *out_zone_us the zone that it found.
 * basis is the link that was hashed; its at is NULL if there is none, and only
 * traps can fit.
 */
TALLY_MUST_CHECK int
tally_judge_row(struct tally_judging *judging, const struct tally_row *row,
    const struct tally_canon_text *basis, const struct tally_digest *stored,
    int *era, int64_t *out_zone_us, enum tally_judgement *out);

#endif
