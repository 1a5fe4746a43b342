/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts that are open, in a file.
 *
 * 1. What is wrong is told when it is new, and again after the interval until
 *    somebody acknowledged it; never more often for the same break.
 * 2. Told is told when a way took it: each way is tried again until it did, and
 *    none waits for another.
 * 3. A break of a log ends when somebody acknowledged it and a whole
 *    verification after that did not see it; anything else when it is over.
 * 4. So many breaks of a log are named one by one; the rest is one alert.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch/file.h"
#include "watch/watch.h"

#define FILE_NAME "alerts.json"
#define ACK_NAME "ack"
#define TOLD "told"     /* when, by the way's name */
#define BREAKS_MAX 100u /* of one log, named one by one */

static json_int_t
number(const json_t *alert, const char *name)
{
	return json_integer_value(json_object_get(alert, name));
}

static const char *
text(const json_t *alert, const char *name)
{
	const char *value = json_string_value(json_object_get(alert, name));

	return value == NULL ? "" : value;
}

int
watch_alerts_open(struct watch_alerts *alerts, const char *state_dir,
    char why[WATCH_WHY_SIZE])
{
	json_error_t error;
	json_t *file;

	memset(alerts, 0, sizeof(*alerts));
	alerts->path = watch_path(state_dir, FILE_NAME);
	alerts->ack_dir = watch_path(state_dir, ACK_NAME);
	if (alerts->path == NULL || alerts->ack_dir == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
		return -1;
	}
	if (mkdir(alerts->ack_dir, 0750) != 0 && errno != EEXIST) {
		(void)snprintf(why, WATCH_WHY_SIZE, "cannot make \"%s\": %s",
		    alerts->ack_dir, strerror(errno));
		return -1;
	}
	file = json_load_file(alerts->path, 0, &error);
	if (file == NULL && access(alerts->path, F_OK) == 0) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "\"%s\" does not hold alerts: %s", alerts->path,
		    error.text);
		return -1;
	}
	alerts->list = json_incref(json_object_get(file, "alerts"));
	alerts->next = file == NULL ? 1 : number(file, "next");
	if (alerts->list == NULL && file == NULL)
		alerts->list = json_array();
	json_decref(file);
	if (json_is_array(alerts->list))
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE, "\"%s\" does not hold alerts",
	    alerts->path);
	watch_alerts_close(alerts);
	return -1;
}

void
watch_alerts_close(struct watch_alerts *alerts)
{
	json_decref(alerts->list);
	free(alerts->path);
	free(alerts->ack_dir);
	memset(alerts, 0, sizeof(*alerts));
}

static bool
is_same(const json_t *alert, const struct watch_break *what)
{
	return strcmp(text(alert, "target"), what->target) == 0 &&
	    strcmp(text(alert, "kind"), what->kind) == 0 &&
	    strcmp(text(alert, "chain"),
		what->chain == NULL ? "" : what->chain) == 0 &&
	    strcmp(text(alert, "sink"), what->sink == NULL ? "" : what->sink) ==
	    0 &&
	    (uint64_t)number(alert, "seq") == what->seq;
}

/* A string that json takes: others' words may be no UTF-8. */
static void
set_text(json_t *alert, const char *name, const char *value)
{
	json_t *string = value == NULL ? NULL : json_string(value);

	if (value != NULL && string == NULL)
		string = json_string("(not UTF-8)");
	if (string != NULL)
		(void)json_object_set_new(alert, name, string);
}

/* The same one, or NULL; breaks: how many of its log are named one by one. */
static json_t *
find(const struct watch_alerts *alerts, const struct watch_break *what,
    unsigned *out_breaks)
{
	json_t *alert;
	size_t i;

	*out_breaks = 0;
	json_array_foreach(alerts->list, i, alert) {
		if (is_same(alert, what))
			return alert;
		*out_breaks += strcmp(text(alert, "target"), what->target) ==
			0 &&
		    json_is_true(json_object_get(alert, "break")) &&
		    text(alert, "chain")[0] != '\0';
	}
	return NULL;
}

