/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a configuration; whose: "the sink \"x\"", for messages. */
#ifndef TALLY_OUTSIDE_MEMBERS_H
#define TALLY_OUTSIDE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <tally/error.h>

/*
 * A member, which must be a string, not empty, if it is there; must: it has to
 * be.  *out views the configuration, or is NULL.
 */
TALLY_MUST_CHECK int
tally_member_text(const json_t *config, const char *whose, const char *member,
    bool must, const char **out, struct tally_error *error);

/* As above, duplicated: free() it. */
TALLY_MUST_CHECK int
tally_member_text_dup(const json_t *config, const char *whose,
    const char *member, bool must, char **out, struct tally_error *error);

/* A file that a member names, whole, at most max bytes, NUL-terminated; free()
 * it. */
TALLY_MUST_CHECK int
tally_member_slurp(const char *path, size_t max, char **out, size_t *out_len,
    struct tally_error *error);

#endif
