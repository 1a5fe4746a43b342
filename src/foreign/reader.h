/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a source, one at a time, each as the text of a JSON object,
 * whatever the source is.
 */
#ifndef TALLY_FOREIGN_READER_H
#define TALLY_FOREIGN_READER_H

#include <string.h>

#include "foreign/profile.h"

struct tally_reading {
	const char *line; /* NULL: what is there is no record */
	size_t len;
	size_t mark;     /* bytes before it, of a byte order mark */
	const char *raw; /* if it is no record: what is there, or NULL */
	size_t raw_len;
	uint64_t offset; /* of its first byte in the source */
	bool whole;      /* false: the source ends within it */
};

#define TALLY_CELLS_MAX 1024 /* of a CSV row */

struct tally_reader {
	const struct tally_profile *profile;
	const struct tally_profile_source *source;
	struct tally_error *error;
	char *buffer;
	size_t begin, end, capacity; /* what is unread of it */
	uint64_t offset;             /* of begin in the source */
	bool at_end;                 /* nothing more can be read */
	/* CSV: */
	struct tally_canon_text names[TALLY_CELLS_MAX];
	bool json[TALLY_CELLS_MAX]; /* else text */
	bool wanted[TALLY_CELLS_MAX];
	size_t names_len; /* 0: the header was not read */
	char *header;     /* where names are */
	struct tally_canon_out line;
	struct tally_canon_room cell; /* where a cell of JSON is read */
};

/* The bytes of a byte order mark that these begin with: 3 or 0.  At the very
 * beginning of a source it stands for nothing; anywhere else it is data. */
static inline size_t
tally_mark_len(const char *at, size_t len)
{
	return len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void
tally_reader_init(struct tally_reader *reader,
    const struct tally_profile *profile,
    const struct tally_profile_source *source, struct tally_error *error);

void
tally_reader_wipe(struct tally_reader *reader);

/*
 * The next record, which lives until the next call.  0; TALLY_END; or an error
 * with a message.
 */
TALLY_MUST_CHECK int
tally_reader_next(struct tally_reader *reader, struct tally_reading *out);

/* ---- between the files of the reader ---------------------------------- */

/* fill.c: reads more behind what is unread, which may move.  0, TALLY_END or an
 * error. */
TALLY_MUST_CHECK int
tally_reader_fill(struct tally_reader *reader);

/* What was given of the unread bytes is done with. */
static inline void
tally_reader_skip(struct tally_reader *reader, size_t len)
{
	reader->begin += len;
	reader->offset += len;
}

/* csv.c: rows of CSV, from the header on. */
TALLY_MUST_CHECK int
tally_reader_csv(struct tally_reader *reader, struct tally_reading *out);

#endif
