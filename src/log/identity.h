/* SPDX-License-Identifier: Apache-2.0 */
/* tally.json: who this log is.  One line of fixed layout, written once. */
#ifndef TALLY_LOG_IDENTITY_H
#define TALLY_LOG_IDENTITY_H

#include <tally/log.h>

#define TALLY_IDENTITY_NAME "tally.json"
#define TALLY_IDENTITY_TEXT_MAX 1024
#define TALLY_SEGMENT_BYTES_DEFAULT ((uint64_t)256 << 20)
#define TALLY_SEGMENT_BYTES_MIN ((uint64_t)64 << 10)

/* Fills a new identity: random id, the time now, defaults for zeros. */
TALLY_MUST_CHECK int
tally_identity_make(const struct tally_init_options *options,
    struct tally_identity *out, struct tally_error *error);

/* The text of tally.json; returns its length. */
size_t
tally_identity_format(const struct tally_identity *identity,
    char out[TALLY_IDENTITY_TEXT_MAX]);

/* Returns 0, TALLY_E_VERSION, or TALLY_E_DAMAGED. */
TALLY_MUST_CHECK int
tally_identity_parse(const char *text, size_t len, struct tally_identity *out,
    struct tally_error *error);

/* Reads dir's tally.json; TALLY_E_NO_LOG if there is none.  path is what the
 * user calls dir. */
TALLY_MUST_CHECK int
tally_identity_read(int dir, const char *path, struct tally_identity *out,
    struct tally_error *error);

/* TALLY_E_NETWORK if dir is on a network file system, whose locks and syncs
 * nobody can trust. */
TALLY_MUST_CHECK int
tally_identity_refuse_network(int dir, const char *path,
    struct tally_error *error);

/* The event of the record at index 0; returns its length. */
size_t
tally_identity_event(const struct tally_identity *identity,
    char out[TALLY_IDENTITY_TEXT_MAX]);

#endif
