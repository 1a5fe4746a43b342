/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "foreign/adopt_said.h"
#include "log/sys.h"

/* Is it chain, or below it? */
static bool
is_below(const char *name, size_t name_len, const char *chain, size_t len)
{
	return name_len >= len && memcmp(name, chain, len) == 0 &&
	    (name_len == len || name[len] == '/' || name[len] == '#');
}

/* ---- events ----------------------------------------------------------- */

static void
take_event(struct tally_adopt_said *said, const char *chain,
    const struct tally_record *record)
{
	json_t *event = json_loadb(record->event, record->event_len, 0, NULL);
	json_t *adopted = json_object_get(event, "adopted"), *count;
	const char *into = json_string_value(json_object_get(adopted, "into"));
	const char *kind;
	uint64_t records;

	if (into != NULL && strcmp(into, chain) == 0) {
		said->findings = 0;
		json_object_foreach(json_object_get(adopted, "findings"), kind,
		    count)
			said->findings += (uint64_t)json_integer_value(count);
		said->time_us = record->time_us;
		records = (uint64_t)json_integer_value(json_object_get(adopted,
		    "records"));
		if (records > said->records)
			said->records = records;
	} else if (into != NULL &&
	    is_below(into, strlen(into), chain, strlen(chain))) {
		(void)json_object_set_new(said->others, into, json_true());
	}
	json_decref(event);
}

int
tally_adopt_said_find(struct tally_adopt_said *said,
    const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_error *error)
{
	static const char begins[] = "{\"adopted\":";
	struct tally_range range = { .chain = "tally:log", .chain_len = 9 };
	struct tally_cursor *cursor;
	struct tally_record record;
	int r;

	memset(said, 0, sizeof(*said));
	said->others = json_object();
	if (said->others == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	r = tally_cursor_open(log, &range, &cursor, error);
	if (r != 0)
		return r;
	while ((r = tally_cursor_next(cursor, &record, error)) == 0) {
		if (record.event != NULL &&
		    record.event_len >= sizeof(begins) &&
		    memcmp(record.event, begins, sizeof(begins) - 1) == 0)
			take_event(said, adoption->chain, &record);
	}
	tally_cursor_close(cursor);
	return r == TALLY_END ? 0 : r;
}

void
tally_adopt_said_wipe(struct tally_adopt_said *said)
{
	json_decref(said->others);
}

/* ---- chains that are gone --------------------------------------------- */

struct names {
	const struct tally_adopting *a;
	const struct tally_adopt_said *said;
	/* Of the source: names that are a digest. */
	struct tally_chain_table digests;
	char *text; /* each with a NUL */
	size_t len, capacity;
};

/* Those of the source's chains that no name of ours can hold. */
static int
take_digests(struct names *names)
{
	const struct tally_adopting *a = names->a;
	const size_t into_len = strlen(a->adoption->chain);
	uint32_t number;
	int r = 0;

	for (uint32_t i = 0; i < a->eras_len && r == 0; i++) {
		const struct tally_era *era = &a->era[i];

		if (era->chain_len > into_len && era->chain[into_len] == '#')
			r = tally_chain_find(&names->digests, era->chain,
			    era->chain_len, &number);
	}
	return r;
}

/* Does the source have it?  It is into, or below it. */
static bool
is_there(const struct names *names, const struct tally_head *head)
{
	const size_t into_len = strlen(names->a->adoption->chain);
	const char *key = head->chain + into_len;
	size_t len = head->chain_len - into_len;

	if (len > 0 && *key == '#')
		return tally_chain_is_known(&names->digests, head->chain,
		    head->chain_len);
	return tally_chain_is_known(&names->a->chains, len > 0 ? key + 1 : key,
	    len > 0 ? len - 1 : 0);
}

/* Another adoption, into a chain below this one, has chains of its own. */
static bool
is_of_another(const struct tally_adopt_said *said, const char *name,
    size_t name_len)
{
	const char *into;
	json_t *value;

	json_object_foreach(said->others, into, value) {
		if (is_below(name, name_len, into, strlen(into)))
			return true;
	}
	return false;
}

/* Keeps a chain's name, if it may be one that was adopted. */
static int
take_name(void *arg, const struct tally_head *head)
{
	struct names *names = arg;
	const char *chain = names->a->adoption->chain;
	char *grown;

	if (!is_below(head->chain, head->chain_len, chain, strlen(chain)) ||
	    is_of_another(names->said, head->chain, head->chain_len) ||
	    is_there(names, head))
		return 0;
	if (names->capacity - names->len < head->chain_len + 1) {
		names->capacity = 2 * names->capacity + TALLY_CHAIN_MAX + 1;
		grown = tally_sys_realloc(names->text, names->capacity);
		if (grown == NULL)
			return TALLY_E_MEMORY;
		names->text = grown;
	}
	memcpy(names->text + names->len, head->chain, head->chain_len);
	names->len += head->chain_len;
	names->text[names->len++] = '\0';
	return 0;
}

int
tally_adopt_gone(struct tally_adopting *a, const struct tally_adopt_said *said,
    tally_adopt_gone_fn fn, void *arg)
{
	struct names names = { .a = a, .said = said };
	struct tally_era era;
	size_t at, len;
	int r = take_digests(&names);

	if (r == 0)
		r = tally_log_heads(a->eras.log, take_name, &names, a->error);
	if (r == TALLY_E_MEMORY)
		(void)tally_fail(a->error, r, "out of memory");
	for (at = 0; r == 0 && at < names.len; at += len + 1) {
		len = strlen(names.text + at);
		r = tally_era_init(&era, names.text + at, len);
		if (r != 0)
			(void)tally_fail(a->error, r, "out of memory");
		if (r == 0)
			r = fn(arg, &era);
		tally_era_wipe(&a->eras, &era);
	}
	tally_chain_wipe(&names.digests);
	tally_sys_free(names.text);
	return r;
}
