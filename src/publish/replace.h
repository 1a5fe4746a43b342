/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are whole or not there. */
#ifndef TALLY_PUBLISH_REPLACE_H
#define TALLY_PUBLISH_REPLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <tally/error.h>

/* No name that is replaced is longer, NUL included. */
#define TALLY_REPLACE_NAME_MAX 192

/*
 * A file with these bytes takes the place of dir's name; both are on stable
 * storage when it returns.  Killed in between, it is the old one or the new.
 * Writes "<name>.new" on the way: one writer at a time.  is_public: all may
 * read it who may enter the directory, whatever the umask.  Returns 0 or a
 * negative errno.
 */
TALLY_MUST_CHECK int
tally_replace_file(int dir, const char *name, const void *bytes, size_t len,
    bool is_public);

/*
 * The first step of it, for many files at a time: a file under another name,
 * whose bytes are written and on no disk yet.  Sync it, and rename it.  Returns
 * its descriptor, or a negative errno.
 */
TALLY_MUST_CHECK int
tally_replace_begin(int dir, const char *other, const void *bytes, size_t len,
    bool is_public);

#endif
