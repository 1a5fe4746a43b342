/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a small log, changed to several others: exactly one finding,
 * with the right kind, chain and seq, and the outside root holds as if
 * nothing had happened.
 *
 *	what became of the byte                          kind
 *	a line feed, or one that was a line feed         damaged
 *	the line does not decode any more                damaged
 *	it decodes; the byte is in the header or hash    link-altered
 *	it decodes; the byte is in the salt or event     content-altered
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/record.h"
#include "tamper/lab.h"

static enum tally_finding_kind
expected_kind(const struct lab_record *record, size_t at, char value)
{
	char text[2048];
	struct tally_line line;

	if (value == '\n' || at + 1 == record->len)
		return TALLY_DAMAGED;
	memcpy(text, record->line, record->len);
	text[at] = value;
	if (tally_line_decode(text, record->len, &line) != 0)
		return TALLY_DAMAGED;
	return at < record->body_at ? TALLY_LINK_ALTERED
				    : TALLY_CONTENT_ALTERED;
}

/* One byte of one record, to one other value. */
static void
flip(struct lab *lab, size_t segment, size_t offset, size_t number, size_t at,
    char value)
{
	const struct lab_record *record = &lab->records[number];
	struct tally_verify_options options = {
		.jobs = 1,
		.has_root = true,
		.root_size = lab->len,
		.root = lab_root(lab, lab->len),
	};
	char *byte = &lab->segments[segment].text[offset];
	char old = *byte;
	enum tally_finding_kind kind;

	if (value == old)
		return;
	*byte = value;
	kind = expected_kind(record, at, value);
	assert_int_equal(lab_verify(lab, &options), 0);
	if (lab->findings_len != 1 ||
	    lab_count(lab, kind, record->chain, record->seq) != 1 ||
	    lab->findings[0].index != number) {
		lab_show(lab);
		fail_msg("record %zu (%s/%llu), byte %zu, 0x%02x to 0x%02x: "
			 "expected %s",
		    number, record->chain, (unsigned long long)record->seq, at,
		    (unsigned char)old, (unsigned char)value,
		    tally_finding_name(kind));
	}
	assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
	assert_int_equal(lab->verdict.size, lab->len);
	*byte = old;
}

/*
 * A log whose last records lie in a chunk of their own, and follow others of
 * their chains there: what is judged quickly, when nothing is wrong.
 */
static struct lab *
lab_quick(void)
{
	struct lab *lab = lab_new();
	char event[20000];
	int i;

	memset(event, 'x', sizeof(event));
	event[0] = event[sizeof(event) - 2] = '"';
	event[sizeof(event) - 1] = 0;
	lab_append(lab, "filler", NULL, false, event);
	lab_append(lab, "filler", NULL, false, event);
	for (i = 0; i < 4; i++) {
		snprintf(event, sizeof(event), "{\"n\":%d,\"z\":\"\xc3\xab\"}",
		    i);
		lab_append(lab, "a", i % 2 ? "id-1" : NULL, false, event);
		lab_append(lab, "b", NULL, i >= 2, event);
	}
	return lab;
}

static void
flip_quick(char (*change)(char))
{
	struct lab *lab = lab_quick();
	size_t number, at, offset = 0;

	lab_lay_all(lab, 0);
	for (number = 0; number < lab->len; number++) {
		for (at = 0; number > 2 && at < lab->records[number].len; at++)
			flip(lab, 0, offset + at, number, at,
			    change(lab->segments[0].text[offset + at]));
		offset += lab->records[number].len;
	}
	lab_free(lab);
}

static void
flip_all(size_t per, char (*change)(char))
{
	struct lab *lab = lab_small();
	size_t number, at, segment = 0, offset = 0;

	lab_lay_all(lab, per);
	for (number = 0; number < lab->len; number++) {
		if (per != 0 && number % per == 0 && number > 0) {
			segment++;
			offset = 0;
		}
		for (at = 0; at < lab->records[number].len; at++)
			flip(lab, segment, offset + at, number, at,
			    change(lab->segments[segment].text[offset + at]));
		offset += lab->records[number].len;
	}
	lab_free(lab);
}

static char
to_bit_0(char c)
{
	return (char)(c ^ 0x01);
}

static char
to_bit_5(char c)
{
	return (char)(c ^ 0x20);
}

static char
to_bit_7(char c)
{
	return (char)(c ^ 0x80);
}

static char
to_line_feed(char c)
{
	return c == '\n' ? ' ' : '\n';
}

static char
to_quote(char c)
{
	return c == '"' ? '\\' : '"';
}

static char
to_nul(char c)
{
	(void)c;
	return 0;
}

static char
to_all(char c)
{
	return (char)(c ^ 0xff);
}

#define FLIP(name, per) \
	static void test_flip__##name##_##per(void **state) \
	{ \
		(void)state; \
		flip_all(per, to_##name); \
	}

FLIP(bit_0, 0)
FLIP(bit_5, 0)
FLIP(bit_7, 0)
FLIP(line_feed, 0)
FLIP(line_feed, 4)
FLIP(quote, 0)
FLIP(nul, 4)
FLIP(all, 0)

#define QUICK(name) \
	static void test_flip__quick_##name(void **state) \
	{ \
		(void)state; \
		flip_quick(to_##name); \
	}

QUICK(bit_0)
QUICK(bit_5)
QUICK(bit_7)
QUICK(line_feed)
QUICK(quote)
QUICK(nul)

static void
test_flip__not_at_all(void **state)
{
	struct lab *lab = lab_small();

	(void)state;
	lab_lay_all(lab, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_intact(lab);
	assert_int_equal(lab->verdict.records, lab->len);
	assert_int_equal(lab->verdict.chains, 6);
	lab_lay_all(lab, 3);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_intact(lab);
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flip__not_at_all),
		cmocka_unit_test(test_flip__bit_0_0),
		cmocka_unit_test(test_flip__bit_5_0),
		cmocka_unit_test(test_flip__bit_7_0),
		cmocka_unit_test(test_flip__line_feed_0),
		cmocka_unit_test(test_flip__line_feed_4),
		cmocka_unit_test(test_flip__quote_0),
		cmocka_unit_test(test_flip__nul_4),
		cmocka_unit_test(test_flip__all_0),
		cmocka_unit_test(test_flip__quick_bit_0),
		cmocka_unit_test(test_flip__quick_bit_5),
		cmocka_unit_test(test_flip__quick_bit_7),
		cmocka_unit_test(test_flip__quick_line_feed),
		cmocka_unit_test(test_flip__quick_quote),
		cmocka_unit_test(test_flip__quick_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
