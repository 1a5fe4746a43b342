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

#include "core/fail.h"
#include "foreign/adopt.h"
#include "foreign/adopt_said.h"
#include "log/sys.h"

#define AHEAD 2048 /* sealed records among which one is looked for */
#define ASIDE 2048 /* records kept aside in a chain */

struct aside {
	uint64_t index, offset;
};

/* One for each era, by its number. */
struct state {
	struct aside *aside;
	uint32_t len, capacity;
	uint64_t more; /* behind those, at the end of what is sealed */
};

struct comparing {
	struct tally_adopting adopting;
	struct tally_adopt_source source;
	struct state *states;
	size_t states_capacity;
	struct tally_verdict *verdict;
	struct tally_adopt_said said;
	bool found_any;  /* something was adopted */
	uint64_t sealed; /* records, in all parts */
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
	uint32_t capacity = state->capacity > 0 ? 2 * state->capacity : 8;
	void *grown;

	/* Few are sealed behind this: most likely these came after. */
	if (state->len == ASIDE && era->sealed_len < ASIDE) {
		state->more++;
		return 0;
	}
	/* More than that is no trace of what was done: it is another file. */
	if (state->len == ASIDE)
		settle(c, era, state, ASIDE);
	if (state->len == state->capacity) {
		grown = tally_sys_realloc(state->aside,
		    capacity * sizeof(*state->aside));
		if (grown == NULL)
			return tally_fail(c->adopting.error, TALLY_E_MEMORY,
			    "out of memory");
		state->aside = grown;
		state->capacity = capacity;
	}
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
	tally_adopting_trim(&c->adopting);
	return r;
}

/* Of an era of which the source has nothing. */
static int
finish_gone(void *arg, struct tally_era *era)
{
	struct comparing *c = arg;
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

/* More was sealed than tally:log says: an adoption was interrupted, or
 * somebody else appended what looks like its parts. */
static void
weigh(struct comparing *c)
{
	if (c->sealed > c->said.records)
		c->adopting.out->unsaid = c->sealed - c->said.records;
}

/* ---- the whole -------------------------------------------------------- */

static int
run(struct comparing *c, const struct tally_adoption *adoption,
    struct tally_log *log, struct tally_adopted *out, struct tally_error *error)
{
	int r = tally_adopting_open(&c->adopting, adoption, log, out, error);

	c->adopting.arg = c;
	if (r == 0)
		r = tally_adopt_said_find(&c->said, adoption, log, error);
	if (r == 0) {
		out->diagnosis.findings = c->said.findings;
		out->time_us = c->said.time_us;
	}
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
		r = tally_adopt_gone(&c->adopting, &c->said, finish_gone, c);
	if (r == 0)
		weigh(c);
	return r;
}

static void
conclude(const struct comparing *c, struct tally_verdict *verdict)
{
	verdict->size = c->adopting.out->records;
	verdict->chains = c->adopting.out->chains;
	verdict->not_covered = c->adopting.out->since > 0 ||
		c->adopting.out->unsaid > 0
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
	tally_adopt_said_wipe(&c->said);
	tally_adopt_source_close(&c->source);
	tally_adopting_close(&c->adopting);
	tally_sys_free(c);
	return r;
}
