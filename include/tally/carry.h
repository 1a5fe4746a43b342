/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying: a file log that holds the records of another store, as they were
 * sealed there, so that the store can be held against it.
 *
 * A record keeps its chain, its seq, its hash and so its proofs.  It is taken
 * only as the next one of its chain: behind the record that it links to.  So
 * however often one is carried, by however many processes, killed at whatever
 * moment, the log has it once.
 *
 * The store's own chain, "tally:log", cannot keep its name, which is the log's
 * own.  Its records become events of the chain "tally:from/<source>/log", each
 * with header and hash as they were sealed.  Below, it is called "tally:log".
 */
#ifndef TALLY_CARRY_H
#define TALLY_CARRY_H

#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "postgresql/<cluster>/<database>" and a NUL; less than a chain's name. */
#define TALLY_SOURCE_TEXT_SIZE 200

/* A database that is carried. */
struct tally_carried_source {
	uint64_t cluster;     /* PostgreSQL's system identifier */
	const char *database; /* its name */
	uint32_t timeline;    /* PostgreSQL's, now */
};

struct tally_carrier;

/*
 * A carrier of the log, which must outlive it; one thread at a time may use
 * it.  With a source, what the log carries is named in tally:log if it is not
 * named yet; NULL: the source that is named there, to read only.  Close it
 * with tally_carrier_close.
 * Returns 0; TALLY_END if source is NULL and the log carries nothing;
 * TALLY_E_USAGE if the log carries another source, or is read-only and has
 * none; and what reading and appending return.
 */
TALLY_API TALLY_MUST_CHECK int
tally_carrier_open(struct tally_log *log,
    const struct tally_carried_source *source,
    struct tally_carrier **out_carrier, struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_carrier_close(struct tally_carrier *carrier);

/* "postgresql/<cluster>/<database>"; lives as long as the carrier. */
TALLY_API const char *
tally_carrier_source(const struct tally_carrier *carrier);

/*
 * Takes count records of the source in order, all or none of them; durable
 * when it returns.  Of each, index, digest's event and line do not count:
 * chain, id, seq, time_us, digest, prev, hash; and event and salt, if body is
 * TALLY_BODY_EVENT, else the line says that the event is at the source.
 *
 * Returns 0; TALLY_E_CONFLICT if one is not the next of its chain, which
 * another carrier may have been the reason of: ask for the head again;
 * TALLY_E_FORMAT if one does not hold: header against hash, event against
 * digest; TALLY_E_LIMIT for an event that is longer than the log's limit, or
 * more than 65,536 records or 64 MiB; and what tally_log_append returns.
 */
TALLY_API TALLY_MUST_CHECK int
tally_carrier_take(struct tally_carrier *carrier,
    const struct tally_record *records, size_t count,
    struct tally_error *error);

/*
 * What was carried of every chain: its last record, as the source sealed it,
 * tally:log first.  It lives until the next call of this, or the carrier's end.
 */
TALLY_API TALLY_MUST_CHECK int
tally_carrier_heads(struct tally_carrier *carrier,
    const struct tally_outside_head **out_heads, size_t *out_len,
    struct tally_error *error);

/*
 * The hash of a carried record.  Returns 0; TALLY_END if it was not carried.
 */
TALLY_API TALLY_MUST_CHECK int
tally_carrier_hash(struct tally_carrier *carrier, const char *chain,
    size_t chain_len, uint64_t seq, struct tally_hash *out_hash,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
