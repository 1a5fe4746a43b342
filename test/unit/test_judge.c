/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record, judged by a profile: what each filter writes, which era or trap
 * fits, what has no form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "foreign/judge.h"

#define HEAD \
	"{\"profile\":1,\"name\":\"t\",\"digest\":\"sha256\",\"hash\":\"h\"," \
	"\"prev\":\"p\",\"start\":{\"prev\":null,\"basis\":\"B\"},\"eras\":"

/* A profile, and one record read for it. */
struct bench {
	struct tally_profile *profile;
	struct tally_judging judging;
	struct tally_canon_room *room;
	struct tally_row row;
	struct tally_canon_text basis;
};

static void
set_up(struct bench *b, const char *rules, const char *record)
{
	struct tally_error error = { .code = 0 };
	char text[4096];
	size_t nodes;
	int n = snprintf(text, sizeof(text), "%s%s}", HEAD, rules);

	memset(b, 0, sizeof(*b));
	if (tally_profile_parse(text, (size_t)n, NULL, 0, &b->profile,
		&error) != 0)
		fail_msg("%s", error.message);
	assert_int_equal(tally_judging_init(&b->judging, b->profile), 0);
	b->room = calloc(1, sizeof(*b->room));
	assert_int_equal(tally_room_read(b->room, record, strlen(record),
			     TALLY_CANON_READ_NAN, &nodes, &error),
	    0);
	b->row.line = record;
	b->row.room = b->room;
	tally_row_pick(b->profile, &b->row);
	b->basis = tally_row_basis(b->profile, &b->row);
}

static void
tear_down(struct bench *b)
{
	tally_judging_wipe(&b->judging);
	tally_room_wipe(b->room);
	free(b->room);
	tally_profile_free(b->profile);
}

/* What the first era's input is; NULL if it has no form. */
static const char *
built(const char *steps, const char *record)
{
	static char text[1024];
	struct bench b;
	char rules[2048];
	int r;

	(void)snprintf(rules, sizeof(rules), "[{\"name\":\"e\",\"input\":%s}]",
	    steps);
	set_up(&b, rules, record);
	r = tally_judge_build(&b.judging, &b.profile->eras[0].input, &b.row,
	    &b.basis, NULL);
	if (r == 0)
		(void)snprintf(text, sizeof(text), "%.*s",
		    (int)b.judging.out.len, b.judging.out.at);
	tear_down(&b);
	return r == 0 ? text : NULL;
}

