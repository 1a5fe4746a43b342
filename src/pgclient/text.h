/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that grows, and memory that lives until the end.
 *
 * A text always ends in a NUL that does not count.  A failure to get memory
 * sticks: what is added later is lost, and the user asks once, before the text
 * is used.
 */
#ifndef TALLY_PGCLIENT_TEXT_H
#define TALLY_PGCLIENT_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <tally/error.h>

struct tally_pg_text {
	char *at; /* NULL until something was added */
	size_t len;
	size_t size;
	bool failed;
};

void
tally_pg_text_reset(struct tally_pg_text *text);
void
tally_pg_text_wipe(struct tally_pg_text *text);

/* Room for len more bytes and a NUL; false if there is none. */
bool
tally_pg_text_reserve(struct tally_pg_text *text, size_t len);

void
tally_pg_text_add(struct tally_pg_text *text, const void *bytes, size_t len);
void
tally_pg_text_put(struct tally_pg_text *text, const char *string);
void
tally_pg_text_format(struct tally_pg_text *text, const char *format, ...)
    TALLY_PRINTF(2, 3);

/* A name, as SQL has it between quotation marks. */
void
tally_pg_text_name(struct tally_pg_text *text, const char *name);

/* A JSON string (RFC 8785); false if the bytes are not valid UTF-8. */
bool
tally_pg_text_quote(struct tally_pg_text *text, const char *bytes, size_t len);

/* ---- memory that lives as long as the arena ---- */

struct tally_pg_block;

struct tally_pg_arena {
	struct tally_pg_block *last;
};

/* Zeroed and aligned; NULL if there is none. */
void *
tally_pg_arena_get(struct tally_pg_arena *arena, size_t size);

/* A copy with a NUL behind it; NULL if there is no memory. */
char *
tally_pg_arena_copy(struct tally_pg_arena *arena, const void *bytes,
    size_t len);
char *
tally_pg_arena_string(struct tally_pg_arena *arena, const char *string);

/* Formatted; NULL if there is no memory. */
char *
tally_pg_arena_format(struct tally_pg_arena *arena, const char *format, ...)
    TALLY_PRINTF(2, 3);

/* Gives everything back; the arena can be used again. */
void
tally_pg_arena_wipe(struct tally_pg_arena *arena);

#endif
