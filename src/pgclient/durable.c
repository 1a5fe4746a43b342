/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "pgclient/durable.h"

#define WAIT_S 60
#define POLL_MS 20

/* Of a page of the WAL, and of the first one of a segment. */
#define PAGE_HEADER 24
#define PAGE_HEADER_FIRST 40

/*
 * All commits that the snapshot shows lie before where the server inserts
 * now.  Of synchronous_standby_names matters how many have to confirm.
 */
static const char begin_sql[] =
    "SELECT pg_catalog.pg_is_in_recovery(), CASE WHEN NOT"
    " pg_catalog.pg_is_in_recovery() THEN"
    " pg_catalog.pg_current_wal_insert_lsn() END,"
    " pg_catalog.current_setting('wal_block_size'),"
    " pg_catalog.current_setting('synchronous_standby_names'),"
    " (SELECT s.setting FROM pg_catalog.pg_settings AS s"
    " WHERE s.name = 'wal_segment_size')";

static const char poll_sql[] =
    "SELECT pg_catalog.pg_current_wal_flush_lsn() >= $1::pg_catalog.pg_lsn,"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication s"
    " WHERE s.sync_state IN ('sync', 'quorum')"
    " AND s.flush_lsn >= $1::pg_catalog.pg_lsn)";

struct target {
	bool is_standby;
	char lsn[32];
	unsigned standbys; /* that have to confirm */
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* Behind the word, as one that stands by itself; or p. */
static const char *
skip_word(const char *p, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < len; i++)
		if ((p[i] | 0x20) != word[i])
			return p;
	/* Else it is the beginning of a name. */
	return is_space(p[len]) ? skip_space(p + len) : p;
}

unsigned
tally_pg_durable_standbys(const char *names)
{
	const char *begin = skip_space(names);
	const char *p = skip_word(skip_word(begin, "any"), "first");
	const char *end = p;

	if (*p == '\0')
		return 0;
	while (*end >= '0' && *end <= '9')
		end++;
	/* A number that no list follows is a name. */
	if (end == p || *skip_space(end) != '(')
		return 1;
	return (unsigned)strtoul(p, NULL, 10);
}

/* At 24 of an ordinary page nothing stands on it; at 32 the end of a record
 * does, which may be of a commit. */
uint64_t
tally_pg_durable_end(uint64_t lsn, uint64_t block, uint64_t segment)
{
	uint64_t at = block == 0 ? 0 : lsn % block;
	bool is_first = segment != 0 && lsn % segment == at;

	return at <= (is_first ? PAGE_HEADER_FIRST : PAGE_HEADER) ? lsn - at
								  : lsn;
}

static void
set_lsn(struct target *target, const char *text, uint64_t block,
    uint64_t segment)
{
	unsigned high = 0, low = 0;
	uint64_t end;

	(void)sscanf(text, "%X/%X", &high, &low);
	end = tally_pg_durable_end((uint64_t)high << 32 | low, block, segment);
	(void)snprintf(target->lsn, sizeof(target->lsn), "%X/%X",
	    (unsigned)(end >> 32), (unsigned)end);
}

static int
begin(struct tally_pg_verifier *v, struct target *out,
    struct tally_error *error)
{
	PGresult *row;
	int result = tally_pg_conn_query(&v->pool.first, begin_sql, 0, NULL,
	    &row, error);

	if (result != 0)
		return result;
	out->is_standby = PQgetvalue(row, 0, 0)[0] == 't';
	set_lsn(out, PQgetvalue(row, 0, 1),
	    strtoull(PQgetvalue(row, 0, 2), NULL, 10),
	    strtoull(PQgetvalue(row, 0, 4), NULL, 10));
	out->standbys = tally_pg_durable_standbys(PQgetvalue(row, 0, 3));
	PQclear(row);
	return 0;
}

static int
poll_once(struct tally_pg_verifier *v, const struct target *target,
    bool *out_flushed, bool *out_confirmed, struct tally_error *error)
{
	const char *params[] = { target->lsn };
	PGresult *row;
	int result = tally_pg_conn_query(&v->pool.first, poll_sql, 1, params,
	    &row, error);

	if (result != 0)
		return result;
	*out_flushed = PQgetvalue(row, 0, 0)[0] == 't';
	*out_confirmed = strtoul(PQgetvalue(row, 0, 1), NULL, 10) >=
	    target->standbys;
	PQclear(row);
	return 0;
}

int
tally_pg_durable_wait(struct tally_pg_verifier *v, struct tally_error *error)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	struct target target = { 0 };
	bool flushed = false, confirmed = false;
	int result = begin(v, &target, error);

	if (result != 0 || target.is_standby)
		return result;
	for (int i = 0; i < WAIT_S * 1000 / POLL_MS; i++) {
		result = poll_once(v, &target, &flushed, &confirmed, error);
		if (result != 0 || (flushed && confirmed))
			return result;
		if (v->pool.tick != NULL && v->pool.tick(v->pool.tick_arg) != 0)
			return tally_fail(error, TALLY_PARTIAL, "interrupted");
		(void)nanosleep(&pause, NULL);
	}
	if (!flushed)
		return tally_fail(error, TALLY_E_BUSY,
		    "the server has not flushed its WAL up to %s", target.lsn);
	return tally_fail(error, TALLY_E_BUSY,
	    "%u synchronous standbys have to confirm the WAL up to %s, and did"
	    " not; a role without pg_read_all_stats does not see it",
	    target.standbys, target.lsn);
}
