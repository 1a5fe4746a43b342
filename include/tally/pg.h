/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains that are kept in PostgreSQL, from outside: libtally-pg, over libpq.
 *
 * Nothing that runs in the server is trusted but PostgreSQL itself: records
 * and rows are read with COPY under one snapshot, and hashed and judged here.
 * No call but tally_pg_adopt and tally_pg_insert writes to the database.
 */
#ifndef TALLY_PG_H
#define TALLY_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Verifies all that the extension sealed in the database that conninfo (a
 * string or URI of libpq) leads to.  Of options, which may be NULL, jobs (of
 * connections, 64 at most; 0: as many as there are processors), chain, ids,
 * heads, heads_complete, copy, finding, progress and arg count.  root and
 * resume are refused.  A finding's chain, source, key and detail live until
 * the callback returns; index and file are never known.
 *
 * Returns 0 with a verdict, whatever that is; its size is that of records,
 * and its root is zeros: a database has no order between chains.
 * TALLY_PARTIAL if progress interrupted it; TALLY_END if there is no such
 * chain; TALLY_E_NO_LOG if the database has no tables of tally;
 * TALLY_E_ACCESS with the right that is missing; TALLY_E_DAMAGED if tally's
 * own tables are not what they are to be; TALLY_E_IO if the server cannot be
 * reached.  A table whose rows cannot be read is a finding, no error.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_verify(const char *conninfo,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error);

struct tally_pg_export_options {
	const char *chain; /* plain name */
	size_t chain_len;
	unsigned jobs; /* as above */
	/* Called about ten times a second; not 0 interrupts. */
	int (*progress)(void *arg, const struct tally_progress *progress);
	void *arg;
};

struct tally_pg_exported {
	uint64_t records; /* of the chain */
	uint64_t events;  /* of these, that were written with their event */
};

/*
 * Makes dir, a file log that tally_verify accepts: tally:log and the chain, in
 * one segment.  A record whose event was kept, or whose row still gives what
 * was sealed, is written with it; of others the line says where it was.  dir
 * must not be there; what was begun is left there if it fails.
 *
 * Returns 0; TALLY_PARTIAL if progress interrupted it; TALLY_END if there is
 * no such chain; TALLY_E_EXISTS; TALLY_E_DAMAGED if the chain or tally:log
 * does not hold (tally_pg_verify says where); and what tally_pg_verify
 * returns.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_export(const char *conninfo,
    const struct tally_pg_export_options *options, const char *dir,
    struct tally_pg_exported *out, struct tally_error *error);

/* Where a database is: for tally_carrier_open. */
struct tally_pg_place {
	uint64_t cluster; /* PostgreSQL's system identifier */
	uint32_t timeline;
	char database[256];
};

/* Errors are those of tally_pg_verify. */
TALLY_API TALLY_MUST_CHECK int
tally_pg_locate(const char *conninfo, struct tally_pg_place *out,
    struct tally_error *error);

struct tally_pg_carry_options {
	/* The database has to be this one; else TALLY_E_USAGE. */
	struct tally_pg_place place;
	/* The last record of each chain that the copy has. */
	const struct tally_outside_head *heads;
	size_t heads_len;
	bool without_events;
	/*
	 * Takes records, which live until it returns: of each chain in order,
	 * from the one after its head.  Not 0 ends the call, which returns it.
	 */
	int (*take)(void *arg, const struct tally_record *records, size_t count,
	    struct tally_error *error);
	/* A chain that is not what was carried; nothing more of it is. */
	void (*finding)(void *arg, const struct tally_finding *finding);
	int (*progress)(void *arg, const struct tally_progress *progress);
	void *arg;
};

struct tally_pg_carried {
	uint64_t records; /* taken */
	uint64_t events;  /* of these, with their event */
	uint64_t findings;
};

