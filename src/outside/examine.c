/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sink holds, by itself: without the log, all signed lines must agree
 * with each other.  Two roots for one size, two heads of a chain under one, or
 * two hashes for one seq of a chain, are two histories; a chain whose seq falls
 * while the log grows was cut and grown again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outside/fail.h"
#include "outside/outside.h"

struct seen {
	char *
	    chain; /* NULL: a checkpoint; then seq is its size, hash its root */
	uint64_t seq, size;
	struct tally_hash hash;
};

struct examining {
	const struct tally_outside_options *options;
	struct seen *seen;
	size_t count, room;
	void (*finding)(void *arg, const struct tally_finding *finding);
	void *arg;
	struct tally_sink_report report;
	struct tally_error *error;
};

static int
remember(struct examining *e, const char *chain, uint64_t seq, uint64_t size,
    const struct tally_hash *hash)
{
	struct seen *one;

	if (e->count == e->room) {
		size_t room = e->room == 0 ? 256 : 2 * e->room;
		struct seen *seen = realloc(e->seen, room * sizeof(*seen));

		if (seen == NULL)
			return tally_outside_fail_memory(e->error);
		e->seen = seen;
		e->room = room;
	}
	one = &e->seen[e->count];
	one->chain = chain == NULL ? NULL : strdup(chain);
	if (chain != NULL && one->chain == NULL)
		return tally_outside_fail_memory(e->error);
	one->seq = seq;
	one->size = size;
	one->hash = *hash;
	e->count++;
	return TALLY_OK;
}

static int
take_line(void *arg, const char *text, size_t len)
{
	struct examining *e = arg;
	struct tally_dispatch dispatch;
	int result;

	result = tally_outside_go_on(e->options, e->error);
	if (result != 0)
		return result;
	result = tally_dispatch_parse(text, len, e->options->vkeys,
	    e->options->vkeys_len, &dispatch, e->error);

	if (result == TALLY_E_FORMAT) {
		e->report.foreign++;
		return TALLY_OK;
	}
	if (result != 0)
		return result;
	if (dispatch.verdict == TALLY_DISPATCH_FORGED) {
		e->report.forged++;
	} else if (dispatch.verdict != TALLY_DISPATCH_SIGNED ||
	    strcmp(dispatch.origin, e->options->origin) != 0) {
		e->report.foreign++;
	} else {
		e->report.lines++;
		if (dispatch.size > e->report.newest_size)
			e->report.newest_size = dispatch.size;
		result = remember(e, NULL, dispatch.size, dispatch.size,
		    &dispatch.root);
		for (size_t i = 0; i < dispatch.heads_len && result == 0; i++)
			result = remember(e, dispatch.heads[i].chain,
			    dispatch.heads[i].seq, dispatch.size,
			    &dispatch.heads[i].hash);
	}
	tally_dispatch_wipe(&dispatch);
	return result;
}

/* By chain, then by the size under which it was said. */
static int
compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	int order = strcmp(x->chain == NULL ? "" : x->chain,
	    y->chain == NULL ? "" : y->chain);

	if (order != 0)
		return order;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void
tell(struct examining *e, enum tally_finding_kind kind, const struct seen *one,
    const char *detail)
{
	const struct tally_finding finding = { .kind = kind,
		.chain = one->chain,
		.seq = one->chain == NULL ? 0 : one->seq,
		.seq_end = one->chain == NULL ? 0 : one->seq + 1,
		.index = UINT64_MAX,
		.detail = detail };

	e->report.findings++;
	if (e->finding != NULL)
		e->finding(e->arg, &finding);
}

static void
judge(struct examining *e)
{
	char detail[96];

	if (e->count > 1)
		qsort(e->seen, e->count, sizeof(*e->seen), compare_seen);
	for (size_t i = 1; i < e->count; i++) {
		const struct seen *a = &e->seen[i - 1], *b = &e->seen[i];

		if ((a->chain == NULL) != (b->chain == NULL) ||
		    (a->chain != NULL && strcmp(a->chain, b->chain) != 0))
			continue;
		if (b->seq != a->seq && b->size == a->size) {
			(void)snprintf(detail, sizeof(detail),
			    "two heads of it were signed for size %llu",
			    (unsigned long long)b->size);
			tell(e, TALLY_FORKED, b, detail);
		} else if (b->seq < a->seq) {
			tell(e, TALLY_ROLLED_BACK, b,
			    "the chain was longer under an older checkpoint");
		} else if (b->seq == a->seq &&
		    memcmp(&a->hash, &b->hash, sizeof(a->hash)) != 0) {
			(void)snprintf(detail, sizeof(detail),
			    b->chain == NULL
				? "two roots were signed for size %llu"
				: "two hashes were signed for seq %llu",
			    (unsigned long long)b->seq);
			tell(e, TALLY_FORKED, b, detail);
		}
	}
}

int
tally_outside_examine(struct tally_outside *outside, size_t i,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_sink_report *out, struct tally_error *error)
{
	struct tally_sink *sink = &outside->sinks[i];
	struct examining e = { .options = &outside->options,
		.finding = finding,
		.arg = arg,
		.error = error };
	int result;

	if (!sink->readable)
		return TALLY_END;
	result = sink->kind->read(sink, 0, take_line, &e, error);
	if (result == 0) {
		judge(&e);
		*out = e.report;
	}
	for (size_t n = 0; n < e.count; n++)
		free(e.seen[n].chain);
	free(e.seen);
	return result;
}
