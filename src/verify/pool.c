/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a verification; see pool.h.
 *
 * 1. All of struct pool but the slots' chunks belongs to whoever holds its
 *    lock.  A slot's chunk belongs to the thread that works on it, in the
 *    states scanning, folding and joining, and to nobody else.
 * 2. The judge belongs to the thread that joins.
 * 3. Slots are a ring in file order: [joined, taken) are in hand.
 * 4. Threads are made here, with all signals blocked, and are gone when
 *    tally_pool_run returns.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "log/sys.h"
#include "verify/pool.h"

#define PROGRESS_MS 100

enum state {
	SLOT_FREE,
	SLOT_SCANNING,
	SLOT_SCANNED,
	SLOT_COUNTED,
	SLOT_FOLDING,
	SLOT_FOLDED,
};

struct slot {
	enum state state;
	struct tally_chunk chunk;
};

struct pool {
	struct tally_judge *judge;
	const struct tally_chunk_plan *plan;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* there may be something to do */
	pthread_cond_t ended; /* a thread went home */
	struct slot *slots;
	uint32_t slots_len;
	uint64_t taken;   /* chunks given out */
	uint64_t counted; /* chunks whose successor's first index is known */
	uint64_t joined;
	uint64_t next_index;
	struct tally_position next; /* where the next chunk begins */
	struct tally_position done; /* behind the last one that was joined */
	uint64_t bytes;             /* before done */
	bool joining;
	bool stop;
	int result;
	struct tally_error error;
	unsigned running;
};

struct worker {
	struct pool *pool;
	pthread_t thread;
	bool started;
	struct tally_scanner scanner;
	struct tally_source source;
	struct tally_error error;
};

static struct slot *
slot_of(const struct pool *pool, uint64_t chunk)
{
	return &pool->slots[chunk % pool->slots_len];
}

static void
fail(struct pool *pool, int result, const struct tally_error *error)
{
	if (pool->result == 0) {
		pool->result = result;
		pool->error = *error;
	}
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
}

/* Sets up the next chunk of the log; false at its end. */
static bool
give_chunk(struct pool *pool, struct tally_chunk *chunk)
{
	const struct tally_snapshot *snapshot = pool->plan->snapshot;
	const struct tally_extent *extent;
	uint64_t left;

	for (;; pool->next.extent++, pool->next.offset = 0) {
		if (pool->next.extent >= pool->plan->extents_end)
			return false;
		extent = &snapshot->extents[pool->next.extent];
		if (pool->next.offset < extent->bytes)
			break;
	}
	left = extent->bytes - pool->next.offset;
	if (left > pool->plan->size)
		left = pool->plan->size;
	chunk->extent = pool->next.extent;
	chunk->begin = pool->next.offset;
	chunk->end = chunk->begin + left;
	pool->next.offset = chunk->end;
	return true;
}

/* Numbers the records of all chunks that it is the turn of. */
static void
count(struct pool *pool)
{
	struct slot *slot;

	while (pool->counted < pool->taken) {
		slot = slot_of(pool, pool->counted);
		if (slot->state != SLOT_SCANNED || !slot->chunk.clean)
			return;
		slot->chunk.first_index = pool->next_index;
		pool->next_index += slot->chunk.records;
		slot->state = SLOT_COUNTED;
		pool->counted++;
	}
}

static bool
can_join(const struct pool *pool)
{
	const struct slot *slot;

	if (pool->joining || pool->joined == pool->taken)
		return false;
	slot = slot_of(pool, pool->joined);
	return slot->state == SLOT_FOLDED ||
	    (slot->state == SLOT_SCANNED && !slot->chunk.clean);
}

static struct slot *
find_counted(const struct pool *pool)
{
	struct slot *slot;
	uint64_t i;

	for (i = pool->joined; i < pool->counted; i++) {
		slot = slot_of(pool, i);
		if (slot->state == SLOT_COUNTED)
			return slot;
	}
	return NULL;
}

/* The three kinds of work; the lock is held before and after, not within. */