static void
test_judge__writes_what_each_filter_says(void **state)
{
	static const char record[] =
	    "{\"s\":\"a\\u00e9\\\"\",\"n\":1.50,\"z\":null,\"o\":{\"b\":1.0,"
	    "\"a\":\"\\u00e9\"},\"t\":\"2026-01-02T03:04:05.678912+01:00\","
	    "\"x\":\"4142\",\"b\":\"QUI=\",\"old\":\"1969-12-31T23:59:59.5Z\"}";
	static const char *const cases[][2] = {
		{ "[{\"field\":\"s\"}]", "a\xc3\xa9\"" },
		{ "[{\"field\":\"n\"}]", "1.50" },
		{ "[{\"field\":\"z\"}]", NULL },
		{ "[\"[\",{\"field\":\"z\"},\"]\"]", "[]" },
		{ "[{\"field\":\"z\",\"null\":\"NIL\"}]", "NIL" },
		{ "[{\"field\":\"gone\",\"null\":\"NIL\"}]", "NIL" },
		{ "[{\"field\":\"o\",\"as\":\"js-utf16\"}]",
		    "{\"a\":\"\xc3\xa9\",\"b\":1}" },
		{ "[{\"field\":\"o\",\"as\":\"python\"}]",
		    "{\"a\":\"\\u00e9\",\"b\":1.0}" },
		{ "[{\"field\":\"o\",\"as\":\"jsonb\"}]",
		    "{\"a\": \"\xc3\xa9\", \"b\": 1.0}" },
		{ "[{\"field\":\"/o/b\"}]", "1.0" },
		{ "[\"<\",{\"field\":\"/o/c\"},{\"field\":\"/s/c\"},\">\"]",
		    "<>" },
		{ "[{\"field\":\"z\",\"as\":\"python\"}]", "null" },
		{ "[{\"field\":\"t\",\"as\":\"time-s\"}]",
		    "2026-01-02T02:04:05Z" },
		{ "[{\"field\":\"t\",\"as\":\"time-ms\"}]",
		    "2026-01-02T02:04:05.678Z" },
		{ "[{\"field\":\"t\",\"as\":\"time-us\"}]",
		    "2026-01-02T02:04:05.678912Z" },
		{ "[{\"field\":\"t\",\"as\":\"epoch-s\"}]", "1767319445" },
		{ "[{\"field\":\"t\",\"as\":\"epoch-ms\"}]", "1767319445678" },
		{ "[{\"field\":\"x\",\"as\":\"hex\"}]", "AB" },
		{ "[{\"field\":\"b\",\"as\":\"base64\"}]", "AB" },
		{ "[{\"prev\":\"text\"},\"|\"]", "B|" },
		{ "[{\"object\":{\"b\":{\"prev\":true},\"a\":\"s\"},"
		  "\"as\":\"python\"}]",
		    "{\"a\":\"a\\u00e9\\\"\",\"b\":\"B\"}" },
		{ "[{\"object\":{\"b\":\"z\",\"10\":\"n\",\"9\":\"gone\"},"
		  "\"as\":\"js-property\"}]",
		    "{\"9\":null,\"10\":1.5,\"b\":null}" },
		{ "[{\"object\":{\"bb\":\"n\",\"c\":\"n\"},\"as\":\"jsonb\"}]",
		    "{\"c\": 1.50, \"bb\": 1.50}" },
		{ "[\"<\",{\"digest\":[\"abc\"]},\">\"]",
		    "<ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f"
		    "20015ad>" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *want = cases[i][1] != NULL ? cases[i][1] : "";

		assert_string_equal(built(cases[i][0], record), want);
	}
}

static void
test_judge__refuses_what_has_no_form(void **state)
{
	static const char record[] = "{\"s\":\"a\",\"o\":{},\"n\":-2147483649,"
				     "\"big\":9223372036854775808,"
				     "\"x\":\"abc\"}";
	static const char *const steps[] = {
		"[{\"field\":\"o\"}]",
		"[{\"field\":\"s\",\"as\":\"hex\"}]",
		"[{\"field\":\"x\",\"as\":\"hex\"}]",
		"[{\"field\":\"s\",\"as\":\"base64\"}]",
		"[{\"field\":\"s\",\"as\":\"int64\"}]",
		"[{\"field\":\"n\",\"as\":\"int32\"}]",
		"[{\"field\":\"big\",\"as\":\"int64\"}]",
		"[{\"field\":\"s\",\"as\":\"time-ms\"}]",
		"[{\"field\":\"s\",\"as\":\"epoch-s\"}]",
		"[{\"prev\":\"hex\"}]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_null(built(steps[i], record));
}

static void
test_judge__writes_integers_of_both_signs(void **state)
{
	static const struct {
		const char *record;
		const char *as;
		size_t len;
		const char *bytes;
	} cases[] = {
		{ "{\"n\":1}", "int64", 8, "\0\0\0\0\0\0\0\1" },
		{ "{\"n\":-1}", "int64", 8,
		    "\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ "{\"n\":-9223372036854775808}", "int64", 8,
		    "\x80\0\0\0\0\0\0\0" },
		{ "{\"n\":\"2147483647\"}", "int32", 4, "\x7f\xff\xff\xff" },
		{ "{\"n\":-2147483648}", "int32", 4, "\x80\0\0\0" },
	};
	char rules[256];
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(rules, sizeof(rules),
		    "[{\"name\":\"e\",\"input\":["
		    "{\"field\":\"n\",\"as\":\"%s\"}"
		    "]}]",
		    cases[i].as);
		set_up(&b, rules, cases[i].record);
		assert_int_equal(tally_judge_build(&b.judging,
				     &b.profile->eras[0].input, &b.row,
				     &b.basis, NULL),
		    0);
		assert_int_equal(b.judging.out.len, cases[i].len);
		assert_memory_equal(b.judging.out.at, cases[i].bytes,
		    cases[i].len);
		tear_down(&b);
	}
}

/* Judges a record whose hash is that of text; era is where to begin. */
static enum tally_judgement
judged(const char *rules, const char *record, const char *text, int *era,
    int64_t *zone_us)
{
	enum tally_judgement judgement;
	struct tally_digest stored;
	struct bench b;

	set_up(&b, rules, record);
	tally_digest_bytes(&b.judging.digester, text, strlen(text), &stored);
	assert_int_equal(tally_judge_row(&b.judging, &b.row, &b.basis, &stored,
			     era, zone_us, &judgement),
	    0);
	tear_down(&b);
	return judgement;
}

static void
test_judge__finds_the_era_from_the_last_one_on(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"a\",\"input\":[\"A\",{\"field\":\"i\"}]},"
	    "{\"name\":\"b\",\"input\":[\"B\",{\"field\":\"i\"}]},"
	    "{\"name\":\"c\",\"input\":[\"B\",\"1\"]}]";
	int64_t zone;
	int era = 0;

	(void)state;
	assert_int_equal(judged(rules, "{\"i\":1}", "A1", &era, &zone),
	    TALLY_HOLDS);
	assert_int_equal(era, 0);
	assert_int_equal(judged(rules, "{\"i\":1}", "B1", &era, &zone),
	    TALLY_HOLDS);
	assert_int_equal(era, 1);
	/* Two fit: the one that is nearer ahead. */
	era = 2;
	assert_int_equal(judged(rules, "{\"i\":1}", "B1", &era, &zone),
	    TALLY_HOLDS);
	assert_int_equal(era, 2);
	/* One that was over is found, too; whoever asks has to mind. */
	assert_int_equal(judged(rules, "{\"i\":1}", "A1", &era, &zone),
	    TALLY_HOLDS);
	assert_int_equal(era, 0);
	era = 1;
	assert_int_equal(judged(rules, "{\"i\":1}", "C1", &era, &zone),
	    TALLY_HOLDS_NOT);
	assert_int_equal(era, 1);
}

static void
test_judge__when_decides_before_the_hash(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"a\",\"when\":{\"field\":\"w\",\"null\":true},"
	    "\"input\":[\"X\"]}]";
	int64_t zone;
	int era = 0;

	(void)state;
	assert_int_equal(judged(rules, "{\"w\":null}", "X", &era, &zone),
	    TALLY_HOLDS);
	assert_int_equal(judged(rules, "{}", "X", &era, &zone), TALLY_HOLDS);
	assert_int_equal(judged(rules, "{\"w\":0}", "X", &era, &zone),
	    TALLY_HOLDS_NOT);
}

static void
test_judge__a_check_is_part_of_holding(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"a\",\"input\":[\"X\"],\"check\":{\"field\":\"c\","
	    "\"input\":[\"in\",{\"field\":\"i\"}]}}]";
	char record[160], hex[65];
	struct tally_digest digest;
	struct bench b;
	int64_t zone;
	int era = 0, i;

	(void)state;
	set_up(&b, rules, "{}");
	tally_digest_bytes(&b.judging.digester, "in1", 3, &digest);
	for (i = 0; i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)digest.b[i]);
	tear_down(&b);
	(void)snprintf(record, sizeof(record), "{\"i\":1,\"c\":\"%s\"}", hex);
	assert_int_equal(judged(rules, record, "X", &era, &zone), TALLY_HOLDS);
	(void)snprintf(record, sizeof(record), "{\"i\":2,\"c\":\"%s\"}", hex);
	assert_int_equal(judged(rules, record, "X", &era, &zone),
	    TALLY_CHECK_FAILS);
	assert_int_equal(judged(rules, "{\"i\":1,\"c\":\"no\"}", "X", &era,
			     &zone),
	    TALLY_CHECK_FAILS);
	assert_int_equal(judged(rules, record, "Y", &era, &zone),
	    TALLY_HOLDS_NOT);
}

static void
test_judge__finds_the_zone_of_a_trap(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"a\",\"input\":["
	    "{\"field\":\"t\",\"as\":\"time-s\"}]}],"
	    "\"traps\":[{\"name\":\"z\",\"says\":\"s\","
	    "\"kind\":\"unverifiable\",\"zone\":\"any\",\"input\":["
	    "{\"field\":\"t\",\"as\":\"time-s\"}]}]";
	static const char record[] = "{\"t\":\"2026-01-02T12:00:00Z\"}";
	int64_t zone = 0;
	int era = 0;

	(void)state;
	assert_int_equal(judged(rules, record, "2026-01-02T12:00:00Z", &era,
			     &zone),
	    TALLY_HOLDS);
	assert_int_equal(zone, 0);
	assert_int_equal(judged(rules, record, "2026-01-02T06:00:00Z", &era,
			     &zone),
	    TALLY_HOLDS_BY_TRAP);
	assert_int_equal(zone, (int64_t)-6 * 3600 * 1000000);
	assert_int_equal(judged(rules, record, "2026-01-02T17:45:00Z", &era,
			     &zone),
	    TALLY_HOLDS_BY_TRAP);
	assert_int_equal(zone, (int64_t)(5 * 60 + 45) * 60 * 1000000);
	/* No zone is off by five minutes, or by a day. */
	assert_int_equal(judged(rules, record, "2026-01-02T12:05:00Z", &era,
			     &zone),
	    TALLY_HOLDS_NOT);
	assert_int_equal(judged(rules, record, "2026-01-03T12:00:00Z", &era,
			     &zone),
	    TALLY_HOLDS_NOT);
}

/*
 * What a record comes to if several rules say something: an era that fits, in
 * whatever order; a check that fails; a trap; no form; nothing.
 */
static void
test_judge__what_counts_if_rules_disagree(void **state)
{
	static const char none[] = "{\"name\":\"n\",\"input\":["
				   "{\"field\":\"s\",\"as\":\"hex\"}]}";
	static const char era[] = "{\"name\":\"e\",\"input\":[\"X\"]}";
	static const char check[] =
	    "{\"name\":\"c\",\"input\":[\"X\"],\"check\":"
	    "{\"field\":\"i\",\"input\":[\"in\"]}}";
	static const char trap[] =
	    "\"traps\":[{\"name\":\"t\",\"says\":\"s\",\"kind\":"
	    "\"unverifiable\",\"input\":[\"%s\"]},{\"name\":\"u\","
	    "\"says\":\"s\",\"kind\":\"link-altered\",\"input\":[\"T\"]}]";
	static const struct {
		const char *eras[2];
		const char *hashed;
		const char *trap; /* what the first one of two hashes */
		enum tally_judgement want;
		int era;
	} cases[] = {
		{ { none, era }, "X", "T", TALLY_HOLDS, 1 },
		{ { era, none }, "X", "T", TALLY_HOLDS, 0 },
		{ { check, era }, "X", "T", TALLY_CHECK_FAILS, 0 },
		{ { era, check }, "X", "T", TALLY_HOLDS, 0 },
		{ { none, check }, "X", "T", TALLY_CHECK_FAILS, 1 },
		{ { check, none }, "X", "T", TALLY_CHECK_FAILS, 0 },
		{ { check, none }, "X", "X", TALLY_HOLDS_BY_TRAP, 0 },
		{ { none, era }, "T", "T", TALLY_HOLDS_BY_TRAP, 0 },
		{ { none, era }, "T", "no", TALLY_HOLDS_BY_TRAP, 1 },
		{ { none, era }, "Y", "T", TALLY_HAS_NO_FORM, 0 },
		{ { era, none }, "Y", "T", TALLY_HAS_NO_FORM, 0 },
		{ { era, check }, "Y", "T", TALLY_HOLDS_NOT, 0 },
	};
	char rules[1200], traps[300];
	int64_t zone;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int at = 0;

		(void)snprintf(traps, sizeof(traps), trap, cases[i].trap);
		(void)snprintf(rules, sizeof(rules), "[%s,%s],%s",
		    cases[i].eras[0], cases[i].eras[1], traps);
		assert_int_equal(judged(rules, "{\"s\":\"no hex\"}",
				     cases[i].hashed, &at, &zone),
		    cases[i].want);
		assert_int_equal(at, cases[i].era);
		assert_int_equal(zone, 0);
	}
}

