/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holding a source against what was adopted of it.
 *
 * The two are sequences of digests.  A record that is not the next one is kept
 * aside until a later one is found among the next sealed ones: what was passed
 * over there, and what was kept aside here, is what happened in between, and
 * is paired: changed records first, then those that are missing or inserted.
 */
#include <string.h>

#include <jansson.h>

#include "core/fail.h"
#include "foreign/adopt.h"
#include "log/sys.h"

#define AHEAD 2048 /* sealed records among which one is looked for */
#define ASIDE 2048 /* records kept aside in a chain */

struct aside {
	uint64_t index, offset;
};

/* One for each era, by its number. */
struct state {
	struct aside *aside;
	size_t len;
	uint64_t more; /* behind those, at the end of what is sealed */
};

struct comparing {
	struct tally_adopting adopting;
	struct tally_adopt_source source;
	struct state *states;
	size_t states_capacity;
	struct tally_verdict *verdict;
	bool found_any; /* something was adopted */
	json_t *others; /* by name: chains below that other sources went into */
	uint64_t sealed; /* records, in all parts */
	uint64_t said;   /* records, by what tally:log says */
};

static void
tell(struct comparing *c, enum tally_finding_kind kind,
    const struct tally_era *era, uint64_t seq, uint64_t seq_end,
    const struct aside *at, const char *detail)
{
	const struct tally_verify_options *options = c->adopting.adoption
							 ->options;
	struct tally_finding finding = { .kind = kind,
		.chain = era->chain,
		.seq = seq,
		.seq_end = seq_end,
		.index = at != NULL ? at->index : UINT64_MAX,
		.file = c->source.path,
		.offset = at != NULL ? at->offset : 0,
		.detail = detail };

	c->verdict->findings++;
	c->verdict->by_kind[kind]++;
	if (options != NULL && options->finding != NULL)
		options->finding(options->arg, &finding);
}

/*
 * The next passed sealed records have no equal, and what is aside has none
 * either; the window slides over them.
 */
static void
settle(struct comparing *c, struct tally_era *era, struct state *state,
    size_t passed)
{
	size_t pairs = passed < state->len ? passed : state->len, i;
	uint64_t seq = era->window;

	for (i = 0; i < pairs; i++)
		tell(c, TALLY_CONTENT_ALTERED, era, seq + i, seq + i + 1,
		    &state->aside[i], "the record is another than was adopted");
	if (passed > pairs)
		tell(c, TALLY_MISSING, era, seq + pairs, seq + passed, NULL,
		    "adopted, and not there any more");
	for (i = pairs; i < state->len; i++)
		tell(c, TALLY_INSERTED, era, seq + passed, 0, &state->aside[i],
		    "stands between adopted records, and was not adopted");
	if (state->more > 0)
		tell(c, TALLY_INSERTED, era, seq + passed, 0, NULL,
		    "and more behind it, up to the next adopted record");
	tally_era_slide(era, passed);
	state->len = 0;
	state->more = 0;
}

static int
state_of(struct comparing *c, const struct tally_era *era, struct state **out)
{
	size_t number = (size_t)(era - c->adopting.era), capacity;
	void *grown;

	if (number >= c->states_capacity) {
		capacity = 2 * number + 8;
		grown = tally_sys_realloc(c->states,
		    capacity * sizeof(*c->states));
		if (grown == NULL)
			return tally_fail(c->adopting.error, TALLY_E_MEMORY,
			    "out of memory");
		c->states = grown;
		memset(c->states + c->states_capacity, 0,
		    (capacity - c->states_capacity) * sizeof(*c->states));
		c->states_capacity = capacity;
	}
	*out = &c->states[number];
	return 0;
}

static int
put_aside(struct comparing *c, struct tally_era *era, struct state *state)
{
	if (state->aside == NULL) {
		state->aside = tally_sys_alloc(ASIDE * sizeof(*state->aside));
		if (state->aside == NULL)
			return tally_fail(c->adopting.error, TALLY_E_MEMORY,
			    "out of memory");
	}
	/* Few are sealed behind this: most likely these came after. */
	if (state->len == ASIDE && era->sealed_len < ASIDE) {
		state->more++;
		return 0;
	}
	/* More than that is no trace of what was done: it is another file. */
	if (state->len == ASIDE)
		settle(c, era, state, ASIDE);
	state->aside[state->len].index = c->adopting.index;
	state->aside[state->len++].offset = c->adopting.offset;
	return 0;
}

