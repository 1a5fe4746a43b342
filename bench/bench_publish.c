/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: bench_publish DIR [chains|records|appends]: DIR is an
 * empty directory on the disk to measure.
 *
 *   chains    100,000 of them; a checkpoint when 1,000 have changed
 *   records   50,000 new ones, and nothing else at work
 *   appends   durable, 16 threads, 64 chains, by turns of two seconds without
 *             and with a checkpoint every second; the median of the ratios of
 *             turns that follow each other, and what of the processor's time
 *             the checkpoints took.  On a machine where others are at work
 *             the processor's time for each append says more than the rate,
 *             which is theirs as well.  Within the turns with checkpoints,
 *             the rate of the whole is also set beside that of the time in
 *             which none was being made: a turn is two seconds from its
 *             neighbour, and such a time some tens of milliseconds
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <tally/tally.h>

#define CHAINS 100000
#define CHANGED 1000
#define BATCH 1000
#define RECORDS 50000
#define THREADS 16
#define TURNS 20
#define SECONDS 2

static struct tally_signer *signer;
static char path_log[1024], path_register[1024];
static atomic_bool running;
static atomic_uint_fast64_t appended;
/* Of the checkpoints beside appends. */
static double wall_seconds, cpu_seconds, records;
/* Of the turns with them: while none was being made. */
static double turn_seconds, records_outside;
static unsigned published;

static void
die(const char *what, int result, const struct tally_error *error)
{
	fprintf(stderr, "bench_publish: %s: %d %s\n", what, result,
	    error->message);
	exit(1);
}

