/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verification that is interrupted, again and again, and goes on each time
 * ends as one that was not; callbacks come one at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tamper/lab.h"

struct watch {
	struct lab_finding findings[LAB_FINDINGS_MAX];
	size_t len;
	unsigned progressed;
	bool slow;      /* sleep in findings, so that progress comes */
	bool interrupt; /* from progress */
	atomic_int inside;
	struct tally_progress last;
};

static void
enter(struct watch *watch)
{
	assert_int_equal(atomic_fetch_add(&watch->inside, 1), 0);
}

static void
leave(struct watch *watch)
{
	atomic_fetch_sub(&watch->inside, 1);
}

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct watch *watch = arg;
	struct lab_finding *to = &watch->findings[watch->len];

	enter(watch);
	assert_true(watch->len < LAB_FINDINGS_MAX);
	memset(to, 0, sizeof(*to));
	to->kind = finding->kind;
	if (finding->chain != NULL)
		strcpy(to->chain, finding->chain);
	to->seq = finding->seq;
	to->index = finding->index;
	to->offset = finding->offset;
	snprintf(to->detail, sizeof(to->detail), "%s", finding->detail);
	watch->len++;
	if (watch->slow)
		usleep(120000);
	leave(watch);
}

static int
on_progress(void *arg, const struct tally_progress *progress)
{
	struct watch *watch = arg;

	enter(watch);
	watch->progressed++;
	assert_true(progress->bytes <= progress->bytes_total);
	assert_true(progress->bytes >= watch->last.bytes);
	watch->last = *progress;
	leave(watch);
	return watch->interrupt ? 1 : 0;
}

/* Many chunks, with something of every kind that can wait. */
static struct lab *
lab_broken(void)
{
	struct lab *lab = lab_new();
	size_t order[LAB_RECORDS_MAX], i, len = 0;
	char chain[32], event[400];

	memset(event, 'x', sizeof(event));
	event[0] = event[sizeof(event) - 2] = '"';
	event[sizeof(event) - 1] = 0;
	for (i = 0; i < 1200; i++) {
		snprintf(chain, sizeof(chain), "c/%zu", i % 17);
		lab_append(lab, chain, NULL, false, event);
	}
	for (i = 0; i < lab->len; i++)
		order[len++] = i;
	order[100] = 100 + 17 * 40; /* swapped over the whole log */
	order[100 + 17 * 40] = 100;
	order[200] = 300; /* missing, and twice */
	lab_lay(lab, order, len, 0);
	memset(lab->segments[0].text + 150000, 0, 900);
	lab->segments[0].text[400000] ^= 1;
	lab->segments[0].text[700000] ^= 1;
	return lab;
}

static void
run_whole(struct lab *lab, struct watch *watch, struct tally_verdict *out)
{
	struct tally_verify_options options = {
		.jobs = 2, .finding = on_finding, .progress = on_progress
	};

	memset(watch, 0, sizeof(*watch));
	options.arg = watch;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
	assert_false(lab->verdict.resumed);
	assert_true(watch->progressed > 0);
	assert_int_equal(watch->last.bytes, watch->last.bytes_total);
	*out = lab->verdict;
}

static bool
has(const struct watch *watch, const struct lab_finding *finding)
{
	size_t i;

	for (i = 0; i < watch->len; i++) {
		if (memcmp(&watch->findings[i], finding, sizeof(*finding)) == 0)
			return true;
	}
	return false;
}

