/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a log from cycle to cycle, and what the daemon is told. */
#include <stdlib.h>
#include <string.h>

#include "watch/file.h"
#include "watch/target.h"

#define ALIVE_US 1000000

/* The name of sink i in the configuration. */
static const char *
sink_name(const struct watch_target *target, size_t i)
{
	const char *name = json_string_value(json_object_get(
	    json_array_get(json_object_get(target->config, "sinks"), i),
	    "name"));

	return name == NULL ? "" : name;
}

static size_t
sinks_of(const struct watch_target *target)
{
	return target->compared == NULL
	    ? 0
	    : json_array_size(json_object_get(target->config, "sinks"));
}

static int64_t
number(const json_t *state, const char *name)
{
	return json_integer_value(json_object_get(state, name));
}

static bool
get_hash(const json_t *state, const char *name, struct tally_hash *out)
{
	const char *text = json_string_value(json_object_get(state, name));

	return text != NULL && tally_hash_parse(text, strlen(text), out) == 0;
}

void
watch_target_load(struct watch_target *target)
{
	json_t *state = json_load_file(target->state_path, 0, NULL);
	const json_t *sinks = json_object_get(state, "sinks");

	/* Without a state that is whole, everything is verified anew. */
	if (get_hash(state, "seen_root", &target->seen_root)) {
		target->seen_size = (uint64_t)number(state, "seen_size");
		target->whole_us = number(state, "whole_us");
		target->published_us = number(state, "published_us");
		target->grown_size = (uint64_t)number(state, "grown_size");
		target->grown_us = number(state, "grown_us");
	}
	if (get_hash(state, "whole_root", &target->whole_root))
		target->whole_size = (uint64_t)number(state, "whole_size");
	if (get_hash(state, "old_print", &target->old_print))
		target->old_count = (uint64_t)number(state, "old_count");
	for (size_t i = 0; i < sinks_of(target); i++)
		target->compared[i] = (uint64_t)number(sinks,
		    sink_name(target, i));
	json_decref(state);
}

static void
set_hash(json_t *state, const char *name, const struct tally_hash *hash)
{
	char text[TALLY_HASH_TEXT_SIZE];

	tally_hash_format(hash, text);
	(void)json_object_set_new(state, name, json_string(text));
}

void
watch_target_save(const struct watch_target *target)
{
	json_t *sinks = json_object();
	json_t *state = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "seen_size",
	    (json_int_t)target->seen_size, "whole_us",
	    (json_int_t)target->whole_us, "published_us",
	    (json_int_t)target->published_us, "whole_size",
	    (json_int_t)target->whole_size, "old_count",
	    (json_int_t)target->old_count, "grown_size",
	    (json_int_t)target->grown_size, "grown_us",
	    (json_int_t)target->grown_us);
	int failed;

	set_hash(state, "seen_root", &target->seen_root);
	set_hash(state, "whole_root", &target->whole_root);
	set_hash(state, "old_print", &target->old_print);
	for (size_t i = 0; i < sinks_of(target); i++)
		(void)json_object_set_new(sinks, sink_name(target, i),
		    json_integer((json_int_t)target->compared[i]));
	(void)json_object_set_new(state, "sinks", sinks);
	failed = watch_write_json(target->state_path, state);
	json_decref(state);
	if (failed != 0)
		watch_say("cannot write \"%s\": %s", target->state_path,
		    strerror(failed));
}

static json_t *
describe_sinks(const struct watch_target *target)
{
	json_t *sinks = json_array();
	size_t count = target->outside == NULL
	    ? 0
	    : tally_outside_count(target->outside);

	for (size_t i = 0; i < count; i++) {
		struct tally_sink_status sink;

		tally_outside_status(target->outside, i, &sink);
		(void)json_array_append_new(sinks,
		    json_pack("{s:s,s:I,s:I,s:I,s:b}", "name", sink.name, "lag",
			sink.offered_size < sink.sent_size
			    ? (json_int_t)0
			    : (json_int_t)(sink.offered_size - sink.sent_size),
			"queued", (json_int_t)sink.queued, "failing_since_us",
			(json_int_t)sink.failing_since_us, "full", sink.full));
	}
	return sinks;
}

void
watch_target_report(const struct watch_target *target)
{
	json_t *status = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:o}", "size",
	    (json_int_t)target->size, "published_size",
	    (json_int_t)target->published_size, "published_us",
	    (json_int_t)target->published_us, "seen_size",
	    (json_int_t)target->seen_size, "whole_us",
	    (json_int_t)target->whole_us, "cycle_us",
	    (json_int_t)target->cycle_us, "whole_part", target->whole_part,
	    "sinks", describe_sinks(target));

	watch_report_status(target->report, status);
}

void
watch_target_alive(struct watch_target *target)
{
	int64_t now = watch_monotonic_us();

	if (now - target->alive_us < ALIVE_US)
		return;
	target->alive_us = now;
	watch_report_alive(target->report);
}