/* Whoever alters a million records must not keep us busy with a million
 * alerts, of which the first one is told after the last one. */
static void
raise_more(struct watch_alerts *alerts, const struct watch_break *what)
{
	char evidence[WATCH_WHY_SIZE];
	const struct watch_break more = { .target = what->target,
		.kind = WATCH_MORE,
		.is_break = true,
		.sink = what->sink,
		.evidence = evidence,
		.seen_us = what->seen_us };

	(void)snprintf(evidence, sizeof(evidence),
	    "there are more breaks than the %u that are named; one is %s in"
	    " chain \"%s\", seq %llu",
	    BREAKS_MAX, what->kind, what->chain, (unsigned long long)what->seq);
	watch_alerts_raise(alerts, &more);
}

void
watch_alerts_raise(struct watch_alerts *alerts, const struct watch_break *what)
{
	unsigned breaks;
	json_t *alert = find(alerts, what, &breaks);

	if (alert == NULL && what->is_break && what->chain != NULL &&
	    breaks >= BREAKS_MAX) {
		raise_more(alerts, what);
		return;
	}
	alerts->dirty = true;
	if (alert == NULL) {
		alert = json_pack("{s:I,s:b,s:I,s:I,s:i,s:b,s:{}}", "id",
		    alerts->next++, "break", what->is_break, "first_us",
		    (json_int_t)what->seen_us, "seq", (json_int_t)what->seq,
		    "sent_us", 0, "acknowledged", 0, TOLD);
		set_text(alert, "target", what->target);
		set_text(alert, "kind", what->kind);
		set_text(alert, "chain", what->chain);
		set_text(alert, "sink", what->sink);
		(void)json_array_append_new(alerts->list, alert);
	}
	set_text(alert, "evidence", what->evidence);
	(void)json_object_set_new(alert, "seen_us",
	    json_integer((json_int_t)what->seen_us));
}

void
watch_alerts_settle(struct watch_alerts *alerts, const char *target,
    int64_t begin_us, bool whole)
{
	json_int_t now = (json_int_t)watch_now_us();

	for (size_t i = json_array_size(alerts->list); i-- > 0;) {
		const json_t *alert = json_array_get(alerts->list, i);
		bool is_break = json_is_true(json_object_get(alert, "break"));
		bool is_known = json_is_true(json_object_get(alert,
		    "acknowledged"));
		json_int_t seen = number(alert, "seen_us");

		/* What was seen later than now was seen by a clock that was
		 * put back since. */
		if (strcmp(text(alert, "target"), target) != 0 ||
		    (seen >= begin_us && seen <= now))
			continue;
		if (!is_break || (whole && is_known)) {
			(void)json_array_remove(alerts->list, i);
			alerts->dirty = true;
		}
	}
}

/* Breaks stay: a log does not mend by being forgotten. */
void
watch_alerts_forget(struct watch_alerts *alerts, const json_t *logs)
{
	for (size_t i = json_array_size(alerts->list); i-- > 0;) {
		const json_t *alert = json_array_get(alerts->list, i), *log;
		bool is_known = json_is_true(json_object_get(alert, "break"));
		size_t n;

		json_array_foreach(logs, n, log) {
			is_known |= strcmp(text(log, "name"),
					text(alert, "target")) == 0;
		}
		if (is_known)
			continue;
		(void)json_array_remove(alerts->list, i);
		alerts->dirty = true;
	}
}

unsigned
watch_alerts_count(const struct watch_alerts *alerts, const char *target,
    bool is_break)
{
	unsigned count = 0;
	json_t *alert;
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		if (strcmp(text(alert, "target"), target) == 0 &&
		    json_is_true(json_object_get(alert, "break")) == is_break)
			count++;
	}
	return count;
}

/* "ack/<id>" was made by "tally watch --ack". */
static void
take_acknowledgement(struct watch_alerts *alerts, json_t *alert)
{
	char name[32], *path;

	(void)snprintf(name, sizeof(name), "%" JSON_INTEGER_FORMAT,
	    number(alert, "id"));
	path = watch_path(alerts->ack_dir, name);
	if (path != NULL && access(path, F_OK) == 0) {
		(void)json_object_set_new(alert, "acknowledged", json_true());
		alerts->dirty = true;
	}
	free(path);
}

