/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "core/policy.h"

/* No line has more words: a group of all others. */
#define WORDS_MAX (TALLY_POLICY_MEMBERS_MAX + 3)

struct reading {
	struct tally_hasher *hasher;
	const char *text;
	struct tally_policy *policy;
	struct tally_error *error;
	struct tally_policy_word word[WORDS_MAX];
	size_t words;
	unsigned line; /* from 1 */
	bool has_quorum;
};

static int
refuse(const struct reading *reading, int code, const char *what)
{
	(void)tally_fail(reading->error, code, "line %u of the policy: %s",
	    reading->line, what);
	if (reading->error != NULL)
		reading->error->item = reading->line;
	return code;
}

static bool
word_is(const struct reading *reading, size_t i, const char *text)
{
	const struct tally_policy_word *word = &reading->word[i];

	return word->len == strlen(text) &&
	    memcmp(reading->text + word->at, text, word->len) == 0;
}

/* Splits a line into its words. */
static int
split(struct reading *reading, size_t at, size_t end)
{
	reading->words = 0;
	while (at < end) {
		uint8_t c = (uint8_t)reading->text[at];
		size_t begin = at;

		if (c == ' ' || c == '\t') {
			at++;
			continue;
		}
		if (reading->words == 0 && c == '#')
			return 0;
		while (at < end && reading->text[at] != ' ' &&
		    reading->text[at] != '\t')
			at++;
		if (reading->words == WORDS_MAX)
			return refuse(reading, TALLY_E_LIMIT,
			    "it has too many words");
		reading->word[reading->words].at = begin;
		reading->word[reading->words++].len = at - begin;
	}
	return 0;
}

/* The witness or group that a word names, or TALLY_POLICY_NONE. */
static int
find_member(const struct reading *reading, const struct tally_policy_word *name)
{
	const struct tally_policy *policy = reading->policy;
	size_t i;

	for (i = 0; i < policy->members_len; i++) {
		const struct tally_policy_word *known = &policy->members[i]
							     .name;

		if (known->len == name->len &&
		    memcmp(reading->text + known->at, reading->text + name->at,
			name->len) == 0)
			return (int)i;
	}
	return TALLY_POLICY_NONE;
}

static int
take_key(struct reading *reading, size_t word, enum tally_vkey_type type,
    struct tally_vkey *out)
{
	const struct tally_policy_word *at = &reading->word[word];
	int result = tally_vkey_parse(reading->hasher, reading->text + at->at,
	    at->len, out);

	if (result == TALLY_E_VERSION)
		return refuse(reading, result,
		    "the key is of a type that is not known here");
	if (result != 0)
		return refuse(reading, result, "it holds no key");
	if (out->type != type)
		return refuse(reading, TALLY_E_FORMAT,
		    type == TALLY_VKEY_ED25519
			? "the key is not one that signs as a log"
			: "the key is not one that cosigns as a witness");
	return 0;
}

