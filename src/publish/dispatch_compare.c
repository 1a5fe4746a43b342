/* SPDX-License-Identifier: Apache-2.0 */
/* A dispatch against the log that it was made of. */
#include <stdio.h>
#include <string.h>

#include <tally/dispatch.h>
#include <tally/proof.h>

#include "core/hash.h"
#include "log/fail.h"
#include "log/handle.h"

#define DETAIL_MAX 160

struct comparing {
	struct tally_log *log;
	const struct tally_dispatch *dispatch;
	void (*finding)(void *arg, const struct tally_finding *finding);
	void *arg;
	uint64_t findings;
};

static void
tell(struct comparing *c, enum tally_finding_kind kind,
    const struct tally_outside_head *head, const char *detail)
{
	const struct tally_finding finding = {
		.kind = kind,
		.chain = head == NULL ? NULL : head->chain,
		.seq = head == NULL ? 0 : head->seq,
		.seq_end = head == NULL ? 0 : head->seq + 1,
		.index = UINT64_MAX,
		.detail = detail,
	};

	c->findings++;
	if (c->finding != NULL)
		c->finding(c->arg, &finding);
}

static int
compare_root(struct comparing *c, struct tally_error *error)
{
	const struct tally_dispatch *dispatch = c->dispatch;
	char detail[DETAIL_MAX];
	struct tally_hash root;
	uint64_t size;
	int result;

	if (dispatch->size == 0)
		return TALLY_OK;
	result = tally_log_root(c->log, dispatch->size, &size, &root, error);
	if (result == TALLY_END) {
		(void)snprintf(detail, sizeof(detail),
		    "the log is shorter than the checkpoint of size %llu that"
		    " went out",
		    (unsigned long long)dispatch->size);
		tell(c, TALLY_TRUNCATED, NULL, detail);
		return TALLY_OK;
	}
	if (result == 0 && !tally_hash_equal(&root, &dispatch->root)) {
		(void)snprintf(detail, sizeof(detail),
		    "the log has another root at size %llu than went out",
		    (unsigned long long)dispatch->size);
		tell(c, TALLY_ROLLED_BACK, NULL, detail);
	}
	return result;
}

static int
compare_head(struct comparing *c, struct tally_cursor *cursor,
    const struct tally_outside_head *head, struct tally_error *error)
{
	const struct tally_find find = { .by = TALLY_KEY_SEQ,
		.chain = head->chain,
		.chain_len = head->chain_len,
		.seq = head->seq };
	struct tally_record record;
	int result = tally_cursor_find(cursor, &find, &record, error);

	if (result == TALLY_END) {
		tell(c, TALLY_TRUNCATED, head,
		    "the chain ends before the head that went out");
		return TALLY_OK;
	}
	if (result == 0 && !tally_hash_equal(&record.hash, &head->hash))
		tell(c, TALLY_ROLLED_BACK, head,
		    "the record is another than the head that went out");
	return result;
}

int
tally_dispatch_compare(struct tally_log *log,
    const struct tally_dispatch *dispatch,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    uint64_t *out_findings, struct tally_error *error)
{
	struct comparing c = { log, dispatch, finding, arg, 0 };
	struct tally_cursor *cursor;
	int result;

	if (strcmp(dispatch->origin, log->identity.origin) != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the dispatch is of \"%s\", and the log is \"%s\"",
		    dispatch->origin, log->identity.origin);
	result = compare_root(&c, error);
	if (result == 0)
		result = tally_cursor_open(log, NULL, &cursor, error);
	if (result != 0)
		return result;
	for (size_t i = 0; i < dispatch->heads_len && result == 0; i++)
		result = compare_head(&c, cursor, &dispatch->heads[i], error);
	tally_cursor_close(cursor);
	if (result == 0)
		*out_findings = c.findings;
	return result;
}
