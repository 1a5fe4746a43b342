/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence is weighed in the open: each judgement says why, and nothing that a
 * forger could have made is called certain.  A hash without a key proves no
 * innocence: whoever can write the table can write a branch that holds.
 */
#include <string.h>

#include "foreign/causes.h"

/* So many records in a row that do not hold are rather a rule than a hand. */
#define STREAK_LONG 64
#define STREAK_SHORT 8

/* A chain is begun twice by a race only while it is new. */
#define NEW_SEQ 64

/* Of so many a trait that they share is no accident. */
#define TRAIT_MIN 3

struct weighed {
	enum tally_cause cause;
	enum tally_sure sure;
	const char *why;
};

/* What needs no more evidence than the finding itself. */
static const struct weighed plain[] = {
	[TALLY_REASON_OLD_ERA] = { TALLY_CAUSE_RULE, TALLY_POSSIBLE,
	    "an old writer was still running, or a forger used the weaker"
	    " rule" },
	[TALLY_REASON_NO_FORM] = { TALLY_CAUSE_DRIFT, TALLY_LIKELY,
	    "what is stored cannot have been hashed in this form" },
	[TALLY_REASON_HASH_FORM] = { TALLY_CAUSE_EDIT, TALLY_POSSIBLE,
	    "no writer stores such a hash" },
	[TALLY_REASON_NOTHING_HOLDS] = { TALLY_CAUSE_RULE, TALLY_LIKELY,
	    "nobody changes every record: the profile, a parameter, the key or"
	    " the export is wrong" },
	[TALLY_REASON_FORK_BENIGN] = { TALLY_CAUSE_RACE, TALLY_LIKELY,
	    "the parent and every branch hold: two writers read one head" },
	[TALLY_REASON_FORK] = { TALLY_CAUSE_INSERTION, TALLY_POSSIBLE,
	    "not all of the fork holds: a race, behind which something was"
	    " changed or put in" },
	[TALLY_REASON_BEGINNING] = { TALLY_CAUSE_DELETION, TALLY_LIKELY,
	    "the chain began with another record; retention, if it is known to"
	    " have run" },
	[TALLY_REASON_GAP] = { TALLY_CAUSE_DELETION, TALLY_CERTAIN,
	    "a record was linked to, and both it and its number are gone" },
	[TALLY_REASON_LATER] = { TALLY_CAUSE_REORDERING, TALLY_CERTAIN,
	    "its predecessor is there, behind it: the order in which records"
	    " are read is not that in which they were linked" },
	[TALLY_REASON_OTHER_CHAIN] = { TALLY_CAUSE_INSERTION, TALLY_LIKELY,
	    "it was written for another chain" },
	[TALLY_REASON_TWICE] = { TALLY_CAUSE_INSERTION, TALLY_LIKELY,
	    "a copy: a write that was repeated, or a restore over it" },
	[TALLY_REASON_UNSEALED] = { TALLY_CAUSE_INSERTION, TALLY_LIKELY,
	    "written past the chain, or its hash was taken away" },
	[TALLY_REASON_RESEEDED] = { TALLY_CAUSE_EDIT, TALLY_POSSIBLE,
	    "no writer of this system does that" },
};

static struct weighed
weigh_plain(const struct tally_graph *graph, const struct tally_found *found)
{
	static const struct weighed nothing = { TALLY_CAUSE_NONE,
		TALLY_POSSIBLE, NULL };

	(void)graph;
	return found->reason < sizeof(plain) / sizeof(plain[0]) &&
		plain[found->reason].why != NULL
	    ? plain[found->reason]
	    : nothing;
}

/* A trait that all records have that do not hold, and no other; or NULL. */
static const char *
trait_of(const struct tally_graph *graph)
{
	static const char *const says[TALLY_TRAITS] = {
		"all records with a number that has a point or an exponent"
		" fail, and no others: numbers were spelled in another way",
		"all records with text beyond ASCII fail, and no others: text"
		" was spelled in another way",
		"all records with escapes in their text fail, and no others:"
		" text was spelled in another way",
	};
	int i;

	for (i = 0; i < TALLY_TRAITS && graph->bad >= TRAIT_MIN; i++) {
		if (graph->trait_bad[i] == graph->bad &&
		    graph->trait_good[i] == 0)
			return says[i];
	}
	return NULL;
}

