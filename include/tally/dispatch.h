/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out with each checkpoint: one line of text that holds the signed
 * checkpoint and the heads that changed since the last one, and is signed
 * itself (doc/format.md, section 9).  A later report can name chain and seq by
 * it; a bare checkpoint only says truncated or rolled back.
 */
#ifndef TALLY_DISPATCH_H
#define TALLY_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>
#include <tally/publish.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a line, line feed included; a part holds as many heads as fit. */
#define TALLY_DISPATCH_MAX ((size_t)48 << 10)

/*
 * Called for each part, in order: a line with its line feed.  Its result, if
 * not 0, ends the making and is returned.
 */
typedef int
tally_dispatch_fn(void *arg, const char *line, size_t len, uint32_t part,
    uint32_t parts);

/*
 * Makes the dispatch of a checkpoint of the log: note, as tally_publish gave
 * it, with the heads, as of its size, of the chains that have a record at
 * index since or behind it.  Reads those records.
 * Errors: TALLY_E_FORMAT (no checkpoint), _USAGE (of another log, or since is
 * behind it), _DAMAGED, _MEMORY, those of a cursor.
 */
TALLY_API TALLY_MUST_CHECK int
tally_dispatch_make(struct tally_log *log, struct tally_signer *signer,
    const char *note, size_t note_len, uint64_t since, tally_dispatch_fn *fn,
    void *arg, struct tally_error *error);

enum tally_dispatch_verdict {
	TALLY_DISPATCH_SIGNED = 0, /* line and checkpoint, by a key given */
	TALLY_DISPATCH_OTHER_KEY,  /* not signed by any of them */
	TALLY_DISPATCH_FORGED,     /* a signature that does not hold */
};

struct tally_dispatch {
	enum tally_dispatch_verdict verdict;
	char origin[TALLY_ORIGIN_MAX + 1];
	uint64_t size;
	struct tally_hash root;
	uint64_t since;
	uint32_t part, parts; /* 1 ... parts; 0 of 0: a bare checkpoint */
	const char *note;
	size_t note_len;
	const struct tally_outside_head *heads;
	size_t heads_len;
	void *storage; /* of all that is pointed to */
};

/*
 * Takes a line apart (with or without its line feed), or a bare checkpoint,
 * and judges its signatures by the keys of the origin among vkeys.  Wipe it
 * with tally_dispatch_wipe.
 * Returns 0 with a verdict; TALLY_E_FORMAT if it is neither; TALLY_E_USAGE if
 * a key is none; TALLY_E_MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_dispatch_parse(const char *text, size_t len, const char *const *vkeys,
    size_t vkeys_len, struct tally_dispatch *out, struct tally_error *error);

TALLY_API void
tally_dispatch_wipe(struct tally_dispatch *dispatch);

/*
 * Holds a dispatch against the log: its root at its size, and each head.
 * Findings are truncated or rolled-back, with chain and seq where a head says
 * so.  Returns 0 and how many there were; or an error: it could not be
 * judged.
 */
TALLY_API TALLY_MUST_CHECK int
tally_dispatch_compare(struct tally_log *log,
    const struct tally_dispatch *dispatch,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    uint64_t *out_findings, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
