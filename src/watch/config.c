/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: read, and checked whole before any of it is in force. */
#include <stdio.h>
#include <string.h>

#include "watch/watch.h"

#define SECOND_US 1000000
#define HANG_MIN_US ((int64_t)2 * SECOND_US)

static int64_t
duration(const json_t *config, const char *name, int64_t otherwise_s)
{
	const json_t *value = json_object_get(config, name);
	double seconds = json_number_value(value);

	if (!json_is_number(value) || seconds <= 0 || seconds > 1e9)
		return otherwise_s * SECOND_US;
	return (int64_t)(seconds * SECOND_US);
}

static void
take_times(const json_t *json, struct watch_times *out)
{
	out->interval_us = duration(json, "interval_s", 60);
	out->whole_us = duration(json, "whole_s", 86400);
	out->slice_us = duration(json, "slice_s", 10);
	out->repeat_us = duration(json, "repeat_s", 3600);
	out->grace_us = duration(json, "grace_s", 600);
	out->silence_us = duration(json, "silence_s", 3600);
	out->beat_us = json_number_value(json_object_get(json, "beat_s")) ==
		    0 &&
		json_object_get(json, "beat_s") != NULL
	    ? 0
	    : duration(json, "beat_s", 1800);
	out->hang_us = duration(json, "hang_s", 900);
	/* A sign is given once a second. */
	if (out->hang_us < HANG_MIN_US)
		out->hang_us = HANG_MIN_US;
}

static bool
is_command(const json_t *words)
{
	size_t count = json_array_size(words);

	for (size_t i = 0; i < count; i++) {
		if (!json_is_string(json_array_get(words, i)))
			return false;
	}
	return count > 0 && count <= WATCH_WORDS_MAX;
}

/* A way that can take nothing must not be found out by the first alert. */
static int
check_member(const json_t *way, const char *type, const char *name,
    char why[WATCH_WHY_SIZE])
{
	const json_t *value = json_object_get(way, name);
	bool is_words = strcmp(name, "command") == 0;

	if (is_words ? is_command(value) : json_is_string(value))
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE,
	    "an alert of type \"%s\" needs \"%s\"%s", type, name,
	    value == NULL  ? ""
		: is_words ? ", an array of 1 to 16 strings"
			   : ", a string");
	return -1;
}

static int
check_way(const json_t *way, char why[WATCH_WHY_SIZE])
{
	const char *type = json_string_value(json_object_get(way, "type"));
	const char *needs = NULL, *too = NULL;

	if (type != NULL && strcmp(type, "exec") == 0)
		needs = "command";
	else if (type != NULL && strcmp(type, "webhook") == 0)
		needs = "url";
	else if (type != NULL && strcmp(type, "sendmail") == 0)
		needs = "to";
	else if (type != NULL && strcmp(type, "table") == 0) {
		needs = "pg";
		too = "table";
	} else if (type == NULL || strcmp(type, "syslog") != 0) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "an alert's \"type\" is none of exec, webhook, sendmail,"
		    " syslog, table");
		return -1;
	}
	if (too != NULL && check_member(way, type, too, why) != 0)
		return -1;
	return needs == NULL ? 0 : check_member(way, type, needs, why);
}

static int
check_ways(const json_t *ways, char why[WATCH_WHY_SIZE])
{
	int result = 0;

	if ((ways != NULL && !json_is_array(ways)) ||
	    json_array_size(ways) > WATCH_WAYS_MAX) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    ways == NULL || !json_is_array(ways)
			? "\"alerts\" is no array"
			: "there are more than %d \"alerts\"",
		    WATCH_WAYS_MAX);
		return -1;
	}
	for (size_t i = 0; result == 0 && i < json_array_size(ways); i++)
		result = check_way(json_array_get(ways, i), why);
	return result;
}

static int
check_logs(const struct watch_config *config, char why[WATCH_WHY_SIZE])
{
	size_t count = json_array_size(config->logs);

	if (count == 0 || count > WATCH_TARGETS_MAX) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "there are no \"logs\" to watch, or more than %d",
		    WATCH_TARGETS_MAX);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *log = json_array_get(config->logs, i);
		const json_t *name = json_object_get(log, "name");

		if (watch_target_check(log, config->outside, why) != 0)
			return -1;
		for (size_t j = 0; j < i; j++) {
			if (!json_equal(name,
				json_object_get(json_array_get(config->logs, j),
				    "name")))
				continue;
			(void)snprintf(why, WATCH_WHY_SIZE,
			    "two logs are called \"%s\"",
			    json_string_value(name));
			return -1;
		}
	}
	return 0;
}

int
watch_config_read(struct watch_config *config, const char *path,
    char why[WATCH_WHY_SIZE])
{
	json_error_t error;

	memset(config, 0, sizeof(*config));
	config->json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	config->state_dir = json_string_value(json_object_get(config->json,
	    "state"));
	config->listen = json_string_value(json_object_get(config->json,
	    "metrics"));
	config->logs = json_object_get(config->json, "logs");
	config->ways = json_object_get(config->json, "alerts");
	if (config->json == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "\"%s\", line %d: %s", path,
		    error.line, error.text);
		return -1;
	}
	if (config->state_dir == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "\"%s\" has no string \"state\", the daemon's directory",
		    path);
		return -1;
	}
	take_times(config->json, &config->times);
	return 0;
}

int
watch_config_load(struct watch_config *config, const char *path, bool outside,
    char why[WATCH_WHY_SIZE])
{
	if (watch_config_read(config, path, why) != 0)
		return -1;
	config->outside = outside;
	if (check_ways(config->ways, why) != 0)
		return -1;
	return check_logs(config, why);
}

void
watch_config_wipe(struct watch_config *config)
{
	json_decref(config->json);
	memset(config, 0, sizeof(*config));
}
