/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying beside the least that any verifier must do: a bare loop over the
 * same messages (0x00 || header, 0x02 || salt || event, 0x01 || left ||
 * right), which lie in memory, hashed by OpenSSL's EVP with the algorithm
 * fetched once and the context reused, on as many threads.
 *
 *	bench_verify [records [event bytes [turns]]]
 *
 * Both take turns in one run; the medians and their ratio are printed, and
 * the memory of a process that only verifies.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <tally/log.h>
#include <tally/verify.h>

#define CHAINS 100
#define BATCH 1000
#define TURNS_MAX 101
#define JOBS_MAX 64

struct share {
	pthread_t thread;
	const char *text; /* messages: length (4 bytes), bytes */
	size_t len;
	uint64_t nodes; /* of the tree, hashed besides */
};

static char *messages;
static size_t messages_len, messages_size;
static size_t *starts; /* of each record's two messages */

static void
die(const char *what)
{
	fprintf(stderr, "bench_verify: %s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make_event(char *out, size_t len, uint64_t i)
{
	size_t n = (size_t)snprintf(out, len,
	    "{\"actor\":\"user-%llu\",\"action\":\"document.update\","
	    "\"object\":{\"type\":\"file\",\"id\":\"f%09llu\"},"
	    "\"ip\":\"10.0.%llu.%llu\",\"ok\":true,\"size\":%llu,\"note\":\"",
	    (unsigned long long)(i % 977), (unsigned long long)i,
	    (unsigned long long)(i % 250), (unsigned long long)(i % 199),
	    (unsigned long long)(i * 37));

	for (; n + 3 < len; n++)
		out[n] = "quarterly numbers, second draft "[n % 32];
	memcpy(out + n, "\"}", 3);
}

static void
make_log(const char *dir, uint64_t records, size_t event_len)
{
	struct tally_append *requests = calloc(BATCH, sizeof(*requests));
	char *events = malloc(BATCH * (event_len + 1));
	char chains[CHAINS][16];
	struct tally_error error = { 0 };
	struct tally_log *log;
	uint64_t i, k;

	if (requests == NULL || events == NULL ||
	    tally_log_init(dir, NULL, &error) != 0 ||
	    tally_log_open(dir, NULL, &log, &error) != 0)
		die(error.message);
	for (i = 0; i < CHAINS; i++)
		snprintf(chains[i], sizeof(chains[i]), "org/%d", (int)i);
	for (i = 0; i < records; i += k) {
		for (k = 0; k < BATCH && i + k < records; k++) {
			requests[k].chain = chains[(i + k) * 7 % CHAINS];
			requests[k].chain_len = strlen(requests[k].chain);
			requests[k].event = events + k * (event_len + 1);
			requests[k].event_len = event_len;
			make_event(events + k * (event_len + 1), event_len + 1,
			    i + k);
		}
		if (tally_log_append(log, requests, (size_t)k, TALLY_BUFFERED,
			NULL, &error) != 0)
			die(error.message);
	}
	if (tally_log_close(log, &error) != 0)
		die(error.message);
	free(requests);
	free(events);
}

static void
keep_message(const char *prefix, size_t prefix_len, const char *text,
    size_t text_len, const char *suffix)
{
	uint32_t len = (uint32_t)(prefix_len + text_len + strlen(suffix));

	if (messages_size - messages_len < len + sizeof(len)) {
		messages_size = messages_size * 2 + (1 << 20);
		messages = realloc(messages, messages_size);
		if (messages == NULL)
			die("out of memory");
	}
	memcpy(messages + messages_len, &len, sizeof(len));
	messages_len += sizeof(len);
	memcpy(messages + messages_len, prefix, prefix_len);
	memcpy(messages + messages_len + prefix_len, text, text_len);
	memcpy(messages + messages_len + prefix_len + text_len, suffix,
	    strlen(suffix));
	messages_len += len;
}

/* What is hashed of every record, from the log itself. */
static uint64_t
keep_messages(const char *dir)
{
	static const char salt[17] = { 2 };
	struct tally_open_options options = { .read_only = true };
	struct tally_error error = { 0 };
	struct tally_cursor *cursor = NULL;
	struct tally_record record;
	struct tally_range range = { 0 };
	struct tally_log *log = NULL;
	const char *end;
	uint64_t count = 0;

	if (tally_log_open(dir, &options, &log, &error) != 0 ||
	    tally_cursor_open(log, &range, &cursor, &error) != 0)
		die(error.message);
	while (tally_cursor_next(cursor, &record, &error) == 0) {
		starts = realloc(starts, (size_t)(count + 2) * sizeof(*starts));
		if (starts == NULL)
			die("out of memory");
		starts[count++] = messages_len;
		end = strstr(record.line, ",\"hash\":\"");
		keep_message("", 1, record.line, (size_t)(end - record.line),
		    "}");
		keep_message(salt, sizeof(salt), record.event, record.event_len,
		    "");
	}
	starts[count] = messages_len;
	tally_cursor_close(cursor);
	tally_log_close(log, NULL);
	return count;
}

static void *
bare(void *arg)
{
	struct share *share = arg;
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char node[65] = { 1 }, out[32];
	size_t at = 0;
	uint32_t len;
	uint64_t i;

	EVP_DigestInit_ex2(ctx, md, NULL);
	while (at < share->len) {
		memcpy(&len, share->text + at, sizeof(len));
		at += sizeof(len);
		EVP_DigestInit_ex2(ctx, NULL, NULL);
		EVP_DigestUpdate(ctx, share->text + at, len);
		EVP_DigestFinal_ex(ctx, out, NULL);
		at += len;
	}
	for (i = 0; i < share->nodes; i++) {
		memcpy(node + 1 + 32 * (i & 1), out, sizeof(out));
		EVP_DigestInit_ex2(ctx, NULL, NULL);
		EVP_DigestUpdate(ctx, node, sizeof(node));
		EVP_DigestFinal_ex(ctx, out, NULL);
	}
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return NULL;
}

static double
run_bare(uint64_t records, unsigned jobs)
{
	struct share shares[JOBS_MAX];
	double start = now();
	unsigned i;

	for (i = 0; i < jobs; i++) {
		shares[i].text = messages + starts[records * i / jobs];
		shares[i].len = starts[records * (i + 1) / jobs] -
		    starts[records * i / jobs];
		shares[i].nodes = records / jobs;
		if (pthread_create(&shares[i].thread, NULL, bare, &shares[i]) !=
		    0)
			die("no thread");
	}
	for (i = 0; i < jobs; i++)
		pthread_join(shares[i].thread, NULL);
	return now() - start;
}

static double
run_verify(const char *dir, unsigned jobs)
{
	struct tally_verify_options options = { .jobs = jobs };
	struct tally_verdict verdict;
	struct tally_error error = { 0 };
	double start = now();

	if (tally_verify(dir, &options, &verdict, &error) != 0)
		die(error.message);
	if (verdict.verdict != TALLY_INTACT)
		die("the log is not intact");
	return now() - start;
}

/* KiB of a process that does nothing but verify, less an empty one's. */
static long
memory_of(const char *dir, unsigned jobs)
{
	struct rusage usage;
	pid_t child = fork();
	int status;

	if (child == 0) {
		free(messages);
		run_verify(dir, jobs);
		getrusage(RUSAGE_SELF, &usage);
		_exit(0);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		die("no process");
	return usage.ru_maxrss;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, unsigned len)
{
	qsort(values, len, sizeof(*values), compare);
	return values[len / 2];
}

static void
measure(const char *dir, uint64_t records, unsigned jobs, unsigned turns)
{
	double bare_s[TURNS_MAX], verify_s[TURNS_MAX], b, v;
	unsigned i;

	for (i = 0; i < turns; i++) {
		bare_s[i] = run_bare(records, jobs);
		verify_s[i] = run_verify(dir, jobs);
	}
	b = median(bare_s, turns);
	v = median(verify_s, turns);
	printf("%4u  %14.0f  %14.0f  %5.2f\n", jobs, (double)records / b,
	    (double)records / v, b / v);
}

int
main(int argc, char **argv)
{
	uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
	size_t event_len = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
	unsigned turns = argc > 3 ? (unsigned)atoi(argv[3]) : 9, jobs;
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	char dir[] = "/tmp/bench-verify-XXXXXX", log[64], command[96];
	long rss;

	if (turns > TURNS_MAX || turns == 0 || event_len < 200)
		die("records, event bytes from 200 on, turns up to 101");
	if (mkdtemp(dir) == NULL)
		die("no temporary directory");
	snprintf(log, sizeof(log), "%s/log", dir);
	make_log(log, records, event_len);
	rss = memory_of(log, cores);
	records = keep_messages(log);
	printf("%llu records, events of %zu bytes, %u turns, medians\n",
	    (unsigned long long)records, event_len, turns);
	printf("jobs  bare records/s  tally verify/s  ratio\n");
	for (jobs = 1; jobs <= cores && jobs <= JOBS_MAX; jobs *= 2)
		measure(log, records, jobs, turns);
	printf("peak memory of a verifying process: %.1f MiB\n",
	    (double)rss / 1024);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0;
}
