/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all chains: the only memory of a verification that grows with
 * the log, at most 1 KiB per chain.
 *
 * Names are escaped text.  A chain is known by its number, 0-based in the
 * order of creation; pointers to chains live until the next chain is added.
 */
#ifndef TALLY_VERIFY_CHAINS_H
#define TALLY_VERIFY_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/record.h>

#define TALLY_CHAIN_NONE UINT32_MAX
#define TALLY_BARRIER_NONE UINT64_MAX

/* Where a record stands. */
struct tally_where {
	uint64_t index;  /* in the log, as counted */
	uint64_t offset; /* of its first byte in the segment */
	uint32_t extent; /* number of the segment in the snapshot */
};

struct tally_chain {
	struct tally_hash hash; /* of the head; zeros at seq 0 */
	uint64_t seq;           /* of the head; 0: no record was seen */
	struct tally_where where;
	uint64_t first_index;
	uint64_t key;     /* hash of the name */
	uint64_t barrier; /* records with this seq or a later one take the
			     slow path */
	const char *name;
	uint32_t name_len;
	uint32_t trouble; /* number of its trouble + 1, or 0 */
	uint32_t watch;   /* number of its outside head + 1, or 0 */
	uint32_t place;   /* in the tree over the heads + 1, or 0 */
	bool changed;     /* since its leaf there was made */
};

struct tally_chains {
	struct tally_chain *items;
	uint32_t len;
	uint32_t capacity;
	uint32_t *slots; /* number + 1, or 0 */
	uint32_t mask;
	struct tally_names *names;
	uint64_t seed; /* so that nobody can choose names that collide */
};

TALLY_MUST_CHECK int
tally_chains_init(struct tally_chains *chains, uint64_t seed);

void
tally_chains_wipe(struct tally_chains *chains);

uint64_t
tally_chains_key(uint64_t seed, const char *name, size_t len);

/* The chain's number, or TALLY_CHAIN_NONE. */
uint32_t
tally_chains_find(const struct tally_chains *chains, const char *name,
    size_t len, uint64_t key);

/* Adds a chain that is not there yet, without records; copies the name. */
TALLY_MUST_CHECK int
tally_chains_add(struct tally_chains *chains, const char *name, size_t len,
    uint64_t key, uint32_t *out_number);

#endif
