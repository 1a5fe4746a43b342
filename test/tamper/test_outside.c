/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only others know: outside roots and heads, tally.json, the watermark;
 * what is covered and what is not; lines that this version cannot judge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tamper/lab.h"

#define ORDER TALLY_UNCOVERED_ORDER
#define LAST TALLY_UNCOVERED_LAST
#define CHAINS TALLY_UNCOVERED_CHAINS
#define IDS TALLY_UNCOVERED_IDS

static struct tally_outside_head heads[16];

/* The heads of all chains. */
static struct tally_verify_options
with_heads(const struct lab *lab)
{
	struct tally_verify_options options = { .jobs = 1, .heads = heads };
	const struct lab_record *record;
	size_t i, h;

	for (i = 0; i < lab->len; i++) {
		record = &lab->records[i];
		for (h = 0; h < options.heads_len; h++) {
			if (strcmp(heads[h].chain, record->chain) == 0)
				break;
		}
		if (h == options.heads_len)
			options.heads_len++;
		heads[h].chain = record->chain;
		heads[h].chain_len = strlen(record->chain);
		heads[h].seq = record->seq;
		heads[h].hash = record->hash;
	}
	return options;
}

static void
test_outside__covers(void **state)
{
	struct lab *lab = lab_small();
	struct tally_verify_options options = with_heads(lab);

	(void)state;
	lab_lay_all(lab, 4);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.not_covered, ORDER | CHAINS | IDS);
	options.heads_complete = true;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.not_covered, ORDER | IDS);
	options.heads_len--;
	options.heads_complete = false;
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.not_covered, ORDER | LAST | CHAINS | IDS);
	options.heads_len = 0;
	options.has_root = true;
	options.root_size = lab->len;
	options.root = lab_root(lab, lab->len);
	options.ids = true;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.not_covered, 0);
	assert_memory_equal(&lab->verdict.root, &options.root, 32);
	for (options.root_size = 0; options.root_size < lab->len;
	     options.root_size++) {
		options.root = lab_root(lab, options.root_size);
		assert_int_equal(lab_verify(lab, &options), 0);
		lab_assert_intact(lab);
		assert_int_equal(lab->verdict.not_covered,
		    ORDER | LAST | CHAINS);
		options.root.b[31] ^= 1;
		assert_int_equal(lab_verify(lab, &options), 0);
		lab_assert_one(lab, TALLY_ROLLED_BACK, NULL, 0);
	}
	lab_free(lab);
}

static void
test_outside__one_chain(void **state)
{
	struct lab *lab = lab_small();
	struct tally_verify_options options = with_heads(lab);
	char *byte;

	(void)state;
	lab_lay_all(lab, 0);
	options.chain = "a";
	options.chain_len = 1;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.not_covered,
	    ORDER | CHAINS | IDS | TALLY_UNCOVERED_OTHER_CHAINS);
	memset(&options, 0, sizeof(options));
	options.jobs = 1;
	options.chain = "a";
	options.chain_len = 1;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.records, 4);
	assert_int_equal(lab->verdict.chains, 1);
	assert_int_equal(lab->verdict.size, lab->len);
	assert_int_equal(lab->verdict.not_covered,
	    ORDER | LAST | CHAINS | IDS | TALLY_UNCOVERED_OTHER_CHAINS);
	/* Another chain's event. */
	byte = lab->segments[0].text + lab->records[0].len +
	    lab->records[1].len - 4;
	*byte ^= 1;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	options.chain = "org/42";
	options.chain_len = 6;
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_CONTENT_ALTERED, "org/42", 1);
	options.chain = "nobody";
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_UNVERIFIABLE);
	assert_int_equal(lab->verdict.records, 0);
	options.chain = "\x01";
	options.chain_len = 1;
	assert_int_equal(lab_verify(lab, &options), TALLY_E_USAGE);
	assert_string_equal(lab->error.message,
	    "the chain's name holds a control character");
	lab_free(lab);
}

static void
test_outside__extra_chain(void **state)
{
	struct lab *lab = lab_small();
	struct tally_verify_options options = with_heads(lab);

	(void)state;
	options.heads_complete = true;
	options.has_root = true;
	options.root_size = lab->len - 1;
	options.root = lab_root(lab, lab->len - 1);
	lab_append(lab, "later", NULL, false, "{}");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.not_covered, ORDER | LAST | CHAINS | IDS);
	options.root_size = lab->len;
	options.root = lab_root(lab, lab->len);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_INSERTED, "later", 1);
	lab_free(lab);
}

static void
test_outside__identity(void **state)
{
	struct lab *lab = lab_small();

	(void)state;
	lab_lay_all(lab, 0);
	strcpy(lab->origin, "example.com/other");
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_CONTENT_ALTERED, "tally:log", 1);
	assert_string_equal(lab->findings[0].file, "tally.json");
	lab_free(lab);
}

static void
test_outside__nothing(void **state)
{
	struct lab *lab = lab_new();

	(void)state;
	assert_int_equal(lab_verify(lab, NULL), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_UNVERIFIABLE);
	assert_int_equal(lab->findings_len, 0);
	lab_free(lab);
}

