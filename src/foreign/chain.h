/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains of a source, by name.  What is known of each is kept by whoever
 * asks, in an array by their numbers: names are all that is the same.
 */
#ifndef TALLY_FOREIGN_CHAIN_H
#define TALLY_FOREIGN_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

struct tally_chain_name {
	char *at; /* with a NUL */
	size_t len;
};

struct tally_chain_table {
	struct tally_chain_name *names;
	uint32_t len, capacity;
	uint32_t *slots; /* number + 1; twice as many as capacity */
};

/* The number of a chain, which is made if it is new. 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_chain_find(struct tally_chain_table *table, const char *name, size_t len,
    uint32_t *out);

/* Is there one of this name? */
bool
tally_chain_is_known(const struct tally_chain_table *table, const char *name,
    size_t len);

void
tally_chain_wipe(struct tally_chain_table *table);

#endif