static double
cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of all threads. */
static double
cpu_of_process(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct tally_log *
open_log(void)
{
	struct tally_error error = { 0 };
	struct tally_log *log;
	int r = tally_log_open(path_log, NULL, &log, &error);

	if (r != 0)
		die("open", r, &error);
	return log;
}

/* One record for each of the chains [from, to). */
static void
touch(struct tally_log *log, unsigned from, unsigned to)
{
	static struct tally_append event[BATCH];
	static char name[BATCH][32];
	struct tally_error error = { 0 };

	for (unsigned at = from; at < to; at += BATCH) {
		unsigned count = to - at < BATCH ? to - at : BATCH;

		for (unsigned i = 0; i < count; i++) {
			memset(&event[i], 0, sizeof(event[i]));
			event[i].chain = name[i];
			event[i].chain_len = (size_t)snprintf(name[i],
			    sizeof(name[i]), "tenant/%u", at + i);
			event[i].event = "{\"action\":\"login\"}";
			event[i].event_len = 18;
		}
		int r = tally_log_append(log, event, count, TALLY_SYNC, NULL,
		    &error);

		if (r != 0)
			die("append", r, &error);
	}
}

static const struct tally_publish_options how = {
	.signers = &signer, .signers_len = 1, .register_dir = path_register
};

/* With a publisher that stays, or (NULL) as one call does it. */
static double
publish(struct tally_publisher *publisher)
{
	struct tally_published_checkpoint out;
	struct tally_error error = { 0 };
	double began = now();
	int r = publisher != NULL
	    ? tally_publisher_publish(publisher, &out, &error)
	    : tally_publish(path_log, &how, &out, &error);

	if (r != 0 || out.verdict > TALLY_PUBLISH_CURRENT)
		die("publish", r, &error);
	free(out.note);
	return now() - began;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct tally_publisher *
open_publisher(struct tally_log *log)
{
	struct tally_publisher *publisher;
	struct tally_error error = { 0 };
	int r = tally_publisher_open(log, &how, &publisher, &error);

	if (r != 0)
		die("publisher", r, &error);
	return publisher;
}

static void
measure_chains(struct tally_log *log, struct tally_publisher *publisher,
    const char *kind)
{
	double seconds[15];

	(void)publish(publisher);
	for (unsigned i = 0; i < 15; i++) {
		touch(log, i * CHANGED, (i + 1) * CHANGED);
		seconds[i] = publish(publisher);
	}
	qsort(seconds, 15, sizeof(seconds[0]), by_value);
	printf("checkpoint, %d chains, %d changed, %s: median %.1f ms, worst"
	       " %.1f ms\n",
	    CHAINS, CHANGED, kind, seconds[7] * 1e3, seconds[14] * 1e3);
}

static void
measure_many_chains(void)
{
	struct tally_log *log = open_log();
	struct tally_publisher *publisher = open_publisher(log);

	touch(log, 0, CHAINS);
	measure_chains(log, NULL, "one call each");
	measure_chains(log, publisher, "a publisher that stays");
	tally_publisher_close(publisher);
	(void)tally_log_close(log, NULL);
}

/* What a record costs that is new at a checkpoint. */
static void
measure_many_records(void)
{
	struct tally_log *log = open_log();
	struct tally_publisher *publisher = open_publisher(log);
	double seconds[15], cpu[15];

	for (unsigned i = 0; i < 15; i++) {
		double began;

		for (unsigned at = 0; at < RECORDS; at += BATCH)
			touch(log, 0, BATCH);
		began = cpu_now();
		seconds[i] = publish(publisher);
		cpu[i] = cpu_now() - began;
	}
	qsort(seconds, 15, sizeof(seconds[0]), by_value);
	qsort(cpu, 15, sizeof(cpu[0]), by_value);
	printf("checkpoint, %d new records: median %.1f ms, worst %.1f ms;"
	       " %.1f ms of a processor, %.2f us for each\n",
	    RECORDS, seconds[7] * 1e3, seconds[14] * 1e3, cpu[7] * 1e3,
	    cpu[7] * 1e6 / RECORDS);
	tally_publisher_close(publisher);
	(void)tally_log_close(log, NULL);
}

static void *
write_records(void *arg)
{
	struct tally_log *log = arg;
	struct tally_error error = { 0 };
	char name[32];
	unsigned n = 0;

	while (atomic_load(&running)) {
		struct tally_append event = { .chain = name,
			.event = "{\"actor\":\"alice\",\"action\":\"login\"}",
			.event_len = 34 };
		event.chain_len = (size_t)snprintf(name, sizeof(name), "hot/%u",
		    n++ % 64);
		int r = tally_log_append(log, &event, 1, TALLY_SYNC, NULL,
		    &error);

		if (r != 0)
			die("append", r, &error);
		atomic_fetch_add(&appended, 1);
	}
	return NULL;
}

static void
publish_measured(struct tally_publisher *publisher)
{
	double cpu = cpu_now(), before = (double)atomic_load(&appended);

	wall_seconds += publish(publisher);
	cpu_seconds += cpu_now() - cpu;
	records_outside -= (double)atomic_load(&appended) - before;
	published++;
}

/* Records a second over some seconds; and seconds of a processor for each. */
static double
turn(struct tally_log *log, struct tally_publisher *publisher,
    bool with_checkpoints, double *out_cpu)
{
	struct timespec second = { .tv_sec = 1 };
	pthread_t thread[THREADS];
	double began, used = cpu_of_process();

	atomic_store(&running, true);
	atomic_store(&appended, 0);
	began = now();
	for (int i = 0; i < THREADS; i++)
		(void)pthread_create(&thread[i], NULL, write_records, log);
	for (int i = 0; i < SECONDS; i++) {
		(void)nanosleep(&second, NULL);
		if (with_checkpoints)
			publish_measured(publisher);
	}
	double count = (double)atomic_load(&appended), took = now() - began;

	*out_cpu = (cpu_of_process() - used) / count;
	if (with_checkpoints) {
		records += count;
		records_outside += count;
		turn_seconds += took;
	}
	atomic_store(&running, false);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(thread[i], NULL);
	/* What is not signed yet would be paid for by the next turn. */
	(void)publish(publisher);
	return count / took;
}

static void
measure_appends(void)
{
	struct tally_log *log = open_log();
	struct tally_publisher *publisher = open_publisher(log);
	double without[TURNS], with[TURNS], ratio[TURNS];
	double cpu_without[TURNS], cpu_with[TURNS], cpu_ratio[TURNS];

	(void)turn(log, publisher, true, &cpu_with[0]);
	wall_seconds = cpu_seconds = turn_seconds = 0;
	records = records_outside = published = 0;
	for (int i = 0; i < TURNS; i++) {
		without[i] = turn(log, publisher, false, &cpu_without[i]);
		with[i] = turn(log, publisher, true, &cpu_with[i]);
		ratio[i] = with[i] / without[i];
		cpu_ratio[i] = cpu_without[i] / cpu_with[i];
	}
	qsort(cpu_without, TURNS, sizeof(cpu_without[0]), by_value);
	qsort(cpu_with, TURNS, sizeof(cpu_with[0]), by_value);
	qsort(cpu_ratio, TURNS, sizeof(cpu_ratio[0]), by_value);
	qsort(without, TURNS, sizeof(without[0]), by_value);
	qsort(with, TURNS, sizeof(with[0]), by_value);
	qsort(ratio, TURNS, sizeof(ratio[0]), by_value);
	printf("appends, a checkpoint every second: median %.0f/s, without"
	       " %.0f/s; ratio %.3f (quartiles %.3f, %.3f)\n",
	    with[TURNS / 2], without[TURNS / 2], ratio[TURNS / 2],
	    ratio[TURNS / 4], ratio[TURNS * 3 / 4]);
	printf("  of a processor: %.1f us for each, without %.1f us; ratio %.3f"
	       " (quartiles %.3f, %.3f)\n",
	    cpu_with[TURNS / 2] * 1e6, cpu_without[TURNS / 2] * 1e6,
	    cpu_ratio[TURNS / 2], cpu_ratio[TURNS / 4],
	    cpu_ratio[TURNS * 3 / 4]);
	printf("  in the turns with checkpoints %.0f/s, while none was being"
	       " made %.0f/s; ratio %.3f\n",
	    records / turn_seconds,
	    records_outside / (turn_seconds - wall_seconds),
	    records / turn_seconds /
		(records_outside / (turn_seconds - wall_seconds)));
	printf("  a checkpoint takes %.1f ms, of these %.1f ms of a"
	       " processor, %.2f us for each record\n",
	    wall_seconds * 1e3 / published, cpu_seconds * 1e3 / published,
	    cpu_seconds * 1e6 / records);
	tally_publisher_close(publisher);
	(void)tally_log_close(log, NULL);
}

static void
begin(const char *dir, const char *name)
{
	struct tally_init_options new_log = { .origin = "example.org/bench" };
	struct tally_error error = { 0 };
	int r;

	(void)snprintf(path_log, sizeof(path_log), "%s/%s", dir, name);
	(void)snprintf(path_register, sizeof(path_register), "%s/register-%s",
	    dir, name);
	r = tally_log_init(path_log, &new_log, &error);
	if (r != 0)
		die("init", r, &error);
}

int
main(int argc, char **argv)
{
	char key[1024], vkey[TALLY_VKEY_TEXT_SIZE];
	struct tally_error error = { 0 };
	int r;

	if (argc < 2 || argc > 3) {
		fputs("usage: bench_publish DIR [chains|records|appends]\n",
		    stderr);
		return 2;
	}
	(void)snprintf(key, sizeof(key), "%s/key", argv[1]);
	r = tally_key_generate(key, "example.org/bench", NULL, vkey, &error);
	if (r == 0)
		r = tally_signer_load(key, NULL, &signer, &error);
	if (r != 0)
		die("key", r, &error);
	if (argc == 2 || strcmp(argv[2], "chains") == 0) {
		begin(argv[1], "chains");
		measure_many_chains();
	}
	if (argc == 2 || strcmp(argv[2], "records") == 0) {
		begin(argv[1], "records");
		measure_many_records();
	}
	if (argc == 2 || strcmp(argv[2], "appends") == 0) {
		begin(argv[1], "appends");
		measure_appends();
	}
	tally_signer_free(signer);
	return 0;
}
