/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain in SQLite, done right: WAL, synchronous=FULL (every commit syncs),
 * the head read and the row inserted in one BEGIN IMMEDIATE, statements
 * prepared once, a connection for every writer, a busy timeout in place of
 * errors.  The event is hashed before the transaction begins.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define FILE_NAME "chain.sqlite"
#define BUSY_MS 60000
#define MESSAGE_SIZE (2 * BENCH_HASH_SIZE + 8)

enum {
	BEGIN,
	HEAD,
	INSERT,
	COMMIT,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[HEAD] = "SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1",
	[INSERT] = "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
	[COMMIT] = "COMMIT",
};

struct lite {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	struct bench_sha *sha;
};

static int
fail(sqlite3 *db, const char *what)
{
	fprintf(stderr, "sqlite: %s: %s\n", what, sqlite3_errmsg(db));
	return -1;
}

static int
run_sql(sqlite3 *db, const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		return fail(db, text);
	return 0;
}

static int
open_db(const struct bench_cell *cell, sqlite3 **out_db)
{
	char path[4096];
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_NOMUTEX;

	(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, cell->dir);
	if (sqlite3_open_v2(path, out_db, flags, NULL) != SQLITE_OK)
		return fail(*out_db, path);
	(void)sqlite3_busy_timeout(*out_db, BUSY_MS);
	return run_sql(*out_db, "PRAGMA synchronous=FULL");
}

static int
lite_prepare(const struct bench_cell *cell)
{
	sqlite3 *db = NULL;
	int result = -1;

	if (open_db(cell, &db) == 0 &&
	    run_sql(db, "PRAGMA journal_mode=WAL") == 0)
		result = run_sql(db,
		    "CREATE TABLE record (seq INTEGER PRIMARY KEY,"
		    " digest BLOB NOT NULL, prev BLOB NOT NULL,"
		    " hash BLOB NOT NULL, event TEXT NOT NULL)");
	(void)sqlite3_close(db);
	return result;
}

static void
lite_close(void *writer)
{
	struct lite *lite = writer;

	for (int i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(lite->statements[i]);
	(void)sqlite3_close(lite->db);
	bench_sha_free(lite->sha);
	free(lite);
}

static int
lite_open(const struct bench_cell *cell, void *shared, void **out_writer)
{
	struct lite *lite = calloc(1, sizeof(*lite));

	(void)shared;
	if (lite == NULL)
		return -1;
	lite->sha = bench_sha_new();
	if (lite->sha == NULL || open_db(cell, &lite->db) != 0)
		goto failed;
	for (int i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v3(lite->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &lite->statements[i],
			NULL) != SQLITE_OK) {
			(void)fail(lite->db, sql[i]);
			goto failed;
		}
	}
	*out_writer = lite;
	return 0;
failed:
	lite_close(lite);
	return -1;
}

static int
step(struct lite *lite, int which)
{
	sqlite3_stmt *statement = lite->statements[which];
	int result = sqlite3_step(statement);

	(void)sqlite3_reset(statement);
	return result == SQLITE_DONE ? 0 : fail(lite->db, sql[which]);
}

static int
read_head(struct lite *lite, uint64_t *out_seq, uint8_t out[BENCH_HASH_SIZE])
{
	sqlite3_stmt *head = lite->statements[HEAD];
	int result = sqlite3_step(head);

	*out_seq = 0;
	memset(out, 0, BENCH_HASH_SIZE);
	if (result == SQLITE_ROW) {
		*out_seq = (uint64_t)sqlite3_column_int64(head, 0);
		memcpy(out, sqlite3_column_blob(head, 1), BENCH_HASH_SIZE);
	}
	(void)sqlite3_reset(head);
	if (result == SQLITE_ROW || result == SQLITE_DONE)
		return 0;
	return fail(lite->db, sql[HEAD]);
}

/* H(prev, digest, seq). */
static int
link_hash(struct bench_sha *sha, const void *prev, const void *digest,
    uint64_t seq, uint8_t out[BENCH_HASH_SIZE])
{
	uint8_t message[MESSAGE_SIZE];

	memcpy(message, prev, BENCH_HASH_SIZE);
	memcpy(message + BENCH_HASH_SIZE, digest, BENCH_HASH_SIZE);
	memcpy(message + 2 * BENCH_HASH_SIZE, &seq, 8);
	return bench_sha_pair(sha, "", 0, message, sizeof(message), out);
}

