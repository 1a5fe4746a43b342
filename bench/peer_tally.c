/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This log: one chain, TALLY_SYNC; a process's threads share one handle.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/log.h>
#include <tally/verify.h>

struct logged {
	struct tally_log *log;
	struct tally_append *requests;
	struct tally_receipt *receipts;
	bool ids;
};

static int
fail(const char *what, const struct tally_error *error)
{
	fprintf(stderr, "tally: %s: %s\n", what, error->message);
	return -1;
}

static void
log_path(const struct bench_cell *cell, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/log", cell->dir);
}

static int
logged_prepare(const struct bench_cell *cell)
{
	struct tally_error error = { 0 };
	char path[4096];

	log_path(cell, path, sizeof(path));
	if (tally_log_init(path, NULL, &error) != 0)
		return fail("init", &error);
	return 0;
}

static int
logged_attach(const struct bench_cell *cell, void **out_shared)
{
	struct tally_error error = { 0 };
	struct tally_log *log = NULL;
	char path[4096];

	log_path(cell, path, sizeof(path));
	if (tally_log_open(path, NULL, &log, &error) != 0)
		return fail("open", &error);
	*out_shared = log;
	return 0;
}

static int
logged_detach(void *shared)
{
	struct tally_error error = { 0 };

	if (tally_log_close(shared, &error) != 0)
		return fail("close", &error);
	return 0;
}

static void
logged_close(void *writer)
{
	struct logged *logged = writer;

	free(logged->requests);
	free(logged->receipts);
	free(logged);
}

static int
logged_open(const struct bench_cell *cell, void *shared, void **out_writer)
{
	struct logged *logged = calloc(1, sizeof(*logged));

	if (logged == NULL)
		return -1;
	logged->log = shared;
	logged->ids = cell->ids;
	logged->requests = calloc(cell->batch, sizeof(*logged->requests));
	logged->receipts = calloc(cell->batch, sizeof(*logged->receipts));
	if (logged->requests == NULL || logged->receipts == NULL) {
		logged_close(logged);
		return -1;
	}
	*out_writer = logged;
	return 0;
}

static int
logged_append(void *writer, const struct bench_event *events, unsigned count)
{
	struct logged *logged = writer;
	struct tally_error error = { 0 };

	for (unsigned i = 0; i < count; i++) {
		struct tally_append *request = &logged->requests[i];

		request->chain = BENCH_CHAIN;
		request->chain_len = sizeof(BENCH_CHAIN) - 1;
		request->id = logged->ids ? events[i].id : NULL;
		request->id_len = logged->ids ? BENCH_ID_SIZE : 0;
		request->event = events[i].text;
		request->event_len = BENCH_EVENT_SIZE;
	}
	if (tally_log_append(logged->log, logged->requests, count, TALLY_SYNC,
		logged->receipts, &error) != 0)
		return fail("append", &error);
	return 0;
}

static int
check_head(const char *path, uint64_t records)
{
	struct tally_open_options options = { .read_only = true };
	struct tally_head head = { 0 };
	struct tally_error error = { 0 };
	struct tally_log *log = NULL;
	int result;

	if (tally_log_open(path, &options, &log, &error) != 0)
		return fail("open", &error);
	result = tally_log_head(log, BENCH_CHAIN, sizeof(BENCH_CHAIN) - 1,
	    &head, &error);
	(void)tally_log_close(log, NULL);
	if (result < 0)
		return fail("head", &error);
	if (head.seq == records)
		return 0;
	fprintf(stderr, "tally: the chain ends at %llu of %llu\n",
	    (unsigned long long)head.seq, (unsigned long long)records);
	return -1;
}

static int
logged_check(const struct bench_cell *cell, uint64_t records)
{
	struct tally_verdict verdict = { 0 };
	struct tally_error error = { 0 };
	char path[4096];

	log_path(cell, path, sizeof(path));
	if (tally_verify(path, NULL, &verdict, &error) != 0)
		return fail("verify", &error);
	if (verdict.verdict != TALLY_INTACT) {
		fprintf(stderr, "tally: the log is %s\n",
		    tally_verdict_name(verdict.verdict));
		return -1;
	}
	return check_head(path, records);
}

const struct bench_peer bench_peer_tally = {
	.name = "tally",
	.prepare = logged_prepare,
	.attach = logged_attach,
	.detach = logged_detach,
	.open = logged_open,
	.close = logged_close,
	.append = logged_append,
	.check = logged_check,
};
