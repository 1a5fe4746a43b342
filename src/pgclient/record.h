/* SPDX-License-Identifier: Apache-2.0 */
/* A row of tally.record, as an adversary may have left it. */
#ifndef TALLY_PGCLIENT_RECORD_H
#define TALLY_PGCLIENT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"
#include "core/step.h"

/* A key's text that is longer became "#" and its SHA-256. */
#define TALLY_PG_KEY_MAX 512

/* What a COPY must select of a record, in this order; binary. */
#define TALLY_PG_RECORD_COLUMNS \
	"r.ctid, r.chain_id, r.seq, r.\"time\", r.epoch, r.event_id," \
	" r.digest, r.prev, r.hash, r.key, r.id, r.salt"
#define TALLY_PG_RECORD_COUNT 12

/* What it points to is the message that it was read of. */
struct tally_pg_record {
	uint64_t tid; /* where it lies: block << 16 | number */
	bool has_chain;
	bool has_seq;
	bool has_prev; /* 32 bytes, as the one below */
	bool has_hash;
	int64_t chain_id;
	int64_t seq;
	int64_t epoch;            /* 0: null */
	int64_t event_id;         /* 0: null */
	struct tally_parts parts; /* id_len: TALLY_ID_MAX at most */
	struct tally_hash prev;
	struct tally_hash hash; /* as stored */
	const char *key;        /* NULL: null; not terminated */
	size_t key_len;         /* TALLY_PG_KEY_MAX at most */
	const uint8_t *salt;    /* NULL: none */
	const char *damage;     /* what is impossible in it, or NULL */
};

/* One field of a row in binary COPY; NULL: null. */
struct tally_pg_field {
	const char *at;
	size_t len;
};

/*
 * Takes a message of a binary COPY apart into count fields.  Returns 0;
 * TALLY_END at the trailer; TALLY_E_FORMAT if it is no such row.  *first is
 * true before the first message, which has the header.
 */
TALLY_MUST_CHECK int
tally_pg_fields_decode(const char *row, size_t len, bool *first,
    struct tally_pg_field *fields, int count);

/* fields: TALLY_PG_RECORD_COUNT of them. */
void
tally_pg_record_decode(const struct tally_pg_field *fields,
    struct tally_pg_record *out);

/* A copy in one piece, to be freed; NULL if there is no memory. */
struct tally_pg_record *
tally_pg_record_dup(const struct tally_pg_record *record);

#endif
