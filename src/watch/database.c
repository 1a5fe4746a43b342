/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that carries a database: before it is published, what is new there is
 * carried; when the whole is due, the database is verified, too, and held
 * against what was carried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tally/carry.h>
#include <tally/pg.h>

#include "watch/cycle.h"

/* How often another carrier may be ahead in one cycle. */
#define TRIES 8

struct carrying {
	struct cycle *cycle;
	struct tally_carrier *carrier;
	/* When it last went on, and how far it was. */
	int64_t begun_us, moved_us;
	uint64_t bytes, records;
	bool is_stuck;
	bool is_whole; /* throttled */
};

static int
on_take(void *arg, const struct tally_record *records, size_t count,
    struct tally_error *error)
{
	struct carrying *carrying = arg;

	return tally_carrier_take(carrying->carrier, records, count, error);
}

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	const struct carrying *carrying = arg;

	watch_cycle_finding(carrying->cycle, finding);
}

/* No more bytes than may be read by now, of a whole verification. */
static void
throttle(const struct carrying *carrying, int64_t now)
{
	const struct watch_target *target = carrying->cycle->target;
	const struct timespec pause = { 0, 50000000 };
	double rate = json_number_value(json_object_get(target->config,
	    "pg_mib_s"));

	while (carrying->is_whole && rate > 0 && !watch_stopping() &&
	    (double)carrying->bytes >
		rate * 1.048576 * (double)(now - carrying->begun_us)) {
		watch_target_alive(carrying->cycle->target);
		(void)nanosleep(&pause, NULL);
		now = watch_monotonic_us();
	}
}

/*
 * It may take long, as long as it goes on.  Whoever gets no further, behind a
 * lock or a server that is stopped, cancels and says so, well before the
 * daemon takes the process for one that hangs.
 */
static int
on_progress(void *arg, const struct tally_progress *progress)
{
	struct carrying *carrying = arg;
	struct watch_target *target = carrying->cycle->target;
	int64_t now = watch_monotonic_us();

	if (carrying->moved_us == 0 || carrying->bytes != progress->bytes ||
	    carrying->records != progress->records) {
		carrying->bytes = progress->bytes;
		carrying->records = progress->records;
		carrying->moved_us = now;
		watch_target_alive(target);
	}
	carrying->is_stuck = now - carrying->moved_us >=
	    target->times->hang_us / 2;
	throttle(carrying, now);
	return carrying->is_stuck || watch_stopping();
}

static int
say_stuck(const struct carrying *carrying, struct tally_error *error)
{
	(void)snprintf(error->message, sizeof(error->message),
	    "the database did not go on for %lld seconds",
	    (long long)(carrying->cycle->target->times->hang_us / 2000000));
	return TALLY_E_BUSY;
}

/* ---- carrying --------------------------------------------------------- */

static int
carry_once(struct carrying *carrying, const struct tally_pg_place *place,
    struct tally_error *error)
{
	struct watch_target *target = carrying->cycle->target;
	const struct tally_carried_source source = { .cluster = place->cluster,
		.database = place->database,
		.timeline = place->timeline };
	struct tally_pg_carry_options how = { .place = *place,
		.without_events = target->without_events,
		.take = on_take,
		.finding = on_finding,
		.progress = on_progress,
		.arg = carrying };
	struct tally_pg_carried done;
	int result = tally_carrier_open(target->log, &source,
	    &carrying->carrier, error);

	if (result == 0)
		result = tally_carrier_heads(carrying->carrier, &how.heads,
		    &how.heads_len, error);
	if (result == 0)
		result = tally_pg_carry(target->conninfo, &how, &done, error);
	tally_carrier_close(carrying->carrier);
	carrying->carrier = NULL;
	return result;
}

void
watch_database_carry(struct cycle *cycle)
{
	struct carrying carrying = { .cycle = cycle };
	struct tally_error error = { 0 };
	struct tally_pg_place place;
	int result = tally_pg_locate(cycle->target->conninfo, &place, &error);

	for (int i = 0; result == 0 && i < TRIES && !watch_stopping(); i++) {
		result = carry_once(&carrying, &place, &error);
		if (carrying.is_stuck)
			result = say_stuck(&carrying, &error);
		if (result != TALLY_E_CONFLICT)
			break;
		result = 0;
	}
	if (result != 0 && result != TALLY_PARTIAL)
		watch_cycle_fail(cycle, "cannot carry the database", result,
		    &error);
}

/* ---- verifying -------------------------------------------------------- */

bool
watch_database_verify(struct cycle *cycle)
{
	struct carrying carrying = { .cycle = cycle,
		.begun_us = watch_monotonic_us(),
		.is_whole = true };
	struct tally_verify_options how = { .jobs = 1,
		.finding = on_finding,
		.progress = on_progress,
		.arg = &carrying };
	struct tally_verdict verdict = { 0 };
	struct tally_error error = { 0 };
	int result;

	/* What failed to open it is told already. */
	if (cycle->target->log == NULL)
		return false;
	result = tally_carrier_open(cycle->target->log, NULL, &carrying.carrier,
	    &error);
	if (result == 0)
		result = tally_carrier_heads(carrying.carrier, &how.heads,
		    &how.heads_len, &error);
	if (result == 0)
		result = tally_pg_verify(cycle->target->conninfo, &how,
		    &verdict, &error);
	tally_carrier_close(carrying.carrier);
	if (carrying.is_stuck)
		result = say_stuck(&carrying, &error);
	if (result == TALLY_PARTIAL)
		return false;
	if (result == 0 && verdict.verdict == TALLY_UNVERIFIABLE) {
		result = TALLY_E_FORMAT;
		(void)snprintf(error.message, sizeof(error.message),
		    "something could not be judged; see tally pg verify");
	}
	if (result != 0)
		watch_cycle_fail(cycle, "cannot verify the database", result,
		    &error);
	return result == 0 && verdict.verdict == TALLY_INTACT;
}
