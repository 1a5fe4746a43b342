/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a profile: its members and rules; inputs are steps.c's. */
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/hash.h"
#include "core/text.h"
#include "foreign/parameters.h"
#include "foreign/steps.h"
#include "log/sys.h"

static void
parse_when(struct tally_parser *p, json_t *when, struct tally_rule *rule)
{
	static const char *const known[] = { "field", "null", NULL };
	size_t before = tally_parse_enter(p, "when", 0);

	tally_parse_only(p, when, known);
	rule->when = tally_parse_field(p,
	    tally_parse_text_member(p, when, "field", true));
	if (!json_is_boolean(json_object_get(when, "null")))
		tally_parse_refuse(p, "\"null\" must be true or false");
	rule->when_null = json_is_true(json_object_get(when, "null"));
	tally_parse_leave(p, before);
}

static void
parse_check(struct tally_parser *p, json_t *check, struct tally_rule *rule)
{
	static const char *const known[] = { "field", "input", NULL };
	size_t before = tally_parse_enter(p, "check", 0);

	tally_parse_only(p, check, known);
	rule->check.field = tally_parse_field(p,
	    tally_parse_text_member(p, check, "field", true));
	tally_parse_input(p, json_object_get(check, "input"),
	    &rule->check.input);
	tally_parse_leave(p, before);
}

static void
parse_rule(struct tally_parser *p, json_t *json, bool trap,
    struct tally_rule *rule)
{
	static const char *const known[] = { "name", "says", "when", "input",
		"check", "kind", "prev", "zone", NULL };
	json_t *name = tally_parse_text_member(p, json, "name", true);
	json_t *says = tally_parse_text_member(p, json, "says", trap);
	json_t *kind = tally_parse_text_member(p, json, "kind", trap);
	json_t *prev = json_object_get(json, "prev");
	json_t *zone = tally_parse_text_member(p, json, "zone", false);

	tally_parse_only(p, json, known);
	rule->name = json_string_value(name);
	rule->says = json_string_value(says);
	rule->when = rule->check.field = TALLY_NO_FIELD;
	rule->kind = TALLY_NOT_JUDGED;
	if (kind != NULL &&
	    strcmp(json_string_value(kind), "link-altered") == 0)
		rule->kind = TALLY_LINK_ALTERED;
	else if (kind != NULL &&
	    strcmp(json_string_value(kind), "unverifiable") != 0)
		tally_parse_refuse(p,
		    "\"kind\" is \"link-altered\" or \"unverifiable\"");
	rule->without_prev = json_is_null(prev);
	if (prev != NULL && !rule->without_prev)
		tally_parse_refuse(p, "\"prev\" of a trap can only be null");
	if (zone != NULL &&
	    (!trap || strcmp(json_string_value(zone), "any") != 0))
		tally_parse_refuse(p, "\"zone\" of a trap can only be \"any\"");
	rule->any_zone = zone != NULL;
	if (json_object_get(json, "when") != NULL)
		parse_when(p, json_object_get(json, "when"), rule);
	if (json_object_get(json, "check") != NULL)
		parse_check(p, json_object_get(json, "check"), rule);
	tally_parse_input(p, json_object_get(json, "input"), &rule->input);
}

static int
parse_rules(struct tally_parser *p, const char *name, bool trap,
    struct tally_rule *rules)
{
	json_t *array = json_object_get(p->profile->json, name);
	size_t before = tally_parse_enter(p, name, 0), i, element;
	size_t count = json_array_size(array);

	if (!trap && count == 0)
		tally_parse_refuse(p, "expected an array that is not empty");
	if (count > TALLY_RULES_MAX)
		tally_parse_refuse(p, "more than %d", TALLY_RULES_MAX);
	for (i = 0; i < count && p->result == 0; i++) {
		element = tally_parse_enter(p, NULL, i);
		parse_rule(p, json_array_get(array, i), trap, &rules[i]);
		tally_parse_leave(p, element);
	}
	tally_parse_leave(p, before);
	return (int)i;
}

