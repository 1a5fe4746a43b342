/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the queue and of sinks on disks; all return 0 or an errno. */
#ifndef TALLY_OUTSIDE_DISK_H
#define TALLY_OUTSIDE_DISK_H

#include <stddef.h>

/* A whole file under a name in dir, on stable storage; replaces what is there.
 * One writer at a time. */
int
tally_disk_replace(int dir, const char *name, const void *bytes, size_t len);

/* All of a file, at most max bytes (else EFBIG), NUL-terminated; free() it. */
int
tally_disk_read(int dir, const char *name, size_t max, char **out,
    size_t *out_len);

/* write(2) until all is written. */
int
tally_disk_write(int fd, const void *bytes, size_t len);

#endif