/*
 * Reads what the database has beyond the heads, once it is durable: flushed,
 * and confirmed by as many synchronous standbys as have to.  With events, each
 * record that kept its event, or whose row still gives what was sealed, has
 * it; the others, and all without events, have TALLY_BODY_ELSEWHERE.  A head
 * that the database does not have, or has otherwise, is a finding: missing,
 * truncated, rolled-back; and so is a record that does not follow.
 *
 * Returns 0; what take returned; TALLY_E_BUSY if it does not become durable
 * within a minute; and what tally_pg_verify returns.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_carry(const char *conninfo,
    const struct tally_pg_carry_options *options, struct tally_pg_carried *out,
    struct tally_error *error);

/* What tally is in a database, and what state it is in. */
struct tally_pg_state {
	int server_version; /* 150000 and so on */
	bool has_extension; /* else: tables alone, of the plain script */
	char database[256];
	uint64_t cluster; /* PostgreSQL's system identifier */
	uint64_t chains;
	uint64_t attached; /* tables in force */
	uint64_t findings; /* in the catalog: triggers, columns, tables */
};

/*
 * Looks at the configuration: tally:log's events against the catalog.  Each
 * fault is a finding.  Records and rows are not read, but those of tally:log.
 * Errors are those of tally_pg_verify.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_status(const char *conninfo,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_pg_state *out, struct tally_error *error);

/*
 * The rows of a query, for the verification of foreign chains
 * (tally/profile.h): one read-only snapshot, one pass, in the order of the
 * query.  Each row is a JSON object with a member for each column: numbers,
 * truth values and JSON as they are, arrays and rows as to_json writes them,
 * bytea in hexadecimal, timestamps in UTC with six digits and "Z", all else
 * as its text.  Names without a schema are looked for as the role's sessions
 * do.
 */
struct tally_pg_query;

/*
 * sql: one SELECT, without a semicolon.  interrupted (or NULL) is asked about
 * ten times a second while the server lets wait; not 0 ends it.
 * Returns 0 with one to be closed; TALLY_PARTIAL; TALLY_E_USAGE, _IO, _ACCESS,
 * _LIMIT (more than 200 columns) or _MEMORY, with a message.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_query_open(const char *conninfo, const char *sql,
    int (*interrupted)(void *arg), void *arg, struct tally_pg_query **out,
    struct tally_error *error);

/* The member "record" of a struct tally_profile_source, whose arg is the
 * query. */
TALLY_API TALLY_MUST_CHECK int
tally_pg_query_record(void *arg, const char **out, size_t *out_len,
    struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_pg_query_close(struct tally_pg_query *query);

/* A table that holds somebody else's chain (tally/profile.h), to be adopted. */
struct tally_pg_adoption {
	const char *table;    /* as SQL names it */
	const char *chain_by; /* the column that says the chain, or NULL */
	/* What was found in the old chain, JSON; NULL: nothing is written. */
	const char *event;
	/* Asked about ten times a second, or NULL; not 0: give up. */
	int (*interrupted)(void *arg);
	void *arg;
};

struct tally_pg_adopted {
	bool attached;     /* the table is */
	bool sealed;       /* its rows of before are */
	bool told;         /* what was found is */
	uint64_t findings; /* if so, how many */
	char time[32];     /* and when, RFC 3339 */
	char label[256];   /* of the attachment */
	char chain[320];   /* where what was found is told: "adopted/<label>" */
};

/*
 * Attaches the table, seals what was found in the chain "adopted/<label>", and
 * has tally.backfill seal its rows of before; what was done before is not done
 * again.  Without an event it only says what was done.  The session needs
 * tally_admin, and to own the table.
 *
 * Returns 0; TALLY_PARTIAL if it was interrupted, and then goes on when called
 * again; TALLY_E_NO_LOG if the extension is not there; TALLY_E_ACCESS; or
 * TALLY_E_IO with the server's words.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_adopt(const char *conninfo, const struct tally_pg_adoption *adoption,
    struct tally_pg_adopted *out, struct tally_error *error);

/*
 * Inserts a row into a table (as SQL names it): of a JSON object the members
 * that the table has columns for.  Returns 0; TALLY_E_USAGE if it has none of
 * them; TALLY_E_ACCESS; or TALLY_E_IO with the server's words.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_insert(const char *conninfo, const char *table, const char *object,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
