/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers that start together.  The parent forks the processes, these start
 * the threads; every writer opens what it needs, reports ready in shared
 * memory and sleeps on one word, until the parent says go.  After the
 * seconds are over the parent says stop; a record counts if it was
 * acknowledged before that.  The latencies of all calls count, also of
 * those that the end found waiting: leaving these out would flatter a peer
 * that lets writers starve.
 */
#include "bench.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What one writer did; written by it alone, read after it ended. */
struct slot {
	uint64_t counted;
	uint64_t appended;
	struct bench_hist latency;
};

struct shared {
	_Atomic uint32_t go;
	_Atomic uint32_t stop;
	_Atomic uint32_t ready;
	_Atomic uint32_t ended;
	_Atomic uint32_t failed;
	struct slot slots[];
};

struct writer {
	const struct bench_peer *peer;
	const struct bench_cell *cell;
	struct shared *shared;
	void *attached;
	unsigned number;
	pthread_t thread;
	bool failed;
};

uint64_t
bench_sync_count(void)
{
	uint64_t (*count)(void) = NULL;

	/* POSIX lets dlsym's object pointer be a function's. */
	*(void **)&count = dlsym(RTLD_DEFAULT, "bench_slow_sync_count");
	return count == NULL ? 0 : count();
}

static void
sleep_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&time, NULL);
}

static void
wait_for_go(struct shared *shared)
{
	while (atomic_load(&shared->go) == 0)
		(void)syscall(SYS_futex, &shared->go, FUTEX_WAIT, 0, NULL, NULL,
		    0);
}

static void
say_go(struct shared *shared)
{
	atomic_store(&shared->go, 1);
	(void)syscall(SYS_futex, &shared->go, FUTEX_WAKE, INT32_MAX, NULL, NULL,
	    0);
}

/* ---- in the children -------------------------------------------------- */

static int
append_until_stop(struct writer *writer, void *opened)
{
	const struct bench_cell *cell = writer->cell;
	struct shared *shared = writer->shared;
	struct slot *slot = &shared->slots[writer->number];
	struct bench_event *events;
	struct bench_source source;
	uint64_t before;
	int result = 0;

	if (bench_source_init(&source, writer->number) != 0)
		return -1;
	events = calloc(cell->batch, sizeof(*events));
	if (events == NULL)
		return -1;
	atomic_fetch_add(&shared->ready, 1);
	wait_for_go(shared);
	for (uint64_t call = 0; atomic_load(&shared->stop) == 0; call++) {
		if (cell->idle || (cell->calls != 0 && call == cell->calls))
			break;
		for (unsigned i = 0; i < cell->batch; i++)
			bench_source_next(&source, &events[i]);
		before = bench_now_ns();
		result = writer->peer->append(opened, events, cell->batch);
		if (result != 0)
			break;
		bench_hist_add(&slot->latency, bench_now_ns() - before);
		slot->appended += cell->batch;
		if (atomic_load(&shared->stop) == 0)
			slot->counted += cell->batch;
	}
	free(events);
	return result;
}

/* Closing may be work, and not be in the way of those who still append. */
static void
wait_for_others(const struct writer *writer)
{
	uint32_t writers = writer->cell->processes * writer->cell->threads;

	while (atomic_load(&writer->shared->ended) < writers &&
	    atomic_load(&writer->shared->failed) == 0)
		sleep_ms(2);
}

static void *
writer_main(void *arg)
{
	struct writer *writer = arg;
	void *opened = NULL;

	writer->failed = true;
	if (writer->peer->open(writer->cell, writer->attached, &opened) == 0)
		writer->failed = append_until_stop(writer, opened) != 0;
	if (writer->failed)
		atomic_store(&writer->shared->failed, 1);
	atomic_fetch_add(&writer->shared->ended, 1);
	wait_for_others(writer);
	if (opened != NULL)
		writer->peer->close(opened);
	return NULL;
}

