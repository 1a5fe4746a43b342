/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile, compiled: fields by number, inputs as lists of steps.
 *
 * The strings belong to the parsed JSON, which the profile keeps.
 */
#ifndef TALLY_FOREIGN_PROFILE_H
#define TALLY_FOREIGN_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <tally/profile.h>

#include "core/canon.h"

#define TALLY_FIELDS_MAX 32
#define TALLY_STEPS_MAX 64 /* of one input */
#define TALLY_RULES_MAX 8  /* eras, and traps */
#define TALLY_NO_FIELD (-1)

enum tally_step_kind {
	TALLY_STEP_LITERAL,   /* text */
	TALLY_STEP_PREV,      /* the link, as text */
	TALLY_STEP_PREV_HEX,  /* the link, its bytes */
	TALLY_STEP_PREV_JSON, /* the link, as a string of the form */
	TALLY_STEP_TEXT,      /* a field's characters */
	TALLY_STEP_JSON,      /* a field in a canonical form */
	TALLY_STEP_HEX,       /* the bytes that a field has in hexadecimal */
	TALLY_STEP_INT64,     /* eight bytes, big-endian */
	TALLY_STEP_TIME,      /* an instant in UTC */
	TALLY_STEP_RECORD,    /* the whole record in a canonical form */
};

struct tally_step {
	enum tally_step_kind kind;
	int field;
	unsigned precision;           /* digits of a second: 3 or 6 */
	struct tally_canon_text text; /* literal; what stands for null */
	struct tally_canon_style style;
};

struct tally_input {
	struct tally_step steps[TALLY_STEPS_MAX];
	size_t steps_len;
};

/* A digest that a field holds beside the record's hash. */
struct tally_check {
	int field; /* TALLY_NO_FIELD: there is none */
	struct tally_input input;
};

/* An era or a trap. */
struct tally_rule {
	const char *name;
	const char *says;
	int when; /* a field, or TALLY_NO_FIELD: always */
	bool when_null;
	bool without_prev;            /* a trap: hashed over an empty link */
	enum tally_finding_kind kind; /* of a trap */
	struct tally_input input;
	struct tally_check check;
};

enum tally_fill_kind {
	TALLY_FILL_JSON,   /* a value, as JSON */
	TALLY_FILL_UUID,   /* a random UUID (version 4), 32 digits */
	TALLY_FILL_NOW_MS, /* the instant in UTC, with three digits */
	TALLY_FILL_NOW_US, /* or six */
};

/* A member that the writer adds where an event has none. */
struct tally_fill {
	struct tally_canon_text name;
	enum tally_fill_kind kind;
	struct tally_canon_text json;
};

/* How records are written, if the profile says so. */
struct tally_writer_rule {
	bool present;
	const char *lock; /* suffix of the file that is locked (flock) */
	struct tally_canon_style style;
	struct tally_canon_text needs[TALLY_FIELDS_MAX];
	size_t needs_len;
	struct tally_fill fill[TALLY_FIELDS_MAX];
	size_t fill_len;
};

struct tally_profile {
	json_t *json;
	const char *name;
	struct tally_canon_text fields[TALLY_FIELDS_MAX];
	int fields_len;
	int chain, order, hash, prev;  /* fields; chain and order may be none */
	bool start_null;               /* a start's link is null */
	struct tally_canon_text start; /* or this text */
	struct tally_canon_text basis; /* what a start is hashed over */
	int basis_field;               /* or what this field holds */
	bool pruned;                   /* the beginning may be gone */
	struct tally_rule eras[TALLY_RULES_MAX];
	int eras_len;
	struct tally_rule traps[TALLY_RULES_MAX];
	int traps_len;
	struct tally_writer_rule writer;
	struct tally_canon_text names[4 * TALLY_RULES_MAX]; /* for styles */
	size_t names_len;
};

#endif