/* Is it of an alert that does not know of it yet?  It came meanwhile. */
static bool
is_news(const struct watch_alerts *alerts, const char *name)
{
	char id[32];
	json_t *alert;
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		(void)snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT,
		    number(alert, "id"));
		if (strcmp(id, name) == 0)
			return !json_is_true(json_object_get(alert,
			    "acknowledged"));
	}
	return false;
}

static void
remove_acknowledgements(const struct watch_alerts *alerts)
{
	DIR *dir = opendir(alerts->ack_dir);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && !is_news(alerts, entry->d_name))
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

void
watch_alerts_acknowledge(struct watch_alerts *alerts)
{
	json_t *alert;
	size_t i;

	json_array_foreach(alerts->list, i, alert)
		take_acknowledgement(alerts, alert);
}

/* ---- telling ---------------------------------------------------------- */

/* A clock that was put back repeats rather than is silent. */
static bool
is_due(const json_t *alert, const char *way, int64_t repeat_us, int64_t now)
{
	const json_t *told = json_object_get(alert, TOLD);
	/* An alert from before there were ways apart. */
	json_int_t at = told == NULL ? number(alert, "sent_us")
				     : number(told, way);

	return !json_is_true(json_object_get(alert, "acknowledged")) &&
	    (at == 0 || at > now || now - at >= repeat_us);
}

json_t *
watch_alerts_due(const struct watch_alerts *alerts, const char *way,
    int64_t repeat_us, json_int_t after)
{
	json_t *due = json_array(), *rest = json_array(), *alert;
	int64_t now = watch_now_us();
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		if (is_due(alert, way, repeat_us, now))
			(void)json_array_append(
			    number(alert, "id") > after ? due : rest, alert);
	}
	(void)json_array_extend(due, rest);
	json_decref(rest);
	return due;
}

void
watch_alerts_told(struct watch_alerts *alerts, json_int_t id, const char *way)
{
	json_int_t now = (json_int_t)watch_now_us();
	json_t *alert, *told;
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		if (number(alert, "id") != id)
			continue;
		told = json_object_get(alert, TOLD);
		if (told == NULL) {
			told = json_object();
			(void)json_object_set_new(alert, TOLD, told);
		}
		(void)json_object_set_new(told, way, json_integer(now));
		(void)json_object_set_new(alert, "sent_us", json_integer(now));
		alerts->dirty = true;
	}
}

void
watch_alerts_rename(struct watch_alerts *alerts, const char *old,
    const char *way)
{
	json_t *alert, *told, *at;
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		told = json_object_get(alert, TOLD);
		at = json_object_get(told, old);
		if (at == NULL)
			continue;
		if (json_object_get(told, way) == NULL)
			(void)json_object_set(told, way, at);
		(void)json_object_del(told, old);
		alerts->dirty = true;
	}
}

void
watch_alerts_forget_numbers(struct watch_alerts *alerts)
{
	json_t *alert, *told, *at;
	const char *way;
	void *next;
	size_t i;

	json_array_foreach(alerts->list, i, alert) {
		told = json_object_get(alert, TOLD);
		json_object_foreach_safe(told, next, way, at) {
			if (way[0] < '0' || way[0] > '9')
				continue;
			(void)json_object_del(told, way);
			alerts->dirty = true;
		}
	}
}

int
watch_alerts_save(struct watch_alerts *alerts, char why[WATCH_WHY_SIZE])
{
	json_t *file;
	int failed;

	if (!alerts->dirty)
		return 0;
	file = json_pack("{s:I,s:O}", "next", alerts->next, "alerts",
	    alerts->list);
	failed = watch_write_json(alerts->path, file);
	json_decref(file);
	if (failed != 0) {
		(void)snprintf(why, WATCH_WHY_SIZE, "cannot write \"%s\": %s",
		    alerts->path, strerror(failed));
		return -1;
	}
	alerts->dirty = false;
	remove_acknowledgements(alerts);
	return 0;
}
