/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adopting a foreign chain: its records are committed to, as they are, in a
 * log of ours, with what verifying them by their own rule said; the log's
 * chains go on from there.  The source is only read.
 */
#ifndef TALLY_ADOPT_H
#define TALLY_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/profile.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally_adoption {
	struct tally_profile *profile;
	const char *path; /* of the source, a file; or: */
	enum tally_profile_format format;
	/* Gives the source from its beginning, twice. */
	int (*begin)(void *arg, struct tally_profile_source *out,
	    struct tally_error *error);
	void *begin_arg;
	const char *from; /* what the log calls it; NULL: path */
	/* The chain that goes on; where the profile has several, records of
	 * its chain K are adopted into "<chain>/K". */
	const char *chain;
	bool salted; /* so that what says of old records can be erased */
	/* Of these, progress and arg count; with finding for what is found in
	 * the source. */
	const struct tally_verify_options *options;
};

struct tally_adopted {
	struct tally_verdict diagnosis; /* by the profile */
	uint64_t records;               /* of the source, damaged ones too */
	uint64_t chains;                /* they are adopted into so many */
	uint64_t before;                /* of records, adopted earlier */
	uint64_t since;           /* when verifying: behind what was adopted */
	uint64_t unsaid;          /* when verifying: of what was adopted, by no
				     adoption that was finished */
	uint64_t appended;        /* records of the log, by this call */
	struct tally_hash digest; /* of all records, in order */
	int64_t time_us; /* when verifying: of the last adoption; 0: none was
			    finished */
};

/*
 * What an adoption would do: verifies the source, and asks the log what of it
 * was adopted before.  log may be NULL (there is none yet).
 *
 * Errors: TALLY_E_CONFLICT if the chain has records already that are none of an
 * adoption, or if what was adopted before is not what the source holds now;
 * those of tally_profile_verify and of reading the log.
 */
TALLY_API TALLY_MUST_CHECK int
tally_adopt_plan(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error);

/*
 * Does it.  Called again, it goes on where it was interrupted, and adopts what
 * the source has got since.  While it runs it holds the lock that the
 * profile's writers take; without one, a source that somebody has open for
 * writing is refused.
 *
 * Errors: as above; TALLY_E_BUSY if the source has a writer or changed while
 * it was read; those of tally_log_append.
 */
TALLY_API TALLY_MUST_CHECK int
tally_adopt(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error);

/*
 * What an adoption says in tally:log (doc/format.md, section 10), for who keeps
 * it elsewhere; to be given to free().  TALLY_E_USAGE if a name is no UTF-8,
 * or TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_adopt_event(const struct tally_adoption *adoption,
    const struct tally_adopted *adopted, char **out, struct tally_error *error);

/*
 * Holds the source against what was adopted: names every record that was
 * changed, removed or inserted since, whatever its own hashes say.  A finding's
 * chain and seq are those of the adopted chain, its index the record's place
 * in the source.  Of out->diagnosis, findings says how many were known when it
 * was adopted.  Returns 0 with a verdict;
 * TALLY_END if nothing was adopted into that chain.
 */
TALLY_API TALLY_MUST_CHECK int
tally_adopt_verify(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_verdict *out_verdict, struct tally_adopted *out,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
