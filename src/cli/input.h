/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is read, or standard input ("-"), whose beginning can be looked
 * at first. */
#ifndef TALLY_CLI_INPUT_H
#define TALLY_CLI_INPUT_H

#include <stdio.h>

#include "output.h"

#define INPUT_HEAD 64

struct input {
	const char *path;
	FILE *file;
	char head[INPUT_HEAD]; /* its first bytes */
	size_t head_len;
	size_t head_at; /* of these, given */
};

/* Opens it and reads its head, or complains.  Close it in any case. */
enum status
input_open(struct input *input, const char *path);

void
input_close(struct input *input);

/* Is its first line this one? */
bool
input_begins(const struct input *input, const char *line);

/* tally_read_fn; arg is the input.  TALLY_E_IO after it complained. */
int
input_read(void *arg, void *bytes, size_t room, size_t *out_len);

/*
 * All of it, at most max bytes, and a NUL; what: "a proof".  free() it.
 * Complains: STATUS_UNJUDGED if there is more.
 */
enum status
input_all(struct input *input, size_t max, const char *what, char **out_text,
    size_t *out_len);

/* The same of a path, from opening to closing. */
enum status
input_file(const char *path, size_t max, const char *what, char **out_text,
    size_t *out_len);

#endif
