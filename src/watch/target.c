/* SPDX-License-Identifier: Apache-2.0 */
/* One log: opening it, and what is kept of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watch/file.h"
#include "watch/target.h"

static const char *
member(const json_t *config, const char *name)
{
	return json_string_value(json_object_get(config, name));
}

static int
refuse(char why[WATCH_WHY_SIZE], const char *name, const char *what)
{
	(void)snprintf(why, WATCH_WHY_SIZE, "the log \"%s\": %s", name, what);
	return -1;
}

/* ---- the configuration ------------------------------------------------ */

/* The key's passphrase is the first line of its file, or the environment's. */
static int
load_signer(struct watch_target *target, const char *key,
    char why[WATCH_WHY_SIZE])
{
	const char *path = member(target->config, "passphrase_file");
	struct tally_error error = { 0 };
	char line[1024] = "";
	const char *passphrase = getenv("TALLY_PASSPHRASE");
	FILE *file = path == NULL ? NULL : fopen(path, "re");
	int result;

	if (path != NULL &&
	    (file == NULL || fgets(line, sizeof(line), file) == NULL)) {
		if (file != NULL)
			(void)fclose(file);
		return refuse(why, target->name,
		    "its passphrase file cannot be read");
	}
	if (file != NULL) {
		(void)fclose(file);
		line[strcspn(line, "\r\n")] = '\0';
		passphrase = line;
	}
	result = tally_key_show(key, target->vkey, NULL, &error);
	if (result == 0)
		result = tally_signer_load(key, passphrase, &target->signer,
		    &error);
	memset(line, 0, sizeof(line));
	target->vkeys[target->vkeys_len++] = target->vkey;
	return result == 0 ? 0 : refuse(why, target->name, error.message);
}

/* Other public keys of the log: those from before the signer's. */
static int
take_keys(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	const json_t *keys = json_object_get(target->config, "keys");
	size_t count = json_array_size(keys);

	if (keys != NULL && !json_is_array(keys))
		return refuse(why, target->name,
		    "\"keys\" is no array of public keys");
	for (size_t i = 0; i < count; i++) {
		const char *vkey = json_string_value(json_array_get(keys, i));

		if (vkey == NULL)
			return refuse(why, target->name,
			    "\"keys\" is no array of public keys");
		if (target->vkeys_len == WATCH_KEYS_MAX)
			return refuse(why, target->name, "too many \"keys\"");
		target->vkeys[target->vkeys_len++] = vkey;
	}
	return 0;
}

static bool
is_name(const char *name)
{
	size_t len = name == NULL ? 0 : strlen(name);

	return len > 0 && len <= WATCH_NAME_MAX &&
	    strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-") == len;
}

/* The name of sink i in the configuration. */
static const char *
sink_name(const struct watch_target *target, size_t i)
{
	const char *name = member(
	    json_array_get(json_object_get(target->config, "sinks"), i),
	    "name");

	return name == NULL ? "" : name;
}

static size_t
sinks_of(const struct watch_target *target)
{
	return json_array_size(json_object_get(target->config, "sinks"));
}

static void
read_state(struct watch_target *target)
{
	json_t *state = json_load_file(target->state_path, 0, NULL);
	const char *root = member(state, "seen_root");
	const char *whole = member(state, "whole_root");

	/* Without a state that is whole, everything is verified anew. */
	if (root != NULL &&
	    tally_hash_parse(root, strlen(root), &target->seen_root) == 0) {
		target->seen_size = (uint64_t)
		    json_integer_value(json_object_get(state, "seen_size"));
		target->whole_us = json_integer_value(json_object_get(state,
		    "whole_us"));
		target->published_us = json_integer_value(json_object_get(state,
		    "published_us"));
	}
	if (whole != NULL &&
	    tally_hash_parse(whole, strlen(whole), &target->whole_root) == 0)
		target->whole_size = (uint64_t)
		    json_integer_value(json_object_get(state, "whole_size"));
	for (size_t i = 0; i < sinks_of(target) && target->compared != NULL;
	     i++)
		target->compared[i] = (uint64_t)json_integer_value(
		    json_object_get(json_object_get(state, "sinks"),
			sink_name(target, i)));
	json_decref(state);
}

