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
#include <tally/record.h>

#include "core/canon.h"
#include "core/digest.h"

#define TALLY_FIELDS_MAX 32
#define TALLY_PATH_MAX 4   /* names of a field inside of fields */
#define TALLY_STEPS_MAX 80 /* of one input */
#define TALLY_RULES_MAX 8  /* eras, and traps */
#define TALLY_NESTED_MAX 4 /* digests inside of digests */
#define TALLY_NO_FIELD (-1)

enum tally_step_kind {
	TALLY_STEP_LITERAL,    /* text */
	TALLY_STEP_PREV,       /* the link, as text */
	TALLY_STEP_PREV_BYTES, /* the link, its bytes */
	TALLY_STEP_PREV_JSON,  /* the link, as a string of the form */
	TALLY_STEP_TEXT,       /* a field's characters */
	TALLY_STEP_JSON,       /* a field in a canonical form */
	TALLY_STEP_HEX,        /* the bytes that a field has in hexadecimal */
	TALLY_STEP_BASE64,     /* and in base64 */
	TALLY_STEP_INT64,      /* eight bytes, big-endian */
	TALLY_STEP_INT32,      /* four bytes, big-endian */
	TALLY_STEP_TIME,       /* an instant in UTC */
	TALLY_STEP_EPOCH,      /* an instant as a number */
	TALLY_STEP_RECORD,     /* the whole record in a canonical form */
	TALLY_STEP_BEGIN,      /* what comes is hashed, */
	TALLY_STEP_END_HEX,    /* up to here: its digest, in hexadecimal, */
	TALLY_STEP_END_BYTES,  /* or its bytes */
};

struct tally_step {
	enum tally_step_kind kind;
	int field;
	unsigned precision;           /* digits of a second: 0, 3 or 6 */
	struct tally_canon_text text; /* literal; what stands for null */
	struct tally_canon_style style;
	/* Members that were there when it was hashed, without a value. */
	const struct tally_canon_text *undefined;
	size_t undefined_len;
	bool quoted;      /* but for null, between quotation marks */
	const char *path; /* of the step in the profile, for whoever asks */
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
	bool any_zone;                /* a trap: times in some other zone */
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

struct tally_field {
	struct tally_canon_text name; /* as the profile has it */
	struct tally_canon_text path[TALLY_PATH_MAX];
	int path_len; /* 1: a member of the record */
	bool json;    /* of a CSV source: its text is JSON */
};

enum tally_encoding {
	TALLY_ENCODING_HEX,
	TALLY_ENCODING_BASE64,
	TALLY_ENCODING_BASE64URL, /* with or without padding */
};

struct tally_profile {
	json_t *json;
	/* H of it, parameters applied, members sorted, without white space. */
	struct tally_hash text_digest;
	json_t *made; /* strings made while parsing */
	const char *name;
	const char *digest;
	size_t digest_size;
	enum tally_encoding encoding;   /* of hashes and links */
	struct tally_canon_text prefix; /* before them, "sha256:" */
	struct tally_field fields[TALLY_FIELDS_MAX];
	int fields_len;
	/* Fields; chain, order and time may be none. */
	int chain, order, time, hash, prev;
	bool start_null;               /* a start's link is null */
	struct tally_canon_text start; /* or this text */
	struct tally_canon_text basis; /* what a start is hashed over */
	int basis_field;               /* or what this field holds */
	bool pruned;                   /* the beginning may be gone */
	bool whole;                    /* some step wants the whole record */
	struct tally_rule eras[TALLY_RULES_MAX];
	int eras_len;
	struct tally_rule traps[TALLY_RULES_MAX];
	int traps_len;
	struct tally_writer_rule writer;
	struct tally_canon_text names[4 * TALLY_RULES_MAX]; /* for styles */
	size_t names_len;
};

/* A hash or a link as the profile's systems write it.  0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_profile_digest(const struct tally_profile *profile, const char *text,
    size_t len, struct tally_digest *out);

#endif
