/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/fail.h"
#include "log/found.h"
#include "log/reader.h"
#include "log/recover.h"

struct count {
	struct tally_log *log;
	struct tally_stat *stat;
};

static int
count_file(void *arg, const char *name)
{
	struct count *count = arg;
	struct tally_sys_stat st;
	uint64_t first;

	if (strncmp(name, TALLY_TORN_PREFIX, strlen(TALLY_TORN_PREFIX)) == 0)
		count->stat->set_aside++;
	if (strcmp(name, TALLY_POISON_NAME) == 0)
		count->stat->poisoned = true;
	if (!tally_segment_is_name(name, &first) ||
	    tally_sys_stat_at(count->log->log_dir, name, &st) != 0)
		return 0;
	count->stat->segments++;
	count->stat->bytes += st.size;
	return 0;
}

/* When the first record was sealed. */
static int
first_time(struct tally_log *log, int64_t *out, struct tally_error *error)
{
	struct tally_found found = { 0 };
	struct tally_workspace *space;
	struct tally_place start = { 0 };
	int result;

	result = tally_workspace_take(log, &space, error);
	if (result != 0)
		return result;
	result = tally_found_read(log, &space->hasher, &start, &found, error);
	if (result == 0)
		*out = found.line.header.time_us;
	tally_workspace_give(log, space);
	tally_found_wipe(&found);
	return result == TALLY_END ? TALLY_OK : result;
}

static void
stat_state(const struct tally_state *state, struct tally_stat *out)
{
	const struct tally_last *last = tally_state_last(state);

	out->size = tally_state_tail(state).size;
	out->durable_size = tally_state_durable(state).size;
	out->chains = last->chains;
	out->last_time_us = last->time_us;
	out->syncs = atomic_load(&state->shared->syncs);
	out->sync_us = atomic_load(&state->shared->sync_us);
	out->poisoned = atomic_load(&state->shared->poisoned) != 0;
	out->live = state->inode != 0;
}

int
tally_log_stat(struct tally_log *log, struct tally_stat *out_stat,
    struct tally_error *error)
{
	struct tally_stat stat = { 0 };
	struct count count = { log, &stat };
	int result;

	result = tally_reader_begin(log, error);
	if (result != 0)
		return result;
	stat_state(log->state, &stat);
	tally_reader_end(log);
	result = tally_sys_list(log->log_dir, count_file, &count);
	if (result != 0)
		return tally_fail_os(error, result, "cannot list \"log\"");
	result = tally_index_begin(log, error);
	if (result == 0) {
		stat.indexed_size = log->index.covered.size;
		tally_index_end(log);
	}
	if (result == 0)
		result = first_time(log, &stat.first_time_us, error);
	if (result == 0)
		*out_stat = stat;
	return result;
}
