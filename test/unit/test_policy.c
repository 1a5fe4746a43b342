/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: what they refuse, by line; and for every set of witnesses that
 * cosigned, whether the quorum of the specification's own example is reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/policy.h"

#define WITNESSES 6

static struct tally_hasher hasher;
static struct tally_policy policy;

/* Keys by number; 0 is the log's. */
static struct tally_vkey
key(unsigned number, uint8_t seed[32])
{
	struct tally_vkey vkey;
	uint8_t public_key[32];
	char name[32];
	int len;

	memset(seed, (int)number + 1, 32);
	assert_int_equal(tally_sign_public(seed, public_key), 0);
	len = number == 0
	    ? snprintf(name, sizeof(name), "example.org/audit")
	    : snprintf(name, sizeof(name), "witness.example/%u", number);
	tally_vkey_init(&hasher, name, (size_t)len,
	    number == 0 ? TALLY_VKEY_ED25519 : TALLY_VKEY_COSIGNATURE,
	    public_key, &vkey);
	return vkey;
}

/* Each "%n" of the text becomes the vkey with that number. */
static size_t
fill(const char *text, char *out)
{
	uint8_t seed[32];
	struct tally_vkey vkey;
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text != '%') {
			out[len++] = *text;
			continue;
		}
		vkey = key((unsigned)(*++text - '0'), seed);
		len += tally_vkey_format(&vkey, out + len);
	}
	out[len] = '\0';
	return len;
}

static int
parse(const char *text, struct tally_error *error)
{
	static char filled[65536];

	return tally_policy_parse(&hasher, filled, fill(text, filled), &policy,
	    error);
}

/* A checkpoint signed by those whose bits are set. */
static size_t
note(unsigned signers, char *out, struct tally_checkpoint *checkpoint)
{
	char text[TALLY_CHECKPOINT_TEXT_MAX];
	size_t text_len, at, len;
	uint8_t seed[32];
	unsigned i;

	memset(checkpoint, 0, sizeof(*checkpoint));
	checkpoint->origin_len = 17;
	memcpy(checkpoint->origin, "example.org/audit", 17);
	checkpoint->size = 12;
	text_len = tally_checkpoint_format(checkpoint, text);
	memcpy(out, text, text_len);
	at = text_len;
	out[at++] = '\n';
	for (i = 0; i < 10; i++) {
		struct tally_vkey vkey = key(i, seed);

		if (!(signers >> i & 1))
			continue;
		assert_int_equal(tally_note_sign(&vkey, seed, 1795773600, text,
				     text_len, out + at, &len),
		    0);
		at += len;
	}
	return at;
}

static enum tally_policy_verdict
judge(unsigned signers)
{
	struct tally_checkpoint checkpoint;
	struct tally_note parsed;
	char text[8192];
	size_t len = note(signers, text, &checkpoint);

	assert_int_equal(tally_note_parse(text, len, &parsed), 0);
	return tally_policy_check(&policy, &parsed, &checkpoint);
}

static unsigned
ones(unsigned bits)
{
	unsigned count = 0;

	for (; bits != 0; bits &= bits - 1)
		count++;
	return count;
}

static void
test_policy__every_set_of_witnesses(void **state)
{
	unsigned set, bad;

	(void)state;
	assert_int_equal(parse("# an example\nlog %0 https://example.org/\n\n"
			       "witness X1 %1\n\twitness X2 %2\n"
			       "witness X3 %3 https://w.example/ \n"
			       "group X-witnesses 2 X1 X2 X3\n"
			       "witness Y1 %4\nwitness Y2 %5\nwitness Y3 %6\n"
			       "group Y-witnesses any Y1 Y2 Y3\n"
			       "group X-and-Y all X-witnesses Y-witnesses\n"
			       "quorum X-and-Y\n",
			     NULL),
	    0);
	assert_int_equal(policy.logs_len, 1);
	assert_int_equal(policy.members_len, 9);
	for (set = 1; set < 1 << (1 + WITNESSES); set++) {
		bad = TALLY_POLICY_NO_QUORUM;
		if (ones(set & 0xe) >= 2 && ones(set & 0x70) >= 1)
			bad = TALLY_POLICY_HOLDS;
		if (!(set & 1))
			bad = TALLY_POLICY_NO_LOG;
		assert_int_equal(judge(set), bad);
	}
}

