/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical JSON of others: a document is read into nodes, and written as
 * some library would spell it, byte for byte.
 *
 *	JS_PROPERTY  JSON.stringify of objects made anew from sorted keys:
 *	             array indexes first, by value, then UTF-16 code units
 *	JS_UTF16     the same, with a plain sort of the keys (RFC 8785, too)
 *	PYTHON       json.dumps(sort_keys=True, separators=(",", ":"))
 *	JSONB        the text of PostgreSQL's jsonb
 *
 * 1. Nodes stand in the order of the text; a container is followed by all that
 *    is in it; a member is a string, its name, and behind it its value.
 * 2. A node points into the text, which must outlive it.  Nothing is decoded
 *    before it is written or compared.
 * 3. Of members with one name the last counts.
 * 4. Nothing recurses: what is open is linked through the nodes.
 *
 * What one of the libraries would refuse to read or write is refused here: for
 * jsonb \u0000, unpaired surrogates and numbers out of range, for Python
 * integers of more than 4,300 digits.
 */
#ifndef TALLY_CORE_CANON_H
#define TALLY_CORE_CANON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tally/error.h>

#define TALLY_CANON_DEPTH 512
#define TALLY_CANON_MAX ((size_t)64 << 20) /* bytes of a document */

enum tally_canon_form {
	TALLY_CANON_JS_PROPERTY,
	TALLY_CANON_JS_UTF16,
	TALLY_CANON_PYTHON,
	TALLY_CANON_JSONB,
};

enum tally_canon_type {
	TALLY_CANON_NULL,
	TALLY_CANON_FALSE,
	TALLY_CANON_TRUE,
	TALLY_CANON_WORD, /* NaN, Infinity, -Infinity, undefined */
	TALLY_CANON_NUMBER,
	TALLY_CANON_STRING,
	TALLY_CANON_ARRAY,
	TALLY_CANON_OBJECT,
};

/* Flags of a node. */
enum {
	TALLY_CANON_ESCAPED = 1, /* a string with escapes */
	TALLY_CANON_WIDE = 2,    /* a string with bytes from 0x7f on */
	TALLY_CANON_REAL = 4,    /* a number with a point or an exponent */
};

/* What to read beside RFC 8259. */
enum {
	TALLY_CANON_READ_NAN = 1,       /* NaN, Infinity, -Infinity */
	TALLY_CANON_READ_UNDEFINED = 2, /* undefined */
};

struct tally_canon_node {
	uint32_t at;  /* of a string: behind its quote */
	uint32_t len; /* bytes; of a container, members or elements */
	uint32_t end; /* the node behind this one and all that is in it */
	uint8_t type;
	uint8_t flags;
};

struct tally_canon_frame {
	uint32_t at;   /* next element, or next place in order */
	uint32_t stop; /* of either */
	uint32_t base; /* what order had before */
	bool is_object;
};

/* Room of the caller; reused from document to document. */
struct tally_canon_room {
	struct tally_canon_node *nodes;
	uint32_t *order; /* as many as nodes */
	size_t capacity;
	struct tally_canon_frame frames[TALLY_CANON_DEPTH];
};

struct tally_canon_text {
	const char *at;
	size_t len;
};

/* How to write. */
struct tally_canon_style {
	enum tally_canon_form form;
	/* Members of the outermost object that are left out. */
	const struct tally_canon_text *without;
	size_t without_len;
	/* The only members to write, at every depth (an array as replacer of
	 * JSON.stringify); none: all. */
	const struct tally_canon_text *only;
	size_t only_len;
};

/* Where text goes; what does not fit is not written, and full says so. */
struct tally_canon_out {
	char *at;
	size_t len;
	size_t capacity;
	bool full;
};

/*
 * Reads one document, white space around it included.  Returns 0 with the
 * count of nodes; TALLY_PARTIAL if the room is too small (it need not be
 * larger than len + 1); TALLY_E_EVENT or TALLY_E_LIMIT with a message such as
 * "json: expected ':' at byte 17".
 */
TALLY_MUST_CHECK int
tally_canon_read(const char *text, size_t len, unsigned read,
    struct tally_canon_room *room, size_t *out_nodes,
    struct tally_error *error);

/*
 * Appends a node of a document that was read to out.
 * Returns 0; TALLY_PARTIAL if out is full (then what it holds is of no use);
 * TALLY_E_EVENT or TALLY_E_LIMIT if the form cannot have it.
 */
TALLY_MUST_CHECK int
tally_canon_write(const char *text, struct tally_canon_room *room,
    uint32_t node, const struct tally_canon_style *style,
    struct tally_canon_out *out, struct tally_error *error);

/* Appends the characters of a string node as UTF-8; an unpaired surrogate
 * becomes U+FFFD, as where JavaScript encodes it. */
void
tally_canon_write_plain(const char *text, const struct tally_canon_node *node,
    struct tally_canon_out *out);

/*
 * Appends plain UTF-8 as a string of the form, with its quotes.  0, or
 * TALLY_E_EVENT.  What does not fit shows in out.
 */
TALLY_MUST_CHECK int
tally_canon_write_string(enum tally_canon_form form, const char *plain,
    size_t len, struct tally_canon_out *out, struct tally_error *error);

/* Is this the name, or the text, of a string node? */
bool
tally_canon_equal(const char *text, const struct tally_canon_node *node,
    const struct tally_canon_text *plain);

/* ---- between the files of this module --------------------------------- */

/*
 * The next character of a string, [*p, end) being what is inside its quotes;
 * an unpaired surrogate is given as it is.  -1 at the end.
 */
int32_t
tally_canon_next(const uint8_t **p, const uint8_t *end);

/* Which of two names comes first in the form; as memcmp. */
int
tally_canon_compare(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *a, const struct tally_canon_node *b);

/* Puts names, [0, count) of them, into the order of the form, and of equal
 * ones keeps the last.  Returns how many are left. */
uint32_t
tally_canon_sort(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *nodes, uint32_t *names, uint32_t count);

/* Appends a number node's text in the form. */
TALLY_MUST_CHECK int
tally_canon_number(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *node, struct tally_canon_out *out,
    struct tally_error *error);

static inline void
tally_canon_put(struct tally_canon_out *out, const char *text, size_t len)
{
	if (out->capacity - out->len < len) {
		out->full = true;
		return;
	}
	if (len > 0)
		memcpy(out->at + out->len, text, len);
	out->len += len;
}

static inline void
tally_canon_put_char(struct tally_canon_out *out, char c)
{
	if (out->len < out->capacity)
		out->at[out->len++] = c;
	else
		out->full = true;
}

#endif
