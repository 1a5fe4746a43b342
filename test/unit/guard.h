/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory between two pages that cannot be touched.  Text that lies flush
 * against one of them shows the first byte that is read outside of it.
 */
#ifndef TALLY_TEST_GUARD_H
#define TALLY_TEST_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

struct guard {
	char *map;
	size_t page;
	size_t room; /* usable bytes: a multiple of the page */
};

/* Room for at least len bytes; a test that cannot have it is aborted. */
static inline void
guard_open(struct guard *guard, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	guard->page = page;
	guard->room = (len / page + 1) * page;
	guard->map = mmap(NULL, guard->room + 2 * page, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guard->map == MAP_FAILED ||
	    mprotect(guard->map + page, guard->room, PROT_READ | PROT_WRITE) !=
		0)
		abort();
}

static inline void
guard_close(struct guard *guard)
{
	munmap(guard->map, guard->room + 2 * guard->page);
}

/* len bytes that end where the memory ends. */
static inline char *
guard_high(const struct guard *guard, size_t len)
{
	return guard->map + guard->page + guard->room - len;
}

/* Bytes that begin where the memory begins. */
static inline char *
guard_low(const struct guard *guard)
{
	return guard->map + guard->page;
}

/* A copy flush against the end. */
static inline char *
guard_put(const struct guard *guard, const void *bytes, size_t len)
{
	char *at = guard_high(guard, len);

	if (len > 0)
		memcpy(at, bytes, len);
	return at;
}

#endif
