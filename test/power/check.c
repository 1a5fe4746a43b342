/* SPDX-License-Identifier: Apache-2.0 */
/* Holding a log to the ledger; see world.h. */
#include <stdio.h>
#include <string.h>

#include <tally/verify.h>

#include "log/recover.h"

#include "world.h"

#define CHECKER 40 /* the process that looks */

/* ---- the records ------------------------------------------------------- */

static bool
entry_matches(const struct entry *entry, const struct tally_record *record)
{
	if (record->chain_len != strlen(entry->chain) ||
	    memcmp(record->chain, entry->chain, record->chain_len) != 0 ||
	    record->id_len != strlen(entry->id) ||
	    (record->id_len > 0 &&
		memcmp(record->id, entry->id, record->id_len) != 0) ||
	    (record->salt != NULL) != entry->salted)
		return false;
	if (entry->promise < PROMISE_BUFFERED)
		return true;
	return record->index == entry->receipt.index &&
	    record->seq == entry->receipt.seq &&
	    record->time_us == entry->receipt.time_us &&
	    tally_hash_equal(&record->hash, &entry->receipt.hash);
}

static bool
record_check(struct world *world, const struct tally_record *record,
    uint64_t index, enum promise least)
{
	struct entry *entry;

	if (record->index != index) {
		world_fail(world, "index %llu where %llu was due",
		    (unsigned long long)record->index,
		    (unsigned long long)index);
		return false;
	}
	if (index == 0 && world->ledger.init_done &&
	    !tally_hash_equal(&record->hash, &world->ledger.genesis)) {
		world_fail(world, "another genesis");
		return false;
	}
	if (strcmp(record->chain, "tally:log") == 0)
		return true;
	entry = record->event == NULL
	    ? NULL
	    : ledger_find(&world->ledger, record->event, record->event_len);
	if (entry == NULL || entry->seen || entry->promise == PROMISE_ABSENT) {
		world_fail(world, "index %llu: %s", (unsigned long long)index,
		    entry == NULL     ? "nobody wrote it"
			: entry->seen ? "it is there twice"
				      : "it was refused");
		return false;
	}
	entry->seen = true;
	if (entry->promise >= least && !entry_matches(entry, record)) {
		world_fail(world, "n=%u: not as it was acknowledged", entry->n);
		return false;
	}
	return true;
}

static bool
records_check(struct world *world, struct tally_log *log, enum promise least)
{
	struct tally_error error;
	struct tally_cursor *cursor;
	struct tally_range range = { 0 };
	struct tally_record record;
	uint64_t index = 0;
	bool holds = true;
	int rc;

	for (size_t i = 0; i < world->ledger.len; i++)
		world->ledger.entry[i].seen = false;
	rc = tally_cursor_open(log, &range, &cursor, &error);
	if (rc != 0) {
		world_fail(world, "no cursor: %s", error.message);
		return false;
	}
	while (holds) {
		rc = tally_cursor_next(cursor, &record, &error);
		if (rc != 0)
			break;
		holds = record_check(world, &record, index++, least);
	}
	if (holds && rc != TALLY_END) {
		world_fail(world, "cursor: %d, %s", rc, error.message);
		holds = false;
	}
	tally_cursor_close(cursor);
	for (size_t i = 0; i < world->ledger.len && holds; i++) {
		const struct entry *entry = &world->ledger.entry[i];

		if (entry->promise < least || entry->seen)
			continue;
		world_fail(world,
		    "n=%u (index %llu) was acknowledged and is"
		    " not there",
		    entry->n, (unsigned long long)entry->receipt.index);
		holds = false;
	}
	return holds;
}

/* ---- appending goes on ------------------------------------------------- */

static int
append_one(struct tally_log *log, const struct entry *entry,
    struct tally_receipt *receipt, struct tally_error *error)
{
	static char event[EVENT_MAX];
	struct tally_append request = {
		.chain = entry->chain,
		.chain_len = strlen(entry->chain),
		.id = entry->id[0] == '\0' ? NULL : entry->id,
		.id_len = strlen(entry->id),
		.event = event,
		.salted = entry->salted,
	};