static void
parse_start(struct tally_parser *p, json_t *start)
{
	static const char *const known[] = { "prev", "basis", "pruned", NULL };
	struct tally_profile *profile = p->profile;
	json_t *prev = json_object_get(start, "prev");
	json_t *basis = json_object_get(start, "basis");
	size_t before = tally_parse_enter(p, "start", 0);

	tally_parse_only(p, start, known);
	profile->start_null = json_is_null(prev);
	if (!profile->start_null && !json_is_string(prev))
		tally_parse_refuse(p, "\"prev\" must be null or text");
	else if (!profile->start_null)
		profile->start = profile->basis = tally_parse_text(prev);
	profile->basis_field = TALLY_NO_FIELD;
	if (json_is_string(basis))
		profile->basis = tally_parse_text(basis);
	else if (json_is_object(basis))
		profile->basis_field = tally_parse_field(p,
		    tally_parse_text_member(p, basis, "field", true));
	profile->pruned = json_is_true(json_object_get(start, "pruned"));
	tally_parse_leave(p, before);
}

/* How hashes are written: {"as": ENCODING, "prefix": TEXT}, or ENCODING. */
static void
parse_encoding(struct tally_parser *p, json_t *json)
{
	static const char *const names[] = { "hex", "base64", "base64url" };
	static const char *const known[] = { "as", "prefix", NULL };
	struct tally_profile *profile = p->profile;
	size_t before = tally_parse_enter(p, "encoding", 0), i;
	json_t *as = json;

	if (json == NULL)
		as = NULL;
	else if (!json_is_string(json)) {
		tally_parse_only(p, json, known);
		as = tally_parse_text_member(p, json, "as", false);
		json = tally_parse_text_member(p, json, "prefix", false);
		if (json != NULL)
			profile->prefix = tally_parse_text(json);
	}
	for (i = 0; as != NULL && i < 3; i++) {
		if (strcmp(names[i], json_string_value(as)) == 0)
			break;
	}
	if (as != NULL && i == 3)
		tally_parse_refuse(p,
		    "unknown encoding \"%s\"; there are hex, base64, base64url",
		    json_string_value(as));
	else if (as != NULL)
		profile->encoding = (enum tally_encoding)i;
	tally_parse_leave(p, before);
}

/* {NAME: "text" | "json"}: what the cells of a CSV source hold. */
static void
parse_types(struct tally_parser *p, json_t *types)
{
	size_t before = tally_parse_enter(p, "types", 0), inner;
	const char *name;
	json_t *value;
	int i;

	if (!json_is_object(types))
		tally_parse_refuse(p, "expected an object");
	json_object_foreach(types, name, value) {
		const char *word = json_string_value(value);

		inner = tally_parse_enter(p, name, 0);
		if (word == NULL ||
		    (strcmp(word, "text") != 0 && strcmp(word, "json") != 0))
			tally_parse_refuse(p, "expected \"text\" or \"json\"");
		for (i = 0; i < p->profile->fields_len; i++) {
			if (strcmp(p->profile->fields[i].path[0].at, name) == 0)
				break;
		}
		if (i == p->profile->fields_len && !p->profile->whole)
			tally_parse_refuse(p, "no field has this name");
		tally_parse_leave(p, inner);
	}
	tally_parse_leave(p, before);
}

static void
parse_digest(struct tally_parser *p, json_t *digest)
{
	struct tally_profile *profile = p->profile;

	if (digest == NULL)
		return;
	profile->digest = json_string_value(digest);
	profile->digest_size = tally_digest_size(profile->digest);
	if (profile->digest_size == 0)
		tally_parse_refuse(p,
		    "digest: unknown digest \"%s\"; there are %s",
		    profile->digest, TALLY_DIGEST_NAMES);
}

static void
parse_all(struct tally_parser *p)
{
	static const char *const known[] = { "profile", "name", "title",
		"about", "confidence", "query", "parameters", "chain", "order",
		"time", "types", "hash", "prev", "digest", "encoding", "start",
		"eras", "traps", "writer", NULL };
	struct tally_profile *profile = p->profile;
	json_t *json = profile->json;

	tally_parse_only(p, json, known);
	if (json_integer_value(json_object_get(json, "profile")) != 1)
		tally_parse_refuse(p,
		    "\"profile\" must be 1, the version of the format");
	profile->name = json_string_value(tally_parse_text_member(p, json,
	    "name", true));
	(void)tally_parse_text_member(p, json, "title", false);
	(void)tally_parse_text_member(p, json, "about", false);
	(void)tally_parse_text_member(p, json, "confidence", false);
	(void)tally_parse_text_member(p, json, "query", false);
	parse_digest(p, tally_parse_text_member(p, json, "digest", true));
	parse_encoding(p, json_object_get(json, "encoding"));
	profile->chain = tally_parse_field(p,
	    tally_parse_text_member(p, json, "chain", false));
	profile->order = tally_parse_field(p,
	    tally_parse_text_member(p, json, "order", false));
	profile->time = tally_parse_field(p,
	    tally_parse_text_member(p, json, "time", false));
	profile->hash = tally_parse_field(p,
	    tally_parse_text_member(p, json, "hash", true));
	profile->prev = tally_parse_field(p,
	    tally_parse_text_member(p, json, "prev", true));
	parse_start(p, json_object_get(json, "start"));
	profile->eras_len = parse_rules(p, "eras", false, profile->eras);
	profile->traps_len = parse_rules(p, "traps", true, profile->traps);
	if (json_object_get(json, "writer") != NULL)
		tally_parse_writer(p, json_object_get(json, "writer"));
	if (json_object_get(json, "types") != NULL)
		parse_types(p, json_object_get(json, "types"));
}

