/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the sinks of a log, for the commands that use them. */
#ifndef TALLY_CLI_SINKS_H
#define TALLY_CLI_SINKS_H

#include <tally/outside.h>

#include "output.h"

struct sinks {
	struct tally_log *log;
	struct tally_signer *signer;
	struct tally_outside *outside;
	char *config; /* text */
	size_t config_len;
	char *queue;    /* path */
	char *key_text; /* of a file of a public key */
	const char *vkey;
};

struct sinks_settings {
	const char *config; /* file */
	const char *queue;  /* NULL: "sinks" in the log's directory */
	const char *key;    /* a key file, or with is_public a VKEY or a file */
	const char *passphrase_file;
	bool is_public;
};

/* Close it in any case. */
enum status
sinks_open(struct sinks *sinks, const char *dir,
    const struct sinks_settings *settings);

void
sinks_close(struct sinks *sinks);

/* A file, whole, NUL-terminated; free() it. */
enum status
sinks_read_file(const char *path, size_t max, char **out, size_t *out_len);

#endif
