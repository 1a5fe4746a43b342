/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a source, each given to the era of its chain.
 */
#ifndef TALLY_FOREIGN_ADOPT_H
#define TALLY_FOREIGN_ADOPT_H

#include <tally/adopt.h>

#include "foreign/chain.h"
#include "foreign/era.h"
#include "foreign/judge.h"
#include "foreign/reader.h"

/* A file, or what the caller gives, read from its beginning as often as
 * needed. */
struct tally_adopt_source {
	const char *path;
	int fd, lock; /* -1: not open */
	uint64_t at;  /* what is read next */
	uint64_t size;
	struct tally_profile_source source;
};

/*
 * writing: nobody may write to it meanwhile.  0, or an error with a message;
 * to be closed in either case.
 */
TALLY_MUST_CHECK int
tally_adopt_source_open(struct tally_adopt_source *source,
    const struct tally_adoption *adoption, bool writing,
    struct tally_error *error);

/* Source is to be read from its beginning. */
TALLY_MUST_CHECK int
tally_adopt_source_begin(struct tally_adopt_source *source,
    const struct tally_adoption *adoption, struct tally_error *error);

void
tally_adopt_source_close(struct tally_adopt_source *source);

/* Is it as it was when it was opened? */
bool
tally_adopt_source_is_same(const struct tally_adopt_source *source);

struct tally_adopting;

/* One record, which is era->count of its era and has this digest. */
typedef int (*tally_adopt_fn)(struct tally_adopting *a, struct tally_era *era,
    const struct tally_hash *digest);

struct tally_adopting {
	const struct tally_adoption *adoption;
	struct tally_adopted *out;
	struct tally_error *error;
	struct tally_reader reader;
	struct tally_canon_room room;
	struct tally_row row;
	struct tally_canon_out name; /* of a chain, decoded */
	struct tally_hasher hasher;
	struct tally_chain_table chains; /* they number the eras */
	struct tally_era *era;
	uint32_t eras_len;
	size_t era_capacity;
	uint32_t hand; /* says whom memory is taken from */
	struct tally_eras eras;
	uint64_t index;               /* of the record, in the source */
	uint64_t offset;              /* of it */
	struct tally_canon_text hash; /* that it stores, or nothing */
	void *arg;
};

/* Of what is there of a record. */
struct tally_hash
tally_adopting_digest(struct tally_adopting *a,
    const struct tally_reading *reading);

/* The era of the source's chain with this name, which is made if it is new; it
 * stands until the next one is made.  0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_adopting_era(struct tally_adopting *a, const struct tally_canon_text *key,
    struct tally_era **out);

/* What eras hold of what is sealed is bounded: takes some of it away. */
void
tally_adopting_trim(struct tally_adopting *a);

/* Gives every record of the source to fn.  0, TALLY_PARTIAL (interrupted) or
 * an error with a message. */
TALLY_MUST_CHECK int
tally_adopting_walk(struct tally_adopting *a,
    const struct tally_profile_source *source, tally_adopt_fn fn);

/* log may be NULL.  0 or an error with a message; to be closed in either
 * case. */
TALLY_MUST_CHECK int
tally_adopting_open(struct tally_adopting *a,
    const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error);

void
tally_adopting_close(struct tally_adopting *a);

#endif
