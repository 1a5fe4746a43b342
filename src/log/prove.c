/* SPDX-License-Identifier: Apache-2.0 */
/* Making the proof of a record: see tally/proof.h for its text. */
#include <stdio.h>
#include <string.h>

#include <tally/proof.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/leaves.h"

#define HASH_BASE64 44

struct proving {
	struct tally_record record;
	struct tally_hash path[TALLY_PROOF_MAX];
	size_t path_len;
	uint64_t size;
	struct tally_hash root;
};

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

static char *
put_base64(char *at, const void *bytes, size_t len)
{
	tally_base64_format(bytes, len, at);
	return at + tally_base64_size(len);
}

static char *
proof_text(const struct tally_log *log, const struct proving *proving,
    size_t *out_len)
{
	size_t room = 512 + TALLY_ORIGIN_MAX +
	    tally_base64_size(proving->record.line_len) +
	    proving->path_len * (HASH_BASE64 + 1);
	char *text = tally_sys_alloc(room);
	char *at = text;

	if (text == NULL)
		return NULL;
	at += sprintf(at, "c2sp.org/tlog-proof@v1\nextra ");
	at = put_base64(at, proving->record.line, proving->record.line_len);
	at += sprintf(at, "\nindex %llu\n",
	    (unsigned long long)proving->record.index);
	for (size_t i = 0; i < proving->path_len; i++) {
		at = put_base64(at, proving->path[i].b, TALLY_HASH_SIZE);
		*at++ = '\n';
	}
	at += sprintf(at, "\n%s\n%llu\n", log->identity.origin,
	    (unsigned long long)proving->size);
	at = put_base64(at, proving->root.b, TALLY_HASH_SIZE);
	*at++ = '\n';
	*at++ = '\n';
	*at = '\0';
	*out_len = (size_t)(at - text);
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
		result = tally_leaves_ask(log, 0, prove_path, &proving, error);
	if (result == 0) {
		*out_text = proof_text(log, &proving, out_len);
		if (*out_text == NULL)
			result = tally_fail_memory(error);
	}
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