static void
test_policy__quorums(void **state)
{
	(void)state;
	assert_int_equal(parse("quorum none\n", NULL), 0);
	assert_int_equal(judge(0x200), TALLY_POLICY_HOLDS);
	assert_int_equal(parse("log %0\nquorum none\n", NULL), 0);
	assert_int_equal(judge(1), TALLY_POLICY_HOLDS);
	assert_int_equal(judge(2), TALLY_POLICY_NO_LOG);
	assert_int_equal(parse("log %0\nwitness w %1\nquorum w\n", NULL), 0);
	assert_int_equal(judge(1), TALLY_POLICY_NO_QUORUM);
	assert_int_equal(judge(3), TALLY_POLICY_HOLDS);
}

/* A known key whose signature does not hold spoils all. */
static void
test_policy__spoiled(void **state)
{
	struct tally_checkpoint checkpoint;
	struct tally_note parsed;
	char text[8192];
	size_t len;

	(void)state;
	assert_int_equal(parse("log %0\nwitness w %1\nwitness v %2\n"
			       "quorum v\n",
			     NULL),
	    0);
	len = note(7, text, &checkpoint);
	text[len / 2] = text[len / 2] == 'A' ? 'B' : 'A';
	assert_int_equal(tally_note_parse(text, len, &parsed), 0);
	assert_int_equal(tally_policy_check(&policy, &parsed, &checkpoint),
	    TALLY_POLICY_SPOILED);
	/* Another log's key under its own name says nothing about this one. */
	len = note(7, text, &checkpoint);
	memcpy(checkpoint.origin, "example.org/other", 17);
	assert_int_equal(tally_note_parse(text, len, &parsed), 0);
	assert_int_equal(tally_policy_check(&policy, &parsed, &checkpoint),
	    TALLY_POLICY_NO_LOG);
}

static const struct {
	const char *text, *message;
} bad[] = {
	{ "", "line 1 of the policy: it ends without a quorum" },
	{ "quorum none", "line 1 of the policy: it has no line feed" },
	{ "quorum none\r\n",
	    "line 1 of the policy: it holds a control character" },
	{ "quorum none\nquorum none\n",
	    "line 2 of the policy: there is a quorum already" },
	{ "quorum w\n",
	    "line 1 of the policy: the quorum was not named before" },
	{ "quorum\n",
	    "line 1 of the policy: a quorum is \"quorum "
	    "NAME\" or \"quorum none\"" },
	{ "Log %0\n",
	    "line 1 of the policy: it begins with none of \"log\", "
	    "\"witness\", \"group\" and \"quorum\"" },
	{ "log\n", "line 1 of the policy: a log is \"log VKEY [URL]\"" },
	{ "log %0 u u\n", "line 1 of the policy: a log is \"log VKEY [URL]\"" },
	{ "log x\n", "line 1 of the policy: it holds no key" },
	{ "log %1\n",
	    "line 1 of the policy: the key is not one that "
	    "signs as a log" },
	{ "log %0\nlog %0\n",
	    "line 2 of the policy: the log's key is there already" },
	{ "witness w\n",
	    "line 1 of the policy: a witness is \"witness"
	    " NAME VKEY [URL]\"" },
	{ "witness w %0\n",
	    "line 1 of the policy: the key is not one that cosigns as "
	    "a witness" },
	{ "witness none %1\n",
	    "line 1 of the policy: \"none\" is no name for a witness "
	    "or a group" },
	{ "witness w %1\nwitness w %2\n",
	    "line 2 of the policy: the name is taken already" },
	{ "witness w %1\nwitness v %1\n",
	    "line 2 of the policy: the witness's key is there "
	    "already" },
	{ "group g any\n",
	    "line 1 of the policy: a group is \"group NAME all|any|K "
	    "MEMBER...\"" },
	{ "group g any w\n",
	    "line 1 of the policy: a member was not named before" },
	{ "group g any g\n",
	    "line 1 of the policy: a member was not named before" },
	{ "witness w %1\ngroup g 2 w\n",
	    "line 2 of the policy: how many must agree is \"all\", "
	    "\"any\", or a number from 1 to that of the members" },
	{ "witness w %1\ngroup g 0 w\n",
	    "line 2 of the policy: how many must agree is \"all\", "
	    "\"any\", or a number from 1 to that of the members" },
	{ "witness w %1\ngroup g 01 w\n",
	    "line 2 of the policy: how many must agree is \"all\", "
	    "\"any\", or a number from 1 to that of the members" },
	{ "witness w %1\ngroup g any w\ngroup h any w\n",
	    "line 3 of the policy: a member is in a group already" },
	{ "witness w %1\ngroup g any w w\n",
	    "line 2 of the policy: a member is in a group already" },
	{ "witness w %1\ngroup g any none\n",
	    "line 2 of the policy: a member was not named before" },
};