	request.event_len = ledger_event(entry, event);
	return tally_log_append(log, &request, 1, TALLY_SYNC, receipt, error);
}

static bool
append_check(struct world *world, struct tally_log *log)
{
	struct ledger *ledger = &world->ledger;
	struct tally_error error;
	struct tally_head before = { 0 };
	struct entry *entry;
	int rc;

	if (ledger->len == LEDGER_MAX)
		return true;
	rc = tally_log_head(log, "org/a", 5, &before, &error);
	if (rc < 0) {
		world_fail(world, "head: %d, %s", rc, error.message);
		return false;
	}
	entry = &ledger->entry[ledger->len];
	memset(entry, 0, sizeof(*entry));
	entry->n = ++ledger->next_n;
	entry->bytes = 77;
	memcpy(entry->chain, "org/a", 6);
	(void)snprintf(entry->id, sizeof(entry->id), "after %u", entry->n);
	rc = append_one(log, entry, &entry->receipt, &error);
	if (rc != 0 || entry->receipt.seq != before.seq + 1 ||
	    entry->receipt.repeated) {
		world_fail(world, "appending does not go on: %d, %s", rc,
		    rc == 0 ? "wrong receipt" : error.message);
		return false;
	}
	ledger->len++;
	entry->promise = PROMISE_DURABLE;
	return true;
}

/* Every id that was acknowledged answers with its first receipt. */
static bool
ids_check(struct world *world, struct tally_log *log, enum promise least)
{
	for (size_t i = 0; i < world->ledger.len; i++) {
		const struct entry *entry = &world->ledger.entry[i];
		struct tally_receipt receipt = { 0 };
		struct tally_error error;
		int rc;

		if (entry->id[0] == '\0' || entry->promise < least)
			continue;
		rc = append_one(log, entry, &receipt, &error);
		if (rc == 0 && receipt.repeated &&
		    receipt.index == entry->receipt.index &&
		    receipt.seq == entry->receipt.seq &&
		    receipt.time_us == entry->receipt.time_us &&
		    tally_hash_equal(&receipt.hash, &entry->receipt.hash))
			continue;
		world_fail(world, "n=%u: its id is not known: %d, %s", entry->n,
		    rc, rc == 0 ? "" : error.message);
		return false;
	}
	return true;
}

static bool
verify_check(struct world *world)
{
	struct tally_verify_options options = { .jobs = 1, .ids = true };
	struct tally_verdict verdict = { 0 };
	struct tally_error error;
	int rc = tally_verify(WORLD_DIR, &options, &verdict, &error);

	if (rc != 0) {
		world_fail(world, "verify: %d, %s", rc, error.message);
		return false;
	}
	if (verdict.verdict == TALLY_INTACT && verdict.records > 0)
		return true;
	world_fail(world, "the verdict is %s, %llu records, %llu findings",
	    tally_verdict_name(verdict.verdict),
	    (unsigned long long)verdict.records,
	    (unsigned long long)verdict.findings);
	return false;
}

/* ---- all together ------------------------------------------------------ */

bool
world_check_readable(struct world *world, struct tally_log *log,
    const struct check *check)
{
	world->checks++;
	return records_check(world, log, check->least);
}

bool
world_check_handle(struct world *world, struct tally_log *log,
    const struct check *check)
{
	bool holds;

	world->checks++;
	holds = records_check(world, log, check->least);
	if (holds && check->append)
		holds = append_check(world, log);
	if (holds && check->ids)
		holds = ids_check(world, log, check->least);
	if (holds && check->append)
		holds = records_check(world, log, check->least);
	return holds && world_check_segments(world);
}

/* Opens and closes as a new process; what it did to the segments. */
static bool
reopen_changes_nothing(struct world *world, uint64_t digest, const char *when)
{
	struct tally_error error;
	struct tally_log *log = NULL;
	int rc;

	rc = tally_log_open(WORLD_DIR, NULL, &log, &error);
	if (rc != 0) {
		world_fail(world, "%s: %d, %s", when, rc, error.message);
		return false;
	}
	rc = tally_log_close(log, &error);
	if (rc != 0) {
		world_fail(world, "%s, close: %s", when, error.message);
		return false;
	}
	if (world_segments_digest() == digest)
		return true;
	world_fail(world, "%s changed the segments", when);
	return false;
}

