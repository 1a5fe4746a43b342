/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One writer of this log against write and fdatasync of the same bytes.  The
 * two take turns of some ten milliseconds, in the order A B B A, so that a
 * disk that is fast now and slow in a second is so to both; each turn of the
 * one is compared with the turn of the other beside it.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 4096

struct side {
	const struct bench_peer *peer;
	void *shared;
	void *writer;
	struct bench_source source;
	uint64_t records;
	double rates[TURNS_MAX];
	struct bench_hist latency;
};

static int
side_open(struct side *side, const struct bench_peer *peer,
    const struct bench_cell *cell)
{
	side->peer = peer;
	if (peer->prepare(cell) != 0)
		return -1;
	if (peer->attach != NULL && peer->attach(cell, &side->shared) != 0)
		return -1;
	if (peer->open(cell, side->shared, &side->writer) != 0)
		return -1;
	return bench_source_init(&side->source, 0);
}

static int
side_close(struct side *side, const struct bench_cell *cell)
{
	side->peer->close(side->writer);
	if (side->peer->detach != NULL && side->peer->detach(side->shared) != 0)
		return -1;
	return side->peer->check(cell, side->records);
}

static int
side_turn(struct side *side, unsigned turn, unsigned turn_ms)
{
	uint64_t begin = bench_now_ns(), before = begin, now = begin;
	uint64_t end = begin + (uint64_t)turn_ms * 1000000;
	struct bench_event event;
	unsigned calls = 0;

	while (now < end) {
		bench_source_next(&side->source, &event);
		if (side->peer->append(side->writer, &event, 1) != 0)
			return -1;
		now = bench_now_ns();
		bench_hist_add(&side->latency, now - before);
		before = now;
		calls++;
	}
	side->records += calls;
	side->rates[turn] = calls * 1e9 / (double)(now - begin);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile(double *values, unsigned count, double part)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	return values[(unsigned)(part * (count - 1))];
}

static void
print_pair(struct side *log, struct side *raw, double *ratios, unsigned turns)
{
	printf("{\"peer\":\"pair\",\"turns\":%u,", turns);
	printf("\"ratio\":%.4f,\"ratio_low\":%.4f,\"ratio_high\":%.4f,",
	    quantile(ratios, turns, 0.5), quantile(ratios, turns, 0.25),
	    quantile(ratios, turns, 0.75));
	printf("\"records\":%llu,\"rate\":%.1f,\"raw_rate\":%.1f,",
	    (unsigned long long)log->records, quantile(log->rates, turns, 0.5),
	    quantile(raw->rates, turns, 0.5));
	printf("\"p50_us\":%.2f,\"raw_p50_us\":%.2f,"
	       "\"p99_us\":%.2f,\"raw_p99_us\":%.2f}\n",
	    (double)bench_hist_percentile(&log->latency, 0.5) / 1e3,
	    (double)bench_hist_percentile(&raw->latency, 0.5) / 1e3,
	    (double)bench_hist_percentile(&log->latency, 0.99) / 1e3,
	    (double)bench_hist_percentile(&raw->latency, 0.99) / 1e3);
}

int
bench_pair(const struct bench_cell *cell)
{
	struct side *sides = calloc(2, sizeof(*sides));
	double *ratios = calloc(TURNS_MAX, sizeof(*ratios));
	uint64_t begin = bench_now_ns();
	unsigned turn = 0;
	int result = -1;

	if (sides == NULL || ratios == NULL ||
	    side_open(&sides[0], &bench_peer_tally, cell) != 0 ||
	    side_open(&sides[1], &bench_peer_raw, cell) != 0)
		goto out;
	while (turn < TURNS_MAX &&
	    (double)(bench_now_ns() - begin) < cell->seconds * 1e9) {
		unsigned first = turn & 1;

		if (side_turn(&sides[first], turn, cell->turn_ms) != 0 ||
		    side_turn(&sides[!first], turn, cell->turn_ms) != 0)
			goto out;
		ratios[turn] = sides[0].rates[turn] / sides[1].rates[turn];
		turn++;
	}
	result = side_close(&sides[0], cell);
	if (side_close(&sides[1], cell) != 0)
		result = -1;
	if (result == 0)
		print_pair(&sides[0], &sides[1], ratios, turn);
out:
	free(ratios);
	free(sides);
	return result;
}
