/* SPDX-License-Identifier: Apache-2.0 */
/* Making the proof of a record: see tally/proof.h for its text. */
#include <string.h>

#include <tally/proof.h>

#include "core/proof.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/leaves.h"
#include "log/published.h"

struct proving {
	struct tally_record record;
	struct tally_hash path[TALLY_PROOF_MAX];
	size_t path_len;
	uint64_t size;
	struct tally_hash root;
	struct tally_published_note published; /* text NULL: none covers it */
};

/*
 * The last checkpoint, if it covers the record.  One that is of another log is
 * passed over: it is the root that counts, and prove_path compares it.
 */
static int
read_checkpoint(struct tally_log *log, struct proving *proving,
    struct tally_error *error)
{
	struct tally_published_note *published = &proving->published;
	int result = tally_published_note_read(log, published, error);

	if (result < 0)
		return result;
	if (result != 0 || published->checkpoint.size <= proving->record.index)
		tally_published_note_wipe(published);
	return TALLY_OK;
}

/* Is the checkpoint of this log, as it is? */
static int
check_checkpoint(const struct proving *proving, struct tally_error *error)
{
	const struct tally_published_note *published = &proving->published;

	if (published->text == NULL ||
	    tally_hash_equal(&proving->root, &published->checkpoint.root))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_DAMAGED,
	    "the log has another root at size %llu than \"" TALLY_PUBLISHED_PATH
	    "\"",
	    (unsigned long long)proving->size);
}

/* The tree's part: path and root for the record's index. */
static int
prove_path(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct proving *proving = arg;
	const struct tally_record *record = &proving->record;
	int result;

	proving->size = size;
	result = tally_inclusion_prove(hasher, source, record->index, size,
	    proving->path, &proving->path_len);
	if (result == 0)
		result = tally_tree_root(hasher, source, size, &proving->root);
	/* A wrong index must not make a wrong proof. */
	if (result == 0 &&
	    !tally_inclusion_check(hasher, &record->hash, record->index, size,
		proving->path, proving->path_len, &proving->root))
		result = TALLY_E_IO;
	return result;
}

/* At the size of the checkpoint, or at that of the log. */
static int
ask_tree(struct tally_log *log, struct proving *proving,
    struct tally_error *error)
{
	uint64_t size = proving->published.text == NULL
	    ? 0
	    : proving->published.checkpoint.size;
	int result = tally_leaves_ask(log, size, prove_path, proving, error);

	if (result == TALLY_END)
		result = tally_fail(error, TALLY_E_DAMAGED,
		    "the log is shorter than \"" TALLY_PUBLISHED_PATH
		    "\", which has %llu records",
		    (unsigned long long)size);
	return result;
}

static char *
proof_text(const struct tally_log *log, const struct proving *proving,
    size_t *out_len)
{
	char unsigned_note[TALLY_CHECKPOINT_TEXT_MAX + 1];
	struct tally_checkpoint checkpoint = { .size = proving->size,
		.root = proving->root };
	const char *note = proving->published.text;
	size_t note_len = proving->published.len;
	char *text;

	if (note == NULL) {
		checkpoint.origin_len = strlen(log->identity.origin);
		memcpy(checkpoint.origin, log->identity.origin,
		    checkpoint.origin_len);
		note_len = tally_checkpoint_format(&checkpoint, unsigned_note);
		unsigned_note[note_len++] = '\n';
		note = unsigned_note;
	}
	text = tally_sys_alloc(tally_proof_text_size(proving->record.line_len,
				   proving->path_len, note_len) +
	    1);
	if (text == NULL)
		return NULL;
	*out_len = tally_proof_text_format(proving->record.line,
	    proving->record.line_len, proving->record.index, proving->path,
	    proving->path_len, note, note_len, text);
	text[*out_len] = '\0';
	return text;
}

int
tally_log_prove(struct tally_log *log, const char *chain, size_t chain_len,
    uint64_t seq, char **out_text, size_t *out_len, struct tally_error *error)
{
	struct tally_find find = {
		.by = TALLY_KEY_SEQ,
		.chain = chain,
		.chain_len = chain_len,
		.seq = seq,
	};
	struct proving proving = { 0 };
	struct tally_cursor *cursor;
	int result;

	result = tally_cursor_open(log, NULL, &cursor, error);
	if (result != 0)
		return result;
	result = tally_cursor_find(cursor, &find, &proving.record, error);
	if (result == 0)
		result = read_checkpoint(log, &proving, error);
	if (result == 0)
		result = ask_tree(log, &proving, error);
	if (result == 0)
		result = check_checkpoint(&proving, error);
	if (result == 0) {
		*out_text = proof_text(log, &proving, out_len);
		if (*out_text == NULL)
			result = tally_fail_memory(error);
	}
	tally_published_note_wipe(&proving.published);
	tally_cursor_close(cursor);
	return result;
}

struct rooting {
	uint64_t size;
	struct tally_hash root;
};

static int
root_of(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct rooting *rooting = arg;

	rooting->size = size;
	return tally_tree_root(hasher, source, size, &rooting->root);
}

int
tally_log_root(struct tally_log *log, uint64_t size, uint64_t *out_size,
    struct tally_hash *out_root, struct tally_error *error)
{
	struct rooting rooting;
	int result = tally_leaves_ask(log, size, root_of, &rooting, error);

	if (result == 0) {
		*out_size = rooting.size;
		*out_root = rooting.root;
	}
	return result;
}

static int
leaf_of(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct rooting *rooting = arg;

	(void)hasher;
	return source->node(source->arg, 0, size - 1, &rooting->root);
}

int
tally_log_leaf(struct tally_log *log, uint64_t index, struct tally_hash *out,
    struct tally_error *error)
{
	struct rooting rooting;
	int result = tally_leaves_ask(log, index + 1, leaf_of, &rooting, error);

	if (result == 0)
		*out = rooting.root;
	return result;
}