/* The power goes right after a recovery; the next one finds it all done. */
static bool
crash_check(struct world *world, struct tally_log **log, uint64_t digest)
{
	struct tally_error error;
	int rc;

	sim_cut_at(sim_ops());
	(void)tally_log_close(*log, &error);
	*log = NULL;
	sim_reboot(SIM_DROP, 0);
	rc = tally_log_open(WORLD_DIR, NULL, log, &error);
	if (rc != 0) {
		world_fail(world, "after a second cut: %d, %s", rc,
		    error.message);
		return false;
	}
	if (world_segments_digest() == digest)
		return true;
	world_fail(world, "a second cut changed the segments");
	return false;
}

/* There is no log, and none was promised: one can be made. */
static bool
none_check(struct world *world)
{
	struct tally_error error;
	int rc = tally_log_init(WORLD_DIR, NULL, &error);

	if (rc == 0)
		return world_check_segments(world);
	world_fail(world, "init after a cut in init: %d, %s", rc,
	    error.message);
	return false;
}

static bool
steps(struct world *world, struct tally_log **log, const struct check *check)
{
	struct tally_error error;
	uint64_t digest = world_segments_digest();
	bool holds = world_check_segments(world);

	if (holds && check->crash)
		holds = crash_check(world, log, digest);
	if (holds)
		holds = records_check(world, *log, check->least);
	if (holds && check->again) {
		holds = tally_log_close(*log, &error) == 0;
		*log = NULL;
		if (!holds)
			world_fail(world, "close: %s", error.message);
		holds = holds &&
		    reopen_changes_nothing(world, digest, "reopening");
		sim_reboot(SIM_DROP, 0);
		holds = holds &&
		    reopen_changes_nothing(world, digest, "a reboot");
		if (holds && tally_log_open(WORLD_DIR, NULL, log, &error) != 0)
			holds = false;
	}
	if (holds)
		holds = world_check_handle(world, *log, check);
	if (holds && check->verify)
		holds = verify_check(world);
	return holds;
}

/* Was it ever said that there is a log? */
static bool
is_promised(const struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->len; i++) {
		if (ledger->entry[i].promise == PROMISE_DURABLE)
			return true;
	}
	return ledger->init_done;
}

bool
world_check(struct world *world, const struct check *check)
{
	struct segments_copy now;
	struct tally_error error;
	struct tally_log *log = NULL;
	unsigned long failures = world->failures;
	bool holds, rewriting;
	size_t len;
	int rc;

	sim_as(CHECKER);
	/* A recovery was cut short: the end of a segment is in this file, and
	 * what the segment holds there does not count. */
	rewriting = sim_file(WORLD_LOG "/" TALLY_REWRITE_NAME, &len) != NULL;
	segments_take(&now);
	rc = tally_log_open(WORLD_DIR, NULL, &log, &error);
	if (rc == TALLY_E_NO_LOG && !is_promised(&world->ledger)) {
		segments_wipe(&now);
		return none_check(world);
	}
	holds = rc == 0;
	if (!holds)
		world_fail(world, "open: %d, %s", rc, error.message);
	else if (!world->ledger.init_done)
		world_note_init(world);
	if (holds && (check->before != NULL || !rewriting))
		holds = world_check_aside(world,
		    check->before != NULL ? check->before : &now);
	segments_wipe(&now);
	if (holds)
		holds = steps(world, &log, check);
	if (tally_log_close(log, &error) != 0 && holds)
		world_fail(world, "close: %s", error.message);
	if (sim_violation() != NULL)
		world_fail(world, "%s", sim_violation());
	if (sim_open_count() != 0 || sim_memory_count() != 0)
		world_fail(world, "%zu descriptors and %zu blocks are left",
		    sim_open_count(), sim_memory_count());
	return world->failures == failures;
}
