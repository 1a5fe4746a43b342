/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling a log, and measuring one that is there.
 */
#include "scale.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tally/log.h>
#include <tally/proof.h>
#include <tally/verify.h>

#define CHAIN_SIZE 24
#define PROBES 1000
#define PROOFS 200
#define WRITERS 64

struct batch {
	struct bench_event events[BENCH_BATCH_MAX];
	char chains[BENCH_BATCH_MAX][CHAIN_SIZE];
	struct tally_append requests[BENCH_BATCH_MAX];
};

static int
fail(const char *what, const struct tally_error *error)
{
	fprintf(stderr, "bench_scale: %s: %s\n", what, error->message);
	return -1;
}

/* splitmix64 (Steele, Lea, Flood 2014): looks random, can be made again. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void
make_id(uint64_t record, char out[BENCH_ID_SIZE + 1])
{
	uint64_t halves[2] = { mix(record), mix(~record) };

	bench_hex((const uint8_t *)halves, sizeof(halves), out);
}

static size_t
make_chain(const struct scale_log *log, uint64_t record, char out[CHAIN_SIZE])
{
	unsigned chain = (unsigned)(record % log->chains);

	return (size_t)snprintf(out, CHAIN_SIZE, "tenant/%u", chain);
}

static void
make_request(const struct scale_log *log, struct batch *batch, unsigned at,
    uint64_t record)
{
	struct tally_append *request = &batch->requests[at];

	request->chain = batch->chains[at];
	request->chain_len = make_chain(log, record, batch->chains[at]);
	request->event = batch->events[at].text;
	request->event_len = BENCH_EVENT_SIZE;
	request->id = log->ids ? batch->events[at].id : NULL;
	request->id_len = log->ids ? BENCH_ID_SIZE : 0;
}

static int
fill_open(const struct scale_log *log, struct tally_log *handle,
    struct batch *batch)
{
	struct tally_error error = { 0 };
	struct bench_source source;
	char id[BENCH_ID_SIZE + 1];
	uint64_t done = 0;

	if (bench_source_init(&source, 0) != 0)
		return -1;
	while (done < log->records) {
		unsigned count = 0;

		for (; count < BENCH_BATCH_MAX && done < log->records;
		     count++) {
			bench_source_next(&source, &batch->events[count]);
			make_id(done, id);
			memcpy(batch->events[count].id, id, BENCH_ID_SIZE);
			make_request(log, batch, count, done++);
		}
		if (tally_log_append(handle, batch->requests, count,
			TALLY_BUFFERED, NULL, &error) != 0)
			return fail("append", &error);
	}
	return 0;
}

int
scale_fill(const struct scale_log *log, double *out_rate)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct tally_error error = { 0 };
	struct tally_log *handle = NULL;
	uint64_t begin = bench_now_ns();
	int result = -1;

	if (batch == NULL)
		return -1;
	if (tally_log_init(log->path, NULL, &error) != 0 ||
	    tally_log_open(log->path, NULL, &handle, &error) != 0) {
		(void)fail(log->path, &error);
		goto out;
	}
	result = fill_open(log, handle, batch);
	if (tally_log_close(handle, &error) != 0)
		result = fail("close", &error);
	*out_rate = (double)log->records * 1e9 /
	    (double)(bench_now_ns() - begin);
out:
	free(batch);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

static uint64_t
random_record(const struct scale_log *log, unsigned probe)
{
	return mix(probe ^ (bench_now_ns() << 20)) % log->records;
}

static int
find_one(const struct scale_log *log, struct tally_cursor *cursor,
    enum tally_key by, uint64_t record, struct tally_error *error)
{
	char chain[CHAIN_SIZE], id[BENCH_ID_SIZE + 1];
	struct tally_record found;
	struct tally_find find = { .by = by };

	make_id(record, id);
	find.chain = chain;
	find.chain_len = make_chain(log, record, chain);
	find.id = id;
	find.id_len = BENCH_ID_SIZE;
	find.seq = record / log->chains + 1;
	find.index = record + 1;
	if (tally_cursor_find(cursor, &find, &found, error) != 0)
		return -1;
	return found.index == record + 1 ? 0 : -1;
}

/* The median time to find a random record. */
static int
probe_find(const struct scale_log *log, struct tally_log *handle,
    enum tally_key by, double *out_us)
{
	struct bench_hist *hist = calloc(1, sizeof(*hist));
	struct tally_cursor *cursor = NULL;
	struct tally_range range = { 0 };
	struct tally_error error = { 0 };
	int result = -1;

