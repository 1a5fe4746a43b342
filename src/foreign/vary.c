/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "foreign/vary.h"
#include "log/sys.h"

#define WAYS_MAX 512 /* of all steps together */
#define HINTS_MAX 8  /* then it is not worth looking on */
#define PAIRS_MAX 60000
#define SAYS_MAX 160

#define QUARTER_US ((int64_t)900 * 1000000)

/* A step, written in another way. */
struct way {
	size_t at;
	struct tally_step step;
	int64_t shift_us;
	const char *basis; /* in place of the link, for a step that has it */
	char says[SAYS_MAX];
};

struct search {
	struct tally_judging *judging;
	const struct tally_row *row;
	const struct tally_canon_text *basis;
	const struct tally_digest *stored;
	struct tally_input input; /* with ways in it */
	struct way ways[WAYS_MAX + 1];
	size_t ways_len;
	void (*hint)(void *arg, const char *hint);
	void *arg;
	unsigned count;
};

static struct way *
add(struct search *s, size_t at, const char *says)
{
	/* One too many is written over the one before, and not looked at. */
	struct way *way = &s->ways[s->ways_len];

	s->ways_len += s->ways_len < WAYS_MAX;

	memset(way, 0, sizeof(*way));
	way->at = at;
	way->step = s->input.steps[at];
	(void)snprintf(way->says, sizeof(way->says), "%s", says);
	return way;
}

static struct tally_canon_text
text(const char *plain)
{
	return (struct tally_canon_text){ plain, strlen(plain) };
}

/* ---- the ways --------------------------------------------------------- */

static const struct {
	enum tally_step_kind kind;
	enum tally_canon_form form;
	unsigned precision;
	const char *says;
} filters[] = {
	{ TALLY_STEP_TEXT, 0, 0, "\"as\": \"text\"" },
	{ TALLY_STEP_JSON, TALLY_CANON_JS_PROPERTY, 0,
	    "\"as\": \"js-property\"" },
	{ TALLY_STEP_JSON, TALLY_CANON_JS_UTF16, 0, "\"as\": \"js-utf16\"" },
	{ TALLY_STEP_JSON, TALLY_CANON_PYTHON, 0, "\"as\": \"python\"" },
	{ TALLY_STEP_JSON, TALLY_CANON_JSONB, 0, "\"as\": \"jsonb\"" },
	{ TALLY_STEP_HEX, 0, 0, "\"as\": \"hex\"" },
	{ TALLY_STEP_BASE64, 0, 0, "\"as\": \"base64\"" },
	{ TALLY_STEP_INT64, 0, 0, "\"as\": \"int64\"" },
	{ TALLY_STEP_INT32, 0, 0, "\"as\": \"int32\"" },
	{ TALLY_STEP_TIME, 0, 0, "\"as\": \"time-s\"" },
	{ TALLY_STEP_TIME, 0, 3, "\"as\": \"time-ms\"" },
	{ TALLY_STEP_TIME, 0, 6, "\"as\": \"time-us\"" },
	{ TALLY_STEP_EPOCH, 0, 0, "\"as\": \"epoch-s\"" },
	{ TALLY_STEP_EPOCH, 0, 3, "\"as\": \"epoch-ms\"" },
	{ TALLY_STEP_EPOCH, 0, 6, "\"as\": \"epoch-us\"" },
};

static void
add_filters(struct search *s, size_t at)
{
	const struct tally_step *step = &s->input.steps[at];
	struct way *way;
	size_t i;

	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (filters[i].kind == step->kind &&
		    filters[i].precision == step->precision &&
		    (step->kind != TALLY_STEP_JSON ||
			filters[i].form == step->style.form))
			continue;
		way = add(s, at, filters[i].says);
		way->step.kind = filters[i].kind;
		way->step.style.form = filters[i].form;
		way->step.precision = filters[i].precision;
	}
}

static void
add_zones(struct search *s, size_t at)
{
	struct way *way;
	char says[SAYS_MAX];
	int quarter;

	for (quarter = -56; quarter <= 56; quarter++) {
		if (quarter == 0)
			continue;
		(void)snprintf(says, sizeof(says),
		    "the time zone UTC%c%02d:%02d", quarter < 0 ? '-' : '+',
		    (quarter < 0 ? -quarter : quarter) / 4,
		    (quarter < 0 ? -quarter : quarter) % 4 * 15);
		way = add(s, at, says);
		way->shift_us = quarter * QUARTER_US;
	}
}

static void
add_nulls(struct search *s, size_t at)
{
	static const struct {
		const char *text;
		const char *says;
	} nulls[] = {
		{ "", "\"null\": \"\"" },
		{ "null", "\"null\": \"null\"" },
		{ "NULL", "\"null\": \"NULL\"" },
		{ "None", "\"null\": \"None\"" },
		{ "undefined", "\"null\": \"undefined\"" },
		{ "\"\"", "\"null\": \"\\\"\\\"\"" },
	};
	size_t i;

	for (i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		add(s, at, nulls[i].says)->step.text = text(nulls[i].text);
}

static void
add_links(struct search *s, size_t at)
{
	static const char *const others[] = {
		"",
		"genesis",
		"GENESIS",
		"null",
		"None",
		"0",
		("00000000000000000000000000000000"
		 "00000000000000000000000000000000"),
	};
	struct way *way;
	char says[SAYS_MAX];
	size_t i;

	way = add(s, at, "\"prev\": \"hex\"");
	way->step.kind = TALLY_STEP_PREV_BYTES;
	way = add(s, at, "\"prev\": \"text\"");
	way->step.kind = TALLY_STEP_PREV;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(says, sizeof(says),
		    "\"%s\" in the place of the link", others[i]);
		add(s, at, says)->basis = others[i];
	}
}

