/* SPDX-License-Identifier: Apache-2.0 */
/* File systems of a test's own, in a mount namespace that ends with it. */
#ifndef TALLY_TEST_CRASH_DISK_H
#define TALLY_TEST_CRASH_DISK_H

#include <sched.h>

#include "lab.h"

/* Once, before anything is mounted; false if we may not. */
static inline bool
disk_may_mount(void)
{
	static int may = -1;

	if (may < 0)
		may = unshare(CLONE_NEWNS) == 0 &&
		    lab_shell("mount --make-rprivate / 2> /dev/null") == 0;
	return may == 1;
}

#define DISK_NEEDS_MOUNTS() \
	do { \
		if (!disk_may_mount()) { \
			print_message("# needs the right to mount\n"); \
			skip(); \
		} \
	} while (0)

/* A tmpfs of its own; the log will be in it. */
static inline void
disk_small(struct lab *lab, const char *size)
{
	assert_int_equal(lab_shell("mkdir '%s/disk' && mount -t tmpfs -o"
				   " size=%s tmpfs '%s/disk'",
			     lab->top, size, lab->top),
	    0);
	snprintf(lab->dir, sizeof(lab->dir), "%.120s/disk/audit", lab->top);
}

static inline int
disk_teardown(void **state)
{
	struct lab *lab = *state;

	(void)lab_shell("cd / && for d in disk disk back; do umount '%s'/$d"
			" 2> /dev/null; done",
	    lab->top);
	return lab_teardown(state);
}

#endif