static void
test_policy__refused(void **state)
{
	struct tally_error error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i].text, &error) == 0)
			fail_msg("accepted: %s", bad[i].text);
		assert_string_equal(error.message, bad[i].message);
	}
}

static void
test_policy__bounds(void **state)
{
	static char text[65536];
	struct tally_error error;
	char line[512], vkey_text[TALLY_VKEY_TEXT_MAX];
	struct tally_vkey vkey;
	uint8_t public_key[32] = { 0 };
	size_t len = 0, i;

	(void)state;
	for (i = 0; i <= TALLY_POLICY_LOGS_MAX; i++) {
		public_key[0] = (uint8_t)i;
		tally_vkey_init(&hasher, "o", 1, TALLY_VKEY_ED25519, public_key,
		    &vkey);
		tally_vkey_format(&vkey, vkey_text);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "log %s\n", vkey_text);
	}
	assert_int_equal(tally_policy_parse(&hasher, text, len, &policy,
			     &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message,
	    "line 65 of the policy: there are more than 64 logs");
	len = 0;
	for (i = 0; i <= TALLY_POLICY_MEMBERS_MAX; i++) {
		public_key[0] = (uint8_t)i;
		tally_vkey_init(&hasher, "o", 1, TALLY_VKEY_COSIGNATURE,
		    public_key, &vkey);
		tally_vkey_format(&vkey, vkey_text);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "witness %zu %s\n", i, vkey_text);
	}
	assert_int_equal(tally_policy_parse(&hasher, text, len, &policy,
			     &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message,
	    "line 129 of the policy: there are more than 128 witnesses and "
	    "groups");
	memset(line, 0, sizeof(line));
	for (i = 0; i < 140; i++)
		memcpy(line + 2 * i, "w ", 2);
	line[279] = '\n';
	assert_int_equal(tally_policy_parse(&hasher, line, 280, &policy,
			     &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message,
	    "line 1 of the policy: it has too many words");
	assert_int_equal(tally_policy_parse(&hasher, line,
			     TALLY_POLICY_TEXT_MAX + 1, &policy, &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message, "a policy is at most 1 MiB long");
}

static int
open_hasher(void **state)
{
	(void)state;
	return tally_hasher_open(&hasher);
}

static int
close_hasher(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	return 0;
}

#define TEST(name) cmocka_unit_test(test_policy__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_set_of_witnesses),
		TEST(quorums),
		TEST(spoiled),
		TEST(refused),
		TEST(bounds),
	};

	return cmocka_run_group_tests(tests, open_hasher, close_hasher);
}
