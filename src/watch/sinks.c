/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sinks of a log, each in a thread: one that hangs holds up no other.  A
 * cycle waits for the slowest, whose requests end in time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "watch/cycle.h"

#define DETAIL_MAX 640

struct serving {
	struct cycle cycle; /* a copy, for what this sink has to say */
	size_t i;
	bool all; /* compare everything, not only what is new */
	bool is_started;
	pthread_t thread;
};

static void
deliver(struct serving *s, struct tally_sink_status *status)
{
	struct watch_target *target = s->cycle.target;
	struct tally_error error = { 0 };
	int result = tally_outside_deliver(target->outside, s->i, false,
	    &error);

	tally_outside_status(target->outside, s->i, status);
	if (result == TALLY_E_DAMAGED)
		watch_cycle_broken(&s->cycle,
		    tally_finding_name(TALLY_ROLLED_BACK), error.message);
	if (status->failures > 0 &&
	    watch_now_us() - status->failing_since_us >=
		target->times->grace_us)
		watch_cycle_trouble(&s->cycle, WATCH_SINK_FAILS, status->name,
		    status->message);
	else if (status->full)
		watch_cycle_trouble(&s->cycle, WATCH_SINK_FAILS, status->name,
		    "its queue is full");
}

static void
compare(struct serving *s, const struct tally_sink_status *status)
{
	struct cycle *cycle = &s->cycle;
	struct watch_target *target = cycle->target;
	uint64_t *compared = &target->compared[s->i];
	struct tally_sink_report report;
	struct tally_error error = { 0 };
	char text[DETAIL_MAX];
	int result;

	if (!status->readable || status->sent_size == 0)
		return;
	cycle->sink = status->name;
	result = tally_outside_compare(target->outside, s->i,
	    s->all ? 0 : *compared, watch_cycle_finding, cycle, &report,
	    &error);
	if (result != 0) {
		(void)snprintf(text, sizeof(text), "cannot read it back: %s",
		    error.message);
		watch_cycle_trouble(cycle, WATCH_SINK_FAILS, status->name,
		    text);
		cycle->is_partial = true;
		return;
	}
	if (report.lost) {
		watch_cycle_trouble(cycle, WATCH_SINK_LOST, status->name,
		    "it lacks what it was given");
		cycle->is_partial = true;
	}
	if (report.forged > 0)
		watch_cycle_trouble(cycle, WATCH_SINK_FORGED, status->name,
		    "it holds lines whose signature does not hold");
	if (report.findings == 0 && report.newest_size > *compared)
		*compared = report.newest_size;
}

static void *
serve(void *arg)
{
	struct serving *s = arg;
	struct tally_sink_status status;

	deliver(s, &status);
	if (!watch_stopping())
		compare(s, &status);
	return NULL;
}

void
watch_sinks_serve(struct cycle *cycle)
{
	size_t count = tally_outside_count(cycle->target->outside);
	struct serving *all = calloc(count + 1, sizeof(*all));

	cycle->target->reading_us = watch_monotonic_us();
	for (size_t i = 0; all != NULL && i < count; i++) {
		struct serving *s = &all[i];

		s->cycle = *cycle;
		s->cycle.is_broken = false;
		s->i = i;
		s->all = cycle->is_broken || cycle->whole_done;
		s->is_started = pthread_create(&s->thread, NULL, serve, s) == 0;
		if (!s->is_started)
			(void)serve(s);
	}
	for (size_t i = 0; all != NULL && i < count; i++) {
		if (all[i].is_started)
			(void)pthread_join(all[i].thread, NULL);
		cycle->is_broken |= all[i].cycle.is_broken;
		cycle->is_partial |= all[i].cycle.is_partial;
	}
	free(all);
}
