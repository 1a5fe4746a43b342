/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log on the simulated machine: a scripted life of it, a ledger of what the
 * log promised during that life, and the checks that hold it to its promises.
 *
 * Nothing here asserts: a broken promise is noted in the world (world_fail),
 * so that a test can also demand that a mutant breaks one.
 */
#ifndef TALLY_TEST_POWER_WORLD_H
#define TALLY_TEST_POWER_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/log.h>

#include "core/hash.h"

#include "simdisk.h"

#define WORLD_DIR "/w/audit"
#define WORLD_LOG "/w/audit/log"
#define WORLD_HANDLES 3
#define LEDGER_MAX 256
#define EVENT_MAX 16384

/* ---- the ledger -------------------------------------------------------- */

enum promise {
	PROMISE_NONE,     /* in flight, or its outcome is not known */
	PROMISE_ABSENT,   /* refused: it must not be there */
	PROMISE_BUFFERED, /* acknowledged; survives a kill */
	PROMISE_DURABLE,  /* acknowledged; survives everything */
};

/* One record that was submitted; n tells it from all others. */
struct entry {
	uint32_t n;
	size_t bytes; /* of its event, about */
	char chain[16];
	char id[24]; /* empty: none */
	bool salted;
	enum promise promise;
	struct tally_receipt receipt;
	bool seen; /* by the check under way */
};

struct ledger {
	struct entry entry[LEDGER_MAX];
	size_t len;
	uint32_t next_n;
	bool init_called;
	bool init_done; /* tally_log_init returned 0 */
	struct tally_hash genesis;
};

/* The event of an entry: {"n":7,"pad":"..."}; returns its length. */
size_t
ledger_event(const struct entry *entry, char out[EVENT_MAX]);

/* The entry that an event is of, or NULL. */
struct entry *
ledger_find(struct ledger *ledger, const char *event, size_t len);

/* A sync returned 0: what is buffered is durable. */
void
ledger_synced(struct ledger *ledger);

/* ---- the script -------------------------------------------------------- */

enum verb {
	DO_END = 0,
	DO_INIT,
	DO_OPEN,
	DO_CLOSE,
	DO_APPEND,
	DO_REPEAT, /* an id that was acknowledged, once more */
	DO_SYNC,
	DO_READ,
	DO_PASS, /* a second and a half goes by */
};

/* How to append: bits. */
enum {
	BUFFERED = 1,
	IDS = 2,
	SALTED = 4,
};

struct step {
	enum verb verb;
	int handle;
	unsigned count;
	size_t bytes;
	const char *chains; /* one letter each, round and round */
	unsigned how;
};

struct world {
	struct ledger ledger;
	struct tally_log *log[WORLD_HANDLES];
	int process[WORLD_HANDLES]; /* who has the handle */
	struct tally_hasher hasher;
	struct tally_error error; /* of the last step that failed */
	char failure[400];        /* the first broken promise */
	unsigned long failures;   /* in the present try */
	unsigned long broken;     /* in all tries of the present test */
	unsigned long checks;
	char what[120]; /* what is being tried, for the failure */
};

/* The whole life: init, three chains, batches, a roll, close, reopen. */
extern const struct step script_life[];
/* From a full segment over a roll. */
extern const struct step script_roll[];
/* Short; for what is done to every op of it. */
extern const struct step script_short[];
/* Two processes take turns, with and without ids, over a roll. */
extern const struct step script_pair[];

void
world_open(struct world *world);
void
world_close(struct world *world);

/* A fresh machine with "/w" on it, and an empty ledger. */
void
world_reset(struct world *world, uint64_t seed);

void
world_fail(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A new test begins. */
void
world_begin(struct world *world);

/*
 * Between two tries: tells what was broken in the last one.  False if that
 * ends the test, which is so unless TALLY_POWER_ALL is in the environment.
 */
bool
world_goes_on(struct world *world);

/* There is a log from now on, with the first record that it has now. */
void
world_note_init(struct world *world);

/* Does one step; its result.  The ledger is kept. */
int
world_step(struct world *world, const struct step *step);

/*
 * A step that failed, once more: an append with ids submits the same records
 * again, one without submits new ones.
 */
int
world_resubmit(struct world *world, const struct step *step);

/*
 * Does a script until its end or until a step fails while the process is
 * dead.  A step that fails in a living process is a failure.
 */
void
world_run(struct world *world, const struct step *script);

/* Frees all handles of a process, dead or alive. */
void
world_bury(struct world *world, int process);

/* ---- the checks -------------------------------------------------------- */

struct check {
	enum promise least; /* entries with this promise or more are there */
	bool again;         /* also that another recovery changes nothing */
	bool crash;         /* ... when power goes right after the first */
	bool append;        /* also that appending goes on */
	bool ids;           /* also that every id is known */
	bool verify;        /* also what tally_verify says */
	const struct segments_copy *before; /* to be there or set aside; NULL:
					       what is there at the start */
};

/*
 * The log is opened as a new process and held to the ledger.  False with a
 * failure noted if a promise is broken.  Leaves no handle open.
 */
bool
world_check(struct world *world, const struct check *check);

/* The same over a handle that is open already; it is left open. */
bool
world_check_handle(struct world *world, struct tally_log *log,
    const struct check *check);

/* Only what a cursor gives; writes nothing. */
bool
world_check_readable(struct world *world, struct tally_log *log,
    const struct check *check);

/* The bytes of the segments, judged by the core alone. */
bool
world_check_segments(struct world *world);

/* A digest of the segments alone. */
uint64_t
world_segments_digest(void);

/* ---- the segments ------------------------------------------------------ */

struct segment_copy {
	char name[64];
	uint8_t *bytes;
	size_t len;
};

struct segments_copy {
	struct segment_copy at[32];
	size_t len;
};

void
segments_take(struct segments_copy *out);
void
segments_wipe(struct segments_copy *copy);

/* What stood before and does not stand now was set aside, and told. */
bool
world_check_aside(struct world *world, const struct segments_copy *before);

#endif