static void
do_join(struct pool *pool, struct worker *worker)
{
	struct slot *slot = slot_of(pool, pool->joined);
	struct tally_judge *judge = pool->judge;
	bool dirty = !slot->chunk.clean;
	int r;

	pool->joining = true;
	pthread_mutex_unlock(&pool->lock);
	judge->scanner = &worker->scanner;
	judge->error = &worker->error;
	r = tally_judge_chunk(judge, &slot->chunk);
	pthread_mutex_lock(&pool->lock);
	pool->joining = false;
	if (dirty) {
		pool->next_index = judge->size;
		pool->counted++;
	}
	pool->done.extent = slot->chunk.extent;
	pool->done.offset = slot->chunk.end;
	pool->bytes += slot->chunk.end - slot->chunk.begin;
	pool->joined++;
	slot->state = SLOT_FREE;
	if (r != 0)
		fail(pool, r, &worker->error);
	count(pool);
}

static void
do_fold(struct pool *pool, struct worker *worker, struct slot *slot)
{
	slot->state = SLOT_FOLDING;
	pthread_mutex_unlock(&pool->lock);
	tally_chunk_fold(&slot->chunk, &worker->scanner.hasher);
	pthread_mutex_lock(&pool->lock);
	slot->state = SLOT_FOLDED;
}

static void
do_scan(struct pool *pool, struct worker *worker, struct slot *slot)
{
	int r;

	slot->state = SLOT_SCANNING;
	pool->taken++;
	pthread_mutex_unlock(&pool->lock);
	r = tally_chunk_scan(&slot->chunk, pool->plan, &worker->source,
	    &worker->scanner, &worker->error);
	pthread_mutex_lock(&pool->lock);
	slot->state = SLOT_SCANNED;
	if (r != 0)
		fail(pool, r, &worker->error);
	count(pool);
}

/* Does one piece of work; false if there is none left for this thread. */
static bool
work(struct pool *pool, struct worker *worker)
{
	struct slot *slot;

	if (can_join(pool)) {
		do_join(pool, worker);
		return true;
	}
	slot = find_counted(pool);
	if (slot != NULL) {
		do_fold(pool, worker, slot);
		return true;
	}
	slot = slot_of(pool, pool->taken);
	if (pool->taken - pool->joined < pool->slots_len &&
	    slot->state == SLOT_FREE && give_chunk(pool, &slot->chunk)) {
		do_scan(pool, worker, slot);
		return true;
	}
	if (pool->joined == pool->taken && !pool->joining)
		return false;
	pthread_cond_wait(&pool->work, &pool->lock);
	return true;
}

