/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign chains: somebody else's hash-chained records, described by a profile
 * (doc/profiles.md), verified where they are, and gone on with.  What is there
 * is never rewritten.
 */
#ifndef TALLY_PROFILE_H
#define TALLY_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/record.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally_profile;

/* The value that is chosen for one of a profile's parameters. */
struct tally_profile_setting {
	const char *name;
	const char *value;
};

/*
 * Reads a profile.  Returns 0 with one that the caller frees; TALLY_E_FORMAT
 * with a message that says where it is wrong, such as
 *   profile: eras[0].input[2].as: unknown filter "hexx"
 * or TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_parse(const char *text, size_t len,
    const struct tally_profile_setting *settings, size_t settings_len,
    struct tally_profile **out, struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_profile_free(struct tally_profile *profile);

/* What a profile says of itself; NULL where it does not.  The texts live as
 * long as the profile. */
struct tally_profile_about {
	const char *name;
	const char *title;
	const char *about;
	const char *confidence; /* "unconfirmed" if the rule is a guess */
	const char *query;
	const char *digest;
	const char *chain; /* the field that says a record's chain */
};

TALLY_API void
tally_profile_describe(const struct tally_profile *profile,
    struct tally_profile_about *out);

enum tally_profile_format {
	TALLY_PROFILE_LINES = 0, /* JSON Lines, one record a line */
	TALLY_PROFILE_CSV,       /* RFC 4180, with a header; an empty cell
				    without quotes is null */
};

/* Where records come from: bytes of a file, or records one by one. */
struct tally_profile_source {
	/* Up to len bytes; 0 at the end; a negative TALLY_E_... */
	int64_t (*read)(void *arg, void *buffer, size_t len);
	/* Or, if it is not NULL: the next record, a JSON object without a line
	 * feed, which lives until the next call.  0, TALLY_END, TALLY_PARTIAL
	 * (interrupted) or an error with a message. */
	int (*record)(void *arg, const char **out, size_t *out_len,
	    struct tally_error *error);
	void *arg;
	enum tally_profile_format format; /* of what read gives */
	const char *name; /* what findings call it; NULL: it is no file */
};

/*
 * Verifies the source in one pass; of options finding, progress and arg count.
 * A finding's seq counts within its chain, its index within the source.
 * Memory is bounded, but for some 300 bytes for each chain; what does not fit
 * goes to temporary files without a name in TMPDIR.
 * Returns 0 with a verdict, TALLY_PARTIAL if progress interrupted it, or an
 * error.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_verify(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error);

/* One step of a rule's input, for one record. */
struct tally_profile_step {
	const char *path;  /* where it stands: "eras[0].input[2]" */
	const char *bytes; /* NULL: the field cannot be written so */
	size_t len;
	unsigned depth; /* digests that it is inside of */
	int nests;      /* 1: a digest begins here, -1: one ends */
};

/* A rule, tried on one record. */
struct tally_profile_trial {
	const char *name;
	bool is_trap;
	bool applies;   /* "when" lets it */
	bool has_basis; /* else nothing could be hashed in the link's place */
	const struct tally_profile_step *steps;
	size_t steps_len;
	const char *input; /* all that is hashed; NULL if a step has no form */
	size_t input_len;
	const char *digest; /* of it, as the system would write it; or NULL */
	bool fits;
};

struct tally_profile_test_options {
	uint64_t index; /* of the record in its source */
	/* The bytes that the system itself hashed, if they are known. */
	const char *against;
	size_t against_len;
	/* The record, its stored hash, and each rule; texts are borrowed. */
	void (*record)(void *arg, const char *text, size_t len,
	    const char *stored, size_t stored_len);
	void (*trial)(void *arg, const struct tally_profile_trial *trial);
	/* What would make it fit, or where it differs; none, or several. */
	void (*hint)(void *arg, const char *hint);
	void *arg;
};

/*
 * Shows what is hashed for one record, by every rule, beside what it stores;
 * and if no rule fits, looks for one or two steps that, written in another
 * way, would.
 * Returns 0, *out_fits saying whether some era fits; TALLY_END if the source
 * has no such record; TALLY_E_FORMAT if what is there is none; or an error.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_test(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_profile_test_options *options, bool *out_fits,
    struct tally_error *error);

/* A record to be: a JSON object without its hash and its link. */
struct tally_profile_event {
	const char *text;
	size_t len;
};

/*
 * Appends records to the chain in the file at path, which is created if it is
 * missing, as the profile's "writer" says; under the lock that the chain's
 * own program takes (flock of path with the profile's suffix), for which it
 * waits.  All of them or none, synced.  out_hashes, if not NULL, takes a hash
 * for each; out_torn, if not NULL, the bytes of a torn last line that were
 * moved to <path>.torn.
 *
 * Returns 0; TALLY_E_EVENT or TALLY_E_LIMIT with the event's place in
 * error->item; TALLY_E_USAGE if the profile has no writer; TALLY_E_BUSY if a
 * signal came while it waited; TALLY_E_ACCESS, _FULL, _IO, _MEMORY; or
 * TALLY_E_POISONED if it is not known whether the records are durable.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_append(const struct tally_profile *profile, const char *path,
    const struct tally_profile_event *events, size_t count,
    struct tally_hash *out_hashes, uint64_t *out_torn,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
