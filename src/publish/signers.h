/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a publisher, and what the log says of them.  One that the log
 * retired signs nothing, also as one of several; keys of another name than the
 * log's origin sign beside it, and the log's orders are not about them.
 */
#ifndef TALLY_PUBLISH_SIGNERS_H
#define TALLY_PUBLISH_SIGNERS_H

#include <tally/publish.h>

#include "log/handle.h"
#include "publish/keyorder.h"

struct tally_signers {
	struct tally_signer *const *signer;
	size_t len;
	const char *origin;
	struct tally_key_said *said; /* of each */
};

/* Can these sign this log at all?  Returns 0 or TALLY_E_USAGE. */
TALLY_MUST_CHECK int
tally_signers_check(const struct tally_log *log,
    const struct tally_publish_options *options, struct tally_error *error);

TALLY_MUST_CHECK int
tally_signers_open(struct tally_signers *signers, const struct tally_log *log,
    const struct tally_publish_options *options);

void
tally_signers_close(struct tally_signers *signers);

/* As tally_key_ask, of each. */
TALLY_MUST_CHECK int
tally_signers_ask(struct tally_signers *signers, struct tally_log *log,
    struct tally_hasher *hasher, struct tally_error *error);

void
tally_signers_hear(struct tally_signers *signers, struct tally_hasher *hasher,
    const struct tally_record *record);

/* By what was heard.  Returns 0 or TALLY_E_USAGE. */
TALLY_MUST_CHECK int
tally_signers_may_sign(const struct tally_signers *signers,
    struct tally_error *error);

/* Did all of them sign it? */
bool
tally_signers_signed(const struct tally_signers *signers,
    const struct tally_note *note);

/*
 * Did one of them sign it, or somebody under the id of a key that the log's
 * orders name?  Of a key that began the log they have no more than the id; so
 * this says that a note is ours, and never that it is right.
 */
bool
tally_signers_know(const struct tally_signers *signers,
    const struct tally_note *note);

#endif