void
watch_target_save(const struct watch_target *target)
{
	char root[TALLY_HASH_TEXT_SIZE], whole[TALLY_HASH_TEXT_SIZE];
	json_t *state, *sinks = json_object();
	int failed;

	tally_hash_format(&target->seen_root, root);
	tally_hash_format(&target->whole_root, whole);
	state = json_pack("{s:I,s:s,s:I,s:I,s:I,s:s}", "seen_size",
	    (json_int_t)target->seen_size, "seen_root", root, "whole_us",
	    (json_int_t)target->whole_us, "published_us",
	    (json_int_t)target->published_us, "whole_size",
	    (json_int_t)target->whole_size, "whole_root", whole);
	for (size_t i = 0; i < sinks_of(target) && target->compared != NULL;
	     i++)
		(void)json_object_set_new(sinks, sink_name(target, i),
		    json_integer((json_int_t)target->compared[i]));
	(void)json_object_set_new(state, "sinks", sinks);
	failed = watch_write_json(target->state_path, state);
	json_decref(state);
	if (failed != 0)
		watch_say("cannot write \"%s\": %s", target->state_path,
		    strerror(failed));
}

static int
make_paths(struct watch_target *target, const char *state,
    char why[WATCH_WHY_SIZE])
{
	const char *queue = member(target->config, "queue");

	if (mkdir(state, 0750) != 0 && errno != EEXIST)
		return refuse(why, target->name, strerror(errno));
	target->state_path = watch_path(state, "state.json");
	target->resume_path = watch_path(state, "resume");
	target->queue_dir = queue != NULL ? strdup(queue)
					  : watch_path(state, "sinks");
	if (target->state_path == NULL || target->resume_path == NULL ||
	    target->queue_dir == NULL)
		return refuse(why, target->name, "out of memory");
	return 0;
}

static int
take_sinks(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	json_t *sinks = json_object_get(target->config, "sinks");
	json_t *config;

	if (sinks == NULL)
		return 0;
	config = json_pack("{s:O}", "sinks", sinks);
	target->sinks_text = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	target->compared = calloc(json_array_size(sinks) + 1,
	    sizeof(*target->compared));
	if (target->sinks_text == NULL || target->compared == NULL)
		return refuse(why, target->name, "out of memory");
	return 0;
}

/* What every log has, wherever it is. */
static int
prepare(struct watch_target *target, const json_t *config,
    const char *state_dir, char why[WATCH_WHY_SIZE])
{
	const char *name = member(config, "name");
	char *state;
	int failed;

	if (!is_name(name))
		return refuse(why, name == NULL ? "" : name,
		    "it needs a \"name\" of letters, digits, \"_\", \"-\"");
	memcpy(target->name, name, strlen(name) + 1);
	target->config = config;
	state = watch_path(state_dir, name);
	failed = state == NULL ? refuse(why, name, "out of memory")
			       : make_paths(target, state, why);
	free(state);
	if (failed == 0)
		failed = take_sinks(target, why);
	if (failed == 0)
		read_state(target);
	return failed;
}

static int
open_outside(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	const char *origin = member(target->config, "origin");
	const char *vkey = member(target->config, "key");
	struct tally_outside_options sinks = { .config = target->sinks_text,
		.queue_dir = target->queue_dir,
		.origin = origin,
		.vkeys = target->vkeys };
	struct tally_error error = { 0 };

	if (origin == NULL || vkey == NULL || target->sinks_text == NULL)
		return refuse(why, target->name,
		    "from outside it needs \"origin\", \"key\" (the public"
		    " one) and \"sinks\"");
	target->vkeys[target->vkeys_len++] = vkey;
	if (take_keys(target, why) != 0)
		return -1;
	sinks.vkeys_len = target->vkeys_len;
	sinks.config_len = strlen(target->sinks_text);
	if (tally_outside_open(&sinks, &target->outside, &error) != 0)
		return refuse(why, target->name, error.message);
	return 0;
}

