/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/log.h>

#include "commands.h"
#include "handle.h"

/* The recent rate is that of the last so many records. */
#define RECENT 1000

struct settings {
	bool json;
};

static const struct option options[] = {
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct report {
	const struct tally_identity *identity;
	struct tally_stat stat;
	double rate; /* records per second, over the log's life */
	uint64_t recent_count;
	double recent; /* of the last recent_count */
	const char *health;
};

/* Records per second; 0 where the clock does not tell. */
static double
rate(uint64_t records, int64_t from_us, int64_t to_us)
{
	if (records == 0 || to_us <= from_us)
		return 0;
	return (double)records * 1e6 / (double)(to_us - from_us);
}

static const char *
health(const struct tally_stat *stat)
{
	if (stat->poisoned)
		return "poisoned: a sync failed, the next writer recovers";
	if (stat->set_aside > 0)
		return "ok, but a torn tail was set aside; see tally:log";
	return "ok";
}

/* The rate of the last records, of which the log has at least two. */
static int
measure_recent(struct tally_log *log, struct report *report,
    struct tally_error *error)
{
	const struct tally_stat *stat = &report->stat;
	uint64_t count = stat->durable_size - 1;
	struct tally_find find = { .by = TALLY_KEY_INDEX };
	const struct tally_range all = { 0 };
	struct tally_cursor *cursor = NULL;
	struct tally_record record;
	int64_t from_us = 0;
	int result = tally_cursor_open(log, &all, &cursor, error);

	if (result != 0)
		return result;
	if (count > RECENT)
		count = RECENT;
	find.index = stat->durable_size - 1 - count;
	result = tally_cursor_find(cursor, &find, &record, error);
	if (result == 0) {
		from_us = record.time_us;
		find.index = stat->durable_size - 1;
		result = tally_cursor_find(cursor, &find, &record, error);
	}
	if (result == 0)
		report->recent = rate(count, from_us, record.time_us);
	report->recent_count = count;
	tally_cursor_close(cursor);
	return result == TALLY_END ? 0 : result;
}

static int
collect(struct tally_log *log, struct report *report, struct tally_error *error)
{
	const struct tally_stat *stat = &report->stat;
	int result = tally_log_stat(log, &report->stat, error);

	if (result != 0)
		return result;
	report->identity = tally_log_identity(log);
	report->health = health(stat);
	if (stat->durable_size < 2)
		return 0;
	report->rate = rate(stat->durable_size - 1, stat->first_time_us,
	    stat->last_time_us);
	return measure_recent(log, report, error);
}

static void
print_text(const struct report *report)
{
	const struct tally_stat *stat = &report->stat;

	fputs("origin     ", stdout);
	output_name(report->identity->origin, strlen(report->identity->origin));
	printf("\nid         %s\ncreated    ", report->identity->id);
	output_time(report->identity->created_us);
	printf("\nrecords    %" PRIu64 ", durable %" PRIu64 ", indexed %" PRIu64
	       "\nchains     %" PRIu64 "\nsegments   %" PRIu64 ", %" PRIu64
	       " bytes\n",
	    stat->size, stat->durable_size, stat->indexed_size, stat->chains,
	    stat->segments, stat->bytes);
	fputs("first      ", stdout);
	output_time(stat->first_time_us);
	fputs("\nlast       ", stdout);
	output_time(stat->last_time_us);
	printf("\nrate       %.1f records/s over its life, %.1f of the last"
	       " %" PRIu64 "\n",
	    report->rate, report->recent, report->recent_count);
	if (stat->live)
		printf("syncs      %" PRIu64 ", the last took %" PRIu64 " us\n",
		    stat->syncs, stat->sync_us);
	printf("set aside  %" PRIu64 " files\n", stat->set_aside);
	fputs("health     ", stdout);
	output_word(stat->poisoned ? COLOUR_BAD : COLOUR_GOOD, report->health);
	fputc('\n', stdout);
}

static void
print_json(const struct report *report)
{
	const struct tally_stat *stat = &report->stat;

	fputs("{\"origin\":", stdout);
	output_json(report->identity->origin, strlen(report->identity->origin));
	printf(",\"id\":\"%s\",\"format\":%" PRIu32 ",\"created\":\"",
	    report->identity->id, report->identity->format);
	output_time(report->identity->created_us);
	printf("\",\"records\":%" PRIu64 ",\"durable\":%" PRIu64
	       ",\"indexed\":%" PRIu64 ",\"chains\":%" PRIu64
	       ",\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first\":\"",
	    stat->size, stat->durable_size, stat->indexed_size, stat->chains,
	    stat->segments, stat->bytes);
	output_time(stat->first_time_us);
	fputs("\",\"last\":\"", stdout);
	output_time(stat->last_time_us);
	printf("\",\"rate\":%.3f,\"rate_recent\":%.3f,\"syncs\":%" PRIu64
	       ",\"sync_us\":%" PRIu64 ",\"set_aside\":%" PRIu64
	       ",\"poisoned\":%s,\"live\":%s,\"health\":",
	    report->rate, report->recent, stat->syncs, stat->sync_us,
	    stat->set_aside, stat->poisoned ? "true" : "false",
	    stat->live ? "true" : "false");
	output_json(report->health, strlen(report->health));
	fputs("}\n", stdout);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct tally_error error = { 0 };
	struct report report = { 0 };
	struct tally_log *log;
	enum status status = handle_open_reader(operand[0], &log);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = collect(log, &report, &error);
	if (result != 0)
		status = output_failure(result, &error, false);
	else if (settings->json)
		print_json(&report);
	else
		print_text(&report);
	return handle_close(log, status);
}

const struct command command_stat = {
	.name = "stat",
	.summary = "print sizes, chains, rates and health",
	.synopsis = "stat DIR [--json]",
	.about =
	    "Prints how large the log is, how fast it grows and how it does.",
	.options = options,
	.example = "  tally stat audit.log",
	.statuses = "  0 done  4 no such log  5 input or output error",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
