/* SPDX-License-Identifier: Apache-2.0 */
/* What a sink holds, against the log. */
#include <stdio.h>
#include <string.h>

#include "outside/fail.h"
#include "outside/outside.h"

/* How long what nobody acknowledged may be on its way. */
#define UNDERWAY_US ((int64_t)10000000)

struct comparing {
	const struct tally_outside_options *options;
	uint64_t since;
	void (*finding)(void *arg, const struct tally_finding *finding);
	void *arg;
	struct tally_sink_report *report;
	struct tally_error *error;
};

static int
compare_line(void *arg, const char *text, size_t len)
{
	struct comparing *c = arg;
	struct tally_sink_report *report = c->report;
	const struct tally_outside_options *options = c->options;
	struct tally_dispatch dispatch;
	uint64_t findings = 0;
	int result;

	result = tally_outside_go_on(options, c->error);
	if (result != 0)
		return result;
	result = tally_dispatch_parse(text, len, options->vkeys,
	    options->vkeys_len, &dispatch, c->error);

	/* Whoever can write to a sink can write anything: it says nothing. */
	if (result == TALLY_E_FORMAT) {
		report->foreign++;
		return TALLY_OK;
	}
	if (result != 0)
		return result;
	if (strcmp(dispatch.origin, options->origin) != 0 ||
	    dispatch.verdict == TALLY_DISPATCH_OTHER_KEY) {
		report->foreign++;
	} else if (dispatch.verdict == TALLY_DISPATCH_FORGED) {
		report->forged++;
	} else {
		report->lines++;
		if (dispatch.size > report->newest_size)
			report->newest_size = dispatch.size;
		if (dispatch.size > c->since)
			result = tally_dispatch_compare(options->log, &dispatch,
			    c->finding, c->arg, &findings, c->error);
		report->findings += findings;
	}
	tally_dispatch_wipe(&dispatch);
	return result;
}

/* Sent just now, and nobody said that it is there. */
static bool
is_underway(const struct tally_sink *sink)
{
	int64_t age = tally_queue_now_us() - sink->queue.sent_us;

	return sink->kind->is_unanswered && age >= 0 && age < UNDERWAY_US;
}

int
tally_outside_compare(struct tally_outside *outside, size_t i, uint64_t since,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_sink_report *out, struct tally_error *error)
{
	struct tally_sink *sink = &outside->sinks[i];
	struct tally_sink_report report = { 0 };
	struct comparing comparing = { &outside->options, since, finding, arg,
		&report, error };
	int result;

	if (!sink->readable || outside->options.log == NULL)
		return TALLY_END;
	sink->hidden = 0;
	result = sink->kind->read(sink, since, compare_line, &comparing, error);
	if (result != 0)
		return result;
	report.lost = sink->hidden > 0 ||
	    (sink->queue.sent_size > since &&
		report.newest_size < sink->queue.sent_size &&
		!is_underway(sink));
	*out = report;
	return TALLY_OK;
}