static int
start_threads(struct writer *writers, unsigned count)
{
	bool failed = false;
	unsigned started;

	for (started = 0; started < count; started++) {
		if (pthread_create(&writers[started].thread, NULL, writer_main,
			&writers[started]) != 0) {
			perror("pthread_create");
			atomic_store(&writers->shared->failed, 1);
			failed = true;
			break;
		}
	}
	for (unsigned i = 0; i < started; i++) {
		(void)pthread_join(writers[i].thread, NULL);
		failed = failed || writers[i].failed;
	}
	return failed ? -1 : 0;
}

static int
process_main(const struct bench_peer *peer, const struct bench_cell *cell,
    struct shared *shared, unsigned process)
{
	struct writer *writers = calloc(cell->threads, sizeof(*writers));
	void *attached = NULL;
	int result = -1;

	if (writers == NULL)
		goto out;
	if (peer->attach != NULL && peer->attach(cell, &attached) != 0)
		goto out;
	for (unsigned i = 0; i < cell->threads; i++) {
		writers[i].peer = peer;
		writers[i].cell = cell;
		writers[i].shared = shared;
		writers[i].attached = attached;
		writers[i].number = process * cell->threads + i;
	}
	result = start_threads(writers, cell->threads);
	if (peer->detach != NULL && peer->detach(attached) != 0)
		result = -1;
out:
	if (result != 0)
		atomic_store(&shared->failed, 1);
	free(writers);
	return result;
}

/* ---- in the parent ---------------------------------------------------- */

static int
fork_all(const struct bench_peer *peer, const struct bench_cell *cell,
    struct shared *shared, pid_t *pids)
{
	unsigned i;

	(void)fflush(NULL);
	for (i = 0; i < cell->processes; i++) {
		pids[i] = fork();
		if (pids[i] < 0) {
			perror("fork");
			atomic_store(&shared->failed, 1);
			return -1;
		}
		if (pids[i] == 0)
			_exit(process_main(peer, cell, shared, i) == 0 ? 0 : 1);
	}
	return 0;
}

static void
add_up(const struct bench_cell *cell, const struct shared *shared,
    struct bench_result *out)
{
	for (unsigned i = 0; i < cell->processes * cell->threads; i++) {
		const struct slot *slot = &shared->slots[i];

		out->counted += slot->counted;
		out->appended += slot->appended;
		bench_hist_merge(&out->latency, &slot->latency);
	}
}

/* All writers are ready (or one failed): let them run, and measure. */
static double
run_clock(const struct bench_cell *cell, struct shared *shared)
{
	uint32_t writers = cell->processes * cell->threads;
	uint64_t begin;
	double seconds;

	while (atomic_load(&shared->ready) < writers &&
	    atomic_load(&shared->failed) == 0)
		sleep_ms(1);
	begin = bench_now_ns();
	if (atomic_load(&shared->failed) != 0)
		atomic_store(&shared->stop, 1);
	say_go(shared);
	if (cell->calls == 0 && !cell->idle) {
		sleep_ms((unsigned)(cell->seconds * 1000));
		atomic_store(&shared->stop, 1);
	}
	seconds = (double)(bench_now_ns() - begin) / 1e9;
	return seconds;
}

int
bench_run(const struct bench_peer *peer, const struct bench_cell *cell,
    struct bench_result *out)
{
	unsigned writers = cell->processes * cell->threads;
	size_t size = sizeof(struct shared) + writers * sizeof(struct slot);
	pid_t *pids = calloc(cell->processes, sizeof(*pids));
	struct shared *shared;
	uint64_t begin, syncs;
	int status, result;

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pids == NULL || shared == MAP_FAILED || peer->prepare(cell) != 0)
		return -1;
	memset(shared, 0, size);
	memset(out, 0, sizeof(*out));
	result = fork_all(peer, cell, shared, pids);
	begin = bench_now_ns();
	syncs = bench_sync_count();
	out->seconds = run_clock(cell, shared);
	for (unsigned i = 0; i < cell->processes && pids[i] > 0; i++) {
		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			result = -1;
	}
	if (cell->calls != 0)
		out->seconds = (double)(bench_now_ns() - begin) / 1e9;
	add_up(cell, shared, out);
	out->syncs = bench_sync_count() - syncs;
	(void)munmap(shared, size);
	free(pids);
	return result;
}