static void
test_resume__goes_on(void **state)
{
	static struct watch whole, watch;
	struct lab *lab = lab_broken();
	struct tally_verify_options options = { .jobs = 2,
		.finding = on_finding,
		.progress = on_progress,
		.arg = &watch };
	struct tally_verdict verdict;
	unsigned runs = 0;
	char path[128];
	size_t i;
	int r;

	(void)state;
	run_whole(lab, &whole, &verdict);
	snprintf(path, sizeof(path), "%s/state", lab->dir);
	options.resume = path;
	do {
		memset(&watch, 0, sizeof(watch));
		watch.slow = true;
		watch.interrupt = runs++ < 4;
		r = lab_verify(lab, &options);
		assert_true(r == 0 || r == TALLY_PARTIAL);
		assert_int_equal(access(path, F_OK), r == 0 ? -1 : 0);
	} while (r == TALLY_PARTIAL);
	assert_true(runs > 2);
	assert_true(lab->verdict.resumed);
	assert_int_equal(watch.len, whole.len);
	for (i = 0; i < whole.len; i++)
		assert_true(has(&watch, &whole.findings[i]));
	assert_memory_equal(&verdict.root, &lab->verdict.root, 32);
	assert_int_equal(verdict.findings, lab->verdict.findings);
	assert_int_equal(verdict.size, lab->verdict.size);
	assert_int_equal(verdict.records, lab->verdict.records);
	assert_int_equal(verdict.chains, lab->verdict.chains);
	lab_free(lab);
}

/* A state that is cut, changed, or of other options, is refused. */
static void
test_resume__refused(void **state)
{
	static struct watch watch;
	struct lab *lab = lab_broken();
	struct tally_verify_options options = { .jobs = 2,
		.finding = on_finding,
		.progress = on_progress,
		.arg = &watch };
	char path[128], expected[256];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/state", lab->dir);
	snprintf(expected, sizeof(expected),
	    "\"%s\" does not hold the state "
	    "of this verification; remove it to begin anew",
	    path);
	options.resume = path;
	watch.slow = watch.interrupt = true;
	assert_int_equal(lab_verify(lab, &options), TALLY_PARTIAL);
	options.has_root = true;
	assert_int_equal(lab_verify(lab, &options), TALLY_E_FORMAT);
	assert_string_equal(lab->error.message, expected);
	options.has_root = false;
	file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, 300, SEEK_SET);
	fputc('x', file);
	fclose(file);
	assert_int_equal(lab_verify(lab, &options), TALLY_E_FORMAT);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(lab_verify(lab, &options), TALLY_E_FORMAT);
	unlink(path);
	lab_free(lab);
}

/* Interrupted without a file: nothing is kept, nothing is said. */
static void
test_resume__not_asked_for(void **state)
{
	static struct watch watch;
	struct lab *lab = lab_broken();
	struct tally_verify_options options = { .jobs = 2,
		.finding = on_finding,
		.progress = on_progress,
		.arg = &watch };

	(void)state;
	watch.slow = watch.interrupt = true;
	assert_int_equal(lab_verify(lab, &options), TALLY_PARTIAL);
	lab_free(lab);
}

/*
 * What is kept of an intact log is known before its last segment: a change
 * there is found, one before it is not read, and what is not intact keeps
 * nothing.
 */
static void
test_resume__keeps(void **state)
{
	struct lab *lab = lab_new();
	struct tally_verify_options options = { .jobs = 1 };
	struct tally_hash root;
	char path[128], next[140], chain[32];
	size_t i;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(chain, sizeof(chain), "c/%zu", i % 7);
		lab_append(lab, chain, NULL, false, "{\"n\":1}");
	}
	lab_lay_all(lab, 100);
	snprintf(path, sizeof(path), "%s/kept", lab->dir);
	snprintf(next, sizeof(next), "%s.next", path);
	root = lab_root(lab, 300);
	options.keep = path;
	options.has_root = true;
	options.root_size = 300;
	options.root = root;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(next, F_OK), -1);
	/* It goes on without a root, into what came since. */
	options.has_root = false;
	options.resume = path;
	lab_append(lab, "c/1", NULL, false, "{\"n\":2}");
	lab_lay_all(lab, 100);
	root = lab_root(lab, lab->len);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_true(lab->verdict.resumed);
	assert_int_equal(lab->verdict.size, lab->len);
	assert_memory_equal(&lab->verdict.root, &root, sizeof(root));
	assert_int_equal(access(path, F_OK), 0);
	lab->segments[3].text[lab->segments[3].len - 4] ^= 1;
	for (i = 0; i < 2; i++) {
		assert_int_equal(lab_verify(lab, &options), 0);
		assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
		assert_int_equal(lab->findings_len, 1);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(access(next, F_OK), -1);
	}
	lab->segments[3].text[lab->segments[3].len - 4] ^= 1;
	lab->segments[0].text[lab->segments[0].len - 4] ^= 1;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	options.resume = NULL;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
	unlink(path);
	lab_free(lab);
}