static int
digest_text(struct tally_parser *p)
{
	char *text = json_dumps(p->profile->json,
	    JSON_COMPACT | JSON_SORT_KEYS);
	struct tally_hasher hasher;

	if (text == NULL || tally_hasher_open(&hasher) != 0) {
		free(text);
		return tally_fail(p->error, TALLY_E_MEMORY, "out of memory");
	}
	p->profile->text_digest = tally_hash_bytes(&hasher, text, strlen(text));
	tally_hasher_close(&hasher);
	free(text);
	return 0;
}

int
tally_profile_parse(const char *text, size_t len,
    const struct tally_profile_setting *settings, size_t settings_len,
    struct tally_profile **out, struct tally_error *error)
{
	struct tally_parser p = { .error = error };
	json_error_t at;

	p.profile = tally_sys_alloc(sizeof(*p.profile));
	if (p.profile == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	p.profile->made = json_array();
	p.profile->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (p.profile->json == NULL)
		p.result = tally_fail(error, TALLY_E_FORMAT,
		    "profile: line %d, column %d: %s", at.line, at.column,
		    at.text);
	if (p.result == 0)
		tally_parameters_apply(&p, settings, settings_len);
	if (p.result == 0)
		parse_all(&p);
	if (p.result == 0)
		p.result = digest_text(&p);
	if (p.result == 0)
		*out = p.profile;
	else
		tally_profile_free(p.profile);
	return p.result;
}

void
tally_profile_free(struct tally_profile *profile)
{
	if (profile == NULL)
		return;
	json_decref(profile->json);
	json_decref(profile->made);
	tally_sys_free(profile);
}

static const char *
member(const struct tally_profile *profile, const char *name)
{
	return json_string_value(json_object_get(profile->json, name));
}

void
tally_profile_describe(const struct tally_profile *profile,
    struct tally_profile_about *out)
{
	out->name = profile->name;
	out->title = member(profile, "title");
	out->about = member(profile, "about");
	out->confidence = member(profile, "confidence");
	out->query = member(profile, "query");
	out->digest = profile->digest;
	out->chain = member(profile, "chain");
}

/* base64url without or with padding becomes base64 with it. */
static int
parse_base64(const char *text, size_t len, bool url, uint8_t *out, size_t size)
{
	char plain[4 * (TALLY_DIGEST_MAX / 3 + 2)];
	size_t i, have;

	if (len > sizeof(plain) - 4)
		return TALLY_E_FORMAT;
	for (i = 0; i < len; i++) {
		plain[i] = text[i];
		if (url && (text[i] == '+' || text[i] == '/'))
			return TALLY_E_FORMAT;
		if (url && text[i] == '-')
			plain[i] = '+';
		if (url && text[i] == '_')
			plain[i] = '/';
	}
	while (url && len % 4 != 0)
		plain[len++] = '=';
	if (tally_base64_parse(plain, len, out, size, &have) != 0)
		return TALLY_E_FORMAT;
	return have == size ? 0 : TALLY_E_FORMAT;
}

int
tally_profile_digest(const struct tally_profile *profile, const char *text,
    size_t len, struct tally_digest *out)
{
	size_t skip = profile->prefix.len;

	if (len < skip ||
	    (skip > 0 && memcmp(text, profile->prefix.at, skip) != 0))
		return TALLY_E_FORMAT;
	text += skip;
	len -= skip;
	if (profile->encoding == TALLY_ENCODING_HEX)
		return len != 2 * profile->digest_size
		    ? TALLY_E_FORMAT
		    : tally_hex_parse(text, len, false, out->b,
			  profile->digest_size);
	return parse_base64(text, len,
	    profile->encoding == TALLY_ENCODING_BASE64URL, out->b,
	    profile->digest_size);
}
