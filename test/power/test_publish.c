/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power goes at every op of publishing that could change what the disks
 * hold, and comes back with every kind of what they may have kept.  Then
 *
 *   the register knows whatever went out, and is not behind public/checkpoint
 *   the log has the root of whatever went out at its size
 *   public/checkpoint is whole; the tile of whatever went out is there and
 *   leads to its root
 *   the next publisher signs; no size has two roots, over all lives
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tally/proof.h>
#include <tally/publish.h>

#include "core/tree.h"
#include "log/sys.h"
#include "publish/register.h"
#include "publish/register_file.h"

#include "lives.h"

#define ORIGIN "example.org/power"
#define DIR "/w/audit"
#define REGISTER "/w/register"
#define TURNS 3
#define SIZE_MAX_SEEN 64

static struct tally_signer *signer;

/* What went out of this life: the root of each size. */
struct outside {
	bool seen[SIZE_MAX_SEEN];
	struct tally_hash root[SIZE_MAX_SEEN];
	uint64_t last;
};

/* ---- a life ------------------------------------------------------------- */

static void
go_out(struct outside *outside, uint64_t size, const struct tally_hash *root)
{
	assert_true(size < SIZE_MAX_SEEN);
	if (outside->seen[size] &&
	    !tally_hash_equal(&outside->root[size], root))
		lives_wrong("a size went out with two roots", "");
	outside->seen[size] = true;
	outside->root[size] = *root;
	if (size > outside->last)
		outside->last = size;
}

static struct tally_publish_options
how_to_publish(void)
{
	const struct tally_publish_options how = {
		.signers = &signer, .signers_len = 1, .register_dir = REGISTER
	};

	return how;
}

static void
take(struct outside *outside, struct tally_published_checkpoint *out)
{
	if (out->verdict > TALLY_PUBLISH_CURRENT)
		lives_wrong("an honest log is called cut or rolled back", "");
	go_out(outside, out->size, &out->root);
	/* Memory, too, is the machine's. */
	tally_sys_free(out->note);
}

static int
publish(struct outside *outside, struct tally_error *error)
{
	const struct tally_publish_options how = how_to_publish();
	struct tally_published_checkpoint out;
	int result = tally_publish(DIR, &how, &out, error);

	if (result == 0)
		take(outside, &out);
	return result;
}

static int
append_to(struct tally_log *log, unsigned chain, struct tally_error *error)
{
	char name[8];
	struct tally_append request = {
		.chain = name, .event = "{\"n\":1}", .event_len = 7
	};

	request.chain_len = (size_t)snprintf(name, sizeof(name), "c%u", chain);
	return tally_log_append(log, &request, 1, TALLY_SYNC, NULL, error);
}

static int
append(unsigned chain, struct tally_error *error)
{
	struct tally_log *log;
	int result = tally_log_open(DIR, NULL, &log, error);

	if (result != 0)
		return result;
	result = append_to(log, chain, error);
	if (result == 0)
		return tally_log_close(log, error);
	(void)tally_log_close(log, NULL);
	return result;
}

/* The log is there before the power can go: that is test_power's. */
static void
begin(void)
{
	const struct tally_init_options how = { .origin = ORIGIN };
	struct tally_error error = { 0 };

	lives_begin();
	assert_int_equal(tally_log_init(DIR, &how, &error), 0);
	sim_ops_restart();
}

static void
live(struct outside *outside)
{
	struct tally_error error = { 0 };
	int result = 0;

	for (unsigned i = 0; i < TURNS && result == 0; i++) {
		result = append(i, &error);
		if (result == 0)
			result = publish(outside, &error);
	}
	if (result != 0 && !sim_is_dead())
		lives_wrong("it failed without a cut", error.message);
}

/* ---- a publisher that stays ---------------------------------------------- */

struct staying {
	struct tally_log *log;
	struct tally_publisher *publisher;
};