/* What is kept is known at the end of the last segment but one, which is not
 * where the log ends: nothing was torn there. */
static void
test_resume__kept_is_not_torn(void **state)
{
	struct lab *lab = lab_new();
	struct tally_verify_options options = { .jobs = 1 };
	char path[128];

	(void)state;
	for (size_t i = 0; i < 30; i++)
		lab_append(lab, "c", NULL, false, "{\"n\":1}");
	lab_lay_all(lab, 10);
	lab->no_watermark = true;
	lab->segments[lab->segments_len - 2].len -= 20;
	snprintf(path, sizeof(path), "%s/kept", lab->dir);
	options.keep = path;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
	assert_int_equal(lab_count(lab, TALLY_TORN_TAIL, NULL, 0), 0);
	assert_int_equal(access(path, F_OK), -1);
	lab_free(lab);
}

static int
interrupt_at_end(void *arg, const struct tally_progress *progress)
{
	bool *armed = arg;

	return *armed && progress->bytes == progress->bytes_total;
}

/* What is kept is not replaced by what an interrupted verification knows: the
 * last segment is read as a whole. */
static void
test_resume__kept_stays(void **state)
{
	struct lab *lab = lab_new();
	struct tally_verify_options options = { .jobs = 1 };
	bool armed = true;
	char path[128];

	(void)state;
	for (size_t i = 0; i < 25; i++)
		lab_append(lab, "c", NULL, false, "{\"n\":1}");
	lab_lay_all(lab, 10);
	snprintf(path, sizeof(path), "%s/kept", lab->dir);
	options.keep = options.resume = path;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	options.progress = interrupt_at_end;
	options.arg = &armed;
	assert_int_equal(lab_verify(lab, &options), TALLY_PARTIAL);
	lab->segments[2].text[lab->records[20].len - 4] ^= 1;
	armed = false;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_true(lab->verdict.resumed);
	assert_int_equal(lab->verdict.by_kind[TALLY_CONTENT_ALTERED], 1);
	unlink(path);
	lab_free(lab);
}

/* Interrupted behind a torn end, which is repaired before it goes on. */
static void
test_resume__torn_and_repaired(void **state)
{
	static struct watch watch;
	struct lab *lab = lab_new();
	struct tally_verify_options options = {
		.jobs = 1, .progress = on_progress, .arg = &watch
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < 9; i++)
		lab_append(lab, "c", NULL, false, "{\"n\":1}");
	lab_lay_all(lab, 0);
	lab->no_watermark = true;
	lab->segments[0].len -= 20;
	snprintf(path, sizeof(path), "%s/state", lab->dir);
	options.resume = path;
	memset(&watch, 0, sizeof(watch));
	watch.interrupt = true;
	assert_int_equal(lab_verify(lab, &options), TALLY_PARTIAL);
	memset(&watch, 0, sizeof(watch));
	lab_append(lab, "c", NULL, false, "{\"n\":2}");
	lab_lay_all(lab, 0);
	lab->segments[0].text[lab->segments[0].len - 4] ^= 1;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.by_kind[TALLY_CONTENT_ALTERED], 1);
	assert_int_equal(lab->verdict.size, lab->len);
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resume__goes_on),
		cmocka_unit_test(test_resume__refused),
		cmocka_unit_test(test_resume__not_asked_for),
		cmocka_unit_test(test_resume__keeps),
		cmocka_unit_test(test_resume__kept_is_not_torn),
		cmocka_unit_test(test_resume__kept_stays),
		cmocka_unit_test(test_resume__torn_and_repaired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
