/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/step.h"

bool
tally_parts_encode(const struct tally_parts *parts, const char *chain,
    size_t chain_len, int64_t seq, const struct tally_hash *prev,
    char out[TALLY_HEADER_MAX], size_t *out_len)
{
	char id[TALLY_ID_TEXT_MAX];
	struct tally_header header = { 0 };
	const char *what;

	if (chain == NULL || !parts->has_digest || !parts->has_time ||
	    seq <= 0 || seq > (int64_t)TALLY_SEQ_MAX)
		return false;
	/* An id that is no name is found here: an empty one, or a long one. */
	if (parts->id != NULL &&
	    tally_name_escape(parts->id, parts->id_len, TALLY_ID_MAX, id,
		&header.id_len, &what) != 0)
		return false;
	header.id = id;
	header.chain = chain;
	header.chain_len = chain_len;
	header.digest = parts->digest;
	header.prev = *prev;
	header.seq = (uint64_t)seq;
	header.time_us = parts->time_us;
	*out_len = tally_header_encode(&header, out);
	return true;
}

bool
tally_parts_hash(struct tally_hasher *hasher, const struct tally_parts *parts,
    const char *chain, size_t chain_len, int64_t seq,
    const struct tally_hash *prev, struct tally_hash *out)
{
	char text[TALLY_HEADER_MAX];
	size_t len;

	if (!tally_parts_encode(parts, chain, chain_len, seq, prev, text, &len))
		return false;
	*out = tally_hash_leaf(hasher, text, len);
	return true;
}

bool
tally_step_hash(const struct tally_step *step, struct tally_hasher *hasher,
    const struct tally_seen *seen, int64_t seq, const struct tally_hash *prev,
    struct tally_hash *out)
{
	struct tally_parts parts = step->parts;

	parts.id = step->has_id ? step->id : NULL;
	return tally_parts_hash(hasher, &parts, seen->escaped,
	    seen->escaped_len, seq, prev, out);
}

void
tally_step_judge(struct tally_step *step, struct tally_hasher *hasher,
    const struct tally_seen *seen)
{
	step->has_id = step->parts.id != NULL;
	if (step->parts.id_len > sizeof(step->id)) {
		/* Longer than any: it makes no header, as an empty one. */
		step->parts.id_len = 0;
	} else if (step->has_id) {
		memcpy(step->id, step->parts.id, step->parts.id_len);
	}
	step->has_computed = seen != NULL && step->has_prev && step->seq > 0 &&
	    tally_step_hash(step, hasher, seen, step->seq, &step->prev,
		&step->computed);
	step->holds = step->has_computed && step->has_hash &&
	    step->damage == NULL &&
	    tally_hash_equal(&step->computed, &step->hash);
}
