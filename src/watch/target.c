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

static int
take_name(struct watch_target *target, const json_t *config,
    char why[WATCH_WHY_SIZE])
{
	const char *name = member(config, "name");

	if (!is_name(name))
		return refuse(why, name == NULL ? "" : name,
		    "it needs a \"name\" of letters, digits, \"_\", \"-\"");
	memcpy(target->name, name, strlen(name) + 1);
	target->config = config;
	return 0;
}

/* A directory, the file of a configuration, or that itself. */
static int
take_register(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	const json_t *config = json_object_get(target->config, "register");
	const char *where = json_string_value(config);
	struct tally_error error = { 0 };
	char *text;
	int result;

	if (where != NULL) {
		result = tally_outside_register_load(where, &target->reg,
		    &error);
	} else if (json_is_object(config)) {
		text = json_dumps(config, JSON_COMPACT);
		if (text == NULL)
			return refuse(why, target->name, "out of memory");
		result = tally_outside_register_open(text, strlen(text),
		    &target->reg, &error);
		free(text);
	} else {
		return refuse(why, target->name,
		    "it needs \"log\", \"key\" and \"register\"");
	}
	if (result != 0)
		return refuse(why, target->name, error.message);
	if (target->reg != NULL)
		return 0;
	target->register_dir = strdup(where);
	return target->register_dir == NULL
	    ? refuse(why, target->name, "out of memory")
	    : 0;
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
	target->kept_path = watch_path(state, "kept");
	target->base_path = watch_path(state, "verified");
	target->queue_dir = queue != NULL ? strdup(queue)
					  : watch_path(state, "sinks");
	if (target->state_path == NULL || target->resume_path == NULL ||
	    target->kept_path == NULL || target->base_path == NULL ||
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
	char *state;
	int failed = take_name(target, config, why);

	if (failed != 0)
		return failed;
	state = watch_path(state_dir, target->name);
	failed = state == NULL ? refuse(why, target->name, "out of memory")
			       : make_paths(target, state, why);
	free(state);
	if (failed == 0)
		failed = take_sinks(target, why);
	if (failed == 0)
		watch_target_load(target);
	return failed;
}

/* A sink that is slow and goes on is none that hangs; but one whose lines never
 * end must not hold up its log. */
static int
take_line(void *arg)
{
	struct watch_target *target = arg;

	watch_target_alive(target);
	return watch_stopping() ||
	    watch_monotonic_us() - target->reading_us >= target->times->hang_us;
}

/* Whom to believe, where the log itself cannot be asked. */
static int
take_outside(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	const char *vkey = member(target->config, "key");

	if (member(target->config, "origin") == NULL || vkey == NULL ||
	    target->sinks_text == NULL)
		return refuse(why, target->name,
		    "from outside it needs \"origin\", \"key\" (the public"
		    " one) and \"sinks\"");
	target->vkeys[target->vkeys_len++] = vkey;
	return take_keys(target, why);
}

/* What signs: where it is registered, and the keys. */
static int
take_signing(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	const char *key = member(target->config, "key");
	int failed;

	if (key == NULL || member(target->config, "log") == NULL)
		return refuse(why, target->name,
		    "it needs \"log\", \"key\" and \"register\"");
	failed = take_register(target, why);
	if (failed == 0)
		failed = load_signer(target, key, why);
	return failed == 0 ? take_keys(target, why) : failed;
}

static int
open_outside(struct watch_target *target, char why[WATCH_WHY_SIZE])
{
	struct tally_outside_options sinks = { .config = target->sinks_text,
		.queue_dir = target->queue_dir,
		.origin = member(target->config, "origin"),
		.vkeys = target->vkeys,
		.progress = take_line,
		.progress_arg = target };
	struct tally_error error = { 0 };

	if (take_outside(target, why) != 0)
		return -1;
	sinks.vkeys_len = target->vkeys_len;
	sinks.config_len = strlen(target->sinks_text);
	if (tally_outside_open(&sinks, &target->outside, &error) != 0)
		return refuse(why, target->name, error.message);
	return 0;
}

int
watch_target_open(struct watch_target *target, const json_t *config,
    const char *state_dir, bool outside, char why[WATCH_WHY_SIZE])
{
	memset(target, 0, sizeof(*target));
	target->whole_part = 1;
	if (prepare(target, config, state_dir, why) != 0)
		return -1;
	if (outside)
		return open_outside(target, why);
	if (take_signing(target, why) != 0)
		return -1;
	target->conninfo = member(config, "pg");
	target->without_events = json_is_true(json_object_get(config,
	    "without_events"));
	target->dir = strdup(member(config, "log"));
	return target->dir == NULL
	    ? refuse(why, target->name, "out of memory")
	    : 0;
}

/* ---- the configuration alone ------------------------------------------ */

/* As one who only reads would open them; no queue is looked at. */
static int
check_sinks(struct watch_target *target, const char *origin,
    char why[WATCH_WHY_SIZE])
{
	struct tally_outside_options sinks = { .config = target->sinks_text,
		.queue_dir = "",
		.origin = origin,
		.vkeys = target->vkeys,
		.vkeys_len = target->vkeys_len };
	struct tally_outside *outside;
	struct tally_error error = { 0 };

	if (target->sinks_text == NULL)
		return 0;
	sinks.config_len = strlen(target->sinks_text);
	if (tally_outside_open(&sinks, &outside, &error) != 0)
		return refuse(why, target->name, error.message);
	tally_outside_close(outside);
	return 0;
}

int
watch_target_check(const json_t *log, bool outside, char why[WATCH_WHY_SIZE])
{
	const char *name = member(log, "name");
	struct watch_target *target = calloc(1, sizeof(*target));
	int failed;

	if (target == NULL)
		return refuse(why, "", "out of memory");
	failed = take_name(target, log, why);
	if (failed == 0)
		failed = take_sinks(target, why);
	if (failed == 0)
		failed = outside ? take_outside(target, why)
				 : take_signing(target, why);
	if (failed == 0)
		failed = check_sinks(target,
		    outside ? member(log, "origin") : name, why);
	watch_target_close(target);
	free(target);
	return failed;
}

/* ---- handles ---------------------------------------------------------- */

int
watch_target_connect(struct watch_target *target, struct tally_error *error)
{
	struct tally_publish_options how = { .signers = &target->signer,
		.signers_len = 1,
		.register_dir = target->register_dir,
		.reg = target->reg };
	struct tally_outside_options sinks = { .config = target->sinks_text,
		.queue_dir = target->queue_dir,
		.log_dir = target->dir,
		.signer = target->signer,
		.vkeys = target->vkeys,
		.vkeys_len = target->vkeys_len,
		.progress = take_line,
		.progress_arg = target };
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
	tally_outside_register_close(target->reg);
	tally_signer_free(target->signer);
	free(target->dir);
	free(target->register_dir);
	free(target->state_path);
	free(target->resume_path);
	free(target->kept_path);
	free(target->base_path);
	free(target->queue_dir);
	free(target->sinks_text);
	free(target->compared);
	memset(target, 0, sizeof(*target));
}