/* Every prefix of a log: torn above the watermark, damaged below. */
static void
test_outside__torn(void **state)
{
	struct lab *lab = lab_small();
	size_t full, line, begin = 0, end = 0, number = 0, cut;

	(void)state;
	lab_lay_all(lab, 0);
	full = lab->segments[0].len;
	for (cut = 1; cut < full; cut++) {
		while (cut >= end + lab->records[number].len)
			end += lab->records[number++].len;
		line = cut - end;
		begin = end;
		lab->segments[0].len = cut;
		lab->no_watermark = true;
		assert_int_equal(lab_verify(lab, NULL), 0);
		if (line == 0) {
			lab_assert_intact(lab);
			continue;
		}
		assert_int_equal(lab->findings_len, 1);
		assert_int_equal(lab->findings[0].kind, TALLY_TORN_TAIL);
		assert_int_equal(lab->findings[0].offset, begin);
		assert_int_equal(lab->verdict.size, number);
		assert_int_equal(lab->verdict.verdict,
		    number == 0 ? TALLY_UNVERIFIABLE : TALLY_INTACT);
		assert_true(lab->verdict.not_covered & TALLY_UNCOVERED_TAIL);
		lab->no_watermark = false;
		lab->mark_back = line;
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->findings[0].kind, TALLY_TORN_TAIL);
		lab->mark_back = 0;
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
		assert_int_equal(lab->findings[0].kind, TALLY_DAMAGED);
		lab->live = true;
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->findings[0].kind, TALLY_DAMAGED);
		lab->live = false;
	}
	lab_free(lab);
}

/* A hole above the watermark with records behind it is not judged. */
static void
test_outside__torn_inside(void **state)
{
	struct lab *lab = lab_small();
	size_t last = lab->records[lab->len - 1].len;
	size_t before = lab->records[lab->len - 2].len;
	struct lab_segment *segment;

	(void)state;
	lab_lay_all(lab, 0);
	segment = &lab->segments[0];
	memset(segment->text + segment->len - last - before, 0, before);
	lab->mark_back = last + before;
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_NOT_JUDGED, NULL, 0);
	lab->mark_back = last;
	assert_int_equal(lab_verify(lab, NULL), 0);
	assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
	lab_free(lab);
}

/* Cut below its own watermark; which may be ahead of a live horizon. */
static void
test_outside__watermark(void **state)
{
	struct lab *lab = lab_small();

	(void)state;
	lab->mark_size = lab->len--;
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_TRUNCATED, NULL, 0);
	lab->live = true;
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_intact(lab);
	lab->len++;
	lab_free(lab);
}

/* Makes a line's body what it is not; len bytes stay len. */
static void
erase(struct lab_record *record, int order)
{
	int n;

	n = snprintf(record->line + record->body_at,
	    record->len - record->body_at + 1,
	    "\",\"erased\":{\"chain\":\"tally:log\",\"seq\":%d}", order);
	memset(record->line + record->body_at + n, ' ',
	    record->len - record->body_at - (size_t)n - 2);
	memcpy(record->line + record->len - 2, "}\n", 2);
}

static void
test_outside__erased(void **state)
{
	struct lab *lab = lab_small();
	struct lab_record *record = NULL;
	size_t i, number = 0;

	(void)state;
	for (i = 1; i < lab->len && record == NULL; i++) {
		if (memcmp(lab->records[i].line + lab->records[i].body_at,
			"\",\"salt\"", 8) == 0)
			record = &lab->records[number = i];
	}
	assert_non_null(record);
	erase(record, 1);
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_CONTENT_ALTERED, record->chain, record->seq);
	erase(record, 2);
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_CONTENT_ALTERED, record->chain, record->seq);
	assert_int_equal(lab->findings[0].index, number);
	/* An order that nobody signed is none: test/cli/orders.bats signs. */
	lab_append(lab, "tally:log", NULL, false, "{\"erased\":{}}");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	assert_int_equal(lab->findings_len, 2);
	assert_int_equal(lab->findings[0].kind, TALLY_INSERTED);
	assert_string_equal(lab->findings[0].chain, "tally:log");
	assert_int_equal(lab->findings[0].seq, 2);
	assert_int_equal(lab->findings[1].kind, TALLY_CONTENT_ALTERED);
	assert_string_equal(lab->findings[1].chain, record->chain);
	lab_free(lab);
}