/* A key counts once, under whatever name. */
static bool
is_same_key(const struct tally_vkey *a, const struct tally_vkey *b)
{
	return memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

static int
take_log(struct reading *reading)
{
	struct tally_policy *policy = reading->policy;
	struct tally_policy_log *log = &policy->logs[policy->logs_len];
	size_t i;
	int result;

	if (reading->words < 2 || reading->words > 3)
		return refuse(reading, TALLY_E_FORMAT,
		    "a log is \"log VKEY [URL]\"");
	if (policy->logs_len == TALLY_POLICY_LOGS_MAX)
		return refuse(reading, TALLY_E_LIMIT,
		    "there are more than 64 logs");
	memset(log, 0, sizeof(*log));
	result = take_key(reading, 1, TALLY_VKEY_ED25519, &log->vkey);
	if (result != 0)
		return result;
	for (i = 0; i < policy->logs_len; i++) {
		if (is_same_key(&policy->logs[i].vkey, &log->vkey))
			return refuse(reading, TALLY_E_FORMAT,
			    "the log's key is there already");
	}
	if (reading->words == 3)
		log->url = reading->word[2];
	policy->logs_len++;
	return 0;
}

/* A new member with the name in word 1. */
static int
add_member(struct reading *reading, struct tally_policy_member **out)
{
	struct tally_policy *policy = reading->policy;
	struct tally_policy_member
	    *member = &policy->members[policy->members_len];

	if (word_is(reading, 1, "none"))
		return refuse(reading, TALLY_E_FORMAT,
		    "\"none\" is no name for a witness or a group");
	if (find_member(reading, &reading->word[1]) != TALLY_POLICY_NONE)
		return refuse(reading, TALLY_E_FORMAT,
		    "the name is taken already");
	if (policy->members_len == TALLY_POLICY_MEMBERS_MAX)
		return refuse(reading, TALLY_E_LIMIT,
		    "there are more than 128 witnesses and groups");
	member = &policy->members[policy->members_len];
	memset(member, 0, sizeof(*member));
	member->name = reading->word[1];
	member->group = TALLY_POLICY_NONE;
	*out = member;
	return 0;
}

static int
take_witness(struct reading *reading)
{
	struct tally_policy *policy = reading->policy;
	struct tally_policy_member *member;
	size_t i;
	int result;

	if (reading->words < 3 || reading->words > 4)
		return refuse(reading, TALLY_E_FORMAT,
		    "a witness is \"witness NAME VKEY [URL]\"");
	result = add_member(reading, &member);
	if (result == 0)
		result = take_key(reading, 2, TALLY_VKEY_COSIGNATURE,
		    &member->vkey);
	if (result != 0)
		return result;
	for (i = 0; i < policy->members_len; i++) {
		if (!policy->members[i].is_group &&
		    is_same_key(&policy->members[i].vkey, &member->vkey))
			return refuse(reading, TALLY_E_FORMAT,
			    "the witness's key is there already");
	}
	if (reading->words == 4)
		member->url = reading->word[3];
	policy->members_len++;
	return 0;
}

static int
take_threshold(struct reading *reading, unsigned members, unsigned *out)
{
	const struct tally_policy_word *word = &reading->word[2];
	uint64_t number = 1;

	if (word_is(reading, 2, "all"))
		number = members;
	else if (!word_is(reading, 2, "any") &&
	    tally_decimal_parse(reading->text + word->at, word->len, members,
		&number) != 0)
		return TALLY_E_FORMAT;
	*out = (unsigned)number;
	return number == 0 ? TALLY_E_FORMAT : 0;
}

static int
take_group(struct reading *reading)
{
	struct tally_policy *policy = reading->policy;
	int self = (int)policy->members_len;
	struct tally_policy_member *group, *member;
	size_t i;
	int result, at;

	if (reading->words < 4)
		return refuse(reading, TALLY_E_FORMAT,
		    "a group is \"group NAME all|any|K MEMBER...\"");
	result = add_member(reading, &group);
	if (result != 0)
		return result;
	group->is_group = true;
	if (take_threshold(reading, (unsigned)reading->words - 3,
		&group->threshold) != 0)
		return refuse(reading, TALLY_E_FORMAT,
		    "how many must agree is \"all\", \"any\", or a number from"
		    " 1 to that of the members");
	for (i = 3; i < reading->words; i++) {
		at = find_member(reading, &reading->word[i]);
		if (at == TALLY_POLICY_NONE)
			return refuse(reading, TALLY_E_FORMAT,
			    "a member was not named before");
		member = &policy->members[at];
		if (member->group != TALLY_POLICY_NONE)
			return refuse(reading, TALLY_E_FORMAT,
			    "a member is in a group already");
		member->group = self;
	}
	policy->members_len++;
	return 0;
}

static int
take_quorum(struct reading *reading)
{
	if (reading->words != 2)
		return refuse(reading, TALLY_E_FORMAT,
		    "a quorum is \"quorum NAME\" or \"quorum none\"");
	if (reading->has_quorum)
		return refuse(reading, TALLY_E_FORMAT,
		    "there is a quorum already");
	reading->has_quorum = true;
	reading->policy->quorum = TALLY_POLICY_NONE;
	if (word_is(reading, 1, "none"))
		return 0;
	reading->policy->quorum = find_member(reading, &reading->word[1]);
	if (reading->policy->quorum == TALLY_POLICY_NONE)
		return refuse(reading, TALLY_E_FORMAT,
		    "the quorum was not named before");
	return 0;
}

static int
take_line(struct reading *reading)
{
	if (reading->words == 0)
		return 0;
	if (word_is(reading, 0, "log"))
		return take_log(reading);
	if (word_is(reading, 0, "witness"))
		return take_witness(reading);
	if (word_is(reading, 0, "group"))
		return take_group(reading);
	if (word_is(reading, 0, "quorum"))
		return take_quorum(reading);
	return refuse(reading, TALLY_E_FORMAT,
	    "it begins with none of \"log\", \"witness\", \"group\" and"
	    " \"quorum\"");
}

/* No control character but tab and line feed. */
static bool
is_policy_line(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int
tally_policy_parse(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_policy *out, struct tally_error *error)
{
	struct reading reading = {
		.hasher = hasher, .text = text, .policy = out, .error = error
	};
	size_t at = 0;
	int result = 0;

	out->logs_len = 0;
	out->members_len = 0;
	if (len > TALLY_POLICY_TEXT_MAX)
		return tally_fail(error, TALLY_E_LIMIT,
		    "a policy is at most 1 MiB long");
	while (at < len && result == 0) {
		const char *feed = memchr(text + at, '\n', len - at);
		size_t end = feed == NULL ? len : (size_t)(feed - text);

		reading.line++;
		if (feed == NULL)
			return refuse(&reading, TALLY_E_FORMAT,
			    "it has no line feed");
		if (!is_policy_line(text + at, end - at))
			return refuse(&reading, TALLY_E_FORMAT,
			    "it holds a control character");
		result = split(&reading, at, end);
		if (result == 0)
			result = take_line(&reading);
		at = end + 1;
	}
	if (result == 0 && !reading.has_quorum) {
		reading.line++;
		result = refuse(&reading, TALLY_E_FORMAT,
		    "it ends without a quorum");
	}
	return result;
}

/* Has any of the logs signed? */
static enum tally_policy_verdict
check_logs(const struct tally_policy *policy, const struct tally_note *note,
    const struct tally_checkpoint *checkpoint)
{
	enum tally_policy_verdict verdict = policy->logs_len == 0
	    ? TALLY_POLICY_HOLDS
	    : TALLY_POLICY_NO_LOG;
	size_t i;

	for (i = 0; i < policy->logs_len; i++) {
		const struct tally_vkey *vkey = &policy->logs[i].vkey;
		enum tally_signed found = tally_note_check(note, vkey, NULL);

		if (found == TALLY_SIGNED_WRONGLY)
			return TALLY_POLICY_SPOILED;
		if (found == TALLY_SIGNED &&
		    vkey->name_len == checkpoint->origin_len &&
		    memcmp(vkey->name, checkpoint->origin, vkey->name_len) == 0)
			verdict = TALLY_POLICY_HOLDS;
	}
	return verdict;
}

enum tally_policy_verdict
tally_policy_check(const struct tally_policy *policy,
    const struct tally_note *note, const struct tally_checkpoint *checkpoint)
{
	unsigned agreed[TALLY_POLICY_MEMBERS_MAX] = { 0 };
	bool reached[TALLY_POLICY_MEMBERS_MAX] = { false };
	enum tally_policy_verdict verdict = check_logs(policy, note,
	    checkpoint);
	size_t i;

	if (verdict == TALLY_POLICY_SPOILED)
		return verdict;
	for (i = 0; i < policy->members_len; i++) {
		const struct tally_policy_member *member = &policy->members[i];
		enum tally_signed found = TALLY_UNSIGNED;

		if (!member->is_group)
			found = tally_note_check(note, &member->vkey, NULL);
		if (found == TALLY_SIGNED_WRONGLY)
			return TALLY_POLICY_SPOILED;
		reached[i] = member->is_group ? agreed[i] >= member->threshold
					      : found == TALLY_SIGNED;
		if (reached[i] && member->group != TALLY_POLICY_NONE)
			agreed[member->group]++;
	}
	if (verdict == TALLY_POLICY_HOLDS &&
	    policy->quorum != TALLY_POLICY_NONE && !reached[policy->quorum])
		verdict = TALLY_POLICY_NO_QUORUM;
	return verdict;
}