static void
add_forms(struct search *s, size_t at)
{
	static const char *const says[] = { "\"record\": \"js-property\"",
		"\"record\": \"js-utf16\"", "\"record\": \"python\"",
		"\"record\": \"jsonb\"" };
	int form;

	for (form = 0; form < 4; form++)
		add(s, at, says[form])
		    ->step.style.form = (enum tally_canon_form)form;
	/* What was added to records later is not among what was hashed. */
	add(s, at, "no \"without\"")->step.style.without_len = 0;
}

static void
add_literals(struct search *s, size_t at)
{
	static const char *const others[] = { "|", ":", ",", ";", "\n", "\t",
		" ", "-", "\x1f" };
	char says[SAYS_MAX];
	size_t i;

	add(s, at, "nothing in its place")->step.text = text("");
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(says, sizeof(says), "the character 0x%02x",
		    (unsigned)others[i][0]);
		add(s, at, says)->step.text = text(others[i]);
	}
}

static void
add_ways(struct search *s, size_t at)
{
	const struct tally_step *step = &s->input.steps[at];

	switch (step->kind) {
	case TALLY_STEP_LITERAL:
		add_literals(s, at);
		break;
	case TALLY_STEP_PREV:
	case TALLY_STEP_PREV_BYTES:
	case TALLY_STEP_PREV_JSON:
		add_links(s, at);
		break;
	case TALLY_STEP_RECORD:
		add_forms(s, at);
		break;
	case TALLY_STEP_BEGIN:
	case TALLY_STEP_END_HEX:
	case TALLY_STEP_END_BYTES:
		break;
	default:
		if (tally_row_is_null(s->row, step->field)) {
			add_nulls(s, at);
			break;
		}
		add_filters(s, at);
		if (step->kind == TALLY_STEP_TIME)
			add_zones(s, at);
	}
}

/* ---- the search ------------------------------------------------------- */

/* Does it fit with this way, and the other, if there is one? */
static int
try_ways(struct search *s, const struct way *one, const struct way *two,
    bool *out)
{
	struct tally_step before_one = s->input.steps[one->at];
	struct tally_step before_two = s->input.steps[two->at];
	struct tally_canon_text basis = *s->basis;
	struct tally_digest digest;
	int r;

	s->input.steps[one->at] = one->step;
	s->input.steps[two->at] = two->step;
	s->judging->shift_us = one->shift_us + (two != one ? two->shift_us : 0);
	if (one->basis != NULL)
		basis = text(one->basis);
	if (two->basis != NULL)
		basis = text(two->basis);
	r = tally_judge_hash(s->judging, &s->input, s->row, &basis, &digest);
	*out = r == 0 &&
	    memcmp(digest.b, s->stored->b, s->judging->digester.size) == 0;
	s->judging->shift_us = 0;
	s->input.steps[one->at] = before_one;
	s->input.steps[two->at] = before_two;
	return r == TALLY_E_MEMORY ? r : 0;
}

static void
tell(struct search *s, const struct way *one, const struct way *two)
{
	char says[2 * SAYS_MAX + 80];
	int n = snprintf(says, sizeof(says), "fits with %s at %s", one->says,
	    one->step.path);

	if (two != one && n > 0 && (size_t)n < sizeof(says))
		(void)snprintf(says + n, sizeof(says) - (size_t)n,
		    " and %s at %s", two->says, two->step.path);
	s->hint(s->arg, says);
	s->count++;
}

static int
search(struct search *s)
{
	size_t i, k, pairs = 0;
	bool fits;
	int r = 0;

	for (i = 0; i < s->ways_len && r == 0 && s->count < HINTS_MAX; i++) {
		r = try_ways(s, &s->ways[i], &s->ways[i], &fits);
		if (r == 0 && fits)
			tell(s, &s->ways[i], &s->ways[i]);
	}
	for (i = 0; i < s->ways_len && r == 0 && s->count == 0; i++) {
		for (k = i + 1; k < s->ways_len && r == 0 &&
		     pairs < PAIRS_MAX && s->count < HINTS_MAX;
		     k++) {
			/* Zones go with all times, so one is enough. */
			if (s->ways[i].at == s->ways[k].at ||
			    (s->ways[i].shift_us != 0 &&
				s->ways[k].shift_us != 0))
				continue;
			pairs++;
			r = try_ways(s, &s->ways[i], &s->ways[k], &fits);
			if (r == 0 && fits)
				tell(s, &s->ways[i], &s->ways[k]);
		}
	}
	return r;
}

int
tally_vary(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored,
    void (*hint)(void *arg, const char *hint), void *arg, unsigned *out_count)
{
	struct search *s = tally_sys_alloc(sizeof(*s));
	size_t i;
	int r;

	if (s == NULL)
		return TALLY_E_MEMORY;
	s->judging = judging;
	s->row = row;
	s->basis = basis;
	s->stored = stored;
	s->input = *input;
	s->hint = hint;
	s->arg = arg;
	for (i = 0; i < input->steps_len; i++)
		add_ways(s, i);
	r = search(s);
	*out_count = s->count;
	tally_sys_free(s);
	return r;
}
