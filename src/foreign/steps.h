/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's fields, inputs and steps. */
#ifndef TALLY_FOREIGN_STEPS_H
#define TALLY_FOREIGN_STEPS_H

#include "foreign/parse.h"

/* The number of a field; TALLY_NO_FIELD if name is NULL. */
int
tally_parse_field(struct tally_parser *p, json_t *name);

/* Text that is made while parsing and lives as long as the profile. */
struct tally_canon_text
tally_parse_keep(struct tally_parser *p, const char *text, size_t len);

/* The member "input" of a rule. */
void
tally_parse_input(struct tally_parser *p, json_t *array,
    struct tally_input *input);

/* A "field" step. */
void
tally_parse_field_step(struct tally_parser *p, json_t *json,
    struct tally_input *input);

/* An "object" step: its members in the order of its form. */
void
tally_parse_object(struct tally_parser *p, json_t *json,
    struct tally_input *input);

/* Between the files of the parser. */
struct tally_step *
tally_parse_step(struct tally_parser *p, struct tally_input *input,
    enum tally_step_kind kind);
void
tally_parse_literal(struct tally_parser *p, struct tally_input *input,
    struct tally_canon_text text);
const struct tally_canon_text *
tally_parse_names(struct tally_parser *p, json_t *array, size_t *out_len);
#endif
