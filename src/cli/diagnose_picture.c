/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_picture.h"
#include "output.h"

#define STEP 64 /* between records */
#define LANE 56 /* between lanes */
#define MARGIN 40
#define RADIUS 16
#define HEAD 56 /* above the first lane */

void
picture_add(struct picture *picture, const char *chain,
    const struct tally_near *record)
{
	if (chain != NULL && picture->count == 0)
		(void)snprintf(picture->chain, sizeof(picture->chain), "%s",
		    chain);
	if (picture->count < PICTURE_MAX)
		picture->node[picture->count++].record = *record;
}

/* The place of a seq; they ascend. */
static size_t
place_of(const struct picture *picture, uint64_t seq)
{
	size_t low = 0, high = picture->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (picture->node[middle].record.seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < picture->count && picture->node[low].record.seq == seq
	    ? low
	    : PICTURE_MAX;
}

/* A lane is free again once its last record has no more children, and stands
 * before the parent, so that no line is drawn through it. */
static size_t
free_lane(struct picture *picture, const size_t *last, size_t parent)
{
	size_t lane = 0;

	while (lane < picture->lanes &&
	    (picture->node[last[lane]].waiting > 0 || last[lane] >= parent))
		lane++;
	if (lane == picture->lanes)
		picture->lanes++;
	return lane;
}

void
picture_arrange(struct picture *picture)
{
	static size_t last[PICTURE_MAX]; /* record of each lane */
	struct picture_node *node, *parent;
	size_t i;

	for (i = 0; i < picture->count; i++) {
		node = &picture->node[i];
		node->waiting = 0;
		node->parent = node->record.has_parent
		    ? place_of(picture, node->record.parent_seq)
		    : PICTURE_MAX;
		if (node->parent != PICTURE_MAX)
			picture->node[node->parent].waiting++;
	}
	picture->lanes = 0;
	for (i = 0; i < picture->count; i++) {
		node = &picture->node[i];
		parent = node->parent != PICTURE_MAX
		    ? &picture->node[node->parent]
		    : NULL;
		/* The first child goes on where its parent is. */
		if (parent != NULL && last[parent->lane] == node->parent)
			node->lane = parent->lane;
		else
			node->lane = free_lane(picture, last, node->parent);
		if (parent != NULL)
			parent->waiting--;
		last[node->lane] = i;
	}
}

void
picture_text(const struct picture *picture)
{
	size_t i;

	if (picture->count == 0)
		return;
	fputs("near the break", stdout);
	if (picture->chain[0] != '\0') {
		fputs(", chain \"", stdout);
		output_name(picture->chain, strlen(picture->chain));
		fputc('"', stdout);
	}
	fputc('\n', stdout);
	for (i = 0; i < picture->count; i++) {
		const struct picture_node *node = &picture->node[i];

		printf("  %*s%-*" PRIu64, (int)(4 * node->lane), "",
		    (int)(4 * (picture->lanes - node->lane)) + 4,
		    node->record.seq);
		if (node->record.is_far)
			fputs("before these", stdout);
		else if (node->record.has_parent)
			printf("<- %" PRIu64, node->record.parent_seq);
		else
			fputs(node->record.is_start ? "a start"
						    : "<- not there",
			    stdout);
		if (node->record.is_found)
			printf("  %s", tally_finding_name(node->record.kind));
		fputc('\n', stdout);
	}
}

/* ---- SVG -------------------------------------------------------------- */

static void
put_escaped(const char *text, FILE *file)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", file);
			break;
		case '&':
			fputs("&amp;", file);
			break;
		case '"':
			fputs("&quot;", file);
			break;
		default:
			/* XML knows no controls. */
			fputc((unsigned char)*text < 0x20 ? '?' : *text, file);
		}
	}
}

static size_t
x_of(size_t place)
{
	return MARGIN + STEP * place;
}

static size_t
y_of(const struct picture *picture, size_t place)
{
	return HEAD + LANE * picture->node[place].lane;
}

static void
put_edge(const struct picture *picture, size_t i, FILE *file)
{
	const struct picture_node *node = &picture->node[i];
	size_t x = x_of(i), y = y_of(picture, i);

	if (node->parent != PICTURE_MAX) {
		size_t from_x = x_of(node->parent);
		size_t from_y = y_of(picture, node->parent);

		fprintf(file,
		    "<path d=\"M%zu %zu C%zu %zu %zu %zu %zu %zu\"/>\n",
		    from_x + RADIUS, from_y, from_x + STEP / 2, from_y,
		    from_x + STEP / 2, y, x - RADIUS, y);
	} else if (!node->record.is_start && !node->record.is_far) {
		fprintf(file,
		    "<path stroke-dasharray=\"4 4\" d=\"M%zu %zu H%zu\"/>\n",
		    x - STEP / 2 - 4, y, x - RADIUS);
	}
}

static const char *
colour_of(const struct tally_near *record)
{
	if (record->is_far)
		return "#bbbbbb";
	if (!record->is_found)
		return "#3f8f5f";
	return tally_finding_is_break(record->kind) ? "#c0392b" : "#d08a00";
}

static void
put_node(const struct picture *picture, size_t i, FILE *file)
{
	const struct tally_near *record = &picture->node[i].record;
	size_t x = x_of(i), y = y_of(picture, i);

	fprintf(file,
	    "<g><title>seq %" PRIu64 "%s%s</title>"
	    "<circle cx=\"%zu\" cy=\"%zu\" r=\"%d\" fill=\"%s\"/>"
	    "<text x=\"%zu\" y=\"%zu\">%" PRIu64 "</text>",
	    record->seq, record->is_found ? ", " : "",
	    record->is_found ? tally_finding_name(record->kind) : "", x, y,
	    RADIUS, colour_of(record), x, y + 34, record->seq);
	if (record->is_start)
		fprintf(file,
		    "<circle cx=\"%zu\" cy=\"%zu\" r=\"6\" fill=\"white\"/>", x,
		    y);
	fputs("</g>\n", file);
}

void
picture_svg(const struct picture *picture, FILE *file)
{
	size_t width = x_of(picture->count) + MARGIN;
	size_t height = HEAD + LANE * picture->lanes + 24, i;

	if (width < 560)
		width = 560;
	fprintf(file,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\""
	    " height=\"%zu\" viewBox=\"0 0 %zu %zu\" role=\"img\">\n"
	    "<title>Records near a break",
	    width, height, width, height);
	if (picture->chain[0] != '\0') {
		fputs(" of chain ", file);
		put_escaped(picture->chain, file);
	}
	fputs(
	    "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
	    "<g font-family=\"sans-serif\" font-size=\"12\""
	    " fill=\"#222222\">\n<text x=\"20\" y=\"20\">",
	    file);
	put_escaped(picture->chain, file);
	fputs("  green: holds; red: a break; orange: not judged; white centre:"
	      " a start; dashed: its predecessor is not there</text></g>\n"
	      "<g fill=\"none\" stroke=\"#555555\" stroke-width=\"2\">\n",
	    file);
	for (i = 0; i < picture->count; i++)
		put_edge(picture, i, file);
	fputs("</g>\n<g font-family=\"sans-serif\" font-size=\"11\""
	      " text-anchor=\"middle\" fill=\"#222222\">\n",
	    file);
	for (i = 0; i < picture->count; i++)
		put_node(picture, i, file);
	fputs("</g>\n</svg>\n", file);
}
