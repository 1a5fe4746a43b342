/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways of alerts, as the daemon sees them: while there is something to
 * tell on a way, a process of it tells it, one after the other.  A way that
 * hangs delays itself alone.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/daemon.h"

/* What a process may spend on what it could not tell. */
#define PATIENCE_US 30000000
/* A way that gives no sign for so long is killed: beyond what one takes. */
#define HANG_US 90000000

/* ---- the process ------------------------------------------------------ */

static int
tell(void *arg, int fd)
{
	const struct way *way = arg;
	int64_t lost_us = 0;
	json_t *alert;
	size_t i;

	/* Of a process that signs nothing, and runs others' programs. */
	(void)unsetenv("TALLY_PASSPHRASE");
	json_array_foreach(way->due, i, alert) {
		int64_t begin = watch_monotonic_us();
		bool taken = watch_send(way->config, alert) == 0;

		/* What was ended failed nothing; what was told is told. */
		if (!taken && watch_stopping())
			return 1;
		watch_report_told(fd,
		    json_integer_value(json_object_get(alert, "id")), taken);
		if (watch_stopping())
			return 1;
		if (!taken)
			lost_us += watch_monotonic_us() - begin;
		if (lost_us >= PATIENCE_US)
			return 1;
	}
	return 0;
}

/* ---- the daemon ------------------------------------------------------- */

struct line {
	struct daemon *daemon;
	struct way *way;
};

static void
take_line(void *arg, const json_t *message)
{
	struct line *line = arg;
	json_int_t id = json_integer_value(json_object_get(message, "id"));

	line->way->after = id;
	if (json_is_true(json_object_get(message, "taken")))
		watch_alerts_told(&line->daemon->alerts, id, line->way->name);
	else
		line->way->has_failed = true;
}

/* FNV-1a: it tells apart what the operator wrote, and against nobody else; an
 * address may be a secret, and is not for the file of alerts. */
static uint64_t
hash_address(const json_t *config)
{
	static const char *const members[] = { "command", "path", "to", "url",
		"pg", "table" };
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(config, members[i]);
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		for (const char *at = text; at != NULL && *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
		hash = (hash ^ 0xff) * 0x100000001b3;
		free(text);
	}
	return hash;
}

/*
 * What it is called where an alert says who was told: the same wherever it
 * stands in the configuration.  The first version used its number, and what was
 * told on one way counted for another when they changed places.
 */
static void
name_way(struct daemon *daemon, size_t i)
{
	struct way *way = &daemon->ways[i];
	const char *type = json_string_value(json_object_get(way->config,
	    "type"));
	char old[sizeof(way->name)];
	unsigned same = 1;

	(void)snprintf(way->name, sizeof(way->name), "%s %016" PRIx64, type,
	    hash_address(way->config));
	for (size_t n = 0; n < i; n++)
		same += strncmp(daemon->ways[n].name, way->name,
			    strlen(way->name)) == 0;
	if (same > 1)
		(void)snprintf(way->name + strlen(way->name),
		    sizeof(way->name) - strlen(way->name), " %u", same);
	(void)snprintf(old, sizeof(old), "%zu %s", i, type);
	watch_alerts_rename(&daemon->alerts, old, way->name);
}

void
watch_ways_start(struct daemon *daemon)
{
	daemon->ways_count = json_array_size(daemon->config.ways);
	memset(daemon->ways, 0, sizeof(daemon->ways));
	for (size_t i = 0; i < daemon->ways_count; i++) {
		daemon->ways[i].config = json_array_get(daemon->config.ways, i);
		name_way(daemon, i);
	}
	/* Another way that gets such a place later was not told. */
	watch_alerts_forget_numbers(&daemon->alerts);
}

/* Whoever has no way to be told reads the file. */
static void
tell_nobody(struct daemon *daemon)
{
	json_t *due = watch_alerts_due(&daemon->alerts, "none",
	    daemon->config.times.repeat_us, 0);
	const json_t *alert;
	size_t i;

	json_array_foreach(due, i, alert)
		watch_alerts_told(&daemon->alerts,
		    json_integer_value(json_object_get(alert, "id")), "none");
	json_decref(due);
}

static void
begin(struct daemon *daemon, struct way *way)
{
	way->due = watch_alerts_due(&daemon->alerts, way->name,
	    daemon->config.times.repeat_us, way->after);
	way->has_failed = false;
	way->is_done = daemon->once;
	if (json_array_size(way->due) > 0 &&
	    watch_process_start(&way->process, tell, way) == 0)
		return;
	json_decref(way->due);
	way->due = NULL;
	/* Nothing is due before an alert is raised, or an interval is over. */
	way->next_us = 0;
}

/* What it could not tell waits for an interval. */
static void
end(struct daemon *daemon, struct way *way)
{
	int64_t now = watch_monotonic_us();
	bool has_failed = way->has_failed || way->process.status != 0;

	way->next_us = has_failed ? now + daemon->config.times.interval_us : 0;
	watch_process_wipe(&way->process);
	json_decref(way->due);
	way->due = NULL;
}

static void
attend(struct daemon *daemon, struct way *way)
{
	struct line line = { daemon, way };
	int64_t now = watch_monotonic_us();

	if (way->process.pid == 0) {
		if (!daemon->is_stopping && !way->is_done &&
		    now >= way->next_us)
			begin(daemon, way);
		return;
	}
	watch_process_reap(&way->process);
	watch_process_read(&way->process, take_line, &line);
	if (way->process.is_gone)
		end(daemon, way);
	else if (now - way->process.sign_us >= HANG_US)
		(void)kill(way->process.pid, SIGKILL);
}

void
watch_ways_tick(struct daemon *daemon)
{
	if (daemon->ways_count == 0)
		tell_nobody(daemon);
	for (size_t i = 0; i < daemon->ways_count; i++)
		attend(daemon, &daemon->ways[i]);
}

bool
watch_ways_done(const struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->ways_count; i++) {
		if (!daemon->ways[i].is_done ||
		    daemon->ways[i].process.pid != 0)
			return false;
	}
	return true;
}
