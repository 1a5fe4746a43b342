/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/jcs.h"
#include "pgclient/text.h"

void
tally_pg_text_reset(struct tally_pg_text *text)
{
	text->len = 0;
	text->failed = false;
	if (text->at != NULL)
		text->at[0] = '\0';
}

void
tally_pg_text_wipe(struct tally_pg_text *text)
{
	free(text->at);
	memset(text, 0, sizeof(*text));
}

bool
tally_pg_text_reserve(struct tally_pg_text *text, size_t len)
{
	size_t wanted = text->len + len + 1;
	size_t size = text->size > 0 ? text->size : 256;
	char *at;

	if (text->failed || wanted < len)
		return false;
	if (wanted <= text->size)
		return true;
	while (size < wanted)
		size *= 2;
	at = realloc(text->at, size);
	if (at == NULL) {
		text->failed = true;
		return false;
	}
	text->at = at;
	text->size = size;
	return true;
}

void
tally_pg_text_add(struct tally_pg_text *text, const void *bytes, size_t len)
{
	if (!tally_pg_text_reserve(text, len))
		return;
	if (len > 0)
		memcpy(text->at + text->len, bytes, len);
	text->len += len;
	text->at[text->len] = '\0';
}

void
tally_pg_text_put(struct tally_pg_text *text, const char *string)
{
	tally_pg_text_add(text, string, strlen(string));
}

void
tally_pg_text_format(struct tally_pg_text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || !tally_pg_text_reserve(text, (size_t)len)) {
		text->failed = true;
		return;
	}
	va_start(args, format);
	(void)vsnprintf(text->at + text->len, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

void
tally_pg_text_name(struct tally_pg_text *text, const char *name)
{
	tally_pg_text_put(text, "\"");
	for (; *name != '\0'; name++)
		tally_pg_text_add(text, *name == '"' ? "\"\"" : name,
		    *name == '"' ? 2 : 1);
	tally_pg_text_put(text, "\"");
}

bool
tally_pg_text_quote(struct tally_pg_text *text, const char *bytes, size_t len)
{
	size_t quoted;

	/* Small ones are not measured. */
	if (!tally_pg_text_reserve(text,
		len < 256 ? TALLY_JCS_QUOTED_MAX(len)
			  : tally_jcs_measure(bytes, len)))
		return true;
	quoted = tally_jcs_quote(bytes, len, text->at + text->len);
	text->len += quoted;
	text->at[text->len] = '\0';
	return quoted > 0;
}

/* ---- arena ---- */

#define BLOCK_SIZE ((size_t)64 << 10)

struct tally_pg_block {
	struct tally_pg_block *before;
	size_t used;
	size_t size;
	max_align_t room[];
};

void *
tally_pg_arena_get(struct tally_pg_arena *arena, size_t size)
{
	struct tally_pg_block *block = arena->last;
	size_t unit = sizeof(max_align_t);
	size_t room;
	void *got;

	if (size > SIZE_MAX / 4)
		return NULL;
	size = (size + unit - 1) / unit * unit;
	if (block == NULL || block->size - block->used < size) {
		room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		block = calloc(1, sizeof(*block) + room);
		if (block == NULL)
			return NULL;
		block->size = room;
		block->before = arena->last;
		arena->last = block;
	}
	got = (char *)block->room + block->used;
	block->used += size;
	return got;
}

char *
tally_pg_arena_copy(struct tally_pg_arena *arena, const void *bytes, size_t len)
{
	char *copy = tally_pg_arena_get(arena, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *
tally_pg_arena_string(struct tally_pg_arena *arena, const char *string)
{
	return tally_pg_arena_copy(arena, string, strlen(string));
}

char *
tally_pg_arena_format(struct tally_pg_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = len < 0 ? NULL : tally_pg_arena_get(arena, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(args, format);
	(void)vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

void
tally_pg_arena_wipe(struct tally_pg_arena *arena)
{
	struct tally_pg_block *block;

	while ((block = arena->last) != NULL) {
		arena->last = block->before;
		free(block);
	}
}
