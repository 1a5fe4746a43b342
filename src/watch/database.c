/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that carries a database: before it is published, what is new there is
 * carried; when the whole is due, the database is verified, too, and held
 * against what was carried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/carry.h>
#include <tally/pg.h>

#include "watch/cycle.h"

/* How often another carrier may be ahead in one cycle. */
#define TRIES 8

/* The heads of what was carried; names are copies. */
struct heads {
	struct tally_outside_head *at;
	size_t len, capacity;
};

struct carrying {
	struct cycle *cycle;
	struct tally_carrier *carrier;
	struct heads heads;
};

static int
take_head(void *arg, const struct tally_carried_head *head)
{
	struct heads *heads = arg;
	struct tally_outside_head *next;
	void *grown;
	char *name;

	if (heads->len == heads->capacity) {
		heads->capacity = 2 * heads->capacity + 16;
		grown = realloc(heads->at,
		    heads->capacity * sizeof(*heads->at));
		if (grown == NULL)
			return TALLY_E_MEMORY;
		heads->at = grown;
	}
	name = malloc(head->chain_len + 1);
	if (name == NULL)
		return TALLY_E_MEMORY;
	memcpy(name, head->chain, head->chain_len);
	name[head->chain_len] = '\0';
	next = &heads->at[heads->len++];
	next->chain = name;
	next->chain_len = head->chain_len;
	next->seq = head->seq;
	next->hash = head->hash;
	return 0;
}

static void
free_heads(struct heads *heads)
{
	for (size_t i = 0; i < heads->len; i++)
		free((void *)(uintptr_t)heads->at[i].chain);
	free(heads->at);
	memset(heads, 0, sizeof(*heads));
}

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

/* It may take long: systemd is told that it goes on. */
static int
on_progress(void *arg, const struct tally_progress *progress)
{
	const struct carrying *carrying = arg;

	(void)progress;
	watch_notify("WATCHDOG=1");
	return *carrying->cycle->stop;
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
		result = tally_carrier_heads(carrying->carrier, take_head,
		    &carrying->heads, error);
	how.heads = carrying->heads.at;
	how.heads_len = carrying->heads.len;
	if (result == 0)
		result = tally_pg_carry(target->conninfo, &how, &done, error);
	tally_carrier_close(carrying->carrier);
	carrying->carrier = NULL;
	free_heads(&carrying->heads);
	return result;
}

void
watch_database_carry(struct cycle *cycle)
{
	struct carrying carrying = { .cycle = cycle };
	struct tally_error error = { 0 };
	struct tally_pg_place place;
	int result = tally_pg_locate(cycle->target->conninfo, &place, &error);

	for (int i = 0; result == 0 && i < TRIES && !*cycle->stop; i++) {
		result = carry_once(&carrying, &place, &error);
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
	struct carrying carrying = { .cycle = cycle };
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
		result = tally_carrier_heads(carrying.carrier, take_head,
		    &carrying.heads, &error);
	how.heads = carrying.heads.at;
	how.heads_len = carrying.heads.len;
	if (result == 0)
		result = tally_pg_verify(cycle->target->conninfo, &how,
		    &verdict, &error);
	tally_carrier_close(carrying.carrier);
	free_heads(&carrying.heads);
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
