/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/handle.h"
#include "log/identity.h"
#include "log/mark.h"
#include "log/reader.h"
#include "log/snapshot.h"

/* The segments as they are now, whole. */
static int
take_extents(struct tally_snapshot *out, struct tally_error *error)
{
	struct tally_segments segments;
	int result;

	result = tally_segments_list(out->log_dir, &segments, error);
	if (result == 0 && segments.count > 0) {
		out->extents = tally_sys_alloc(segments.count *
		    sizeof(*out->extents));
		if (out->extents == NULL)
			result = tally_fail_memory(error);
	}
	for (size_t i = 0; i < segments.count && result == 0; i++) {
		struct tally_extent *extent = &out->extents[i];
		struct tally_sys_stat st;

		extent->first_index = segments.first[i];
		tally_segment_name(extent->first_index, extent->name);
		result = tally_sys_stat_at(out->log_dir, extent->name, &st);
		if (result != 0) {
			result = tally_fail_os(error, result,
			    "cannot read \"log/%s\"", extent->name);
			break;
		}
		extent->bytes = st.size;
		out->extents_len++;
	}
	tally_segments_wipe(&segments);
	return result;
}

/* With a live state: nothing beyond its durable end. */
static void
cut_at(struct tally_snapshot *out, const struct tally_place *horizon)
{
	while (out->extents_len > 0 &&
	    out->extents[out->extents_len - 1].first_index > horizon->segment)
		out->extents_len--;
	for (size_t i = 0; i < out->extents_len; i++) {
		struct tally_extent *extent = &out->extents[i];

		/* A file that is shorter than it says is a finding. */
		if (extent->first_index == horizon->segment &&
		    extent->bytes > horizon->offset)
			extent->bytes = horizon->offset;
	}
	out->live = true;
	out->size = horizon->size;
}

/* The horizon of a live log; TALLY_END if nobody has it open. */
static int
live_horizon(const char *dir, struct tally_place *out,
    struct tally_error *error)
{
	struct tally_open_options options = { .read_only = true };
	struct tally_log *log;
	bool live = false;
	int result;

	result = tally_log_open(dir, &options, &log, error);
	if (result != 0)
		return result;
	result = tally_reader_live(log, &live, out, error);
	(void)tally_log_close(log, NULL);
	return result == 0 && !live ? TALLY_END : result;
}

static int
take_mark(struct tally_snapshot *out, struct tally_error *error)
{
	struct tally_hasher hasher;
	struct tally_mark mark;
	int result;

	if (tally_hasher_open(&hasher) != 0)
		return tally_fail_memory(error);
	result = tally_mark_read(&hasher, out->log_dir, &mark, error);
	tally_hasher_close(&hasher);
	if (result != 0)
		return result;
	out->has_watermark = mark.turn != 0;
	out->mark_size = mark.place.size;
	out->mark_segment = mark.place.segment;
	out->mark_offset = mark.place.offset;
	return TALLY_OK;
}

int
tally_snapshot_take(const char *dir, struct tally_snapshot *out,
    struct tally_error *error)
{
	struct tally_place horizon;
	int fd, live, result;

	memset(out, 0, sizeof(*out));
	out->log_dir = -1;
	out->size = UINT64_MAX;
	live = live_horizon(dir, &horizon, error);
	if (live < 0)
		return live;
	fd = tally_sys_open_dir(TALLY_SYS_CWD, dir);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"%s\"", dir);
	result = tally_identity_read(fd, dir, &out->identity, error);
	if (result == 0) {
		out->log_dir = tally_sys_open_dir(fd, TALLY_LOG_NAME);
		if (out->log_dir < 0)
			result = tally_fail_os(error, out->log_dir,
			    "cannot open \"%s/log\"", dir);
	}
	tally_sys_close(fd);
	if (result == 0)
		result = take_mark(out, error);
	if (result == 0)
		result = take_extents(out, error);
	if (result == 0 && live == 0)
		cut_at(out, &horizon);
	for (size_t i = 0; i < out->extents_len; i++)
		out->bytes += out->extents[i].bytes;
	return result;
}

void
tally_snapshot_wipe(struct tally_snapshot *snapshot)
{
	tally_sys_close(snapshot->log_dir);
	tally_sys_free(snapshot->extents);
	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->log_dir = -1;
}
