/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the segments of a snapshot. */
#include <errno.h>
#include <string.h>

#include "core/fail.h"
#include "log/sys.h"
#include "verify/source.h"

#define STEP 4096

void
tally_source_open(struct tally_source *source,
    const struct tally_snapshot *snapshot)
{
	source->snapshot = snapshot;
	source->fd = -1;
	source->extent = 0;
}

void
tally_source_close(struct tally_source *source)
{
	if (source->fd >= 0)
		tally_sys_close(source->fd);
	source->fd = -1;
}

static int
fail_io(struct tally_error *error, const char *name, int os_errno)
{
	int code = TALLY_E_IO;

	if (os_errno == EACCES || os_errno == EPERM)
		code = TALLY_E_ACCESS;
	if (os_errno == ENOENT || os_errno == ELOOP)
		code = TALLY_E_SWAPPED;
	tally_fail(error, code, "cannot read \"log/%s\": %s", name,
	    strerror(os_errno));
	if (error != NULL)
		error->os_errno = os_errno;
	return code;
}

int
tally_source_read(struct tally_source *source, uint32_t extent, uint64_t offset,
    void *buffer, size_t len, struct tally_error *error)
{
	const struct tally_extent *segment = &source->snapshot->extents[extent];
	int64_t count;

	if (len == 0)
		return 0;
	if (offset > segment->bytes || len > segment->bytes - offset)
		return tally_fail(error, TALLY_E_BUG,
		    "a read behind the horizon of \"log/%s\"", segment->name);
	if (source->fd < 0 || source->extent != extent) {
		tally_source_close(source);
		source->fd = tally_sys_open(source->snapshot->log_dir,
		    segment->name, TALLY_SYS_READ);
		source->extent = extent;
		if (source->fd < 0)
			return fail_io(error, segment->name, -source->fd);
	}
	count = tally_sys_read(source->fd, buffer, len, offset);
	if (count < 0)
		return fail_io(error, segment->name, (int)-count);
	if ((uint64_t)count < len)
		return tally_fail(error, TALLY_E_SWAPPED,
		    "\"log/%s\" became shorter while it was read",
		    segment->name);
	return 0;
}

int
tally_source_find_end(struct tally_source *source, uint32_t extent,
    uint64_t offset, uint64_t *out_end, struct tally_error *error)
{
	uint64_t bytes = source->snapshot->extents[extent].bytes;
	char step[STEP];
	const char *feed;
	size_t len;
	int r;

	for (; offset < bytes; offset += len) {
		len = sizeof(step);
		if (bytes - offset < len)
			len = (size_t)(bytes - offset);
		r = tally_source_read(source, extent, offset, step, len, error);
		if (r != 0)
			return r;
		feed = memchr(step, '\n', len);
		if (feed != NULL) {
			*out_end = offset + (size_t)(feed - step) + 1;
			return 0;
		}
	}
	*out_end = bytes;
	return 0;
}
