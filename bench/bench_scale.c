/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long log beside a short one: bench_scale RECORDS DIR.  The long log is
 * filled once; then, in turns, a new short log and the long one are opened by
 * a fresh process, read and appended to.  What should not depend on the
 * length has a ratio of about 1.
 */
#include "scale.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHORT_RECORDS 1000
#define ROUNDS_MAX 15

static const char usage[] =
    "usage: bench_scale [options] RECORDS DIR\n"
    "  RECORDS       length of the long log; 10000000 is meant\n"
    "  DIR           where to write, on a real disk; about 700 bytes a record\n"
    "  --ids         only with random ids; --no-ids: only without\n"
    "  --chains N    chains of a log (100)\n"
    "  --rounds N    turns of each log (3)\n"
    "  --seconds S   of each append measurement (1)\n";

static const struct {
	const char *words;
	int digits;
} figures[SCALE_FIGURES] = {
	[SCALE_OPEN_MS] = { "open, ms", 2 },
	[SCALE_HEAD_US] = { "head of a chain, us", 2 },
	[SCALE_SEQ_US] = { "find by chain and seq, us", 2 },
	[SCALE_INDEX_US] = { "find by index, us", 2 },
	[SCALE_ID_US] = { "find by id, us", 2 },
	[SCALE_FIRST_PROOF_US] = { "first proof, us", 0 },
	[SCALE_PROOF_US] = { "proof, us", 1 },
	[SCALE_READ_RSS_MIB] = { "memory after reading, MiB", 1 },
	[SCALE_READ_ANON_MIB] = { "  of this not of files, MiB", 1 },
	[SCALE_APPEND_1] = { "sync appends/s, 1 writer", 0 },
	[SCALE_APPEND_64] = { "sync appends/s, 64 threads", 0 },
	[SCALE_APPEND_BATCH] = { "sync, 1,000 in a call, records/s", 0 },
	[SCALE_RSS_MIB] = { "memory after appending, MiB", 1 },
	[SCALE_ANON_MIB] = { "  of this not of files, MiB", 1 },
	[SCALE_CLOSE_MS] = { "close, ms", 2 },
};

struct options {
	struct scale_log log; /* of the long one; path is not set */
	const char *dir;
	unsigned rounds;
	bool with_ids;
	bool without_ids;
};

/* What a child measures; shared with the parent. */
struct measured {
	double figures[2][ROUNDS_MAX][SCALE_FIGURES];
	double fill_rate;
	double short_fill_rate;
};

enum job {
	FILL,
	PROBE,
	CHECK
};

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In a process of its own: its memory is its own, and nothing is warm but
 * the page cache. */
static int
in_child(enum job job, const struct scale_log *log, double *out)
{
	int status, result = -1;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return -1;
	}
	if (pid == 0) {
		if (job == FILL)
			result = scale_fill(log, out);
		else if (job == PROBE)
			result = scale_probe(log, out);
		else
			result = scale_check(log);
		_exit(result == 0 ? 0 : 1);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return -1;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(const struct measured *measured, unsigned which, unsigned figure,
    unsigned rounds)
{
	double values[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++)
		values[i] = measured->figures[which][i][figure];
	qsort(values, rounds, sizeof(values[0]), compare);
	return values[rounds / 2];
}

static void
print_table(const struct options *options, const struct measured *measured)
{
	printf("\n%s; %u chains; filled at %.0f records/s (buffered, 1,000 in "
	       "a call)\n",
	    options->log.ids ? "with random ids" : "without ids",
	    options->log.chains, measured->fill_rate);
	printf("%-34s %14d %14llu %8s\n", "", SHORT_RECORDS,
	    (unsigned long long)options->log.records, "ratio");
	for (unsigned i = 0; i < SCALE_FIGURES; i++) {
		double small = median(measured, 0, i, options->rounds);
		double large = median(measured, 1, i, options->rounds);

		if (i == SCALE_ID_US && !options->log.ids)
			continue;
		printf("%-34s %14.*f %14.*f %8.2f\n", figures[i].words,
		    figures[i].digits, small, figures[i].digits, large,
		    small > 0 ? large / small : 0);
	}
}

static int
run_rounds(const struct options *options, const struct scale_log *large,
    const struct scale_log *small, struct measured *measured)
{
	for (unsigned i = 0; i < options->rounds; i++) {
		remove_tree(small->path);
		if (in_child(FILL, small, &measured->short_fill_rate) != 0)
			return -1;
		sync();
		if (in_child(PROBE, small, measured->figures[0][i]) != 0 ||
		    in_child(PROBE, large, measured->figures[1][i]) != 0)
			return -1;
	}
	if (in_child(CHECK, small, NULL) != 0)
		return -1;
	return in_child(CHECK, large, NULL);
}

static int
run_scale(struct options *options, bool ids)
{
	char large_path[4096], small_path[4096];
	struct measured *measured;
	struct scale_log large, small;
	int result;

	(void)snprintf(large_path, sizeof(large_path), "%s/scale-long",
	    options->dir);
	(void)snprintf(small_path, sizeof(small_path), "%s/scale-short",
	    options->dir);
	options->log.ids = ids;
	large = small = options->log;
	large.path = large_path;
	small.path = small_path;
	small.records = SHORT_RECORDS;
	measured = mmap(NULL, sizeof(*measured), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (measured == MAP_FAILED)
		return -1;
	memset(measured, 0, sizeof(*measured));
	remove_tree(large_path);
	result = in_child(FILL, &large, &measured->fill_rate);
	if (result == 0)
		result = run_rounds(options, &large, &small, measured);
	if (result == 0)
		print_table(options, measured);
	remove_tree(large_path);
	remove_tree(small_path);
	(void)munmap(measured, sizeof(*measured));
	return result;
}

static int
parse_options(int argc, char **argv, struct options *out)
{
	static const struct option names[] = {
		{ "ids", no_argument, NULL, 'i' },
		{ "no-ids", no_argument, NULL, 'n' },
		{ "chains", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'i')
			out->without_ids = false;
		else if (option == 'n')
			out->with_ids = false;
		else if (option == 'c')
			out->log.chains = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			out->rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 's')
			out->log.seconds = strtod(optarg, NULL);
		else
			return -1;
	}
	if (argc - optind != 2 || out->log.chains == 0 || out->rounds == 0 ||
	    out->rounds > ROUNDS_MAX)
		return -1;
	out->log.records = strtoull(argv[optind], NULL, 10);
	out->dir = argv[optind + 1];
	return out->log.records < SHORT_RECORDS ? -1 : 0;
}

int
main(int argc, char **argv)
{
	struct options options = {
		.log = { .chains = 100, .seconds = 1 },
		.rounds = 3,
		.with_ids = true,
		.without_ids = true,
	};
	char date[32];
	time_t now = time(NULL);
	int result = 0;

	if (parse_options(argc, argv, &options) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (mkdir(options.dir, 0750) != 0 && errno != EEXIST) {
		perror(options.dir);
		return 2;
	}
	(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime(&now));
	printf("A short log and a long one, in turns; medians of %u; %s\n",
	    options.rounds, date);
	if (options.without_ids)
		result = run_scale(&options, false);
	if (options.with_ids && result == 0)
		result = run_scale(&options, true);
	return result == 0 ? 0 : 1;
}
