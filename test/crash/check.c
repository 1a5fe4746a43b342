/* SPDX-License-Identifier: Apache-2.0 */
/* Holding a log to the receipts that were given; see lab.h. */
#include <stdlib.h>

#include "lab.h"

/* What a cursor gave at an index. */
struct seen {
	char chain[16];
	uint64_t seq;
	struct tally_hash hash;
};

static struct seen *
read_all(struct lab *lab, struct tally_log *log, uint64_t *out_count)
{
	struct tally_cursor *cursor;
	struct tally_record record;
	struct seen *seen = NULL;
	uint64_t count = 0, room = 0;
	int result;

	*out_count = 0;
	if (tally_cursor_open(log, NULL, &cursor, &lab->error) != 0) {
		lab_wrong(lab, "cursor: %s", lab->error.message);
		return NULL;
	}
	while ((result = tally_cursor_next(cursor, &record, &lab->error)) ==
	    0) {
		if (count == room) {
			room = room == 0 ? 1024 : 2 * room;
			seen = realloc(seen, room * sizeof(*seen));
		}
		if (record.index != count)
			lab_wrong(lab, "index %llu comes as number %llu",
			    (unsigned long long)record.index,
			    (unsigned long long)count);
		snprintf(seen[count].chain, sizeof(seen[count].chain), "%s",
		    record.chain);
		seen[count].seq = record.seq;
		seen[count++].hash = record.hash;
	}
	tally_cursor_close(cursor);
	if (result < 0)
		lab_wrong(lab, "cursor: %s", lab->error.message);
	*out_count = count;
	return seen;
}

static void
check_acks(struct lab *lab, const struct seen *seen, uint64_t count)
{
	uint64_t acks = atomic_load(&lab->shared->acks_len);

	for (uint64_t i = 0; i < acks && i < LAB_ACKS; i++) {
		const struct lab_ack *ack = &lab->shared->ack[i];

		/* Its process was killed in the middle of noting it. */
		if (atomic_load(&ack->valid) == 0)
			continue;
		if (ack->index < count &&
		    strcmp(seen[ack->index].chain, ack->chain) == 0 &&
		    seen[ack->index].seq == ack->seq &&
		    memcmp(&seen[ack->index].hash, &ack->hash,
			sizeof(ack->hash)) == 0)
			continue;
		lab_wrong(lab,
		    "acknowledged and lost: chain %s, seq %llu,"
		    " index %llu of %llu",
		    ack->chain, (unsigned long long)ack->seq,
		    (unsigned long long)ack->index, (unsigned long long)count);
	}
}

static void
note_finding(void *arg, const struct tally_finding *finding)
{
	if (tally_finding_is_break(finding->kind))
		lab_wrong(arg, "%s: index %llu, chain %s, seq %llu: %s",
		    tally_finding_name(finding->kind),
		    (unsigned long long)finding->index,
		    finding->chain != NULL ? finding->chain : "?",
		    (unsigned long long)finding->seq,
		    finding->detail != NULL ? finding->detail : "");
}

static void
check_verdict(struct lab *lab)
{
	struct tally_verify_options options = {
		.ids = true,
		.finding = note_finding,
		.arg = lab,
	};
	struct tally_verdict verdict;

	if (tally_verify(lab->dir, &options, &verdict, &lab->error) != 0)
		lab_wrong(lab, "verify: %s", lab->error.message);
	else if (verdict.verdict != TALLY_INTACT)
		lab_wrong(lab, "the verdict is \"%s\" with %llu findings",
		    tally_verdict_name(verdict.verdict),
		    (unsigned long long)verdict.findings);
}

bool
lab_is_sound(struct lab *lab)
{
	struct tally_log *log = lab_open(lab);
	struct seen *seen;
	uint64_t count;

	if (log == NULL) {
		lab_wrong(lab, "open: %s", lab->error.message);
		return false;
	}
	seen = read_all(lab, log, &count);
	check_acks(lab, seen, count);
	free(seen);
	if (tally_log_close(log, &lab->error) != 0)
		lab_wrong(lab, "close: %s", lab->error.message);
	check_verdict(lab);
	return atomic_load(&lab->shared->wrongs) == 0;
}

void
lab_check(struct lab *lab)
{
	(void)lab_is_sound(lab);
	lab_check_wrongs(lab);
}

bool
lab_python_agrees(struct lab *lab)
{
	return lab_shell("python3 \"$TALLY_SOURCE/doc/verify.py\" '%s'"
			 " > '%s/python.out' 2>&1",
		   lab->dir, lab->top) == 0;
}

long
lab_torn(struct lab *lab)
{
	char command[300];
	long count = -1;
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "cat '%s/log'/*.jsonl | grep -c '\"event\":{\"torn\":'", lab->dir);
	pipe = popen(command, "r");
	if (pipe == NULL || fscanf(pipe, "%ld", &count) != 1)
		lab_wrong(lab, "grep does not count");
	if (pipe != NULL)
		pclose(pipe);
	return count;
}
