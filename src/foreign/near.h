/* SPDX-License-Identifier: Apache-2.0 */
/* The neighbourhood of a break: records around it, and where they come from. */
#ifndef TALLY_FOREIGN_NEAR_H
#define TALLY_FOREIGN_NEAR_H

#include <tally/diagnose.h>

#include "foreign/found.h"
#include "foreign/graph.h"

#define TALLY_NEAR_MAX 256 /* findings that are kept */

struct tally_near_found {
	uint32_t chain;
	uint64_t seq;
	enum tally_finding_kind kind;
};

struct tally_neighbourhood {
	bool has_at; /* else the first break */
	uint64_t at, around;
	bool found; /* what it is about */
	struct tally_place centre;
	/* The last findings before it, then those near it. */
	struct tally_near_found findings[TALLY_NEAR_MAX];
	size_t len;
};

/* The next finding, by place. */
void
tally_near_take(struct tally_neighbourhood *near,
    const struct tally_found *found);

/* Tells the records by seq; nothing if there was no such finding. */
void
tally_near_tell(const struct tally_neighbourhood *near,
    const struct tally_graph *graph, const char *chain,
    void (*tell)(void *arg, const char *chain, const struct tally_near *record),
    void *arg);

#endif
