/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of several words, if one is near enough. */
#ifndef TALLY_CLI_SUGGEST_H
#define TALLY_CLI_SUGGEST_H

#include <stddef.h>

#define SUGGEST_WORD_MAX 24

struct suggest {
	const char *given;
	size_t len;
	size_t distance; /* of best */
	const char *best;
};

void
suggest_init(struct suggest *suggest, const char *given, size_t len);

/* word lives as long as the suggestion is used. */
void
suggest_offer(struct suggest *suggest, const char *word);

#endif