static int
stay(struct staying *staying, struct tally_error *error)
{
	const struct tally_publish_options how = how_to_publish();
	int result;

	memset(staying, 0, sizeof(*staying));
	result = tally_log_open(DIR, NULL, &staying->log, error);
	if (result == 0)
		result = tally_publisher_open(staying->log, &how,
		    &staying->publisher, error);
	return result;
}

static int
stay_on(struct staying *staying, unsigned chain, struct outside *outside,
    struct tally_error *error)
{
	struct tally_published_checkpoint out;
	int result = append_to(staying->log, chain, error);

	if (result == 0)
		result = tally_publisher_publish(staying->publisher, &out,
		    error);
	if (result == 0)
		take(outside, &out);
	return result;
}

static void
leave(struct staying *staying)
{
	tally_publisher_close(staying->publisher);
	if (staying->log != NULL)
		(void)tally_log_close(staying->log, NULL);
}

static void
live_staying(struct outside *outside)
{
	struct tally_error error = { 0 };
	struct staying staying;
	int result = stay(&staying, &error);

	for (unsigned i = 0; i < TURNS && result == 0; i++)
		result = stay_on(&staying, i, outside, &error);
	leave(&staying);
	if (result != 0 && !sim_is_dead())
		lives_wrong("it failed without a cut", error.message);
}

/* ---- afterwards --------------------------------------------------------- */

static struct tally_hasher hasher;

static void
check_tile(uint64_t size, const struct tally_hash *expected)
{
	char path[64];
	struct tally_frontier frontier;
	struct tally_hash leaf, root;
	const uint8_t *bytes;
	size_t len;

	(void)snprintf(path, sizeof(path), DIR "/public/tile/0/000.p/%llu",
	    (unsigned long long)size);
	bytes = sim_file(path, &len);
	if (bytes == NULL || len != size * TALLY_HASH_SIZE)
		lives_wrong("a tile of what is public is not there", path);
	tally_frontier_init(&frontier);
	for (uint64_t i = 0; i < size; i++) {
		memcpy(leaf.b, bytes + i * TALLY_HASH_SIZE, TALLY_HASH_SIZE);
		tally_frontier_append(&hasher, &frontier, &leaf);
	}
	root = tally_frontier_root(&hasher, &frontier);
	if (!tally_hash_equal(&root, expected))
		lives_wrong("the tile of what is public leads to another root",
		    path);
}

/* What is public is as good as out. */
static void
check_public(struct outside *outside)
{
	size_t len;
	const char *text = (const char *)sim_file(DIR "/public/checkpoint",
	    &len);
	struct tally_checkpoint checkpoint;
	struct tally_note note;

	if (text != NULL) {
		if (tally_note_parse(text, len, &note) != 0 ||
		    tally_checkpoint_parse(note.text.at, note.text.len,
			&checkpoint) != 0)
			lives_wrong("public/checkpoint is not whole", "");
		go_out(outside, checkpoint.size, &checkpoint.root);
	}
	for (uint64_t n = 1; n < SIZE_MAX_SEEN; n++) {
		if (outside->seen[n])
			check_tile(n, &outside->root[n]);
	}
}

static void
check_register(const struct outside *outside)
{
	struct tally_file_register file;
	struct tally_checkpoint entry;
	struct tally_error error = { 0 };
	int result = tally_file_register_open(&file, TALLY_SYS_CWD, REGISTER,
	    &hasher, &error);

	if (result != 0)
		lives_wrong("the register cannot be opened", error.message);
	result = tally_register_read(&file.base, ORIGIN, &entry, &error);
	if (result < 0)
		lives_wrong("the register cannot be read", error.message);
	if (outside->last > 0 &&
	    (result != 0 || entry.size < outside->last ||
		(entry.size == outside->last &&
		    !tally_hash_equal(&entry.root,
			&outside->root[outside->last]))))
		lives_wrong("the register does not know what went out", "");
	tally_file_register_close(&file);
}

