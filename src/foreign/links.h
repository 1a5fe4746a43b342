/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of records, and what was found, until both are sorted at the end.
 *
 * Every record leaves an item; a link that does not lead to the record before
 * it in its chain is loose, and is looked for among the items.
 */
#ifndef TALLY_FOREIGN_LINKS_H
#define TALLY_FOREIGN_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/record.h>
#include <tally/verify.h>

enum tally_reason {
	TALLY_REASON_NONE = 0,
	TALLY_REASON_NO_RECORD, /* damaged */
	TALLY_REASON_TORN,
	TALLY_REASON_HASH_FORM,
	TALLY_REASON_CONTENT,
	TALLY_REASON_CHECK,
	TALLY_REASON_NO_FORM,
	TALLY_REASON_OLD_ERA,
	TALLY_REASON_TRAP,
	TALLY_REASON_LEGACY,
	TALLY_REASON_UNSEALED,
	TALLY_REASON_BEGINNING, /* the first record has a predecessor */
	TALLY_REASON_NO_PARENT,
	TALLY_REASON_GAP,
	TALLY_REASON_LATER,
	TALLY_REASON_OTHER_CHAIN,
	TALLY_REASON_FORK,
	TALLY_REASON_FORK_BENIGN,
	TALLY_REASON_TWICE,
	TALLY_REASON_SECOND_START,
	TALLY_REASON_NOTHING_HOLDS,
};

/* Where a record is. */
struct tally_place {
	uint64_t index;
	uint64_t offset;
	uint64_t seq;
	uint32_t chain;
};

struct tally_item {
	uint64_t key[2]; /* of its hash; of a loose link, of the link */
	uint64_t own;    /* of a loose link: of the record's hash */
	uint64_t child;  /* of the record that follows directly, or 0 */
	struct tally_place place;
	bool holds;
	bool child_holds;
	bool gap;   /* of a loose link: the order has a gap before it */
	bool first; /* of a loose link: nothing of its chain is before it */
};

struct tally_found {
	enum tally_finding_kind kind;
	enum tally_reason reason;
	int rule;
	struct tally_place place;
	uint64_t other; /* index of another record; of a legacy era, its size */
};

struct tally_links {
	struct tally_item *items;
	size_t items_len, items_capacity;
	struct tally_item *loose;
	size_t loose_len, loose_capacity;
	struct tally_found *found;
	size_t found_len, found_capacity;
};

/* 0 or TALLY_E_MEMORY, all three. */
TALLY_MUST_CHECK int
tally_links_add(struct tally_links *links, const struct tally_item *item,
    bool loose);
TALLY_MUST_CHECK int
tally_links_found(struct tally_links *links, const struct tally_found *found);

/* Finds where the loose links lead, and sorts what was found by place. */
TALLY_MUST_CHECK int
tally_links_judge(struct tally_links *links, bool pruned);

void
tally_links_wipe(struct tally_links *links);

void
tally_item_key(const struct tally_hash *hash, uint64_t out[2]);

#endif
