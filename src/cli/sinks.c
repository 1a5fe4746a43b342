/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "signer.h"
#include "sinks.h"

#define CONFIG_MAX ((size_t)1 << 20)
#define QUEUE_NAME "sinks"
#define KEY_NAME "keys/key"

enum status
sinks_read_file(const char *path, size_t max, char **out, size_t *out_len)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(max + 1);
	size_t len = 0;

	if (file == NULL || text == NULL) {
		complain("cannot read \"%s\": %s", path,
		    output_reason(file == NULL ? errno : ENOMEM));
		if (file != NULL)
			(void)fclose(file);
		free(text);
		return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
	}
	len = fread(text, 1, max, file);
	if (ferror(file) || (len == max && fgetc(file) != EOF)) {
		complain("cannot read \"%s\", or it is too long", path);
		(void)fclose(file);
		free(text);
		return STATUS_IO;
	}
	(void)fclose(file);
	text[len] = '\0';
	*out = text;
	*out_len = len;
	return STATUS_DONE;
}

/* "dir/name", allocated. */
static char *
join(const char *dir, const char *name)
{
	size_t room = strlen(dir) + 1 + strlen(name) + 1;
	char *path = malloc(room);

	if (path != NULL)
		(void)snprintf(path, room, "%s/%s", dir, name);
	else
		complain("out of memory");
	return path;
}

/* Whose signatures are believed: the signer's own, or the key's. */
static enum status
load_key(struct sinks *sinks, const char *dir,
    const struct sinks_settings *settings)
{
	struct tally_error error = { 0 };
	char *path;
	enum status status;
	int result;

	sinks->key_text = malloc(TALLY_VKEY_TEXT_SIZE);
	if (sinks->key_text == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	sinks->vkey = sinks->key_text;
	if (settings->is_public && strchr(settings->key, '+') != NULL) {
		sinks->vkey = settings->key;
		return STATUS_DONE;
	}
	path = settings->key != NULL ? strdup(settings->key)
				     : join(dir, KEY_NAME);
	if (path == NULL)
		return STATUS_IO;
	result = tally_key_show(path, sinks->key_text, NULL, &error);
	status = result == 0 ? STATUS_DONE
			     : output_failure(result, &error, false);
	if (status == STATUS_DONE && !settings->is_public)
		status = signer_load(path, settings->passphrase_file,
		    &sinks->signer);
	free(path);
	return status;
}

enum status
sinks_open(struct sinks *sinks, const char *dir,
    const struct sinks_settings *settings)
{
	struct tally_outside_options options = { .log_dir = dir };
	struct tally_error error = { 0 };
	enum status status;
	int result;

	memset(sinks, 0, sizeof(*sinks));
	status = load_key(sinks, dir, settings);
	if (status == STATUS_DONE)
		status = sinks_read_file(settings->config, CONFIG_MAX,
		    &sinks->config, &sinks->config_len);
	if (status == STATUS_DONE)
		status = handle_open_reader(dir, &sinks->log);
	if (status == STATUS_DONE) {
		sinks->queue = settings->queue != NULL ? strdup(settings->queue)
						       : join(dir, QUEUE_NAME);
		status = sinks->queue == NULL ? STATUS_IO : STATUS_DONE;
	}
	if (status != STATUS_DONE)
		return status;
	options.config = sinks->config;
	options.config_len = sinks->config_len;
	options.queue_dir = sinks->queue;
	options.log = sinks->log;
	options.signer = sinks->signer;
	options.vkeys = &sinks->vkey;
	options.vkeys_len = 1;
	result = tally_outside_open(&options, &sinks->outside, &error);
	return result == 0 ? STATUS_DONE
			   : output_failure(result, &error, false);
}

void
sinks_close(struct sinks *sinks)
{
	tally_outside_close(sinks->outside);
	if (sinks->log != NULL)
		(void)handle_close(sinks->log, STATUS_DONE);
	tally_signer_free(sinks->signer);
	free(sinks->config);
	free(sinks->queue);
	free(sinks->key_text);
}
