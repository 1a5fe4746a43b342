/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a bundle, and looking at its records on the way. */
#ifndef TALLY_LOG_BUNDLEWALK_H
#define TALLY_LOG_BUNDLEWALK_H

#include <tally/bundle.h>

#include "core/reading.h"
#include "core/record.h"
#include "log/trust.h"

/* A record that holds and has its place; line lives during the call. */
typedef void
tally_bundle_line_fn(void *arg, const struct tally_line *line);

/*
 * As tally_bundle_judge, by who is trusted, taken apart.  taken may be NULL,
 * and so may out_text: it gets what *out_under views, with tally_sys_free.
 */
TALLY_MUST_CHECK int
tally_bundle_walk(tally_read_fn *read, void *arg,
    const struct tally_trusted *trusted, tally_bundle_line_fn *taken,
    void *taken_arg, struct tally_bundle *out_bundle,
    struct tally_signed_checkpoint *out_under, char **out_text,
    struct tally_error *error);

#endif