/* What a later version may say in tally:log is not passed over. */
static void
test_outside__kinds_that_are_not_known(void **state)
{
	static const char *const known[] = {
		"{\"torn\":{\"bytes\":1}}",
		"{\"carried\":{}}",
		"{\"adopted\":{\"chains\":1}}",
		"{\"attach\":{}}",
		"{\"alter\":{}}",
		"{\"detach\":{}}",
		"{\"backfill\":{}}",
		"{\"retire\":{}}",
		"{\"rewrite\":{}}",
		"{\"origin\":{}}",
		"{\"track\":{}}",
		"{\"untrack\":{}}",
	};
	static const char *const unknown[] = {
		"{\"frobnicate\":{}}",
		"{\"created\":{}}",
		"{\"attac\":{}}",
		"{\"attachh\":{}}",
		"{\"Torn\":{}}",
		"{\"\\u0074orn\":{}}",
		"{\"torn\":1}",
		"{\"torn\":[]}",
		"{}",
		"{\"\":{}}",
		"[]",
		"1",
		"\"torn\"",
		"{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\303\244aaaa\":{}}",
	};
	struct lab *lab;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		lab = lab_small();
		lab_append(lab, "tally:log", NULL, false, known[i]);
		lab_lay_all(lab, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->verdict.by_kind[TALLY_NOT_JUDGED], 0);
		lab_free(lab);
	}
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		lab = lab_small();
		lab_append(lab, "tally:log", NULL, false, unknown[i]);
		lab_append(lab, "a", NULL, false, "1");
		lab_lay_all(lab, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		lab_assert_one(lab, TALLY_NOT_JUDGED, "tally:log", 2);
		assert_int_equal(lab->verdict.verdict, TALLY_UNVERIFIABLE);
		if (i == 0)
			assert_string_equal(lab->findings[0].detail,
			    "its event is of the kind \"frobnicate\", which is"
			    " not known here: it may change how the log is to"
			    " be judged");
		/* Half a character is not shown. */
		assert_null(strstr(lab->findings[0].detail, "\303\""));
		lab_free(lab);
	}
}

static void
test_outside__elsewhere(void **state)
{
	struct lab *lab = lab_small();
	struct lab_record *record = &lab->records[3];

	(void)state;
	record->len = record->body_at +
	    (size_t)sprintf(record->line + record->body_at,
		"\",\"event-at\":\"pg\"}\n");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_NOT_JUDGED, record->chain, record->seq);
	lab_free(lab);
}

/* An event that its digest vouches for, but that is none. */
static void
test_outside__no_event(void **state)
{
	static const char *const events[] = { "{\"a\":1,\"a\":2}", "[1, 2]",
		"{", "\"\xff\"" };
	struct lab *lab = lab_small();
	struct lab_record *record = &lab->records[5];
	struct tally_hash prev = record->prev;
	size_t i;

	(void)state;
	lab->len = 6;
	for (i = 0; i < sizeof(events) / sizeof(*events); i++) {
		lab_forge(record, record->chain, record->seq, &prev, events[i]);
		lab_lay_all(lab, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		lab_assert_one(lab, TALLY_DAMAGED, record->chain, record->seq);
	}
	lab->len = 15;
	lab_free(lab);
}

static void
test_outside__ids(void **state)
{
	struct lab *lab = lab_small();
	struct tally_verify_options options = { .jobs = 1, .ids = true };

	(void)state;
	lab_append(lab, "solo", "again", false, "1");
	lab_append(lab, "a", "again", false, "2");
	lab_append(lab, "solo", "other", false, "3");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	lab_append(lab, "solo", "again", false, "4");
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_DUPLICATE, "solo", 4);
	assert_string_equal(lab->findings[0].detail,
	    "its id stands at seq 2 of its chain, too");
	options.resume = "state";
	assert_int_equal(lab_verify(lab, &options), TALLY_E_USAGE);
	assert_string_equal(lab->error.message,
	    "ids cannot be compared by a verification that resumes");
	lab_free(lab);
}

/* Whole segments. */
static void
test_outside__segments(void **state)
{
	struct lab *lab = lab_small();
	struct lab_segment kept;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		lab_lay_all(lab, 4);
		kept = lab->segments[i];
		memmove(&lab->segments[i], &lab->segments[i + 1],
		    (--lab->segments_len - i) * sizeof(kept));
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
		assert_true(lab_count(lab, TALLY_MISSING, NULL, 0) > 0);
		assert_int_equal(lab_count(lab, TALLY_MISSING, NULL, 0),
		    lab->findings_len);
		free(kept.text);
	}
	lab_lay_all(lab, 4);
	lab->segments[3].first_index++;
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_MISSING, NULL, 0);
	assert_string_equal(lab->findings[0].file,
	    "log/00000000000000000013.jsonl");
	lab_lay_all(lab, 4);
	lab->segments[3].first_index--;
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_one(lab, TALLY_DAMAGED, NULL, 0);
	assert_string_equal(lab->findings[0].file,
	    "log/00000000000000000011.jsonl");
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outside__covers),
		cmocka_unit_test(test_outside__one_chain),
		cmocka_unit_test(test_outside__extra_chain),
		cmocka_unit_test(test_outside__identity),
		cmocka_unit_test(test_outside__nothing),
		cmocka_unit_test(test_outside__torn),
		cmocka_unit_test(test_outside__torn_inside),
		cmocka_unit_test(test_outside__watermark),
		cmocka_unit_test(test_outside__erased),
		cmocka_unit_test(test_outside__kinds_that_are_not_known),
		cmocka_unit_test(test_outside__elsewhere),
		cmocka_unit_test(test_outside__no_event),
		cmocka_unit_test(test_outside__ids),
		cmocka_unit_test(test_outside__segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