static void
check_log(const struct outside *outside)
{
	struct tally_error error = { 0 };
	struct tally_hash root;
	struct tally_log *log;
	uint64_t size;

	if (tally_log_open(DIR, NULL, &log, &error) != 0)
		lives_wrong("the log cannot be opened", error.message);
	for (uint64_t n = 1; n < SIZE_MAX_SEEN; n++) {
		if (!outside->seen[n])
			continue;
		if (tally_log_root(log, n, &size, &root, &error) != 0)
			lives_wrong("the log lost what went out",
			    error.message);
		if (!tally_hash_equal(&root, &outside->root[n]))
			lives_wrong("the log has another root than went out",
			    "");
	}
	(void)tally_log_close(log, NULL);
}

static void
check_after(struct outside *outside)
{
	struct tally_error error = { 0 };

	sim_as(2);
	check_public(outside);
	check_register(outside);
	check_log(outside);
	if (publish(outside, &error) != 0)
		lives_wrong("the next publisher cannot sign", error.message);
	if (append(9, &error) != 0 || publish(outside, &error) != 0)
		lives_wrong("it does not go on", error.message);
	check_public(outside);
	check_register(outside);
	check_log(outside);
}

static void
check_one(void *arg, uint64_t turn)
{
	struct outside outside = *(const struct outside *)arg;

	(void)turn;
	check_after(&outside);
}

static uint64_t
count_ops(void (*life)(struct outside *outside))
{
	struct outside outside = { .last = 0 };
	uint64_t ops;

	lives_try("undisturbed");
	begin();
	life(&outside);
	ops = lives_remember();
	assert_true(outside.last > 0);
	return ops;
}

/* ---- tests -------------------------------------------------------------- */

static void
cut_everywhere(void (*life)(struct outside *outside))
{
	uint64_t ops = count_ops(life);
	unsigned long cuts = 0;

	for (uint64_t n = 0; n <= ops; n++) {
		struct outside outside = { .last = 0 };

		if (!lives_op_changes(n))
			continue;
		begin();
		sim_cut_at(n);
		life(&outside);
		lives_try("cut at op %llu", (unsigned long long)n);
		cuts += lives_cut(n, SIM_MODE_COUNT, check_one, &outside);
	}
	print_message("# %lu cuts\n", cuts);
	assert_null(sim_violation());
	sim_wipe();
}

static void
test_publish__power_goes(void **state)
{
	(void)state;
	cut_everywhere(live);
}

static void
test_publish__stays_and_power_goes(void **state)
{
	(void)state;
	cut_everywhere(live_staying);
}

/* A publisher is killed; the log and the registers go on. */
static void
test_publish__killed(void **state)
{
	uint64_t ops = count_ops(live);

	(void)state;
	for (uint64_t n = 0; n <= ops; n++) {
		struct outside outside = { .last = 0 };

		if (!lives_op_changes(n))
			continue;
		begin();
		sim_set(n % 2 == 0 ? SIM_HALF_AT_KILL : 0);
		sim_kill_at(n);
		live(&outside);
		sim_reap();
		lives_try("killed at op %llu", (unsigned long long)n);
		check_after(&outside);
	}
	assert_null(sim_violation());
	sim_wipe();
}

/*
 * A publisher is killed, the next one signs, and then the power goes: what the
 * first had written, and nobody synced, is not there for ever because the
 * second has seen it.
 */
static void
test_publish__killed_then_power_goes(void **state)
{
	uint64_t ops = count_ops(live);

	(void)state;
	for (uint64_t n = 0; n <= ops; n++) {
		struct outside outside = { .last = 0 };
		struct tally_error error = { 0 };

		if (!lives_op_changes(n))
			continue;
		begin();
		sim_kill_at(n);
		live(&outside);
		sim_reap();
		lives_try("killed at op %llu", (unsigned long long)n);
		sim_as(2);
		if (publish(&outside, &error) != 0)
			lives_wrong("the next publisher cannot sign",
			    error.message);
		(void)lives_cut(n, SIM_MODE_COUNT, check_one, &outside);
	}
	assert_null(sim_violation());
	sim_wipe();
}

