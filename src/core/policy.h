/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a verifier trusts (c2sp.org/tlog-policy): logs, witnesses, and how many
 * of these must have cosigned.
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <member> ...
 *     quorum <name>|none                      exactly once
 *
 * A member was named before its group, and is in one group at most: so one
 * pass over the members in the order of the file tells what is reached.
 */
#ifndef TALLY_CORE_POLICY_H
#define TALLY_CORE_POLICY_H

#include "core/checkpoint.h"

#define TALLY_POLICY_TEXT_MAX ((size_t)1 << 20)
#define TALLY_POLICY_LOGS_MAX 64
#define TALLY_POLICY_MEMBERS_MAX 128 /* witnesses and groups */
#define TALLY_POLICY_NONE (-1)

/* Where in the policy's text a word stands; len 0: it is not there. */
struct tally_policy_word {
	size_t at, len;
};

struct tally_policy_log {
	struct tally_vkey vkey;
	struct tally_policy_word url;
};

struct tally_policy_member {
	struct tally_policy_word name;
	bool is_group;
	int group; /* that it is a member of, or TALLY_POLICY_NONE */
	/* a witness */
	struct tally_vkey vkey;
	struct tally_policy_word url;
	/* a group */
	unsigned threshold;
};

/* A value; names and addresses are found in the text it was read from. */
struct tally_policy {
	struct tally_policy_log logs[TALLY_POLICY_LOGS_MAX];
	size_t logs_len;
	struct tally_policy_member members[TALLY_POLICY_MEMBERS_MAX];
	size_t members_len;
	int quorum; /* a member, or TALLY_POLICY_NONE */
};

/*
 * Returns 0; TALLY_E_FORMAT, or _LIMIT where there is too much, or _VERSION
 * for a key of an unknown type, each with a message that names the line.
 */
TALLY_MUST_CHECK int
tally_policy_parse(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_policy *out, struct tally_error *error);

enum tally_policy_verdict {
	TALLY_POLICY_HOLDS = 0,
	TALLY_POLICY_NO_LOG,    /* signed by none of the logs */
	TALLY_POLICY_NO_QUORUM, /* too few witnesses */
	TALLY_POLICY_SPOILED,   /* a known key's signature does not hold */
};

/* Judges a checkpoint by its note; a log's key counts for its own origin. */
enum tally_policy_verdict
tally_policy_check(const struct tally_policy *policy,
    const struct tally_note *note, const struct tally_checkpoint *checkpoint);

#endif
