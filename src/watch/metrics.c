/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus' text format (version 0.0.4). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/watch.h"

/* A gauge of each log: a member of what it reported last. */
struct gauge {
	const char *name, *help, *member;
	double unit;
};

static const struct gauge gauges[] = {
	{ "tally_log_size", "Records of the log.", "size", 1 },
	{ "tally_published_size", "Records under the last checkpoint.",
	    "published_size", 1 },
	{ "tally_published_timestamp_seconds",
	    "When a checkpoint was last signed or found to stand.",
	    "published_us", 1e-6 },
	{ "tally_verified_size", "Records verified up to.", "seen_size", 1 },
	{ "tally_verified_whole_timestamp_seconds",
	    "When the whole log was last verified and intact; 0: never.",
	    "whole_us", 1e-6 },
	{ "tally_verifying_ratio",
	    "How far the whole verification is that is going on; 1: none is.",
	    "whole_part", 1 },
	{ "tally_cycle_timestamp_seconds",
	    "When a cycle was last finished; 0: none was.", "cycle_us", 1e-6 },
};

/* And of each of its sinks. */
static const struct gauge sink_gauges[] = {
	{ "tally_sink_lag_records",
	    "Records under the last checkpoint that the sink has not got.",
	    "lag", 1 },
	{ "tally_sink_queued_lines", "Lines in the sink's queue.", "queued",
	    1 },
	{ "tally_sink_failing_since_timestamp_seconds",
	    "Since when the sink fails; 0: it does not.", "failing_since_us",
	    1e-6 },
	{ "tally_sink_queue_full", "The queue takes no more.", "full", 1 },
};

static const char *
name_of(const json_t *object)
{
	return json_string_value(json_object_get(object, "name"));
}

static double
value_of(const json_t *object, const struct gauge *gauge)
{
	const json_t *value = json_object_get(object, gauge->member);

	return json_is_true(value) ? 1 : json_number_value(value) * gauge->unit;
}

static void
put_head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

const char *
watch_state(const struct watch_alerts *alerts, const char *name,
    const json_t *status)
{
	if (watch_alerts_count(alerts, name, true) > 0)
		return "broken";
	return json_integer_value(json_object_get(status, "whole_us")) == 0
	    ? "never-verified"
	    : "intact";
}

static void
put_states(FILE *out, const struct watch_alerts *alerts, const json_t *logs,
    json_t *const *statuses)
{
	static const char *const states[] = { "intact", "broken",
		"never-verified" };
	const json_t *log;
	size_t i;

	put_head(out, "tally_state",
	    "Which of the three states the log is in.");
	json_array_foreach(logs, i, log) {
		const char *state = watch_state(alerts, name_of(log),
		    statuses[i]);

		for (size_t s = 0; s < 3; s++)
			fprintf(out,
			    "tally_state{target=\"%s\",state=\"%s\"} %d\n",
			    name_of(log), states[s],
			    strcmp(state, states[s]) == 0);
	}
}

static void
put_counts(FILE *out, const struct watch_alerts *alerts, const json_t *logs,
    const char *name, const char *help, bool is_break)
{
	const json_t *log;
	size_t i;

	put_head(out, name, help);
	json_array_foreach(logs, i, log)
		fprintf(out, "%s{target=\"%s\"} %u\n", name, name_of(log),
		    watch_alerts_count(alerts, name_of(log), is_break));
}

static void
put_gauge(FILE *out, const struct gauge *gauge, const json_t *logs,
    json_t *const *statuses)
{
	const json_t *log;
	size_t i;

	put_head(out, gauge->name, gauge->help);
	json_array_foreach(logs, i, log) {
		/* What has not reported yet has nothing to show. */
		if (statuses[i] != NULL)
			fprintf(out, "%s{target=\"%s\"} %.17g\n", gauge->name,
			    name_of(log), value_of(statuses[i], gauge));
	}
}

static void
put_sinks(FILE *out, const struct gauge *gauge, const json_t *logs,
    json_t *const *statuses)
{
	const json_t *log, *sink;
	size_t i, s;

	put_head(out, gauge->name, gauge->help);
	json_array_foreach(logs, i, log) {
		json_array_foreach(json_object_get(statuses[i], "sinks"), s,
		    sink)
			fprintf(out, "%s{target=\"%s\",sink=\"%s\"} %.17g\n",
			    gauge->name, name_of(log), name_of(sink),
			    value_of(sink, gauge));
	}
}

static void
put_failures(FILE *out, const json_t *logs, const unsigned *failures)
{
	static const char name[] = "tally_process_failures";
	const json_t *log;
	size_t i;

	put_head(out, name,
	    "How often the log's process ended by itself, in a row.");
	json_array_foreach(logs, i, log)
		fprintf(out, "%s{target=\"%s\"} %u\n", name, name_of(log),
		    failures[i]);
}

char *
watch_metrics(const struct watch_alerts *alerts, const json_t *logs,
    json_t *const *statuses, const unsigned *failures)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	put_states(out, alerts, logs, statuses);
	put_counts(out, alerts, logs, "tally_breaks", "Open breaks of the log.",
	    true);
	put_counts(out, alerts, logs, "tally_troubles",
	    "Open alerts that are no breaks.", false);
	put_failures(out, logs, failures);
	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		put_gauge(out, &gauges[i], logs, statuses);
	for (i = 0; i < sizeof(sink_gauges) / sizeof(sink_gauges[0]); i++)
		put_sinks(out, &sink_gauges[i], logs, statuses);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
