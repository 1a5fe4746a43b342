/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "log/sys.h"

#include "world.h"

#define BATCH_MAX 16

/* ---- the world --------------------------------------------------------- */

void
world_open(struct world *world)
{
	memset(world, 0, sizeof(*world));
	if (tally_hasher_open(&world->hasher) != 0)
		abort();
}

void
world_close(struct world *world)
{
	tally_hasher_close(&world->hasher);
	sim_wipe();
}

void
world_fail(struct world *world, const char *format, ...)
{
	va_list args;
	int len;

	world->failures++;
	if (world->failure[0] != '\0')
		return;
	len = snprintf(world->failure, sizeof(world->failure),
	    "%s: ", world->what);
	va_start(args, format);
	(void)vsnprintf(world->failure + len,
	    sizeof(world->failure) - (size_t)len, format, args);
	va_end(args);
}

void
world_begin(struct world *world)
{
	world->failures = 0;
	world->broken = 0;
	world->checks = 0;
	world->failure[0] = '\0';
}

bool
world_goes_on(struct world *world)
{
	if (world->failures == 0)
		return world->broken == 0 || getenv("TALLY_POWER_ALL") != NULL;
	(void)printf("# %s\n", world->failure);
	(void)fflush(stdout);
	world->broken += world->failures;
	world->failures = 0;
	world->failure[0] = '\0';
	return getenv("TALLY_POWER_ALL") != NULL;
}

void
world_reset(struct world *world, uint64_t seed)
{
	int root;

	memset(&world->ledger, 0, sizeof(world->ledger));
	memset(world->log, 0, sizeof(world->log));
	for (int i = 0; i < WORLD_HANDLES; i++)
		world->process[i] = i + 1;
	sim_reset(seed);
	root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	if (tally_sys_mkdir(root, "w") != 0 || tally_sys_sync_all(root) != 0)
		abort();
	tally_sys_close(root);
	sim_ops_restart();
}

void
world_bury(struct world *world, int process)
{
	sim_as(process);
	for (int i = 0; i < WORLD_HANDLES; i++) {
		if (world->process[i] != process)
			continue;
		(void)tally_log_close(world->log[i], NULL);
		world->log[i] = NULL;
	}
}

/* ---- steps ------------------------------------------------------------- */

void
world_note_init(struct world *world)
{
	size_t len;
	const char *text = (const char *)sim_file(WORLD_LOG
	    "/00000000000000000000.jsonl",
	    &len);
	const char *end = text == NULL ? NULL : memchr(text, '\n', len);
	struct tally_line line;

	if (end == NULL ||
	    tally_line_decode(text, (size_t)(end - text) + 1, &line) != 0)
		world_fail(world, "init left no first record");
	else
		world->ledger.genesis = line.hash;
	world->ledger.init_done = true;
}

static int
do_init(struct world *world)
{
	struct tally_init_options options = { .segment_bytes = 65536 };
	int rc;

	world->ledger.init_called = true;
	rc = tally_log_init(WORLD_DIR, &options, &world->error);
	if (rc == 0)
		world_note_init(world);
	return rc;
}

static void
entry_make(struct world *world, const struct step *step, unsigned i)
{
	struct ledger *ledger = &world->ledger;
	struct entry *entry = &ledger->entry[ledger->len];

	if (ledger->len == LEDGER_MAX)
		abort();
	ledger->len++;
	memset(entry, 0, sizeof(*entry));
	entry->n = ++ledger->next_n;
	entry->bytes = step->bytes + i;
	entry->salted = (step->how & SALTED) != 0;
	(void)snprintf(entry->chain, sizeof(entry->chain), "org/%c",
	    step->chains[i % strlen(step->chains)]);
	if ((step->how & IDS) != 0)
		(void)snprintf(entry->id, sizeof(entry->id), "id \"%u\"",
		    entry->n);
}

static void
request_make(const struct entry *entry, char event[EVENT_MAX],
    struct tally_append *out)
{
	memset(out, 0, sizeof(*out));
	out->chain = entry->chain;
	out->chain_len = strlen(entry->chain);
	out->id = entry->id[0] == '\0' ? NULL : entry->id;
	out->id_len = strlen(entry->id);
	out->event = event;
	out->event_len = ledger_event(entry, event);
	out->salted = entry->salted;
}

/* Appends the entries [first, first + count) as one batch. */
static int
append_entries(struct world *world, const struct step *step,
    struct entry *first)
{
	static char events[BATCH_MAX][EVENT_MAX];
	struct tally_append requests[BATCH_MAX];
	struct tally_receipt receipts[BATCH_MAX];
	int rc;

	for (unsigned i = 0; i < step->count; i++)
		request_make(&first[i], events[i], &requests[i]);
	memset(receipts, 0, sizeof(receipts));
	rc = tally_log_append(world->log[step->handle], requests, step->count,
	    (step->how & BUFFERED) != 0 ? TALLY_BUFFERED : TALLY_SYNC, receipts,
	    &world->error);
	for (unsigned i = 0; i < step->count; i++) {
		first[i].receipt = receipts[i];
		if (rc == 0)
			first[i].promise = PROMISE_BUFFERED;
		else if (!sim_is_dead() && rc != TALLY_E_POISONED)
			first[i].promise = PROMISE_ABSENT;
	}
	if (rc == 0 && (step->how & BUFFERED) == 0)
		ledger_synced(&world->ledger);
	return rc;
}