int
watch_target_open(struct watch_target *target, const json_t *config,
    const char *state_dir, bool outside, struct watch_alerts *alerts,
    char why[WATCH_WHY_SIZE])
{
	const char *dir = member(config, "log"), *key = member(config, "key");
	const char *reg = member(config, "register");
	struct tally_error error = { 0 };

	memset(target, 0, sizeof(*target));
	target->alerts = alerts;
	if (prepare(target, config, state_dir, why) != 0)
		return -1;
	if (outside)
		return open_outside(target, why);
	if (dir == NULL || key == NULL || reg == NULL)
		return refuse(why, target->name,
		    "it needs \"log\", \"key\" and \"register\"");
	target->conninfo = member(config, "pg");
	target->without_events = json_is_true(json_object_get(config,
	    "without_events"));
	target->dir = strdup(dir);
	target->register_dir = strdup(reg);
	if (target->dir == NULL || target->register_dir == NULL)
		return refuse(why, target->name, "out of memory");
	if (load_signer(target, key, why) != 0 || take_keys(target, why) != 0)
		return -1;
	/* What is wrong with the sinks' configuration is told at once; what is
	 * wrong with the log is told by alerts. */
	if (watch_target_connect(target, &error) != 0 &&
	    error.code == TALLY_E_USAGE)
		return refuse(why, target->name, error.message);
	return 0;
}

/* ---- handles ---------------------------------------------------------- */

int
watch_target_connect(struct watch_target *target, struct tally_error *error)
{
	struct tally_publish_options how = { .signers = &target->signer,
		.signers_len = 1,
		.register_dir = target->register_dir };
	struct tally_outside_options sinks = { .config = target->sinks_text,
		.queue_dir = target->queue_dir,
		.log_dir = target->dir,
		.signer = target->signer,
		.vkeys = target->vkeys,
		.vkeys_len = target->vkeys_len };
	int result = TALLY_OK;

	if (target->log != NULL && target->publisher != NULL)
		return TALLY_OK;
	watch_target_disconnect(target);
	result = tally_log_open(target->dir, NULL, &target->log, error);
	if (result != 0)
		return result;
	if (target->sinks_text != NULL) {
		sinks.config_len = strlen(target->sinks_text);
		sinks.log = target->log;
		result = tally_outside_open(&sinks, &target->outside, error);
	}
	if (result != 0) {
		watch_target_disconnect(target);
		return result;
	}
	/* Without a register the sinks still show what the log is. */
	target->publish_options = how;
	return tally_publisher_open(target->log, &target->publish_options,
	    &target->publisher, error);
}

void
watch_target_disconnect(struct watch_target *target)
{
	tally_outside_close(target->outside);
	tally_publisher_close(target->publisher);
	if (target->log != NULL)
		(void)tally_log_close(target->log, NULL);
	target->outside = NULL;
	target->publisher = NULL;
	target->log = NULL;
}

void
watch_target_close(struct watch_target *target)
{
	watch_target_disconnect(target);
	tally_signer_free(target->signer);
	free(target->dir);
	free(target->register_dir);
	free(target->state_path);
	free(target->resume_path);
	free(target->queue_dir);
	free(target->sinks_text);
	free(target->compared);
	memset(target, 0, sizeof(*target));
}

const char *
watch_target_state(const struct watch_target *target)
{
	if (watch_alerts_count(target->alerts, target->name, true) > 0)
		return "broken";
	return target->whole_us == 0 ? "never-verified" : "intact";
}
