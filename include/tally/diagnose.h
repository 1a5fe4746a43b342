/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to a foreign chain: the graph of its forks, and for every
 * finding what most likely caused it, and how sure that is.
 */
#ifndef TALLY_DIAGNOSE_H
#define TALLY_DIAGNOSE_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The names are the lower-case words: "encoding-drift" and so on. */
enum tally_cause {
	TALLY_CAUSE_NONE = 0, /* no break, or nothing can be said */
	TALLY_CAUSE_RACE,     /* two writers at once */
	TALLY_CAUSE_EDIT,
	TALLY_CAUSE_DELETION,
	TALLY_CAUSE_INSERTION,
	TALLY_CAUSE_REORDERING,
	TALLY_CAUSE_DRIFT, /* hashed in another spelling */
	TALLY_CAUSE_RULE,  /* hashed by another rule or key */
	TALLY_CAUSE_COUNT,
};

enum tally_sure {
	TALLY_POSSIBLE = 0,
	TALLY_LIKELY,
	TALLY_CERTAIN,
};

/* A finding, and what is said of it. */
struct tally_symptom {
	struct tally_finding finding;
	enum tally_cause cause;
	enum tally_sure sure;
	const char *why; /* one sentence, no full stop; NULL without a cause */
};

#define TALLY_FORK_BRANCHES 8 /* of a fork that are described */

/* A successor of a record that has several, and all that grew from it. */
struct tally_branch {
	uint64_t index; /* of its first record */
	uint64_t seq;
	uint64_t records;    /* with those of branches of its own */
	uint64_t last_index; /* of the last of them */
	uint64_t last_seq;
	bool holds; /* all of them do */
};

/* Records that share a predecessor. */
struct tally_fork {
	const char *chain; /* NULL: there is one only */
	bool has_parent;   /* false: they begin the chain, all of them */
	uint64_t parent_index;
	uint64_t parent_seq;
	bool parent_holds;
	uint64_t width;                                  /* branches */
	uint64_t described;                              /* of these */
	struct tally_branch branch[TALLY_FORK_BRANCHES]; /* the first ones */
	bool benign; /* the parent holds, and every branch */
	/* Only one branch went on, once the others had ended: */
	bool healed;
	uint64_t records; /* of the chain, from the second branch's first one
			     to the end of all but the longest */
	bool has_seconds;
	double seconds; /* between these two, by the profile's "time" */
};

/* A record in the neighbourhood of a break. */
struct tally_near {
	uint64_t seq;
	bool has_parent;
	uint64_t parent_seq;
	bool is_far;   /* only there because others come from it */
	bool is_start; /* it has no predecessor; else, without a parent, it
			  names one that is not there */
	bool is_found; /* there is a finding */
	enum tally_finding_kind kind;
};

struct tally_diagnose_options {
	/* Each may be NULL.  In this order: symptoms, by their place; forks, by
	 * that of the parent; records near a break, by seq. */
	void (*symptom)(void *arg, const struct tally_symptom *symptom);
	void (*fork)(void *arg, const struct tally_fork *fork);
	void (*near)(void *arg, const char *chain,
	    const struct tally_near *record);
	int (*progress)(void *arg, const struct tally_progress *progress);
	void *arg;
	bool has_at;
	uint64_t at; /* index of the finding that near is about; without, the
			   first break */
	uint64_t around; /* records on each side of it; 0: 8 */
};

struct tally_diagnosis {
	struct tally_verdict verdict;
	uint64_t holds;                          /* records that do */
	uint64_t by_cause[TALLY_CAUSE_COUNT][3]; /* and by how sure */
	uint64_t forks;
	uint64_t benign;
	uint64_t open;                  /* not healed at the end */
	uint64_t widest;                /* branches of a fork */
	uint64_t first_fork, last_fork; /* index of a second branch */
	uint64_t longest; /* records that it took to heal, at most */
	bool is_cut;      /* the graph has its first 4 million pieces only */
};

/* "race" and so on, "" for none; static storage. */
TALLY_API const char *
tally_cause_name(enum tally_cause cause);

/* "possible", "likely", "certain"; static storage. */
TALLY_API const char *
tally_sure_name(enum tally_sure sure);

/*
 * Verifies the source, as tally_profile_verify, and says what happened.
 * Memory is bounded: besides what verifying takes, some 120 bytes for each
 * record that does not follow directly on the one before it, 4 million of
 * these at most.
 */
TALLY_API TALLY_MUST_CHECK int
tally_profile_diagnose(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_diagnose_options *options,
    struct tally_diagnosis *out_diagnosis, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