static int
compare(struct tally_adopting *a, struct tally_era *era,
    const struct tally_hash *digest)
{
	struct comparing *c = a->arg;
	struct state *state;
	size_t i = 0;
	int r = state_of(c, era, &state);

	if (r == 0)
		r = tally_era_look(&a->eras, era, 1);
	if (r != 0)
		return r;
	c->found_any |= era->sealed_len > 0;
	if (era->sealed_len == 0 || state->len > 0 ||
	    !tally_hash_equal(tally_era_sealed(era), digest)) {
		r = tally_era_look(&a->eras, era, AHEAD);
		while (r == 0 && i < era->sealed_len &&
		    !tally_hash_equal(tally_era_sealed(era) + i, digest))
			i++;
	}
	if (r != 0)
		return r;
	if (i == era->sealed_len)
		return put_aside(c, era, state);
	if (i > 0 || state->len > 0)
		settle(c, era, state, i);
	tally_era_slide(era, 1);
	a->out->before++;
	c->verdict->records++;
	return 0;
}

/* What is left of one chain when the source is at its end: what was adopted and
 * is not there, paired with what is aside.  What is aside beyond that came
 * after the adoption. */
static int
finish(struct comparing *c, struct tally_era *era)
{
	struct tally_eras *eras = &c->adopting.eras;
	uint64_t seq = 0, end = 0;
	struct state *state;
	size_t aside = 0;
	int r = state_of(c, era, &state);

	if (r == 0)
		r = tally_era_look(eras, era, 1);
	for (; r == 0 && era->sealed_len > 0;
	     r = tally_era_look(eras, era, 1)) {
		c->found_any = true;
		if (aside < state->len) {
			tell(c, TALLY_CONTENT_ALTERED, era, era->window,
			    era->window + 1, &state->aside[aside++],
			    "the record is another than was adopted");
			tally_era_slide(era, 1);
			continue;
		}
		seq = seq == 0 ? era->window : seq;
		end = era->window + era->sealed_len;
		tally_era_slide(era, era->sealed_len);
	}
	if (r == 0 && seq > 0)
		tell(c, TALLY_TRUNCATED, era, seq, end, NULL,
		    "adopted, and behind the end of the source");
	c->adopting.out->since += state->len - aside + state->more;
	c->sealed += era->window - 1;
	return r;
}

/* Of an era of which the source has nothing. */
static int
finish_gone(struct comparing *c, struct tally_era *era)
{
	struct tally_eras *eras = &c->adopting.eras;
	uint64_t end = 1;
	int r;

	while ((r = tally_era_look(eras, era, 1)) == 0 && era->sealed_len > 0) {
		end = era->window + era->sealed_len;
		tally_era_slide(era, era->sealed_len);
	}
	if (r != 0 || end == 1)
		return r;
	c->found_any = true;
	c->sealed += end - 1;
	tell(c, TALLY_TRUNCATED, era, 1, end, NULL,
	    "adopted, and the source has no record of it any more");
	return 0;
}

/* ---- what was said ---------------------------------------------------- */

/* Is it chain, or below it? */
static bool
is_below(const char *name, size_t name_len, const char *chain, size_t len)
{
	return name_len >= len && memcmp(name, chain, len) == 0 &&
	    (name_len == len || name[len] == '/' || name[len] == '#');
}

/* Takes when the chain was adopted, how much, and what was found then. */
static void
take_said(struct comparing *c, const struct tally_record *record)
{
	const char *chain = c->adopting.adoption->chain;
	json_t *event = json_loadb(record->event, record->event_len, 0, NULL);
	json_t *said = json_object_get(event, "adopted"), *count;
	const char *into = json_string_value(json_object_get(said, "into"));
	uint64_t findings = 0, records;
	const char *kind;

	if (into != NULL && strcmp(into, chain) == 0) {
		json_object_foreach(json_object_get(said, "findings"), kind,
		    count)
			findings += (uint64_t)json_integer_value(count);
		c->adopting.out->diagnosis.findings = findings;
		c->adopting.out->time_us = record->time_us;
		records = (uint64_t)json_integer_value(
		    json_object_get(said, "records"));
		if (records > c->said)
			c->said = records;
	} else if (into != NULL &&
	    is_below(into, strlen(into), chain, strlen(chain))) {
		(void)json_object_set_new(c->others, into, json_true());
	}
	json_decref(event);
}

static int
find_said(struct comparing *c, struct tally_log *log)
{
	static const char begins[] = "{\"adopted\":";
	struct tally_range range = { .chain = "tally:log", .chain_len = 9 };
	struct tally_cursor *cursor;
	struct tally_record record;
	int r = tally_cursor_open(log, &range, &cursor, c->adopting.error);

	if (r != 0)
		return r;
	while ((r = tally_cursor_next(cursor, &record, c->adopting.error)) ==
	    0) {
		if (record.event != NULL &&
		    record.event_len >= sizeof(begins) &&
		    memcmp(record.event, begins, sizeof(begins) - 1) == 0)
			take_said(c, &record);
	}
	tally_cursor_close(cursor);
	return r == TALLY_END ? 0 : r;
}

/* ---- chains that are gone --------------------------------------------- */

struct names {
	struct comparing *c;
	struct tally_chain_table known; /* those of the source */
	uint32_t known_len;
	char *text; /* each with a NUL */
	size_t len, capacity;
};