	if (hist == NULL ||
	    tally_cursor_open(handle, &range, &cursor, &error) != 0)
		goto out;
	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t record = random_record(log, i);
		uint64_t before = bench_now_ns();

		if (find_one(log, cursor, by, record, &error) != 0)
			goto out;
		bench_hist_add(hist, bench_now_ns() - before);
	}
	*out_us = (double)bench_hist_percentile(hist, 0.5) / 1e3;
	result = 0;
out:
	if (result != 0)
		(void)fail("find", &error);
	tally_cursor_close(cursor);
	free(hist);
	return result;
}

static int
probe_heads(const struct scale_log *log, struct tally_log *handle,
    double *out_us)
{
	struct tally_error error = { 0 };
	struct tally_head head;
	char chain[CHAIN_SIZE];
	uint64_t begin = bench_now_ns();

	for (unsigned i = 0; i < PROBES; i++) {
		size_t len = make_chain(log, random_record(log, i), chain);

		if (tally_log_head(handle, chain, len, &head, &error) != 0)
			return fail("head", &error);
	}
	*out_us = (double)(bench_now_ns() - begin) / 1e3 / PROBES;
	return 0;
}

static int
probe_proofs(const struct scale_log *log, struct tally_log *handle,
    double *out_first_us, double *out_us)
{
	struct bench_hist *hist = calloc(1, sizeof(*hist));
	struct tally_error error = { 0 };
	char chain[CHAIN_SIZE];
	int result = hist == NULL ? -1 : 0;

	for (unsigned i = 0; i <= PROOFS && result == 0; i++) {
		uint64_t record = random_record(log, i), before;
		size_t len = make_chain(log, record, chain), text_len;
		char *text = NULL;

		before = bench_now_ns();
		result = tally_log_prove(handle, chain, len,
		    record / log->chains + 1, &text, &text_len, &error);
		before = bench_now_ns() - before;
		free(text);
		if (i == 0)
			*out_first_us = (double)before / 1e3;
		else
			bench_hist_add(hist, before);
	}
	if (result != 0)
		(void)fail("prove", &error);
	else
		*out_us = (double)bench_hist_percentile(hist, 0.5) / 1e3;
	free(hist);
	return result;
}

/* Resident memory: all of it, and what is not backed by a file. */
static void
probe_memory(double *out_rss_mib, double *out_anon_mib)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	*out_rss_mib = *out_anon_mib = 0;
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0)
			*out_rss_mib = strtod(line + 6, NULL) / 1024;
		if (strncmp(line, "RssAnon:", 8) == 0)
			*out_anon_mib = strtod(line + 8, NULL) / 1024;
	}
	(void)fclose(file);
}

/* ---- appending -------------------------------------------------------- */

struct appender {
	const struct scale_log *log;
	struct tally_log *handle;
	const _Atomic int *stop;
	unsigned number;
	unsigned count; /* in a call */
	uint64_t records;
	pthread_t thread;
	bool failed;
};

static void *
append_main(void *arg)
{
	struct appender *appender = arg;
	struct batch *batch = calloc(1, sizeof(*batch));
	struct tally_error error = { 0 };
	struct bench_source source;

	appender->failed = true;
	if (batch == NULL || bench_source_init(&source, appender->number) != 0)
		return NULL;
	appender->failed = false;
	while (atomic_load(appender->stop) == 0 && !appender->failed) {
		for (unsigned i = 0; i < appender->count; i++) {
			bench_source_next(&source, &batch->events[i]);
			make_request(appender->log, batch, i, source.random);
		}
		if (tally_log_append(appender->handle, batch->requests,
			appender->count, TALLY_SYNC, NULL, &error) == 0) {
			appender->records += appender->count;
		} else {
			(void)fail("append", &error);
			appender->failed = true;
		}
	}
	free(batch);
	return NULL;
}