static void *
worker_main(void *arg)
{
	struct worker *worker = arg;
	struct pool *pool = worker->pool;
	uint64_t joined, taken;

	pthread_mutex_lock(&pool->lock);
	do {
		joined = pool->joined + pool->counted;
		taken = pool->taken;
		if (pool->stop || !work(pool, worker))
			break;
		if (joined != pool->joined + pool->counted ||
		    taken != pool->taken)
			pthread_cond_broadcast(&pool->work);
	} while (!pool->stop);
	pool->running--;
	pthread_cond_broadcast(&pool->work);
	pthread_cond_signal(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Tells how far it is; not 0 interrupts.  The pool's lock is not held. */
static int
tell_progress(struct pool *pool, int64_t start_us, uint64_t bytes,
    uint64_t records)
{
	const struct tally_verify_options *options = pool->judge->options;
	struct tally_report *report = pool->judge->report;
	struct tally_progress progress = {
		.bytes = bytes,
		.bytes_total = pool->plan->snapshot->bytes,
		.records = records,
		.seconds = (double)(tally_sys_monotonic_us() - start_us) / 1e6,
	};
	int r;

	if (options->progress == NULL)
		return 0;
	pthread_mutex_lock(&report->lock);
	r = options->progress(options->arg, &progress);
	pthread_mutex_unlock(&report->lock);
	return r;
}

/* The calling thread, while the others work. */
static void
attend(struct pool *pool, int64_t start_us)
{
	uint64_t bytes, records;
	struct timespec until;
	int64_t until_us;

	while (pool->running > 0) {
		until_us = tally_sys_monotonic_us() + PROGRESS_MS * 1000;
		until.tv_sec = (time_t)(until_us / 1000000);
		until.tv_nsec = (long)(until_us % 1000000) * 1000;
		if (pthread_cond_timedwait(&pool->ended, &pool->lock, &until) !=
		    ETIMEDOUT)
			continue;
		bytes = pool->bytes;
		records = pool->next_index;
		pthread_mutex_unlock(&pool->lock);
		if (tell_progress(pool, start_us, bytes, records) == 0) {
			pthread_mutex_lock(&pool->lock);
			continue;
		}
		pthread_mutex_lock(&pool->lock);
		if (pool->result == 0)
			pool->result = TALLY_PARTIAL;
		pool->stop = true;
		pthread_cond_broadcast(&pool->work);
	}
}

static int
start(struct pool *pool, struct worker *workers, unsigned jobs)
{
	struct tally_sys_signals before;
	unsigned i;
	int r = 0;

	tally_sys_block_signals(&before);
	for (i = 0; i < jobs; i++) {
		workers[i].pool = pool;
		workers[i].scanner.big = pool->judge->big;
		tally_source_open(&workers[i].source, pool->plan->snapshot);
		r = tally_hasher_open(&workers[i].scanner.hasher);
		if (r != 0)
			break;
		pool->running++;
		r = pthread_create(&workers[i].thread, NULL, worker_main,
		    &workers[i]);
		workers[i].started = r == 0;
		if (r != 0)
			pool->running--;
		/* With fewer threads than asked for it works, too. */
		if (r != 0 && i > 0)
			r = 0;
		if (!workers[i].started)
			break;
	}
	tally_sys_restore_signals(&before);
	return r == 0 ? 0 : TALLY_E_MEMORY;
}

static void
pool_init(struct pool *pool, struct tally_judge *judge,
    const struct tally_position *position)
{
	pthread_condattr_t attr;
	uint32_t i;

	memset(pool, 0, sizeof(*pool));
	pool->judge = judge;
	pool->plan = judge->plan;
	pool->next = pool->done = *position;
	pool->next_index = judge->size;
	for (i = 0; i < position->extent; i++)
		pool->bytes += judge->snapshot->extents[i].bytes;
	pool->bytes += position->offset;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->ended, &attr);
	pthread_condattr_destroy(&attr);
}

static int
make_slots(struct pool *pool, unsigned jobs)
{
	int r = 0;

	pool->slots = tally_sys_alloc((size_t)2 * jobs * sizeof(struct slot));
	if (pool->slots == NULL)
		return TALLY_E_MEMORY;
	while (r == 0 && pool->slots_len < 2 * jobs)
		r = tally_chunk_init(&pool->slots[pool->slots_len++].chunk,
		    pool->plan);
	return r;
}

static void
pool_wipe(struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->slots_len; i++)
		tally_chunk_wipe(&pool->slots[i].chunk);
	tally_sys_free(pool->slots);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
}

int
tally_pool_run(struct tally_judge *judge, unsigned jobs, int64_t start_us,
    struct tally_position *position)
{
	struct tally_error *error = judge->error;
	struct worker *workers;
	struct pool pool;
	unsigned i;
	int r;

	pool_init(&pool, judge, position);
	workers = tally_sys_alloc(jobs * sizeof(*workers));
	r = workers == NULL ? TALLY_E_MEMORY : make_slots(&pool, jobs);
	if (r == 0) {
		pthread_mutex_lock(&pool.lock);
		r = start(&pool, workers, jobs);
		if (r != 0)
			pool.stop = true;
		attend(&pool, start_us);
		pthread_mutex_unlock(&pool.lock);
	}
	for (i = 0; workers != NULL && i < jobs; i++) {
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
		tally_source_close(&workers[i].source);
		tally_hasher_close(&workers[i].scanner.hasher);
	}
	judge->error = error;
	if (r == 0)
		r = pool.result;
	if (r < 0 && error != NULL)
		*error = pool.error;
	*position = pool.done;
	if (r == 0 &&
	    tell_progress(&pool, start_us, pool.bytes, judge->size) != 0)
		r = TALLY_PARTIAL;
	tally_sys_free(workers);
	pool_wipe(&pool);
	return r;
}
