/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: what will be sealed when this transaction commits (P1).
 */
#ifndef TALLY_PG_CAPTURE_H
#define TALLY_PG_CAPTURE_H

#include "postgres.h"

#include <tally/record.h>

/*
 * Captures an event that is kept whole: stores it in tally.event and
 * remembers it for the chain.  event is compact JSON that the caller vouches
 * for; chain is a plain legal name; id may be NULL.  Returns the id of the
 * row in tally.event.
 */
extern int64 tally_capture_event(const char *chain, Size chain_len,
								 const char *event, Size event_len,
								 const char *id, Size id_len,
								 struct tally_hash *out_digest);

/*
 * The log's own chain; its first record is written if it is not there yet.
 */
extern int64 tally_capture_log_event(const char *event);

struct tally_epoch;
struct tally_pending_request;
struct tally_rendered;

/*
 * Remembers a rendered row for the commit, as the epoch has it; keep: with its
 * event in any case.  The request says the rest (commands, version).
 * tally_xact_begin was called.
 */
extern void tally_capture_row(const struct tally_epoch *epoch,
							  const struct tally_rendered *row, bool keep,
							  struct tally_pending_request *request);

#endif
