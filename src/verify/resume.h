/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a verification that was interrupted: all that the judge
 * knows, between two chunks, and what it told.
 *
 * The file is a magic line, the bytes, and their SHA-256, which finds
 * accidents; it is no protection against whoever can write the file, so it
 * belongs where the log's writers cannot.
 */
#ifndef TALLY_VERIFY_RESUME_H
#define TALLY_VERIFY_RESUME_H

#include "verify/judge.h"

/* Where the next chunk begins. */
struct tally_position {
	uint32_t extent;
	uint64_t offset;
};

/*
 * Fills the judge, which was initialised, and the position from the file.
 * Returns 0; TALLY_END if there is no file; TALLY_E_FORMAT if it is not whole,
 * of another log, of other options, or of segments that are not there.
 */
TALLY_MUST_CHECK int
tally_resume_load(struct tally_judge *judge, const char *path,
    struct tally_position *out_position);

/* Replaces the file, atomically and durably.  is_kept: not for this
 * verification, but for the next ones, which have no root. */
TALLY_MUST_CHECK int
tally_resume_save(struct tally_judge *judge, const char *path,
    const struct tally_position *position, bool is_kept);

/* resume_file.c: the candidate for a file that is kept: path, ".next".  Needs
 * free, like all of tally_sys_alloc; NULL: out of memory. */
TALLY_MUST_CHECK char *
tally_resume_candidate(const char *path);

/* Takes the place of path, if it is there.  0 or a negative errno. */
TALLY_MUST_CHECK int
tally_resume_promote(const char *candidate, const char *path);

/* All bytes of the file.  0 or a negative errno. */
TALLY_MUST_CHECK int
tally_resume_write(const char *path, const struct tally_bytes *bytes);

/* Returns 0; TALLY_END if there is none; TALLY_E_IO, TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_resume_read(const char *path, struct tally_bytes *out);

/* Removes the file, if it is there. */
void
tally_resume_remove(const char *path);

#endif
