/* SPDX-License-Identifier: Apache-2.0 */
/* The neighbourhood of a break as a picture: lanes, for text and for SVG. */
#ifndef TALLY_CLI_DIAGNOSE_PICTURE_H
#define TALLY_CLI_DIAGNOSE_PICTURE_H

#include <stdio.h>

#include <tally/diagnose.h>

#define PICTURE_MAX 2100 /* records */

struct picture_node {
	struct tally_near record;
	size_t lane;
	size_t parent;  /* its place; PICTURE_MAX: not in the picture */
	size_t waiting; /* children that have no lane yet */
};

struct picture {
	char chain[256]; /* as much of its name as fits; "" if there is one */
	struct picture_node node[PICTURE_MAX];
	size_t count;
	size_t lanes;
};

/* One more record, by seq. */
void
picture_add(struct picture *picture, const char *chain,
    const struct tally_near *record);

/* All were added: gives each its lane. */
void
picture_arrange(struct picture *picture);

/* "  3  <- 1  forked" and so on, one line a record. */
void
picture_text(const struct picture *picture);

void
picture_svg(const struct picture *picture, FILE *file);

#endif