static int
insert(struct lite *lite, const struct bench_event *event,
    const uint8_t digest[BENCH_HASH_SIZE])
{
	sqlite3_stmt *insert = lite->statements[INSERT];
	uint8_t prev[BENCH_HASH_SIZE], hash[BENCH_HASH_SIZE];
	uint64_t seq;

	if (step(lite, BEGIN) != 0 || read_head(lite, &seq, prev) != 0 ||
	    link_hash(lite->sha, prev, digest, seq + 1, hash) != 0)
		return -1;
	(void)sqlite3_bind_int64(insert, 1, (sqlite3_int64)seq + 1);
	(void)sqlite3_bind_blob(insert, 2, digest, BENCH_HASH_SIZE,
	    SQLITE_STATIC);
	(void)sqlite3_bind_blob(insert, 3, prev, BENCH_HASH_SIZE,
	    SQLITE_STATIC);
	(void)sqlite3_bind_blob(insert, 4, hash, BENCH_HASH_SIZE,
	    SQLITE_STATIC);
	(void)sqlite3_bind_text(insert, 5, event->text, BENCH_EVENT_SIZE,
	    SQLITE_STATIC);
	if (step(lite, INSERT) != 0)
		return -1;
	return step(lite, COMMIT);
}

static int
lite_append(void *writer, const struct bench_event *events, unsigned count)
{
	struct lite *lite = writer;
	uint8_t digest[BENCH_HASH_SIZE];

	for (unsigned i = 0; i < count; i++) {
		if (bench_sha_pair(lite->sha, "\2", 1, events[i].text,
			BENCH_EVENT_SIZE, digest) != 0 ||
		    insert(lite, &events[i], digest) != 0)
			return -1;
	}
	return 0;
}

static bool
row_holds(struct lite *lite, sqlite3_stmt *rows, uint64_t seq,
    uint8_t head[BENCH_HASH_SIZE])
{
	const void *prev = sqlite3_column_blob(rows, 1);
	const void *digest = sqlite3_column_blob(rows, 2);
	const void *event = sqlite3_column_text(rows, 4);
	size_t len = (size_t)sqlite3_column_bytes(rows, 4);
	uint8_t hash[BENCH_HASH_SIZE];

	if ((uint64_t)sqlite3_column_int64(rows, 0) != seq ||
	    memcmp(prev, head, BENCH_HASH_SIZE) != 0 ||
	    bench_sha_pair(lite->sha, "\2", 1, event, len, hash) != 0 ||
	    memcmp(hash, digest, BENCH_HASH_SIZE) != 0 ||
	    link_hash(lite->sha, prev, digest, seq, hash) != 0 ||
	    memcmp(hash, sqlite3_column_blob(rows, 3), BENCH_HASH_SIZE) != 0)
		return false;
	memcpy(head, hash, BENCH_HASH_SIZE);
	return true;
}

static int
lite_check(const struct bench_cell *cell, uint64_t records)
{
	const char *select = "SELECT seq, prev, digest, hash, event "
			     "FROM record ORDER BY seq";
	uint8_t head[BENCH_HASH_SIZE] = { 0 };
	sqlite3_stmt *rows = NULL;
	void *opened = NULL;
	struct lite *lite;
	uint64_t found = 0;

	if (lite_open(cell, NULL, &opened) != 0)
		return -1;
	lite = opened;
	if (sqlite3_prepare_v2(lite->db, select, -1, &rows, NULL) == SQLITE_OK)
		while (sqlite3_step(rows) == SQLITE_ROW &&
		    row_holds(lite, rows, found + 1, head))
			found++;
	(void)sqlite3_finalize(rows);
	lite_close(lite);
	if (found == records)
		return 0;
	fprintf(stderr, "sqlite: the chain ends at %llu of %llu\n",
	    (unsigned long long)found, (unsigned long long)records);
	return -1;
}

const struct bench_peer bench_peer_sqlite = {
	.name = "sqlite",
	.prepare = lite_prepare,
	.open = lite_open,
	.close = lite_close,
	.append = lite_append,
	.check = lite_check,
};
