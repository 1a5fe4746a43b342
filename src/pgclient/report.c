/* SPDX-License-Identifier: Apache-2.0 */
/* Findings on their way to the caller, and ranges of blocks. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/verifier.h"

/* A detail may name a key and a table. */
#define DETAIL_MAX 2048

static void
tell(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, int64_t end, const char *detail)
{
	struct tally_finding finding = {
		.kind = kind,
		.chain = subject->chain,
		.seq = (uint64_t)subject->seq,
		.seq_end = (uint64_t)end,
		.index = UINT64_MAX,
		.detail = detail,
		.source = subject->source,
	};
	char key[600];

	if (subject->key != NULL) {
		snprintf(key, sizeof(key), "%.*s", (int)subject->key_len,
		    subject->key);
		finding.key = key;
	}
	(void)pthread_mutex_lock(&v->lock);
	v->findings++;
	v->by_kind[kind]++;
	if (v->options->finding != NULL)
		v->options->finding(v->options->arg, &finding);
	(void)pthread_mutex_unlock(&v->lock);
}

void
tally_pg_tell(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tally_pg_vtell(v, kind, subject,
	    subject->seq == 0 ? 0 : subject->seq + 1, format, args);
	va_end(args);
}

void
tally_pg_vtell(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, int64_t end, const char *format,
    va_list args)
{
	char detail[DETAIL_MAX];

	(void)vsnprintf(detail, sizeof(detail), format, args);
	tell(v, kind, subject, end, detail);
}

void
tally_pg_tell_range(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, int64_t end, const char *format,
    ...)
{
	va_list args;

	va_start(args, format);
	tally_pg_vtell(v, kind, subject, end, format, args);
	va_end(args);
}

int
tally_pg_no_memory(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_MEMORY, "out of memory");
}

/* ---- ranges of blocks ------------------------------------------------- */

/* Each worker gets several, so that one that is slow does not hold all up. */
#define RANGES_PER_JOB 16
#define RANGE_BLOCKS_MIN 512

static uint64_t
range_blocks(const struct tally_pg_verifier *v, uint64_t blocks)
{
	uint64_t each = blocks / (v->pool.count * RANGES_PER_JOB) + 1;

	return each < RANGE_BLOCKS_MIN ? RANGE_BLOCKS_MIN : each;
}

size_t
tally_pg_range_count(const struct tally_pg_verifier *v, uint64_t blocks)
{
	uint64_t each = range_blocks(v, blocks);

	/* Before PostgreSQL 14 each range would be a walk over the table. */
	if (v->server.version < 140000 || blocks == 0)
		return 1;
	return (size_t)((blocks + each - 1) / each);
}

struct tally_pg_range
tally_pg_range_get(const struct tally_pg_verifier *v, uint64_t blocks,
    size_t number)
{
	uint64_t each = range_blocks(v, blocks);
	struct tally_pg_range range = { number * each, (number + 1) * each };

	if (number + 1 >= tally_pg_range_count(v, blocks))
		range.end = 0;
	return range;
}

void
tally_pg_range_put(struct tally_pg_text *sql, const char *name,
    const struct tally_pg_range *range)
{
	tally_pg_text_format(sql,
	    " WHERE %s.ctid >= '(%" PRIu64 ",0)'::pg_catalog.tid", name,
	    range->begin);
	if (range->end != 0)
		tally_pg_text_format(sql,
		    " AND %s.ctid < '(%" PRIu64 ",0)'::pg_catalog.tid", name,
		    range->end);
}