static struct weighed
weigh_content(const struct tally_graph *graph, const struct tally_found *found)
{
	static const struct weighed streak_long = { TALLY_CAUSE_RULE,
		TALLY_LIKELY,
		"it stands among 64 or more in a row that all fail: another"
		" rule was in force for them, or another key" };
	static const struct weighed streak_short = { TALLY_CAUSE_RULE,
		TALLY_POSSIBLE,
		"it stands among 8 or more in a row that all fail: another"
		" rule, or a change to all of them" };
	static const struct weighed both = { TALLY_CAUSE_EDIT, TALLY_LIKELY,
		"neither its content nor its link is what was hashed" };
	static const struct weighed alone = { TALLY_CAUSE_EDIT, TALLY_LIKELY,
		"its neighbours hold and its links fit: what is hashed was"
		" changed since" };
	const struct tally_streak *streak = tally_graph_streak(graph,
	    found->place.chain, found->place.seq);
	const struct tally_run *run = tally_graph_run(graph,
	    found->place.index);
	const char *trait = trait_of(graph);

	if (trait != NULL)
		return (struct weighed){ TALLY_CAUSE_DRIFT, TALLY_LIKELY,
			trait };
	if (streak != NULL && streak->count >= STREAK_LONG)
		return streak_long;
	if (streak != NULL && streak->count >= STREAK_SHORT)
		return streak_short;
	return run != NULL && run->edge == TALLY_EDGE_LOOSE ? both : alone;
}

static struct weighed
weigh_orphan(const struct tally_graph *graph, const struct tally_found *found)
{
	static const struct weighed changed = { TALLY_CAUSE_EDIT, TALLY_LIKELY,
		"it does not hold either: its link was changed" };
	static const struct weighed removed = { TALLY_CAUSE_DELETION,
		TALLY_POSSIBLE,
		"its predecessor was removed, or the record before it was"
		" changed and hashed anew; only an outside head tells" };
	const struct tally_run *run = tally_graph_run(graph,
	    found->place.index);

	return run != NULL && run->first_bad ? changed : removed;
}

static struct weighed
weigh_start(const struct tally_graph *graph, const struct tally_found *found)
{
	static const struct weighed fresh = { TALLY_CAUSE_RACE, TALLY_LIKELY,
		"the chain was new: two writers found it empty" };
	static const struct weighed anew = { TALLY_CAUSE_RULE, TALLY_POSSIBLE,
		"the writer lost sight of the chain and began anew, or"
		" somebody wants what is before it to be forgotten" };

	(void)graph;
	return found->place.seq <= NEW_SEQ ? fresh : anew;
}

static struct weighed
weigh_trap(const struct tally_graph *graph, const struct tally_found *found)
{
	(void)graph;
	return (struct weighed){ found->kind == TALLY_NOT_JUDGED
		    ? TALLY_CAUSE_DRIFT
		    : TALLY_CAUSE_RULE,
		TALLY_CERTAIN, "it holds, to the bit, by a known mistake" };
}

void
tally_cause_find(const struct tally_graph *graph,
    const struct tally_found *found, struct tally_symptom *out)
{
	static struct weighed (*const weigh[])(const struct tally_graph *,
	    const struct tally_found *) = {
		[TALLY_REASON_CONTENT] = weigh_content,
		[TALLY_REASON_CHECK] = weigh_content,
		[TALLY_REASON_NO_PARENT] = weigh_orphan,
		[TALLY_REASON_SECOND_START] = weigh_start,
		[TALLY_REASON_TRAP] = weigh_trap,
	};
	struct weighed weighed;

	if (found->reason < sizeof(weigh) / sizeof(weigh[0]) &&
	    weigh[found->reason] != NULL)
		weighed = weigh[found->reason](graph, found);
	else
		weighed = weigh_plain(graph, found);
	out->cause = weighed.cause;
	out->sure = weighed.sure;
	out->why = weighed.why;
}

const char *
tally_cause_name(enum tally_cause cause)
{
	static const char *const names[TALLY_CAUSE_COUNT] = { "", "race",
		"edit", "deletion", "insertion", "reordering", "encoding-drift",
		"wrong-rule" };

	return cause < TALLY_CAUSE_COUNT ? names[cause] : "";
}

const char *
tally_sure_name(enum tally_sure sure)
{
	return sure == TALLY_CERTAIN ? "certain"
	    : sure == TALLY_LIKELY   ? "likely"
				     : "possible";
}
