/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several sessions that see one snapshot, and tasks handed out among them.
 *
 * The first session took the snapshot and keeps it; it answers questions of
 * the main thread.  The others work, each in its own thread.
 */
#ifndef TALLY_PGCLIENT_POOL_H
#define TALLY_PGCLIENT_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/hash.h"
#include "pgclient/conn.h"
#include "pgclient/text.h"

#define TALLY_PG_JOBS_MAX 64

struct tally_pg_pool;

struct tally_pg_worker {
	unsigned number;
	struct tally_pg_pool *pool;
	struct tally_pg_conn conn;
	struct tally_hasher hasher;
	struct tally_pg_text sql; /* for the task's own use */
	bool lost; /* its transaction has failed, and must begin anew */
};

typedef int (*tally_pg_task)(struct tally_pg_worker *worker, void *arg,
    size_t number, struct tally_error *error);

struct tally_pg_pool {
	const char *conninfo;
	struct tally_pg_conn first;
	char snapshot[128];
	unsigned count;
	struct tally_pg_worker workers[TALLY_PG_JOBS_MAX];
	atomic_int stop;
	/* Asked ten times a second by the main thread; not 0: give up. */
	int (*tick)(void *arg);
	void *tick_arg;
	/* Of the run at hand, under lock: */
	pthread_mutex_t lock;
	pthread_cond_t done;
	tally_pg_task task;
	void *arg;
	size_t ntasks;
	size_t next;
	unsigned running;
	int result;
	struct tally_error error;
};

/* Connects the first session; its transaction has not begun. */
TALLY_MUST_CHECK int
tally_pg_pool_open(struct tally_pg_pool *pool, const char *conninfo,
    struct tally_error *error);

/* Its snapshot is taken: connects the workers.  Fewer than jobs will do. */
TALLY_MUST_CHECK int
tally_pg_pool_join(struct tally_pg_pool *pool, unsigned jobs,
    struct tally_error *error);

void
tally_pg_pool_close(struct tally_pg_pool *pool);

/*
 * Runs task for 0 ... ntasks - 1.  Returns 0; TALLY_PARTIAL if it was
 * interrupted; or the first error, after which no task is begun.
 */
TALLY_MUST_CHECK int
tally_pg_pool_run(struct tally_pg_pool *pool, tally_pg_task task, void *arg,
    size_t ntasks, struct tally_error *error);

/* A command before it, likewise. */
TALLY_MUST_CHECK int
tally_pg_worker_run(struct tally_pg_worker *worker, const char *sql,
    struct tally_error *error);

/* The query of a task, begun: in a transaction that has not failed. */
TALLY_MUST_CHECK int
tally_pg_worker_copy(struct tally_pg_worker *worker, struct tally_error *error);

#endif