/* Without a link that was hashed no era can fit, only what needs none. */
static void
test_judge__without_a_link_only_a_trap_fits(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"e\",\"input\":[\"X\"]}],\"traps\":["
	    "{\"name\":\"w\",\"says\":\"s\",\"kind\":\"unverifiable\","
	    "\"input\":[\"X\"]},"
	    "{\"name\":\"t\",\"says\":\"s\",\"kind\":\"link-altered\","
	    "\"prev\":null,\"input\":[{\"prev\":\"text\"},\"X\"]}]";
	const struct tally_canon_text nothing = { NULL, 0 };
	enum tally_judgement judgement;
	struct tally_digest stored;
	struct bench b;
	int64_t zone;
	int era = 0;

	(void)state;
	set_up(&b, rules, "{}");
	tally_digest_bytes(&b.judging.digester, "X", 1, &stored);
	assert_int_equal(tally_judge_row(&b.judging, &b.row, &nothing, &stored,
			     &era, &zone, &judgement),
	    0);
	assert_int_equal(judgement, TALLY_HOLDS_BY_TRAP);
	assert_int_equal(era, 1);
	tear_down(&b);
}

/* A search that finds nothing is given up after so many records, and what was
 * found last is tried all the same. */
static void
test_judge__stops_to_look_for_zones_in_vain(void **state)
{
	static const char rules[] =
	    "[{\"name\":\"a\",\"input\":[\"A\"]}],"
	    "\"traps\":[{\"name\":\"z\",\"says\":\"s\","
	    "\"kind\":\"unverifiable\",\"zone\":\"any\",\"input\":["
	    "{\"field\":\"t\",\"as\":\"time-s\"}]}]";
	static const struct {
		const char *hashed;
		int times;
		enum tally_judgement want;
	} cases[] = {
		{ "2026-01-02T06:00:00Z", 1, TALLY_HOLDS_BY_TRAP },
		{ "never", 1999, TALLY_HOLDS_NOT },
		{ "2026-01-02T07:00:00Z", 1, TALLY_HOLDS_BY_TRAP },
		{ "never", 1, TALLY_HOLDS_NOT },
		{ "2026-01-02T06:00:00Z", 1, TALLY_HOLDS_NOT },
		{ "2026-01-02T07:00:00Z", 2, TALLY_HOLDS_BY_TRAP },
	};
	enum tally_judgement judgement;
	struct tally_digest stored;
	struct bench b;
	int64_t zone;
	size_t i;

	(void)state;
	set_up(&b, rules, "{\"t\":\"2026-01-02T12:00:00Z\"}");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tally_digest_bytes(&b.judging.digester, cases[i].hashed,
		    strlen(cases[i].hashed), &stored);
		for (int k = 0; k < cases[i].times; k++) {
			int era = 0;

			assert_int_equal(tally_judge_row(&b.judging, &b.row,
					     &b.basis, &stored, &era, &zone,
					     &judgement),
			    0);
			assert_int_equal(judgement, cases[i].want);
		}
	}
	tear_down(&b);
}