static int
probe_append(const struct scale_log *log, struct tally_log *handle,
    unsigned writers, unsigned count, double *out_rate)
{
	struct timespec time = { (time_t)log->seconds,
		(long)((log->seconds - (double)(time_t)log->seconds) * 1e9) };
	struct appender appenders[WRITERS] = { 0 };
	_Atomic int stop = 0;
	uint64_t records = 0, begin = bench_now_ns();
	int result = 0;

	for (unsigned i = 0; i < writers; i++) {
		appenders[i].log = log;
		appenders[i].handle = handle;
		appenders[i].stop = &stop;
		appenders[i].number = i;
		appenders[i].count = count;
		if (pthread_create(&appenders[i].thread, NULL, append_main,
			&appenders[i]) != 0)
			abort();
	}
	(void)nanosleep(&time, NULL);
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < writers; i++) {
		(void)pthread_join(appenders[i].thread, NULL);
		records += appenders[i].records;
		if (appenders[i].failed)
			result = -1;
	}
	*out_rate = (double)records * 1e9 / (double)(bench_now_ns() - begin);
	return result;
}

/* ---- a log ------------------------------------------------------------ */

static int
probe_open(const struct scale_log *log, struct tally_log *handle,
    double out[SCALE_FIGURES])
{
	if (probe_heads(log, handle, &out[SCALE_HEAD_US]) != 0 ||
	    probe_find(log, handle, TALLY_KEY_SEQ, &out[SCALE_SEQ_US]) != 0 ||
	    probe_find(log, handle, TALLY_KEY_INDEX, &out[SCALE_INDEX_US]) != 0)
		return -1;
	if (log->ids &&
	    probe_find(log, handle, TALLY_KEY_ID, &out[SCALE_ID_US]) != 0)
		return -1;
	if (probe_proofs(log, handle, &out[SCALE_FIRST_PROOF_US],
		&out[SCALE_PROOF_US]) != 0)
		return -1;
	probe_memory(&out[SCALE_READ_RSS_MIB], &out[SCALE_READ_ANON_MIB]);
	if (probe_append(log, handle, 1, 1, &out[SCALE_APPEND_1]) != 0 ||
	    probe_append(log, handle, WRITERS, 1, &out[SCALE_APPEND_64]) != 0 ||
	    probe_append(log, handle, 1, BENCH_BATCH_MAX,
		&out[SCALE_APPEND_BATCH]) != 0)
		return -1;
	probe_memory(&out[SCALE_RSS_MIB], &out[SCALE_ANON_MIB]);
	return 0;
}

int
scale_probe(const struct scale_log *log, double out[SCALE_FIGURES])
{
	struct tally_error error = { 0 };
	struct tally_log *handle = NULL;
	uint64_t begin = bench_now_ns();
	int result;

	if (tally_log_open(log->path, NULL, &handle, &error) != 0)
		return fail(log->path, &error);
	out[SCALE_OPEN_MS] = (double)(bench_now_ns() - begin) / 1e6;
	result = probe_open(log, handle, out);
	begin = bench_now_ns();
	if (tally_log_close(handle, &error) != 0)
		result = fail("close", &error);
	out[SCALE_CLOSE_MS] = (double)(bench_now_ns() - begin) / 1e6;
	return result;
}

int
scale_check(const struct scale_log *log)
{
	struct tally_verdict verdict = { 0 };
	struct tally_error error = { 0 };

	if (tally_verify(log->path, NULL, &verdict, &error) != 0)
		return fail("verify", &error);
	if (verdict.verdict == TALLY_INTACT && verdict.records > log->records)
		return 0;
	fprintf(stderr, "bench_scale: %s: %s, %llu records\n", log->path,
	    tally_verdict_name(verdict.verdict),
	    (unsigned long long)verdict.records);
	return -1;
}
