/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of records, and what was found, until both are sorted at the end.
 *
 * Every record leaves an item; a link that does not lead to the record before
 * it in its chain is loose, and is looked for among the items.  Memory does
 * not grow with either, nor with what is found.
 */
#ifndef TALLY_FOREIGN_LINKS_H
#define TALLY_FOREIGN_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/record.h>
#include <tally/verify.h>

#include "foreign/found.h"
#include "sort/sort.h"
#include "sort/spool.h"

struct tally_item {
	uint64_t key[2]; /* of its hash; of a loose link, of the link */
	uint64_t child;  /* own of the record that follows directly, or 0;
			    of a loose link, own of its record */
	struct tally_place place;
	uint8_t holds;
	uint8_t child_holds;
	uint8_t gap;   /* of a loose link: the order has a gap before it */
	uint8_t first; /* of a loose link: nothing of its chain is before it */
};

/* Called for each loose link once it is judged; parent is NULL if it is not
 * there. */
typedef int (*tally_link_fn)(void *arg, const struct tally_item *loose,
    const struct tally_item *parent);

struct tally_links {
	struct tally_spool items;
	struct tally_sort *loose; /* by key, own, place */
	struct tally_sort *found; /* by place */
	uint64_t *filter;         /* of the keys of loose */
	uint64_t loose_len;
	struct tally_spool group; /* loose links to one record */
	bool pruned;              /* the beginning may be gone */
	tally_link_fn settled;    /* or NULL */
	void *arg;
	struct tally_error *error;
};

/* 0, or TALLY_E_MEMORY, _IO or _FULL with a message, all of them. */
TALLY_MUST_CHECK int
tally_links_init(struct tally_links *links, struct tally_error *error);

void
tally_links_wipe(struct tally_links *links);

TALLY_MUST_CHECK int
tally_links_add(struct tally_links *links, const struct tally_item *item);

TALLY_MUST_CHECK int
tally_links_loose(struct tally_links *links, const struct tally_item *loose);

TALLY_MUST_CHECK int
tally_links_found(struct tally_links *links, const struct tally_found *found);

/* All were added: finds where the loose links lead, sorts what was found. */
TALLY_MUST_CHECK int
tally_links_judge(struct tally_links *links);

/* The next thing that was found, by place; TALLY_END: no more. */
TALLY_MUST_CHECK int
tally_links_next(struct tally_links *links, struct tally_found *out);

/* The first bytes of a hash, by which items are found; own is the first of
 * the two. */
void
tally_item_key(const uint8_t *hash, uint64_t out[2]);

#endif
