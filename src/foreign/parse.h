/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a profile, strictly: what is not known is refused, and the message
 * says where ("eras[0].input[2].as").  Where we are is a path that grows and
 * shrinks with the walk.
 */
#ifndef TALLY_FOREIGN_PARSE_H
#define TALLY_FOREIGN_PARSE_H

#include "foreign/profile.h"

struct tally_parser {
	struct tally_profile *profile;
	char path[256];
	size_t path_len;
	struct tally_error *error;
	int result; /* of the first refusal, after which nothing counts */
};

void
tally_parse_refuse(struct tally_parser *p, const char *format, ...)
    TALLY_PRINTF(2, 3);

/* Goes down to a member, or without a name to an element; gives where to come
 * back to. */
size_t
tally_parse_enter(struct tally_parser *p, const char *name, size_t index);

void
tally_parse_leave(struct tally_parser *p, size_t before);

/* Refuses what is no object, and members that are not known; NULL ends. */
void
tally_parse_only(struct tally_parser *p, json_t *object,
    const char *const *known);

struct tally_canon_text
tally_parse_text(json_t *string);

/* A member that is text; NULL without a refusal if it may be absent. */
json_t *
tally_parse_text_member(struct tally_parser *p, json_t *object,
    const char *name, bool needed);

/* The canonical form of that name; false if there is none. */
bool
tally_parse_form(const char *word, enum tally_canon_form *out);

/* The member "writer". */
void
tally_parse_writer(struct tally_parser *p, json_t *json);

#endif
