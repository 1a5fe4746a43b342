/* SPDX-License-Identifier: Apache-2.0 */
/* A file of heads, as "tally head --json" printed it, kept outside. */
#ifndef TALLY_CLI_HEADS_H
#define TALLY_CLI_HEADS_H

#include <stdbool.h>
#include <stddef.h>

#include <tally/verify.h>

#include "output.h"

struct heads {
	struct tally_outside_head *head;
	char **name; /* what head[i].chain points to */
	size_t count;
	size_t capacity;
};

/* Reads path, or standard input for "-"; complains if it is no such file. */
enum status
heads_read(struct heads *heads, const char *path);

/* One more; false: no memory. */
bool
heads_add(struct heads *heads, const char *chain, size_t len, uint64_t seq,
    const struct tally_hash *hash);

void
heads_free(struct heads *heads);

#endif
