/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the daemon's state. */
#ifndef TALLY_WATCH_FILE_H
#define TALLY_WATCH_FILE_H

#include <jansson.h>

/* "dir/name"; free() it.  NULL: out of memory. */
char *
watch_path(const char *dir, const char *name);

/* The value takes the place of the file, whole and on stable storage.  Returns
 * 0 or an errno. */
int
watch_write_json(const char *path, const json_t *value);

#endif
