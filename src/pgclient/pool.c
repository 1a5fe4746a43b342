/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "pgclient/pool.h"

#define TICK_NS 100000000

static int
tick_first(void *arg)
{
	struct tally_pg_pool *pool = arg;

	return pool->tick == NULL ? 0 : pool->tick(pool->tick_arg);
}

static int
tick_worker(void *arg)
{
	struct tally_pg_pool *pool = arg;

	return atomic_load_explicit(&pool->stop, memory_order_relaxed);
}

int
tally_pg_pool_open(struct tally_pg_pool *pool, const char *conninfo,
    struct tally_error *error)
{
	pthread_condattr_t how;

	pool->conninfo = conninfo;
	pool->first.tick = tick_first;
	pool->first.tick_arg = pool;
	atomic_init(&pool->stop, 0);
	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_condattr_init(&how);
	(void)pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&pool->done, &how);
	(void)pthread_condattr_destroy(&how);
	return tally_pg_conn_open(&pool->first, conninfo, error);
}

void
tally_pg_pool_close(struct tally_pg_pool *pool)
{
	for (unsigned i = 0; i < pool->count; i++) {
		tally_pg_conn_close(&pool->workers[i].conn);
		tally_hasher_close(&pool->workers[i].hasher);
		tally_pg_text_wipe(&pool->workers[i].sql);
	}
	tally_pg_conn_close(&pool->first);
	(void)pthread_cond_destroy(&pool->done);
	(void)pthread_mutex_destroy(&pool->lock);
}

static int
begin(struct tally_pg_worker *worker, struct tally_error *error)
{
	char sql[256];
	int result;

	result = tally_pg_conn_run(&worker->conn,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
	if (result != 0)
		return result;
	snprintf(sql, sizeof(sql), "SET TRANSACTION SNAPSHOT '%s'",
	    worker->pool->snapshot);
	return tally_pg_conn_run(&worker->conn, sql, error);
}

static int
add_worker(struct tally_pg_pool *pool, struct tally_error *error)
{
	struct tally_pg_worker *worker = &pool->workers[pool->count];
	int result;

	memset(worker, 0, sizeof(*worker));
	worker->number = pool->count;
	worker->pool = pool;
	worker->conn.tick = tick_worker;
	worker->conn.tick_arg = pool;
	pool->count++;
	result = tally_hasher_open(&worker->hasher);
	if (result != 0)
		return tally_fail(error, result, "cannot hash");
	result = tally_pg_conn_open(&worker->conn, pool->conninfo, error);
	return result != 0 ? result : begin(worker, error);
}

int
tally_pg_pool_join(struct tally_pg_pool *pool, unsigned jobs,
    struct tally_error *error)
{
	int result = 0;

	while (pool->count < jobs && pool->count < TALLY_PG_JOBS_MAX) {
		result = add_worker(pool, error);
		if (result == 0)
			continue;
		/* The server may have no more; what there is does the work. */
		pool->count--;
		tally_pg_conn_close(&pool->workers[pool->count].conn);
		tally_hasher_close(&pool->workers[pool->count].hasher);
		break;
	}
	return pool->count > 0 ? 0 : result;
}

static int
begin_anew(struct tally_pg_worker *worker, struct tally_error *error)
{
	int result;

	if (!worker->lost)
		return 0;
	result = tally_pg_conn_run(&worker->conn, "ROLLBACK", error);
	if (result == 0)
		result = begin(worker, error);
	worker->lost = result != 0;
	return result;
}

int
tally_pg_worker_run(struct tally_pg_worker *worker, const char *sql,
    struct tally_error *error)
{
	int result = begin_anew(worker, error);

	return result != 0 ? result
			   : tally_pg_conn_run(&worker->conn, sql, error);
}

int
tally_pg_worker_copy(struct tally_pg_worker *worker, struct tally_error *error)
{
	int result;

	if (worker->sql.failed)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	result = begin_anew(worker, error);
	return result != 0
	    ? result
	    : tally_pg_conn_copy(&worker->conn, worker->sql.at, error);
}

/* ---- running ---------------------------------------------------------- */

/* The next task's number; false if there is none. */
static bool
take(struct tally_pg_pool *pool, size_t *out)
{
	bool taken;

	(void)pthread_mutex_lock(&pool->lock);
	taken = pool->result == 0 && pool->next < pool->ntasks;
	if (taken)
		*out = pool->next++;
	(void)pthread_mutex_unlock(&pool->lock);
	return taken;
}

static void
fail(struct tally_pg_pool *pool, int result, const struct tally_error *error)
{
	(void)pthread_mutex_lock(&pool->lock);
	/* What the others say after they were stopped is not the reason. */
	if (pool->result == 0 ||
	    (pool->result == TALLY_PARTIAL && result < 0 &&
		atomic_load(&pool->stop) == 0)) {
		pool->result = result;
		pool->error = *error;
	}
	atomic_store(&pool->stop, 1);
	(void)pthread_mutex_unlock(&pool->lock);
}

static void *
work(void *arg)
{
	struct tally_pg_worker *worker = arg;
	struct tally_pg_pool *pool = worker->pool;
	struct tally_error error = { 0 };
	size_t number;
	int result = 0;

	while (result == 0 && take(pool, &number)) {
		result = pool->task(worker, pool->arg, number, &error);
		if (result == 0 && tally_hasher_failed(&worker->hasher))
			result = tally_fail(&error, TALLY_E_MEMORY,
			    "libcrypto cannot hash");
		if (result != 0)
			fail(pool, result, &error);
	}
	(void)pthread_mutex_lock(&pool->lock);
	if (--pool->running == 0)
		(void)pthread_cond_signal(&pool->done);
	(void)pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Until all have come to an end; the caller may lose patience meanwhile. */
static void
wait_for_all(struct tally_pg_pool *pool)
{
	struct timespec until;

	(void)pthread_mutex_lock(&pool->lock);
	while (pool->running > 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&pool->done, &pool->lock, &until);
		(void)pthread_mutex_unlock(&pool->lock);
		if (tick_first(pool) != 0) {
			struct tally_error error = { 0 };

			tally_fail(&error, TALLY_PARTIAL, "interrupted");
			fail(pool, TALLY_PARTIAL, &error);
		}
		(void)pthread_mutex_lock(&pool->lock);
	}
	(void)pthread_mutex_unlock(&pool->lock);
}

int
tally_pg_pool_run(struct tally_pg_pool *pool, tally_pg_task task, void *arg,
    size_t ntasks, struct tally_error *error)
{
	pthread_t threads[TALLY_PG_JOBS_MAX];
	unsigned wanted = ntasks < pool->count ? (unsigned)ntasks : pool->count;
	unsigned started = 0;

	pool->task = task;
	pool->arg = arg;
	pool->ntasks = ntasks;
	pool->next = 0;
	pool->result = 0;
	pool->running = wanted;
	while (started < wanted &&
	    pthread_create(&threads[started], NULL, work,
		&pool->workers[started]) == 0)
		started++;
	if (started < wanted) {
		struct tally_error why = { 0 };

		(void)pthread_mutex_lock(&pool->lock);
		pool->running -= wanted - started;
		(void)pthread_mutex_unlock(&pool->lock);
		if (started == 0) {
			tally_fail(&why, TALLY_E_MEMORY,
			    "cannot start a thread");
			fail(pool, TALLY_E_MEMORY, &why);
		}
	}
	wait_for_all(pool);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	if (pool->result != 0 && error != NULL)
		*error = pool->error;
	return pool->result;
}