static int
do_append(struct world *world, const struct step *step)
{
	struct entry *first = &world->ledger.entry[world->ledger.len];
	int rc;

	for (unsigned i = 0; i < step->count; i++)
		entry_make(world, step, i);
	rc = append_entries(world, step, first);
	for (unsigned i = 0; i < step->count && rc == 0; i++) {
		if (first[i].receipt.repeated)
			world_fail(world, "n=%u: repeated, it says",
			    first[i].n);
	}
	return rc;
}

int
world_resubmit(struct world *world, const struct step *step)
{
	struct ledger *ledger = &world->ledger;
	struct entry *last;

	memset(&world->error, 0, sizeof(world->error));
	sim_as(world->process[step->handle]);
	if (step->verb != DO_APPEND || (step->how & IDS) == 0 ||
	    ledger->len < step->count)
		return world_step(world, step);
	last = &ledger->entry[ledger->len - step->count];
	for (unsigned i = 0; i < step->count; i++)
		last[i].promise = PROMISE_NONE;
	return append_entries(world, step, last);
}

/* The last entry with an id, once more. */
static int
do_repeat(struct world *world, const struct step *step)
{
	static char event[EVENT_MAX];
	struct entry *entry = NULL;
	struct tally_append request;
	struct tally_receipt receipt = { 0 };
	int rc;

	for (size_t i = 0; i < world->ledger.len; i++) {
		if (world->ledger.entry[i].id[0] != '\0' &&
		    world->ledger.entry[i].promise >= PROMISE_BUFFERED)
			entry = &world->ledger.entry[i];
	}
	if (entry == NULL)
		return TALLY_OK;
	request_make(entry, event, &request);
	rc = tally_log_append(world->log[step->handle], &request, 1, TALLY_SYNC,
	    &receipt, &world->error);
	if (rc != 0)
		return rc;
	ledger_synced(&world->ledger);
	if (!receipt.repeated || receipt.index != entry->receipt.index ||
	    !tally_hash_equal(&receipt.hash, &entry->receipt.hash))
		world_fail(world,
		    "n=%u: the id gave index %llu, repeated %d, not %llu",
		    entry->n, (unsigned long long)receipt.index,
		    receipt.repeated, (unsigned long long)entry->receipt.index);
	return TALLY_OK;
}

/* What is read is durable: afterwards it is promised. */
static int
do_read(struct world *world, const struct step *step)
{
	struct tally_log *log = world->log[step->handle];
	struct tally_head head;
	struct entry *last = NULL;
	int rc;

	for (size_t i = 0; i < world->ledger.len; i++) {
		struct entry *entry = &world->ledger.entry[i];

		if (strcmp(entry->chain, "org/a") == 0 &&
		    entry->promise >= PROMISE_BUFFERED)
			last = entry;
	}
	rc = tally_log_head(log, "org/a", 5, &head, &world->error);
	if (rc < 0 || last == NULL)
		return rc;
	if (rc == TALLY_END || head.index > last->receipt.index)
		world_fail(world, "a head that nobody wrote");
	for (size_t i = 0; i < world->ledger.len && rc == 0; i++) {
		struct entry *entry = &world->ledger.entry[i];

		if (entry->promise == PROMISE_BUFFERED &&
		    entry->receipt.index <= head.index)
			entry->promise = PROMISE_DURABLE;
	}
	return TALLY_OK;
}

static int
do_close(struct world *world, const struct step *step)
{
	int rc;

	rc = tally_log_close(world->log[step->handle], &world->error);
	world->log[step->handle] = NULL;
	if (rc == 0 && !sim_is_dead())
		ledger_synced(&world->ledger);
	return rc;
}

int
world_step(struct world *world, const struct step *step)
{
	int rc = 0;

	memset(&world->error, 0, sizeof(world->error));
	sim_as(world->process[step->handle]);
	switch (step->verb) {
	case DO_INIT:
		return do_init(world);
	case DO_OPEN:
		return tally_log_open(WORLD_DIR, NULL,
		    &world->log[step->handle], &world->error);
	case DO_CLOSE:
		return do_close(world, step);
	case DO_APPEND:
		return do_append(world, step);
	case DO_REPEAT:
		return do_repeat(world, step);
	case DO_SYNC:
		rc = tally_log_sync(world->log[step->handle], &world->error);
		if (rc == 0)
			ledger_synced(&world->ledger);
		return rc;
	case DO_READ:
		return do_read(world, step);
	case DO_PASS:
		sim_time_pass(1500000);
		return TALLY_OK;
	case DO_END:
		break;
	}
	return TALLY_OK;
}

void
world_run(struct world *world, const struct step *script)
{
	for (const struct step *step = script; step->verb != DO_END; step++) {
		int rc = world_step(world, step);

		if (sim_is_dead())
			return;
		if (rc == 0)
			continue;
		world_fail(world, "step %d: %d, %s", (int)(step - script), rc,
		    world->error.message);
		return;
	}
}
