/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accidents at the seam to the operating system.  The linker puts these in
 * front of the real src/log/sys_linux.c (--wrap), so the product's own objects
 * are what is tested.  A process arms its own hooks; a fork starts with those
 * of its parent.
 */
#ifndef TALLY_TEST_CRASH_HOOKS_H
#define TALLY_TEST_CRASH_HOOKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hooks {
	bool no_lock; /* flock does nothing; the mutexes stay */

	/* SIGKILL before the nth change of a file or directory; 0: never. */
	long die_at;
	_Atomic long changes;

	/* SIGKILL in the next write to a segment, after so many bytes, if
	 * die_in_write. */
	bool die_in_write;
	size_t die_bytes;

	/* Instead of syncing a segment; hooks_real_sync goes on. */
	int (*sync)(int fd);
	/* Before a write to a segment, and to a file of index/. */
	void (*segment_write)(void);
	void (*index_write)(void);

	_Atomic unsigned long reads;
	_Atomic unsigned long long read_bytes;
	_Atomic unsigned long syncs; /* of segments */
};

extern struct hooks hooks;

void
hooks_clear(void);

int
hooks_real_sync(int fd);

/* Not even a destructor runs. */
_Noreturn void
hooks_die(void);

#endif
