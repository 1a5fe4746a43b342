/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libtally in one page: make a log or open it, append a batch, show the head
 * of the chain, verify.
 *
 *     cc record.c $(pkg-config --cflags --libs libtally) -o record
 *     ./record DIR
 *
 * The exit status is 0 if the log is intact, 1 if it was tampered with, and 3
 * if something could not be done.
 */
#include <stdio.h>
#include <string.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/record.h>
#include <tally/verify.h>

#define CHAIN "example/door"
#define COUNT 3

static int
open_or_make(const char *dir, struct tally_log **out_log,
    struct tally_error *error)
{
	int rc = tally_log_open(dir, NULL, out_log, error);

	if (rc != TALLY_E_NO_LOG)
		return rc;
	rc = tally_log_init(dir, NULL, error);
	if (rc != 0 && rc != TALLY_E_EXISTS)
		return rc;
	return tally_log_open(dir, NULL, out_log, error);
}

/* Durable when it returns 0: TALLY_SYNC is the default. */
static int
append_events(struct tally_log *log, struct tally_error *error)
{
	static const char *const events[COUNT] = {
		"{\"door\":\"north\",\"what\":\"opened\"}",
		"{\"door\":\"north\",\"what\":\"closed\"}",
		"{\"door\":\"south\",\"what\":\"opened\"}",
	};
	struct tally_append requests[COUNT];
	struct tally_receipt receipts[COUNT];
	char hash[TALLY_HASH_TEXT_SIZE];
	int rc;

	memset(requests, 0, sizeof(requests));
	for (size_t i = 0; i < COUNT; i++) {
		requests[i].chain = CHAIN;
		requests[i].chain_len = strlen(CHAIN);
		requests[i].event = events[i];
		requests[i].event_len = strlen(events[i]);
	}
	rc = tally_log_append(log, requests, COUNT, TALLY_SYNC, receipts,
	    error);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < COUNT; i++) {
		tally_hash_format(&receipts[i].hash, hash);
		printf("%llu %s\n", (unsigned long long)receipts[i].seq, hash);
	}
	return 0;
}

static int
show_head(struct tally_log *log, struct tally_error *error)
{
	struct tally_head head;
	char time[TALLY_TIME_TEXT_SIZE];
	int rc;

	rc = tally_log_head(log, CHAIN, strlen(CHAIN), &head, error);
	if (rc != 0)
		return rc;
	tally_time_format(head.time_us, time);
	printf("%s ends at %llu, %s\n", head.chain,
	    (unsigned long long)head.seq, time);
	return 0;
}

static void
show_finding(void *arg, const struct tally_finding *finding)
{
	(void)arg;
	printf("%s: chain %s, seq %llu: %s\n",
	    tally_finding_name(finding->kind),
	    finding->chain != NULL ? finding->chain : "?",
	    (unsigned long long)finding->seq, finding->detail);
}

int
main(int argc, char **argv)
{
	struct tally_verify_options options = { .finding = show_finding };
	struct tally_verdict verdict;
	struct tally_error error = { 0 };
	struct tally_log *log = NULL;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: record DIR\n");
		return 2;
	}
	rc = open_or_make(argv[1], &log, &error);
	if (rc != 0)
		goto out;
	rc = append_events(log, &error);
	if (rc != 0)
		goto out;
	rc = show_head(log, &error);
	if (rc != 0)
		goto out;
	rc = tally_verify(argv[1], &options, &verdict, &error);
	if (rc != 0)
		goto out;
	printf("%s: %llu records, %llu chains\n",
	    tally_verdict_name(verdict.verdict),
	    (unsigned long long)verdict.records,
	    (unsigned long long)verdict.chains);
out:
	if (rc != 0)
		fprintf(stderr, "record: %s\n",
		    error.code != 0 ? error.message : tally_strerror(rc));
	if (tally_log_close(log, &error) != 0 && rc == 0) {
		fprintf(stderr, "record: %s\n", error.message);
		return 3;
	}
	if (rc != 0)
		return 3;
	if (verdict.verdict == TALLY_TAMPERED)
		return 1;
	return verdict.verdict == TALLY_INTACT ? 0 : 3;
}
