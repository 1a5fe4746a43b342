/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory for tampering: small logs made line by line with the core's
 * own functions, changed at will, written to a temporary directory and
 * verified.  What a snapshot of them says is made up here, too: the program
 * links lab.c in the place of the log's own snapshot.
 */
#ifndef TALLY_TEST_LAB_H
#define TALLY_TEST_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/verify.h>

#define LAB_RECORDS_MAX 4096
#define LAB_FINDINGS_MAX 256
#define LAB_SEGMENTS_MAX 8

struct lab_record {
	char chain[TALLY_CHAIN_MAX + 1]; /* plain */
	uint64_t seq;
	struct tally_hash hash;
	struct tally_hash prev;
	char *line; /* with its line feed */
	size_t len;
	size_t header_len; /* without its "}" */
	size_t body_at;    /* behind the stored hash */
};

/* One segment's bytes. */
struct lab_segment {
	uint64_t first_index;
	char *text;
	size_t len;
};

struct lab_finding {
	enum tally_finding_kind kind;
	bool has_chain;
	char chain[TALLY_CHAIN_MAX + 1];
	uint64_t seq;
	uint64_t seq_end;
	uint64_t index;
	char file[64];
	uint64_t offset;
	char detail[200];
};

struct lab {
	struct lab_record records[LAB_RECORDS_MAX];
	size_t len;
	struct lab_segment segments[LAB_SEGMENTS_MAX];
	size_t segments_len;
	char dir[64];
	/* What the snapshot says. */
	char origin[TALLY_ORIGIN_MAX + 1];
	bool live;
	bool no_watermark;
	uint64_t mark_back; /* bytes of the end above the watermark */
	uint64_t mark_size; /* records below it */
	/* What came of the last verification. */
	struct lab_finding findings[LAB_FINDINGS_MAX];
	size_t findings_len;
	struct tally_verdict verdict;
	struct tally_error error;
};

/* An empty lab with its directory, and the record that begins every log. */
struct lab *
lab_new(void);

void
lab_free(struct lab *lab);

/* Appends a record to its chain; id may be NULL. */
struct lab_record *
lab_append(struct lab *lab, const char *chain, const char *id, bool salted,
    const char *event);

/* Makes the line of a record as a forger would: all hashes fit. */
void
lab_forge(struct lab_record *record, const char *chain, uint64_t seq,
    const struct tally_hash *prev, const char *event);

/* The usual small log: five chains, ids, salts, escapes. */
struct lab *
lab_small(void);

/* Puts the records, in the order of order[0, len), into segments of at most
 * per records each; 0: one segment. */
void
lab_lay(struct lab *lab, const size_t *order, size_t len, size_t per);

/* All records in their order. */
void
lab_lay_all(struct lab *lab, size_t per);

/* Writes the segments and verifies; findings, verdict and error are filled.
 * Returns what tally_verify does. */
int
lab_verify(struct lab *lab, const struct tally_verify_options *options);

/* The RFC 6962 root of the first size records. */
struct tally_hash
lab_root(const struct lab *lab, size_t size);

/* Prints the last findings, when a test is about to fail. */
void
lab_show(const struct lab *lab);

/* Fails the test unless there is exactly this one finding (seq 0: any). */
void
lab_assert_one(const struct lab *lab, enum tally_finding_kind kind,
    const char *chain, uint64_t seq);

void
lab_assert_intact(const struct lab *lab);

/* How many findings are of this kind, chain (NULL: any) and seq (0: any)? */
size_t
lab_count(const struct lab *lab, enum tally_finding_kind kind,
    const char *chain, uint64_t seq);

#endif
