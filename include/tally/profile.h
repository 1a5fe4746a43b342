/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign chains: somebody else's hash-chained records, described by a profile
 * (doc/profiles.md) and verified where they are.  Nothing is ever written.
 */
#ifndef TALLY_PROFILE_H
#define TALLY_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally_profile;

/*
 * Reads a profile.  Returns 0 with one that the caller frees; TALLY_E_FORMAT
 * with a message that says where it is wrong, such as
 *   profile: eras[0].input[2].as: unknown filter "hexx"
 * or TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_parse(const char *text, size_t len, struct tally_profile **out,
    struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_profile_free(struct tally_profile *profile);

/* Where records come from: JSON Lines, one record a line. */
struct tally_profile_source {
	/* Up to len bytes; 0 at the end; a negative TALLY_E_... */
	int64_t (*read)(void *arg, void *buffer, size_t len);
	void *arg;
	const char *name; /* what findings call it */
};

/*
 * Verifies the source in one pass; of options finding, progress and arg count.
 * A finding's seq counts within its chain, its index within the source.
 * Returns 0 with a verdict, TALLY_PARTIAL if progress interrupted it, or an
 * error.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_verify(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
