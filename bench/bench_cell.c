/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn of one row: bench_cell PEER DIR [options].  DIR must be there and
 * empty, and is left as it is then; the driver removes it.  Prints one JSON
 * object; exits 1 if anything failed or the data is not right afterwards.
 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_peer *const peers[] = {
	&bench_peer_tally,
	&bench_peer_raw,
	&bench_peer_flock,
#ifdef BENCH_SQLITE
	&bench_peer_sqlite,
#endif
};

#define PEERS (sizeof(peers) / sizeof(peers[0]))

static const char usage[] =
    "usage: bench_cell PEER DIR [options]\n"
    "  PEER             tally, raw, flock, sqlite; pair: tally and raw in\n"
    "                   short turns; none: list the peers of this build\n"
    "  --processes N    writing processes (1)\n"
    "  --threads N      writing threads in each (1)\n"
    "  --seconds S      how long (1)\n"
    "  --calls N        so many calls of each writer, instead of seconds\n"
    "  --idle           no calls at all: open and close\n"
    "  --batch N        records in one call (1)\n"
    "  --ids            with a random id for each record\n"
    "  --turn-ms N      a turn of the pair (25)\n"
    "  --no-check       leave out the check of the data\n";

struct options {
	struct bench_cell cell;
	bool check;
};

static const struct option long_options[] = {
	{ "processes", required_argument, NULL, 'p' },
	{ "threads", required_argument, NULL, 't' },
	{ "seconds", required_argument, NULL, 's' },
	{ "calls", required_argument, NULL, 'c' },
	{ "idle", no_argument, NULL, 'e' },
	{ "batch", required_argument, NULL, 'b' },
	{ "ids", no_argument, NULL, 'i' },
	{ "turn-ms", required_argument, NULL, 'm' },
	{ "no-check", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool
take_option(struct options *options, int option)
{
	struct bench_cell *cell = &options->cell;

	switch (option) {
	case 'p':
		cell->processes = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 't':
		cell->threads = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 's':
		cell->seconds = strtod(optarg, NULL);
		break;
	case 'c':
		cell->calls = strtoull(optarg, NULL, 10);
		break;
	case 'b':
		cell->batch = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'i':
		cell->ids = true;
		break;
	case 'e':
		cell->idle = true;
		break;
	case 'm':
		cell->turn_ms = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 'n':
		options->check = false;
		break;
	default:
		return false;
	}
	return true;
}

static bool
is_sound(const struct bench_cell *cell)
{
	return cell->processes >= 1 && cell->processes <= 512 &&
	    cell->threads >= 1 && cell->threads <= 512 && cell->batch >= 1 &&
	    cell->batch <= BENCH_BATCH_MAX && cell->turn_ms >= 1 &&
	    cell->seconds > 0;
}

static const struct bench_peer *
find_peer(const char *name)
{
	for (size_t i = 0; i < PEERS; i++) {
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	}
	return NULL;
}

static void
print_result(const char *peer, const struct bench_cell *cell,
    const struct bench_result *result)
{
	const struct bench_hist *latency = &result->latency;

	printf("{\"peer\":\"%s\",\"processes\":%u,\"threads\":%u,"
	       "\"batch\":%u,\"ids\":%s,\"seconds\":%.4f,",
	    peer, cell->processes, cell->threads, cell->batch,
	    cell->ids ? "true" : "false", result->seconds);
	printf("\"records\":%llu,\"syncs\":%llu,\"rate\":%.1f,",
	    (unsigned long long)result->appended,
	    (unsigned long long)result->syncs,
	    (double)(cell->calls == 0 ? result->counted : result->appended) /
		result->seconds);
	printf("\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f}\n",
	    (double)bench_hist_percentile(latency, 0.5) / 1e3,
	    (double)bench_hist_percentile(latency, 0.99) / 1e3,
	    (double)latency->max_ns / 1e3);
}

static int
measure(const char *name, const struct options *options)
{
	const struct bench_peer *peer = find_peer(name);
	struct bench_result *result;
	int failed = 1;

	if (strcmp(name, "pair") == 0)
		return bench_pair(&options->cell) == 0 ? 0 : 1;
	if (peer == NULL) {
		fprintf(stderr, "bench_cell: no peer '%s'\n", name);
		return 2;
	}
	result = calloc(1, sizeof(*result));
	if (result != NULL && bench_run(peer, &options->cell, result) == 0) {
		failed = options->check
		    ? peer->check(&options->cell, result->appended)
		    : 0;
		if (failed == 0)
			print_result(name, &options->cell, result);
	}
	free(result);
	return failed != 0;
}

int
main(int argc, char **argv)
{
	struct options options = {
		.cell = {
			.processes = 1,
			.threads = 1,
			.seconds = 1,
			.batch = 1,
			.turn_ms = 25,
		},
		.check = true,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
	    -1) {
		if (!take_option(&options, option)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc) {
		for (size_t i = 0; i < PEERS; i++)
			puts(peers[i]->name);
		return 0;
	}
	if (argc - optind != 2 || !is_sound(&options.cell)) {
		fputs(usage, stderr);
		return 2;
	}
	options.cell.dir = argv[optind + 1];
	return measure(argv[optind], &options);
}
