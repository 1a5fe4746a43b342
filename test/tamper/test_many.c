/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any number of edits at random places: with an outside root no log but the
 * true one is intact, and no verification reads astray.  Logs of many chunks,
 * verified by any number of threads, give the same verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tamper/lab.h"

#define ROUNDS 4000

static uint64_t state = 88172645463325252u;

static size_t
below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % n);
}

/* Copies a stretch over another place, or cuts it, or repeats it. */
static void
edit_stretch(struct lab_segment *s)
{
	size_t at = below(s->len), len = 1 + below(600), to;

	if (len > s->len - at)
		len = s->len - at;
	switch (below(3)) {
	case 0:
		memmove(s->text + at, s->text + at + len, s->len - at - len);
		s->len -= len;
		break;
	case 1:
		s->text = realloc(s->text, s->len + len);
		assert_non_null(s->text);
		memmove(s->text + at + len, s->text + at, s->len - at);
		s->len += len;
		break;
	default:
		to = below(s->len - len + 1);
		memmove(s->text + to, s->text + at, len);
	}
}

static void
edit(struct lab_segment *s)
{
	if (s->len < 2)
		return;
	if (below(3) == 0)
		edit_stretch(s);
	else
		s->text[below(s->len)] = (char)below(256);
}

static bool
is_as_it_was(const struct lab *lab, const char *text, size_t len)
{
	size_t i, at = 0;

	for (i = 0; i < lab->segments_len; i++) {
		if (lab->segments[i].len > len - at ||
		    memcmp(text + at, lab->segments[i].text,
			lab->segments[i].len) != 0)
			return false;
		at += lab->segments[i].len;
	}
	return at == len;
}

static void
test_many__edits(void **unused)
{
	struct lab *lab = lab_small();
	struct tally_verify_options options = {
		.jobs = 1,
		.has_root = true,
		.root_size = lab->len,
		.root = lab_root(lab, lab->len),
	};
	size_t round, edits, len;
	char *text;

	(void)unused;
	lab_lay_all(lab, 0);
	len = lab->segments[0].len;
	text = malloc(len);
	assert_non_null(text);
	memcpy(text, lab->segments[0].text, len);
	for (round = 0; round < ROUNDS; round++) {
		lab_lay_all(lab, round % 2 == 0 ? 0 : 6);
		lab->live = round % 3 == 0;
		for (edits = 1 + below(6); edits > 0; edits--)
			edit(&lab->segments[below(lab->segments_len)]);
		options.jobs = 1 + (unsigned)(round % 2);
		assert_int_equal(lab_verify(lab, &options), 0);
		if (is_as_it_was(lab, text, len))
			lab_assert_intact(lab);
		else if (lab->verdict.verdict == TALLY_INTACT) {
			lab_show(lab);
			fail_msg("round %zu is intact", round);
		}
	}
	free(text);
	lab_free(lab);
}

static struct lab *
lab_large(void)
{
	struct lab *lab = lab_new();
	char chain[32], event[900];
	size_t i;

	memset(event, 'x', sizeof(event));
	event[0] = event[sizeof(event) - 2] = '"';
	event[sizeof(event) - 1] = 0;
	for (i = 0; i < 3000; i++) {
		snprintf(chain, sizeof(chain), "c/%zu", i * i % 37);
		event[sizeof(event) - 2] = 'x';
		event[1 + i % 800] = '"';
		event[2 + i % 800] = 0;
		lab_append(lab, chain, NULL, false, event);
		event[1 + i % 800] = 'x';
		event[2 + i % 800] = 'x';
	}
	return lab;
}

static void
test_many__jobs(void **unused)
{
	struct lab *lab = lab_large();
	struct tally_verify_options options = { .has_root = true,
		.root_size = lab->len,
		.root = lab_root(lab, lab->len),
		.ids = true };
	static const unsigned jobs[] = { 1, 2, 3, 8, 64, 1000 };
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
		options.jobs = jobs[i];
		lab_lay_all(lab, i % 2 == 0 ? 0 : 500);
		assert_int_equal(lab_verify(lab, &options), 0);
		lab_assert_intact(lab);
		assert_int_equal(lab->verdict.records, lab->len);
		assert_int_equal(lab->verdict.not_covered, 0);
	}
	lab_free(lab);
}

/* Damage in several chunks at once, and lines that cross them. */
static void
test_many__damage(void **unused)
{
	struct lab *lab = lab_large();
	struct tally_verify_options options = { .jobs = 4 };
	size_t i, at, number, round, offset;
	bool hit[LAB_RECORDS_MAX];

	(void)unused;
	for (round = 0; round < 20; round++) {
		lab_lay_all(lab, 0);
		memset(hit, 0, sizeof(hit));
		for (i = 0; i < 20; i++) {
			number = 1 + below(lab->len - 1);
			if (hit[number] || hit[number - 1] ||
			    (number + 1 < lab->len && hit[number + 1]))
				continue;
			hit[number] = true;
			for (at = offset = 0; at < number; at++)
				offset += lab->records[at].len;
			lab->segments[0].text[offset +
			    lab->records[number].header_len - 60] ^= 1;
		}
		assert_int_equal(lab_verify(lab, &options), 0);
		for (i = 0; i < lab->findings_len; i++) {
			number = (size_t)lab->findings[i].index;
			assert_true(number < lab->len && hit[number]);
			assert_string_equal(lab->findings[i].chain,
			    lab->records[number].chain);
			assert_int_equal(lab->findings[i].seq,
			    lab->records[number].seq);
			hit[number] = false;
		}
		for (i = 0; i < lab->len; i++)
			assert_false(hit[i]);
	}
	lab_free(lab);
}

/* The longest event that there is, alone and between others. */
static void
test_many__longest(void **unused)
{
	size_t len = TALLY_EVENT_MAX;
	char *event = malloc(len + 1);
	struct lab *lab = lab_small();
	struct lab_record *record;
	struct tally_verify_options options = { .jobs = 3 };

	(void)unused;
	assert_non_null(event);
	memset(event, 'x', len);
	event[0] = event[len - 1] = '"';
	event[len] = 0;
	record = lab_append(lab, "a", NULL, false, event);
	lab_append(lab, "a", NULL, false, "1");
	lab_append(lab, "a", NULL, false, event);
	lab_append(lab, "a", NULL, false, "2");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	record->line[record->len / 2] ^= 1;
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_CONTENT_ALTERED, "a", record->seq);
	record->line[record->len / 2] = '\n';
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_DAMAGED, "a", record->seq);
	record->line[record->len / 2] = 'x';
	record->line[record->len - 1] = ' ';
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_DAMAGED, "a", record->seq);
	free(event);
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many__edits),
		cmocka_unit_test(test_many__jobs),
		cmocka_unit_test(test_many__damage),
		cmocka_unit_test(test_many__longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
