/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "core/fail.h"
#include "log/sys.h"
#include "sort/sort.h"
#include "sort/spool.h"

#define ROOM_BYTES ((size_t)256 << 10)

void
tally_spool_init(struct tally_spool *spool, size_t size)
{
	memset(spool, 0, sizeof(*spool));
	spool->size = size;
	spool->room = ROOM_BYTES / size;
	spool->file = -1;
}

void
tally_spool_wipe(struct tally_spool *spool)
{
	/* Zeroed and never begun, it has no size. */
	if (spool->size > 0 && spool->file >= 0)
		tally_sys_close(spool->file);
	tally_sys_free(spool->added);
	tally_sys_free(spool->read);
	memset(spool, 0, sizeof(*spool));
}

static int
flush(struct tally_spool *spool, struct tally_error *error)
{
	int r;

	if (spool->file < 0) {
		spool->file = tally_sys_temporary();
		if (spool->file < 0)
			return tally_sort_fail(spool->file, error);
	}
	r = tally_sys_write(spool->file, spool->added,
	    spool->added_len * spool->size, spool->written * spool->size, NULL);
	if (r != 0)
		return tally_sort_fail(r, error);
	spool->written += spool->added_len;
	spool->added_len = 0;
	return 0;
}

int
tally_spool_add(struct tally_spool *spool, const void *entry,
    struct tally_error *error)
{
	int r = 0;

	if (spool->added == NULL) {
		spool->added = tally_sys_realloc(NULL,
		    spool->room * spool->size);
		if (spool->added == NULL)
			return tally_fail(error, TALLY_E_MEMORY,
			    "out of memory");
	}
	if (spool->added_len == spool->room)
		r = flush(spool, error);
	if (r == 0)
		memcpy(spool->added + spool->added_len++ * spool->size, entry,
		    spool->size);
	return r;
}

void
tally_spool_rewind(struct tally_spool *spool)
{
	spool->next = 0;
	spool->read_len = spool->read_next = 0;
}

static int
read_back(struct tally_spool *spool, struct tally_error *error)
{
	uint64_t left = spool->written - spool->next;
	size_t count = left < spool->room ? (size_t)left : spool->room;
	int64_t n;

	if (spool->read == NULL)
		spool->read = tally_sys_realloc(NULL,
		    spool->room * spool->size);
	if (spool->read == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	n = tally_sys_read(spool->file, spool->read, count * spool->size,
	    spool->next * spool->size);
	if (n != (int64_t)(count * spool->size))
		return tally_sort_fail(n < 0 ? (int)n : -EIO, error);
	spool->next += count;
	spool->read_len = count;
	spool->read_next = 0;
	return 0;
}

int
tally_spool_next(struct tally_spool *spool, const void **out,
    struct tally_error *error)
{
	int r;

	if (spool->read_next == spool->read_len &&
	    spool->next < spool->written) {
		r = read_back(spool, error);
		if (r != 0)
			return r;
	}
	if (spool->read_next < spool->read_len) {
		*out = spool->read + spool->read_next++ * spool->size;
		return 0;
	}
	/* Behind the file come those that are still in memory. */
	if (spool->next - spool->written == spool->added_len)
		return TALLY_END;
	*out = spool->added +
	    (size_t)(spool->next++ - spool->written) * spool->size;
	return 0;
}

void
tally_spool_empty(struct tally_spool *spool)
{
	spool->written = 0;
	spool->added_len = 0;
	tally_spool_rewind(spool);
}
