/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of test/model/publish.pml, by their names, on the code: publishers
 * are processes that stop at a step, are killed there, or go on, while another
 * publishes, the log is put back, the register is lost, or the origin ends.
 * What the model asserts is asserted here of each signature that leaves:
 *
 *   forked        no size is signed with two roots
 *   inconsistent  what was signed of two sizes is one history
 *   unregistered  nothing is signed that the register never held
 *   late          under an origin that ended nothing new is signed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "steps.h"

#define PLACE_ORIGIN "example.org/steps"
#include "place.h"

/* ---- places ------------------------------------------------------------- */

static struct place *place;
static char copy[192];

static void
append(const char *path, const char *event, unsigned times)
{
	struct tally_append request = { .chain = "c",
		.chain_len = 1,
		.event = event,
		.event_len = strlen(event) };
	struct tally_log *log;

	if (tally_log_open(path, NULL, &log, &place->error) != 0)
		fail_msg("%s", place->error.message);
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(tally_log_append(log, &request, 1,
				     TALLY_BUFFERED, NULL, &place->error),
		    0);
	must_close(log);
}

static int
begin(void **state)
{
	char key[192], vkey[TALLY_VKEY_TEXT_SIZE];

	(void)signal(SIGPIPE, SIG_IGN);
	stopped = -1;
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	if (setup(state) != 0)
		return -1;
	place = *state;
	(void)snprintf(key, sizeof(key), "%s/key", place->top);
	(void)snprintf(register_dir, sizeof(register_dir), "%s/register",
	    place->top);
	(void)snprintf(copy, sizeof(copy), "%s/copy", place->top);
	if (tally_key_generate(key, PLACE_ORIGIN, NULL, vkey, &place->error) !=
		0 ||
	    tally_signer_load(key, NULL, &signer, &place->error) != 0)
		return -1;
	outside = mmap(NULL, sizeof(*outside), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	append(place->dir, "1", 2);
	assert_int_equal(shell("cp -a '%s' '%s/first'", place->dir, place->top),
	    0);
	return outside == MAP_FAILED ? -1 : 0;
}

static int
end(void **state)
{
	tally_signer_free(signer);
	(void)munmap(outside, sizeof(*outside));
	return teardown(state);
}

/* All anew.  began: a checkpoint went out before; two: there is a copy of the
 * log, and each went on otherwise. */
static void
put(bool began, bool two)
{
	memset(outside, 0, sizeof(*outside));
	assert_int_equal(shell("cd '%s' && rm -rf audit copy gone next register"
			       " && cp -a first audit && mkdir register",
			     place->top),
	    0);
	if (began)
		assert_int_equal(publish(place->dir), 0);
	if (two) {
		assert_int_equal(shell("cp -a '%s' '%s'", place->dir, copy), 0);
		append(copy, "\"other\"", 1);
	}
	append(place->dir, "2", 1);
}

static void
judge(const char *what, enum step step, enum step other, bool is_killed)
{
	for (uint64_t n = 1; n < SIZE_END; n++) {
		for (uint64_t m = 1; outside->is_signed[n] && m < n; m++) {
			if (outside->is_signed[m] &&
			    memcmp(outside->leaf[m], outside->leaf[n],
				m * TALLY_HASH_SIZE) != 0)
				wrong("inconsistent", n);
		}
	}
	if (outside->wrong[0] != '\0')
		fail_msg("%s, at \"%s\"%s%s%s: %s", what, step_names[step],
		    is_killed ? ", killed" : "",
		    other == STEPS ? "" : ", the other at ",
		    other == STEPS ? "" : step_names[other], outside->wrong);
}

/* ---- the model's configurations ----------------------------------------- */

static unsigned reached[STEPS];

/* One stops at a step; meanwhile (NULL: nothing) happens; then it is killed or
 * goes on, and whoever is left publishes. */
static void
each_step(const char *what, bool two, void (*meanwhile)(enum step other),
    bool with_other, bool can_sign)
{
	enum step last = with_other ? STEPS : 0;

	for (int began = 0; began < 2; began++) {
		for (enum step step = 0; step < STEPS; step++) {
			for (enum step other = 0; other <= last; other++) {
				for (int kills = 0; kills < 2; kills++) {
					struct process one;

					put(began != 0, two);
					one = start(place->dir, step, false);
					reached[step] += wait_for(&one);
					if (meanwhile != NULL)
						meanwhile(other);
					(void)finish(&one, kills != 0);
					append(place->dir, "3", 1);
					(void)publish(place->dir);
					if (two)
						(void)publish(copy);
					judge(what, step,
					    with_other ? other : STEPS,
					    kills != 0);
					if (can_sign &&
					    outside->signatures == 0)
						fail_msg("%s, at \"%s\":"
							 " nothing was signed",
						    what, step_names[step]);
				}
			}
		}
	}
}

/* Another publisher of the copy, killed at a step, or not at all. */
static void
other_publishes(enum step other)
{
	struct process two = start(copy, other, true);

	(void)finish(&two, false);
}

static void
test_steps__copies(void **state)
{
	(void)state;
	each_step("two copies", true, other_publishes, true, true);
	for (enum step step = 0; step < STEPS; step++)
		assert_true(reached[step] > 0);
}

/* Of one log: it waits for the lock, or takes it from the dead. */
static void
test_steps__one_log(void **state)
{
	(void)state;
	for (enum step step = 0; step < STEPS; step++) {
		for (enum step other = 0; other <= STEPS; other++) {
			for (int kills = 0; kills < 2; kills++) {
				struct process one, two;

				put(false, false);
				one = start(place->dir, step, false);
				(void)wait_for(&one);
				two = start(place->dir, other, true);
				append(place->dir, "3", 1);
				(void)finish(&one, kills != 0);
				(void)finish(&two, false);
				assert_int_equal(publish(place->dir), 0);
				judge("one log", step, other, kills != 0);
			}
		}
	}
}

/* The log is put back, and goes on otherwise. */
static void
put_back(enum step other)
{
	(void)other;
	assert_int_equal(shell("cd '%s' && mv audit gone && cp -a first audit",
			     place->top),
	    0);
	append(place->dir, "\"otherwise\"", 2);
}

static void
test_steps__put_back(void **state)
{
	(void)state;
	each_step("put back", false, put_back, false, false);
}

static void
put_back_with_copy(enum step other)
{
	put_back(other);
	other_publishes(other);
}

static void
test_steps__copies_put_back(void **state)
{
	(void)state;
	each_step("copies, put back", true, put_back_with_copy, true, false);
}

static void
lose_register(enum step other)
{
	(void)other;
	assert_int_equal(shell("rm -f '%s'/*", register_dir), 0);
}

static void
test_steps__register_lost(void **state)
{
	(void)state;
	each_step("register lost", false, lose_register, false, false);
}

/* The origin of a log that was put back ends. */
static void
restore(enum step other)
{
	char key[192], next[192], vkey[TALLY_VKEY_TEXT_SIZE];
	struct tally_restore_options how = { .dir = place->dir,
		.into = next,
		.origin = "example.org/next",
		.register_dir = register_dir,
		.reason = "a test" };
	struct tally_signer *successor;
	struct tally_restored out;

	put_back(other);
	(void)snprintf(next, sizeof(next), "%s/next", place->top);
	(void)snprintf(key, sizeof(key), "%s/next-key", place->top);
	(void)unlink(key);
	assert_int_equal(tally_key_generate(key, how.origin, NULL, vkey,
			     &place->error),
	    0);
	assert_int_equal(tally_signer_load(key, NULL, &successor,
			     &place->error),
	    0);
	how.signer = successor;
	if (tally_restore(&how, &out, &place->error) == 0) {
		outside->end_size = out.outside_size;
		outside->is_ended = true;
	}
	tally_signer_free(successor);
}

static unsigned long ended;

static void
restore_and_count(enum step other)
{
	restore(other);
	ended += outside->is_ended;
}

static void
test_steps__restored(void **state)
{
	(void)state;
	each_step("restored", false, restore_and_count, false, false);
	assert_true(ended > 10);
}

/* What was under way arrives, on its condition. */
static void
arrive(void)
{
	struct tally_file_register file;
	struct tally_hasher hasher;

	if (!outside->is_late)
		return;
	outside->is_late = false;
	assert_int_equal(tally_hasher_open(&hasher), 0);
	assert_int_equal(__real_tally_file_register_open(&file, AT_FDCWD,
			     register_dir, &hasher, &place->error),
	    0);
	if (__real_tally_register_swap(&file.base,
		outside->is_first ? NULL : &outside->late_last,
		&outside->late_next, &place->error) == 0)
		hold(&outside->late_next);
	tally_file_register_close(&file);
	tally_hasher_close(&hasher);
}

/* The answer of a swap is lost, and a publisher of a copy comes before what is
 * under way, behind it, or never before the first one comes again. */
static void
lose_answer(bool began, enum step step, bool late, unsigned turn)
{
	put(began, true);
	lost_at = step;
	is_under_way = late;
	assert_int_equal(publish(place->dir),
	    began && step == STEP_BEGIN ? 0 : 3);
	lost_at = STEPS;
	if (turn == 0)
		arrive();
	if (turn < 2)
		(void)publish(copy);
	if (turn == 1)
		arrive();
	append(place->dir, "3", 1);
	(void)publish(place->dir);
	if (turn == 2)
		arrive();
	(void)publish(copy);
	(void)publish(place->dir);
	judge(late ? "an answer is lost, under way"
		   : "an answer is lost, carried out",
	    step, STEPS, false);
	if (outside->signatures == 0)
		fail_msg("nothing was signed");
}

static void
test_steps__answer_lost(void **state)
{
	(void)state;
	for (int began = 0; began < 2; began++) {
		for (int late = 0; late < 2; late++) {
			for (unsigned turn = 0; turn < 3; turn++) {
				lose_answer(began != 0, STEP_BEGIN, late != 0,
				    turn);
				lose_answer(began != 0, STEP_SWAP, late != 0,
				    turn);
			}
		}
	}
}

/* ---- and what must be found --------------------------------------------- */

/* Without the comparison two copies fork: the test would see it. */
static void
test_steps__sees_a_fork(void **state)
{
	(void)state;
	put(true, true);
	blind = true;
	{
		struct process one = start(place->dir, STEP_SWAP, false);

		assert_true(wait_for(&one));
		assert_int_equal(publish(copy), 0);
		assert_int_equal(finish(&one, false), 0);
	}
	blind = false;
	assert_true(strncmp(outside->wrong, "forked", 6) == 0 ||
	    strncmp(outside->wrong, "unregistered", 12) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps__copies, begin, end),
		cmocka_unit_test_setup_teardown(test_steps__one_log, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_steps__put_back, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_steps__copies_put_back,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_steps__register_lost,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_steps__restored, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_steps__answer_lost, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_steps__sees_a_fork, begin,
		    end),
	};

	return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
