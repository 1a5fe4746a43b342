/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The era of adopted records at the beginning of a chain: parts, each a record
 * of the log whose event lists the digests of some records of the source
 * (doc/format.md, section 10).  A part has the id "adopt/<first>", first being
 * the number of its first record, from 1: so parts are found one from the
 * other, and none is appended twice.
 */
#ifndef TALLY_FOREIGN_ERA_H
#define TALLY_FOREIGN_ERA_H

#include <tally/log.h>

#include "core/hash.h"
#include "foreign/out.h"

/* The part that is being made. */
struct tally_part {
	uint64_t first;
	size_t len;
	struct tally_canon_out records, findings;
};

/* There may be millions of them: 72 bytes, and the name. */
struct tally_era {
	char *chain; /* with a NUL */
	uint16_t chain_len;
	bool at_end;    /* no part follows the window */
	uint64_t count; /* records of the source so far */
	/* What is sealed: a window that slides over the parts.  Its memory may
	 * be taken away between two looks: it is read again from base. */
	struct tally_hash *memory;
	uint32_t begin, capacity; /* of the window, in memory */
	uint32_t sealed_len;      /* records in the window */
	uint64_t window;          /* number of its first record */
	uint64_t base; /* a part begins with it, not behind the window */
	struct tally_part *part; /* NULL: none */
};

struct tally_eras {
	struct tally_log *log; /* NULL: there is none */
	struct tally_cursor *cursor;
	bool salted;
	uint64_t appended;
	size_t bytes; /* of all parts that are being made */
	size_t held;  /* bytes of all windows in memory */
	struct tally_error *error;
};

/* Gives it a name, a copy.  0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_era_init(struct tally_era *era, const char *chain, size_t chain_len);

void
tally_era_wipe(struct tally_eras *eras, struct tally_era *era);

/* Gives the memory of the window back; the next look reads it again. */
void
tally_era_drop(struct tally_eras *eras, struct tally_era *era);

/*
 * Reads parts until the window holds so many records, or there are no more.
 * 0, or an error with a message (TALLY_E_DAMAGED: no part of ours).
 */
TALLY_MUST_CHECK int
tally_era_look(struct tally_eras *eras, struct tally_era *era, size_t records);

static inline const struct tally_hash *
tally_era_sealed(const struct tally_era *era)
{
	return era->memory + era->begin;
}

/* The window slides over so many records. */
static inline void
tally_era_slide(struct tally_era *era, size_t records)
{
	era->window += records;
	era->begin += (uint32_t)records;
	era->sealed_len -= (uint32_t)records;
}

/* One record more for the part that is being made; hash is what the record
 * stores, as text. */
TALLY_MUST_CHECK int
tally_era_add(struct tally_eras *eras, struct tally_era *era,
    const struct tally_hash *digest, const struct tally_canon_text *hash);

/* Something that was found in the record that was added last. */
TALLY_MUST_CHECK int
tally_era_note(struct tally_eras *eras, struct tally_era *era, const char *kind,
    const char *detail);

/* Is the part large enough to be appended? */
bool
tally_era_is_full(const struct tally_eras *eras, const struct tally_era *era);

/* Appends the part, buffered; nothing if there is none. */
TALLY_MUST_CHECK int
tally_era_append(struct tally_eras *eras, struct tally_era *era);

#endif
