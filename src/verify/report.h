/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings on their way to the caller: counted, named, told one at a time.
 *
 * With keep, the texts of findings are also collected, so that a verification
 * that is resumed can tell them again; REPORT_KEEP_MAX bytes of them, those
 * beyond are only counted then.
 */
#ifndef TALLY_VERIFY_REPORT_H
#define TALLY_VERIFY_REPORT_H

#include <pthread.h>

#include <tally/verify.h>

#include "log/snapshot.h"
#include "verify/bytes.h"
#include "verify/chains.h"

#define TALLY_REPORT_KEEP_MAX ((size_t)1 << 20)

struct tally_report {
	const struct tally_snapshot *snapshot;
	const struct tally_verify_options *options;
	pthread_mutex_t lock; /* callbacks come one at a time */
	uint64_t findings;
	uint64_t by_kind[TALLY_KIND_COUNT];
	bool keep;
	struct tally_bytes kept;
	uint64_t left_out; /* of what was kept */
};

/* A finding before it is told; zero is "not known" but for where. */
struct tally_notice {
	enum tally_finding_kind kind;
	const char *chain; /* escaped, or NULL */
	size_t chain_len;
	uint64_t seq;
	uint64_t seq_end;
	const struct tally_where *where; /* NULL: nowhere */
	bool no_index;                   /* where says only file and offset */
	const char *file;                /* instead of where's, or NULL */
	const char *detail;
};

/* The lock is initialised, and destroyed, by the owner of the report. */
void
tally_report_tell(struct tally_report *report,
    const struct tally_notice *notice);

/* Tells again what was kept by an earlier run.  TALLY_E_FORMAT if the bytes
 * are not what tell wrote. */
TALLY_MUST_CHECK int
tally_report_repeat(struct tally_report *report);

/* How many breaks were told. */
uint64_t
tally_report_breaks(const struct tally_report *report);

#endif
