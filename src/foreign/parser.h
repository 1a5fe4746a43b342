/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a profile, strictly: what is not known is refused, and the message
 * says where ("eras[0].input[2].as").  Where we are is a path that grows and
 * shrinks with the walk.
 */
#ifndef TALLY_FOREIGN_PARSER_H
#define TALLY_FOREIGN_PARSER_H

#include "foreign/profile.h"

struct tally_parser {
	struct tally_profile *profile;
	char path[256];
	size_t path_len;
	struct tally_error *error;
	int result;
};

/* The first refusal counts. */
void
tally_parser_refuse(struct tally_parser *p, const char *format, ...)
    TALLY_PRINTF(2, 3);

/* Goes down to a member, or (name NULL) to an element; gives where to come
 * back to. */
size_t
tally_parser_enter(struct tally_parser *p, const char *name, size_t index);

void
tally_parser_leave(struct tally_parser *p, size_t before);

/* Refuses what is no object, and members that known (NULL at its end) does
 * not name. */
void
tally_parser_only(struct tally_parser *p, json_t *object,
    const char *const *known);

static inline struct tally_canon_text
tally_parser_text(json_t *string)
{
	return (struct tally_canon_text){ json_string_value(string),
		json_string_length(string) };
}

/* A member that is text; NULL without a refusal if it may be absent. */
json_t *
tally_parser_member(struct tally_parser *p, json_t *object, const char *name,
    bool needed);

/* The number of a field; TALLY_NO_FIELD if name is NULL. */
int
tally_parser_field(struct tally_parser *p, json_t *name);

/* Text that is made while parsing and lives as long as the profile. */
struct tally_canon_text
tally_parser_keep(struct tally_parser *p, const char *text, size_t len);

/* The member "input" of a rule. */
void
tally_parser_input(struct tally_parser *p, json_t *array,
    struct tally_input *input);

/* An "object" step: its members in the order of its form. */
void
tally_parser_object(struct tally_parser *p, json_t *json,
    struct tally_input *input);

/* Between the files of the parser. */
struct tally_step *
tally_parser_step(struct tally_parser *p, struct tally_input *input,
    enum tally_step_kind kind);
void
tally_parser_literal(struct tally_parser *p, struct tally_input *input,
    struct tally_canon_text text);
const struct tally_canon_text *
tally_parser_names(struct tally_parser *p, json_t *array, size_t *out_len);
bool
tally_parser_form(const char *word, enum tally_canon_form *out);

#endif
