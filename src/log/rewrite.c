/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/fail.h"
#include "log/recover.h"
#include "log/rewrite.h"

#define REWRITE_NEW "rewrite.new"
#define HEAD_BYTES 512
#define HEAD_FORMAT "tally-rewrite-1 %020llu %020llu %020llu %s\n"
#define COPY_STEP ((size_t)1 << 20)

int
tally_copy_bytes(int from, uint64_t from_offset, int to, uint64_t to_offset,
    uint64_t len, struct tally_hasher *hasher, struct tally_error *error)
{
	size_t most = len < COPY_STEP ? (size_t)len : COPY_STEP;
	char *step = tally_sys_alloc(most);
	int result = TALLY_OK;

	if (step == NULL)
		return tally_fail_memory(error);
	for (uint64_t done = 0; done < len && result == 0;) {
		size_t want = len - done < most ? (size_t)(len - done) : most;

		result = tally_segment_read(from, step, want,
		    from_offset + done, error);
		if (result == 0 && to >= 0) {
			result = tally_sys_write(to, step, want,
			    to_offset + done, NULL);
			if (result != 0)
				result = tally_fail_os(error, result,
				    "cannot copy in \"log\"");
		}
		if (result == 0 && hasher != NULL)
			tally_hash_add(hasher, step, want);
		done += want;
	}
	tally_sys_free(step);
	return result;
}

static void
head_format(const struct tally_rewrite *what, const struct tally_hash *sum,
    char out[HEAD_BYTES])
{
	char hex[TALLY_HASH_TEXT_SIZE];
	int len;

	tally_hash_format(sum, hex);
	len = snprintf(out, HEAD_BYTES, HEAD_FORMAT,
	    (unsigned long long)what->segment, (unsigned long long)what->offset,
	    (unsigned long long)what->len, hex);
	memset(out + len, '\n', (size_t)(HEAD_BYTES - len));
}

/* The bytes, then their head, then everything on the disk. */
static int
keep_bytes(struct tally_log *log, int segment_fd, int fd,
    const struct tally_rewrite *what, struct tally_error *error)
{
	char head[HEAD_BYTES];
	struct tally_hash sum;
	int result;

	tally_hash_begin(&log->sync_hasher);
	result = tally_copy_bytes(segment_fd, what->offset, fd, HEAD_BYTES,
	    what->len, &log->sync_hasher, error);
	sum = tally_hash_end(&log->sync_hasher);
	if (result != 0)
		return result;
	head_format(what, &sum, head);
	result = tally_sys_write(fd, head, sizeof(head), 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write \"log/%s\"",
		    REWRITE_NEW);
	return TALLY_OK;
}

int
tally_rewrite_keep(struct tally_log *log, int segment_fd,
    const struct tally_rewrite *what, struct tally_error *error)
{
	int fd, result;

	fd = tally_sys_open(log->log_dir, REWRITE_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot make \"log/%s\"",
		    REWRITE_NEW);
	result = keep_bytes(log, segment_fd, fd, what, error);
	tally_sys_close(fd);
	if (result != 0)
		return result;
	result = tally_sys_rename(log->log_dir, REWRITE_NEW,
	    TALLY_REWRITE_NAME);
	if (result == 0)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot make \"log/%s\"",
		    TALLY_REWRITE_NAME);
	return TALLY_OK;
}

static int
open_kept(struct tally_log *log, struct tally_error *error)
{
	int fd = tally_sys_open(log->log_dir, TALLY_REWRITE_NAME,
	    TALLY_SYS_READ);

	if (fd == -ENOENT)
		return TALLY_E_NO_LOG;
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"log/%s\"",
		    TALLY_REWRITE_NAME);
	return fd;
}

int
tally_rewrite_put(struct tally_log *log, int segment_fd,
    const struct tally_rewrite *what, uint64_t good, struct tally_error *error)
{
	int kept, result;

	kept = open_kept(log, error);
	if (kept < 0)
		return kept;
	/* Cut first.  Writing over the bytes in their place is not enough:
	 * on ext4, what was written over blocks whose first write had failed,
	 * and synced, was gone after the next mount (seen). */
	result = tally_sys_truncate(segment_fd, what->offset);
	if (result == 0)
		result = tally_sys_sync_all(segment_fd);
	if (result != 0)
		result = tally_fail_os(error, result,
		    "cannot cut a segment for its recovery");
	else
		result = tally_copy_bytes(kept, HEAD_BYTES, segment_fd,
		    what->offset, good, NULL, error);
	tally_sys_close(kept);
	return result;
}

int
tally_rewrite_drop(struct tally_log *log, struct tally_error *error)
{
	int result;

	result = tally_sys_unlink(log->log_dir, TALLY_REWRITE_NAME);
	if (result == 0 || result == -ENOENT)
		result = tally_sys_sync_all(log->log_dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot remove \"log/%s\"",
		    TALLY_REWRITE_NAME);
	return TALLY_OK;
}

/* Reads the head and holds it against the bytes. */
static int
kept_check(struct tally_log *log, int kept, struct tally_rewrite *out,
    struct tally_error *error)
{
	char head[HEAD_BYTES + 1] = { 0 }, again[HEAD_BYTES];
	unsigned long long segment, offset, len;
	struct tally_sys_stat st;
	struct tally_hash sum;
	int result;

	if (tally_sys_read(kept, head, HEAD_BYTES, 0) != HEAD_BYTES ||
	    tally_sys_stat(kept, &st) != 0 ||
	    sscanf(head, "tally-rewrite-1 %llu %llu %llu", &segment, &offset,
		&len) != 3 ||
	    len != st.size - HEAD_BYTES)
		return TALLY_END;
	out->segment = segment;
	out->offset = offset;
	out->len = len;
	tally_hash_begin(&log->sync_hasher);
	result = tally_copy_bytes(kept, HEAD_BYTES, -1, 0, len,
	    &log->sync_hasher, error);
	sum = tally_hash_end(&log->sync_hasher);
	if (result != 0)
		return result;
	head_format(out, &sum, again);
	return memcmp(head, again, HEAD_BYTES) == 0 ? TALLY_OK : TALLY_END;
}

int
tally_rewrite_resume(struct tally_log *log, struct tally_error *error)
{
	struct tally_rewrite what;
	int kept, fd, result;

	kept = open_kept(log, error);
	if (kept == TALLY_E_NO_LOG)
		return TALLY_OK;
	if (kept < 0)
		return kept;
	result = kept_check(log, kept, &what, error);
	tally_sys_close(kept);
	if (result == TALLY_END)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "\"log/%s\" holds the end of a segment, and is damaged",
		    TALLY_REWRITE_NAME);
	if (result != 0)
		return result;
	fd = tally_segment_open(log->log_dir, what.segment, true, error);
	if (fd < 0)
		return fd;
	result = tally_rewrite_put(log, fd, &what, what.len, error);
	if (result == 0) {
		result = tally_sys_sync_all(fd);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot sync a segment in its recovery");
	}
	tally_sys_close(fd);
	return result == 0 ? tally_rewrite_drop(log, error) : result;
}
