/* SPDX-License-Identifier: Apache-2.0 */
/* The chains of a source, by name, and where each of them stands. */
#ifndef TALLY_FOREIGN_CHAIN_H
#define TALLY_FOREIGN_CHAIN_H

#include "core/digest.h"
#include "foreign/links.h"

struct tally_chain_state {
	char *name; /* with a NUL */
	size_t name_len;
	uint64_t count; /* records, chained or not */
	bool begun;     /* there was a chained record */
	bool started;   /* there was a start */
	bool has_order;
	uint64_t order;
	uint64_t first; /* own hash of the first start, as an item has it */
	int era;
	uint64_t legacy; /* leading records without a hash */
	struct tally_place legacy_place;
	struct tally_digest hash; /* of the last chained record */
	struct tally_item item;   /* of it; it waits for its child */
};

struct tally_chain_table {
	struct tally_chain_state *states;
	uint32_t len, capacity;
	uint32_t *slots; /* number + 1; twice as many as capacity */
};

/* The number of a chain, which is made if it is new. 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_chain_find(struct tally_chain_table *table, const char *name, size_t len,
    uint32_t *out);

void
tally_chain_wipe(struct tally_chain_table *table);

#endif