static int
take_known(struct names *names)
{
	const struct tally_adopting *a = &names->c->adopting;
	uint32_t number;
	int r = 0;

	for (uint32_t i = 0; i < a->chains.len && r == 0; i++)
		r = tally_chain_find(&names->known, a->era[i].chain,
		    a->era[i].chain_len, &number);
	names->known_len = names->known.len;
	return r;
}

/* Another adoption, into a chain below this one, has chains of its own. */
static bool
is_of_another(const struct comparing *c, const char *name, size_t name_len)
{
	const char *into;
	json_t *value;

	json_object_foreach(c->others, into, value) {
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
	const char *chain = names->c->adopting.adoption->chain;
	uint32_t number;
	char *grown;

	if (!is_below(head->chain, head->chain_len, chain, strlen(chain)) ||
	    is_of_another(names->c, head->chain, head->chain_len))
		return 0;
	if (tally_chain_find(&names->known, head->chain, head->chain_len,
		&number) != 0)
		return TALLY_E_MEMORY;
	if (number < names->known_len)
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

/* Chains that were adopted and of which the source has nothing any more. */
static int
find_gone(struct comparing *c, struct tally_log *log)
{
	struct names names = { .c = c };
	struct tally_era era;
	size_t at, len;
	int r = take_known(&names);

	if (r == 0)
		r = tally_log_heads(log, take_name, &names, c->adopting.error);
	if (r == TALLY_E_MEMORY)
		(void)tally_fail(c->adopting.error, r, "out of memory");
	for (at = 0; r == 0 && at < names.len; at += len + 1) {
		len = strlen(names.text + at);
		memset(&era, 0, sizeof(era));
		memcpy(era.chain, names.text + at, len);
		era.chain_len = len;
		r = finish_gone(c, &era);
		tally_era_wipe(&era);
	}
	tally_chain_wipe(&names.known);
	tally_sys_free(names.text);
	return r;
}

/* More was sealed than tally:log says: an adoption was interrupted, or
 * somebody else appended what looks like its parts. */
static void
weigh(struct comparing *c)
{
	if (c->sealed > c->said)
		c->adopting.out->unsaid = c->sealed - c->said;
}

/* ---- the whole -------------------------------------------------------- */

static int
run(struct comparing *c, const struct tally_adoption *adoption,
    struct tally_log *log, struct tally_adopted *out, struct tally_error *error)
{
	int r = tally_adopting_open(&c->adopting, adoption, log, out, error);

	c->adopting.arg = c;
	c->others = json_object();
	if (r == 0 && c->others == NULL)
		r = tally_fail(error, TALLY_E_MEMORY, "out of memory");
	if (r == 0)
		r = find_said(c, log);
	if (r == 0)
		r = tally_adopt_source_open(&c->source, adoption, false, error);
	if (r == 0)
		r = tally_adopt_source_begin(&c->source, adoption, error);
	if (r == 0)
		r = tally_adopting_walk(&c->adopting, &c->source.source,
		    compare);
	for (uint32_t i = 0; i < c->adopting.chains.len && r == 0; i++)
		r = finish(c, &c->adopting.era[i]);
	if (r == 0)
		r = find_gone(c, log);
	if (r == 0)
		weigh(c);
	return r;
}

static void
conclude(const struct comparing *c, struct tally_verdict *verdict)
{
	verdict->size = c->adopting.out->records;
	verdict->chains = c->adopting.out->chains;
	verdict->not_covered =
	    c->adopting.out->since > 0 || c->adopting.out->unsaid > 0
	    ? TALLY_UNCOVERED_TAIL
	    : 0;
	verdict->verdict = verdict->findings > 0 ? TALLY_TAMPERED
						 : TALLY_INTACT;
}

int
tally_adopt_verify(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_verdict *out_verdict, struct tally_adopted *out,
    struct tally_error *error)
{
	struct comparing *c = tally_sys_alloc(sizeof(*c));
	struct tally_verdict verdict = { 0 };
	int64_t start_us = tally_sys_monotonic_us();
	int r;

	if (c == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	c->verdict = &verdict;
	c->source.fd = c->source.lock = -1;
	r = run(c, adoption, log, out, error);
	conclude(c, &verdict);
	verdict.seconds = (double)(tally_sys_monotonic_us() - start_us) / 1e6;
	if (r == 0 && !c->found_any)
		r = tally_fail(error, TALLY_END,
		    "nothing was adopted into chain \"%s\"", adoption->chain);
	if (r == 0)
		*out_verdict = verdict;
	for (size_t i = 0; i < c->states_capacity; i++)
		tally_sys_free(c->states[i].aside);
	tally_sys_free(c->states);
	json_decref(c->others);
	tally_adopt_source_close(&c->source);
	tally_adopting_close(&c->adopting);
	tally_sys_free(c);
	return r;
}
