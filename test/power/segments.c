/* SPDX-License-Identifier: Apache-2.0 */
/* The segments as bytes on the disk; see world.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/text.h"

#include "world.h"

#define CHAINS_MAX 16

/* ---- the segments, by the core alone ----------------------------------- */

static bool
is_segment(const char *name)
{
	return strlen(name) == 26 && strcmp(name + 20, ".jsonl") == 0;
}

void
segments_take(struct segments_copy *out)
{
	char names[64][SIM_NAME];
	size_t n = sim_names(WORLD_LOG, names, 64);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n && out->len < 32; i++) {
		struct segment_copy *copy = &out->at[out->len];
		char path[128];
		const uint8_t *bytes;

		if (!is_segment(names[i]))
			continue;
		(void)snprintf(path, sizeof(path), WORLD_LOG "/%s", names[i]);
		bytes = sim_file(path, &copy->len);
		memcpy(copy->name, names[i], sizeof(copy->name));
		copy->bytes = malloc(copy->len + 1);
		if (copy->bytes == NULL)
			abort();
		memcpy(copy->bytes, bytes, copy->len);
		out->len++;
	}
}

void
segments_wipe(struct segments_copy *copy)
{
	for (size_t i = 0; i < copy->len; i++)
		free(copy->at[i].bytes);
	copy->len = 0;
}

uint64_t
world_segments_digest(void)
{
	struct segments_copy copy;
	uint64_t h = UINT64_C(14695981039346656037);

	segments_take(&copy);
	for (size_t s = 0; s < copy.len; s++) {
		for (size_t i = 0; i < copy.at[s].len; i++)
			h = (h ^ copy.at[s].bytes[i]) * 0x100000001b3;
		h = (h ^ copy.at[s].len) * 0x100000001b3;
		h ^= strtoull(copy.at[s].name, NULL, 10) << 32;
	}
	segments_wipe(&copy);
	return h;
}

struct links {
	struct {
		char chain[TALLY_CHAIN_TEXT_MAX + 1];
		uint64_t seq;
		struct tally_hash hash;
	} at[CHAINS_MAX];
	size_t len;
	uint64_t index;
};

static bool
link_check(struct world *world, struct links *links,
    const struct tally_line *line)
{
	const struct tally_header *header = &line->header;
	size_t i = 0;

	while (i < links->len &&
	    (strlen(links->at[i].chain) != header->chain_len ||
		memcmp(links->at[i].chain, header->chain, header->chain_len) !=
		    0))
		i++;
	if (i == links->len) {
		if (i == CHAINS_MAX)
			abort();
		memset(&links->at[i], 0, sizeof(links->at[i]));
		memcpy(links->at[i].chain, header->chain, header->chain_len);
		links->len++;
	}
	if (header->seq != links->at[i].seq + 1 ||
	    !tally_hash_equal(&header->prev, &links->at[i].hash) ||
	    !tally_line_holds(&world->hasher, line)) {
		world_fail(world, "index %llu of the segments does not link",
		    (unsigned long long)links->index);
		return false;
	}
	links->at[i].seq = header->seq;
	links->at[i].hash = line->hash;
	links->index++;
	return true;
}

static bool
segment_check(struct world *world, struct links *links,
    const struct segment_copy *copy)
{
	const char *at = (const char *)copy->bytes;
	size_t left = copy->len;

	if (strtoull(copy->name, NULL, 10) != links->index) {
		world_fail(world, "%s begins at index %llu", copy->name,
		    (unsigned long long)links->index);
		return false;
	}
	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end == NULL ? left : (size_t)(end - at) + 1;
		struct tally_line line;

		if (tally_line_decode(at, len, &line) != 0) {
			world_fail(world, "%s has no line at %zu of %zu",
			    copy->name, copy->len - left, copy->len);
			return false;
		}
		if (!link_check(world, links, &line))
			return false;
		at += len;
		left -= len;
	}
	return true;
}

bool
world_check_segments(struct world *world)
{
	static struct links links;
	struct segments_copy copy;
	bool holds = true;

	memset(&links, 0, sizeof(links));
	segments_take(&copy);
	for (size_t i = 0; i < copy.len && holds; i++)
		holds = segment_check(world, &links, &copy.at[i]);
	segments_wipe(&copy);
	return holds;
}

/* ---- what was set aside ------------------------------------------------ */

/* Is there a file in log/, no segment, that holds these bytes? */
static bool
aside_holds(const uint8_t *bytes, size_t len)
{
	char names[64][SIM_NAME];
	size_t n = sim_names(WORLD_LOG, names, 64);

	for (size_t i = 0; i < n; i++) {
		char path[128];
		const uint8_t *file;
		size_t file_len;

		if (is_segment(names[i]))
			continue;
		(void)snprintf(path, sizeof(path), WORLD_LOG "/%s", names[i]);
		file = sim_file(path, &file_len);
		if (file != NULL && file_len >= len &&
		    memmem(file, file_len, bytes, len) != NULL)
			return true;
	}
	return false;
}

/* From the first line on that is not in now; 0: all are. */
static size_t
lost_from(const struct segment_copy *before, const struct segment_copy *now)
{
	size_t same = 0, line = 0;

	while (now != NULL && same < before->len && same < now->len &&
	    before->bytes[same] == now->bytes[same]) {
		same++;
		if (before->bytes[same - 1] == '\n')
			line = same;
	}
	return same == before->len ? before->len : line;
}

bool
world_check_aside(struct world *world, const struct segments_copy *before)
{
	struct segments_copy now;
	bool lost = false, holds = true;

	segments_take(&now);
	for (size_t i = 0; i < before->len && holds; i++) {
		const struct segment_copy *copy = &before->at[i];
		const struct segment_copy *match = NULL;
		size_t from;

		for (size_t j = 0; j < now.len; j++) {
			if (strcmp(now.at[j].name, copy->name) == 0)
				match = &now.at[j];
		}
		from = lost_from(copy, match);
		if (from == copy->len)
			continue;
		lost = true;
		holds = aside_holds(copy->bytes + from, copy->len - from);
		if (!holds)
			world_fail(world, "%s: bytes %zu to %zu are gone",
			    copy->name, from, copy->len);
	}
	if (lost && holds) {
		const struct segment_copy *last = &now.at[now.len - 1];

		last->bytes[last->len] = '\0';
		holds = memmem(last->bytes, last->len,
			    "\"chain\":\"tally:log\"", 19) != NULL;
		if (!holds)
			world_fail(world, "bytes were set aside in silence");
	}
	segments_wipe(&now);
	return holds;
}
