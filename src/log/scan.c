/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/record.h"
#include "log/fail.h"
#include "log/grow.h"
#include "log/key.h"
#include "log/recover.h"
#include "log/rewrite.h"
#include "log/scan.h"

/* ---- adopting --------------------------------------------------------- */

static int
scan_room(struct tally_scan *scan, const struct tally_line *line,
    struct tally_error *error)
{
	struct tally_state_room more = { 1, line->header.chain_len,
		line->header.id_len != 0 };
	struct tally_state *old;
	int result;

	if (scan->live) {
		result = tally_order_make_room(scan->log, &more, error);
		scan->state = scan->log->state;
		return result;
	}
	result = tally_state_grow(scan->run_dir, &scan->log->owner, &more,
	    &scan->state, &old, error);
	if (result == TALLY_PARTIAL) {
		tally_state_unref(old);
		result = TALLY_OK;
	}
	return result;
}

static bool
is_linked(const struct tally_header *header,
    const struct tally_chain_head *head)
{
	if (head == NULL)
		return header->seq == 1 && tally_hash_is_zero(&header->prev);
	return header->seq == head->seq + 1 &&
	    tally_hash_equal(&header->prev, &head->hash);
}

static void
adopt_id(struct tally_scan *scan, const struct tally_chain *chain,
    const struct tally_header *header, const struct tally_place *at)
{
	struct tally_recent recent = {
		.key = tally_key_id(&scan->state->shared->seed, chain->key,
		    header->id, header->id_len),
		.index = at->size,
		.segment = at->segment,
		.offset = at->offset,
	};

	tally_state_recent_add(scan->state, &recent);
}

/* The line at the tail becomes part of the state; TALLY_END if it is no
 * record, or not linked. */
static int
adopt(struct tally_scan *scan, const char *text, size_t len,
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(scan->state);
	struct tally_last last = *tally_state_last(scan->state);
	struct tally_chain_head head;
	struct tally_chain *chain;
	struct tally_line line;
	uint64_t key;
	int result;

	if (tally_line_decode(text, len, &line) != 0 ||
	    !tally_line_holds(scan->hasher, &line))
		return TALLY_END;
	result = scan_room(scan, &line, error);
	if (result != 0)
		return result;
	key = tally_key_chain(&scan->state->shared->seed, line.header.chain,
	    line.header.chain_len);
	chain = tally_state_chain_add(scan->state, key, line.header.chain,
	    line.header.chain_len);
	if (!is_linked(&line.header, tally_state_head(scan->state, chain)))
		return TALLY_END;
	head.index = tail.size;
	head.seq = line.header.seq;
	head.time_us = line.header.time_us;
	head.hash = line.hash;
	tally_state_head_set(scan->state, chain, &head);
	if (chain->ordinal == UINT32_MAX)
		tally_state_chain_order(scan->state, chain, last.chains++);
	if (line.header.id_len != 0 && tail.size >= scan->ids_from)
		adopt_id(scan, chain, &line.header, &tail);
	last.segment = tail.segment;
	last.offset = tail.offset;
	last.hash = line.hash;
	last.time_us = line.header.time_us;
	tail.size++;
	tail.offset += len;
	tally_state_publish(scan->state, &tail, &last);
	return TALLY_OK;
}

int
tally_scan_lines(struct tally_scan *scan, int fd, uint64_t end,
    struct tally_error *error)
{
	struct tally_lines lines;
	const char *text;
	size_t len;
	int result;

	tally_lines_init(&lines, fd, tally_state_tail(scan->state).offset, end,
	    TALLY_LINE_MAX(TALLY_EVENT_MAX));
	while ((result = tally_lines_next(&lines, &text, &len, error)) == 0) {
		result = adopt(scan, text, len, error);
		if (result != 0)
			break;
	}
	if (result == TALLY_END && tally_state_tail(scan->state).offset == end)
		result = TALLY_OK;
	else if (result == TALLY_PARTIAL)
		result = TALLY_END;
	tally_lines_wipe(&lines);
	return result;
}

void
tally_scan_enter(struct tally_scan *scan, uint64_t first,
    const struct tally_sys_stat *st)
{
	struct tally_place tail = tally_state_tail(scan->state);
	struct tally_last last = *tally_state_last(scan->state);

	tail.segment = first;
	tail.offset = 0;
	last.segment_device = st->device;
	last.segment_inode = st->inode;
	tally_state_publish(scan->state, &tail, &last);
}

/* ---- setting aside ---------------------------------------------------- */

/* A new file "torn-<index>-<n>"; its name goes to out. */
static int
torn_open(struct tally_log *log, uint64_t index, char out[64],
    struct tally_error *error)
{
	int fd = -EEXIST;

	for (int n = 0; fd == -EEXIST && n < 1000; n++) {
		snprintf(out, 64, TALLY_TORN_PREFIX "%020llu-%d",
		    (unsigned long long)index, n);
		fd = tally_sys_open(log->log_dir, out,
		    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE);
	}
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot make \"log/%s\"", out);
	return fd;
}

int
tally_scan_set_aside(struct tally_scan *scan, int fd, uint64_t end,
    uint64_t mark_size, char event[TALLY_TORN_EVENT_MAX],
    struct tally_error *error)
{
	struct tally_place tail = tally_state_tail(scan->state);
	char name[64], hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash sum;
	int to, result;

	to = torn_open(scan->log, tail.size, name, error);
	if (to < 0)
		return to;
	tally_hash_begin(scan->hasher);
	result = tally_copy_bytes(fd, tail.offset, to, 0, end - tail.offset,
	    scan->hasher, error);
	sum = tally_hash_end(scan->hasher);
	if (result == 0) {
		result = tally_sys_sync_all(to);
		if (result == 0)
			result = tally_sys_sync_all(scan->log->log_dir);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot sync \"log/%s\"", name);
	}
	tally_sys_close(to);
	if (result != 0) {
		(void)tally_sys_unlink(scan->log->log_dir, name);
		return result;
	}
	tally_hash_format(&sum, hex);
	snprintf(event, TALLY_TORN_EVENT_MAX,
	    "{\"torn\":{\"bytes\":%llu,\"digest\":\"%s\","
	    "\"durable\":%llu,\"file\":\"%s\",\"index\":%llu,"
	    "\"offset\":%llu,\"segment\":%llu}}",
	    (unsigned long long)(end - tail.offset), hex,
	    (unsigned long long)mark_size, name, (unsigned long long)tail.size,
	    (unsigned long long)tail.offset, (unsigned long long)tail.segment);
	return TALLY_OK;
}