/* The power goes, and then there is nobody who could close anything. */
static void
check_cut(struct staying *staying, uint64_t turn, struct outside *outside)
{
	sim_cut_at(sim_ops());
	leave(staying);
	(void)lives_cut(turn, SIM_MODE_COUNT, check_one, outside);
}

/* Two turns of one that stays, and between them one of another process, that
 * is killed; returns the op that the other one began with. */
static uint64_t
live_two(struct staying *staying, uint64_t kill_after, struct outside *outside)
{
	struct tally_error error = { 0 };
	uint64_t first;

	begin();
	if (stay(staying, &error) != 0 ||
	    stay_on(staying, 0, outside, &error) != 0)
		lives_wrong("it cannot begin", error.message);
	sim_as(2);
	first = sim_ops();
	if (kill_after != UINT64_MAX)
		sim_kill_at(first + kill_after);
	if (append(1, &error) == 0)
		(void)publish(outside, &error);
	sim_reap();
	sim_as(1);
	return first;
}

/* What another one left is his who stays, and was alone until then. */
static void
test_publish__stays_beside_killed(void **state)
{
	struct outside undisturbed = { .last = 0 };
	struct staying staying;
	uint64_t first, ops;

	(void)state;
	lives_try("undisturbed");
	first = live_two(&staying, UINT64_MAX, &undisturbed);
	ops = lives_remember() - first;
	leave(&staying);
	for (uint64_t n = 0; n <= ops; n++) {
		struct outside outside = { .last = 0 };
		struct tally_error error = { 0 };

		if (!lives_op_changes(first + n))
			continue;
		lives_try("the other one killed at op %llu",
		    (unsigned long long)n);
		(void)live_two(&staying, n, &outside);
		if (stay_on(&staying, 2, &outside, &error) != 0)
			lives_wrong("who stays cannot sign", error.message);
		check_cut(&staying, n, &outside);
	}
	assert_null(sim_violation());
	sim_wipe();
}

/* A call fails, and with it a turn at most; the next one makes it good. */
static void
test_publish__stays_after_error(void **state)
{
	struct outside undisturbed = { .last = 0 };
	struct tally_error error = { 0 };
	const struct sim_fault full = { ENOSPC, SIM_HALF };
	struct staying staying;
	uint64_t first, ops;

	(void)state;
	lives_try("undisturbed");
	first = live_two(&staying, 0, &undisturbed);
	first = sim_ops();
	if (stay_on(&staying, 2, &undisturbed, &error) != 0)
		lives_wrong("who stays cannot sign", error.message);
	ops = lives_remember();
	leave(&staying);
	for (uint64_t n = first; n < ops; n++) {
		struct outside outside = { .last = 0 };

		if (!sim_op_fails(lives_op(n), ENOSPC))
			continue;
		lives_try("full at op %llu", (unsigned long long)n);
		(void)live_two(&staying, 0, &outside);
		sim_fault_at(n, &full);
		(void)stay_on(&staying, 2, &outside, &error);
		if (stay_on(&staying, 3, &outside, &error) != 0)
			lives_wrong("who stays cannot sign", error.message);
		check_cut(&staying, n, &outside);
	}
	assert_null(sim_violation());
	sim_wipe();
}

static int
make_key(void **state)
{
	char vkey[TALLY_VKEY_TEXT_SIZE];

	(void)state;
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	return lives_make_key(tally_key_generate, ORIGIN, vkey, &signer);
}

static int
free_key(void **state)
{
	(void)state;
	tally_signer_free(signer);
	tally_hasher_close(&hasher);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publish__power_goes),
		cmocka_unit_test(test_publish__stays_and_power_goes),
		cmocka_unit_test(test_publish__stays_beside_killed),
		cmocka_unit_test(test_publish__stays_after_error),
		cmocka_unit_test(test_publish__killed),
		cmocka_unit_test(test_publish__killed_then_power_goes),
	};

	return cmocka_run_group_tests_name("publish", tests, make_key,
	    free_key);
}