static void
test_judge__adds_undefined_members_where_there_is_none(void **state)
{
	static const char steps[] = "[{\"field\":\"o\",\"as\":\"js-utf16\","
				    "\"undefined\":[\"v\",\"a\"]}]";

	(void)state;
	assert_string_equal(built(steps, "{\"o\":{\"k\":1}}"),
	    "{\"a\":undefined,\"k\":1,\"v\":undefined}");
	assert_string_equal(built(steps, "{\"o\":{}}"),
	    "{\"a\":undefined,\"v\":undefined}");
	assert_string_equal(built(steps, "{\"o\":{\"v\":null,\"a\":2}}"),
	    "{\"a\":2,\"v\":null}");
	assert_string_equal(built(steps, "{\"o\":[1]}"), "[1]");
	assert_string_equal(built(steps, "{}"), "null");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge__writes_what_each_filter_says),
		cmocka_unit_test(test_judge__refuses_what_has_no_form),
		cmocka_unit_test(test_judge__writes_integers_of_both_signs),
		cmocka_unit_test(
		    test_judge__finds_the_era_from_the_last_one_on),
		cmocka_unit_test(test_judge__when_decides_before_the_hash),
		cmocka_unit_test(test_judge__a_check_is_part_of_holding),
		cmocka_unit_test(test_judge__finds_the_zone_of_a_trap),
		cmocka_unit_test(test_judge__what_counts_if_rules_disagree),
		cmocka_unit_test(test_judge__without_a_link_only_a_trap_fits),
		cmocka_unit_test(test_judge__stops_to_look_for_zones_in_vain),
		cmocka_unit_test(
		    test_judge__adds_undefined_members_where_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
