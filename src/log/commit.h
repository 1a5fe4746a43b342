/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: from a caller's requests to acknowledged records. */
#ifndef TALLY_LOG_COMMIT_H
#define TALLY_LOG_COMMIT_H

#include "log/seal.h"

#define TALLY_CALL_RECORDS_MAX 65536
#define TALLY_CALL_BYTES_MAX ((size_t)64 << 20)

/* One tally_log_append on its way. */
struct tally_call {
	struct tally_item *items;
	size_t count;
	size_t bytes;  /* that its lines take at most */
	size_t chains; /* that may be new, and bytes of their names */
	size_t names;
	size_t ids; /* items that have one */
	bool buffered;
	bool own;     /* chains may be the log's own */
	bool carried; /* its ids are not looked up: a place is taken once */
	int result;
	struct tally_error error;
	struct tally_call *next;
};

/* prepare.c: checks and compacts; frees with tally_call_wipe in any case.
 * own: chains may be the log's own. */
TALLY_MUST_CHECK int
tally_call_prepare(struct tally_log *log, const struct tally_append *requests,
    size_t count, bool own, struct tally_call *call, struct tally_error *error);

void
tally_call_wipe(struct tally_call *call);

/*
 * commit.c: through a group, to an acknowledged end; TALLY_E_BUSY if its ids
 * have to be looked up again.
 */
TALLY_MUST_CHECK int
tally_call_run(struct tally_log *log, struct tally_call *call,
    struct tally_error *error);

/* commit.c: the groups that wait in the handle's pool. */
void
tally_groups_free(struct tally_log *log);

#endif
