/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of an input in another order, or fewer of them.  What separates
 * fields stays where it is while they change places; with a field that is left
 * out one neighbour goes, too.  Of n steps that is some n * n digests.
 */
#include <stdio.h>
#include <string.h>

#include "foreign/vary.h"
#include "log/sys.h"

#define HINTS_MAX 8
#define SAYS_MAX 400

struct ordering {
	struct tally_judging *judging;
	const struct tally_input *from;
	const struct tally_row *row;
	const struct tally_canon_text *basis;
	const struct tally_digest *stored;
	struct tally_input input;       /* what is tried */
	size_t fields[TALLY_STEPS_MAX]; /* steps that are no separators */
	size_t fields_len;
	void (*hint)(void *arg, const char *hint);
	void *arg;
	unsigned count;
};

static bool
is_bracket(const struct tally_step *step)
{
	return step->kind == TALLY_STEP_BEGIN ||
	    step->kind == TALLY_STEP_END_HEX ||
	    step->kind == TALLY_STEP_END_BYTES;
}

static int
fits(struct ordering *o, bool *out)
{
	struct tally_digest digest;
	int r = tally_judge_hash(o->judging, &o->input, o->row, o->basis,
	    &digest);

	*out = r == 0 &&
	    memcmp(digest.b, o->stored->b, o->judging->digester.size) == 0;
	return r == TALLY_E_MEMORY ? r : 0;
}

static void
tell(struct ordering *o, const char *before, const char *one,
    const char *between, const char *two, const char *behind)
{
	char says[SAYS_MAX];

	(void)snprintf(says, sizeof(says), "fits %s%s%s%s%s", before, one,
	    between, two, behind);
	o->hint(o->arg, says);
	o->count++;
}

/* Without the steps [at, at + len). */
static int
leave_out(struct ordering *o, size_t at, size_t len)
{
	const struct tally_step *steps = o->from->steps;
	bool good;
	size_t i;
	int r;

	if (at + len > o->from->steps_len)
		return 0;
	for (i = at; i < at + len; i++) {
		if (is_bracket(&steps[i]))
			return 0;
	}
	o->input = *o->from;
	memmove(&o->input.steps[at], &o->input.steps[at + len],
	    (o->from->steps_len - at - len) * sizeof(steps[0]));
	o->input.steps_len -= len;
	r = fits(o, &good);
	if (r == 0 && good)
		tell(o, "without ", steps[at].path, len > 1 ? " and " : "",
		    len > 1 ? steps[at + 1].path : "", "");
	return r;
}

/* The fields one and two, in each other's place. */
static int
swap(struct ordering *o, size_t one, size_t two)
{
	const struct tally_step *steps = o->from->steps;
	bool good;
	int r;

	o->input = *o->from;
	o->input.steps[o->fields[one]] = steps[o->fields[two]];
	o->input.steps[o->fields[two]] = steps[o->fields[one]];
	r = fits(o, &good);
	if (r == 0 && good)
		tell(o, "with ", steps[o->fields[one]].path, " and ",
		    steps[o->fields[two]].path, " in each other's place");
	return r;
}

/* The field one in the place of two; those between move up. */
static int
move(struct ordering *o, size_t one, size_t two)
{
	const struct tally_step *steps = o->from->steps;
	size_t at = one;
	bool good;
	int r;

	o->input = *o->from;
	while (at != two) {
		size_t next = two > at ? at + 1 : at - 1;

		o->input.steps[o->fields[at]] = steps[o->fields[next]];
		at = next;
	}
	o->input.steps[o->fields[two]] = steps[o->fields[one]];
	r = fits(o, &good);
	if (r == 0 && good)
		tell(o, "with ", steps[o->fields[one]].path,
		    " in the place of ", steps[o->fields[two]].path, "");
	return r;
}

static int
search(struct ordering *o)
{
	size_t i, k;
	int r = 0;

	for (i = 0; i < o->from->steps_len && r == 0; i++) {
		r = leave_out(o, i, 1);
		if (r == 0 && o->count < HINTS_MAX)
			r = leave_out(o, i, 2);
	}
	for (i = 0; i < o->fields_len && r == 0; i++) {
		for (k = i + 1;
		     k < o->fields_len && r == 0 && o->count < HINTS_MAX; k++)
			r = swap(o, i, k);
	}
	for (i = 0; i < o->fields_len && r == 0; i++) {
		for (k = 0; k < o->fields_len && r == 0 && o->count == 0; k++) {
			/* Neighbours were swapped. */
			if (k > i + 1 || k + 1 < i)
				r = move(o, i, k);
		}
	}
	return r;
}

int
tally_vary_order(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored,
    void (*hint)(void *arg, const char *hint), void *arg)
{
	struct ordering *o = tally_sys_alloc(sizeof(*o));
	int r;

	if (o == NULL)
		return TALLY_E_MEMORY;
	o->judging = judging;
	o->from = input;
	o->row = row;
	o->basis = basis;
	o->stored = stored;
	o->hint = hint;
	o->arg = arg;
	for (size_t i = 0; i < input->steps_len; i++) {
		if (input->steps[i].kind != TALLY_STEP_LITERAL &&
		    !is_bracket(&input->steps[i]))
			o->fields[o->fields_len++] = i;
	}
	r = search(o);
	tally_sys_free(o);
	return r;
}
