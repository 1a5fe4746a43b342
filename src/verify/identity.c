/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which record is it?  Asked of a record whose header does not hash to what
 * its line says, or cannot be decoded: chain, seq and prev are claims, any of
 * which may be what was changed.  In this order:
 *
 * 1. All three agree with the chain's head: so it is.
 * 2. prev is the hash of some chain's head: it is that one's next record;
 *    chain or seq was changed.
 * 3. prev is zeros: it is the first record of a chain.  If that chain has
 *    none yet, or if the name holds no name, one byte of the name may have
 *    been changed: the name with which the header hashes to the stored hash
 *    is looked for.
 * 4. chain and seq fit the chain's head: prev was changed.
 * 5. What has the layout of a header and stands first in the log is
 *    tally:log / 1.
 *
 * Else it is lost, until a gap wants it (judge.h).
 */
#include "verify/judge.h"

/* Does prev lead to the chain's head, or to what waits behind it? */
static bool
is_head(struct tally_judge *judge, uint32_t chain,
    const struct tally_hash *prev, uint64_t *out_seq)
{
	const struct tally_chain *c = &judge->chains.items[chain];
	const struct tally_trouble *trouble = tally_trouble_find(judge, chain);

	if (c->seq == 0)
		return false;
	*out_seq = c->seq + 1;
	if (tally_hash_equal(&c->hash, prev))
		return true;
	if (trouble == NULL)
		return false;
	if (trouble->has_alt && tally_hash_equal(&trouble->alt, prev))
		return true;
	*out_seq = trouble->next.seq + 1;
	return trouble->has_next && tally_hash_equal(&trouble->next.hash, prev);
}

static bool
find_head(struct tally_judge *judge, const struct tally_hash *prev,
    uint32_t *out_chain, uint64_t *out_seq)
{
	uint32_t chain;

	if (judge->visit_budget < judge->chains.len)
		return false;
	judge->visit_budget -= judge->chains.len;
	for (chain = 0; chain < judge->chains.len; chain++) {
		if (is_head(judge, chain, prev, out_seq)) {
			*out_chain = chain;
			return true;
		}
	}
	return false;
}

static int
find_or_add(struct tally_judge *judge, const char *name, size_t len,
    uint32_t *out_chain)
{
	uint64_t key = tally_chains_key(judge->chains.seed, name, len);

	*out_chain = tally_chains_find(&judge->chains, name, len, key);
	if (*out_chain != TALLY_CHAIN_NONE)
		return 0;
	return tally_chains_add(&judge->chains, name, len, key, out_chain);
}

/* A first record; chain is what its claim leads to, or none. */
static int
identify_first(struct tally_judge *judge, const char *text,
    const struct tally_salvage *salvage, uint32_t chain, uint32_t *out_chain,
    uint64_t *out_seq)
{
	char name[TALLY_CHAIN_TEXT_MAX];

	*out_seq = 1;
	if (judge->size == 0) {
		*out_chain = judge->log_chain;
		return 0;
	}
	if (tally_salvage_repair(&judge->scanner->hasher, text, salvage,
		&judge->repair_budget, name))
		return find_or_add(judge, name, salvage->chain_len, out_chain);
	if (salvage->has_chain &&
	    (chain == TALLY_CHAIN_NONE || judge->chains.items[chain].seq == 0))
		return find_or_add(judge, salvage->chain, salvage->chain_len,
		    out_chain);
	return 0;
}

int
tally_judge_identify(struct tally_judge *judge, const char *text,
    const struct tally_salvage *salvage, uint32_t *out_chain, uint64_t *out_seq)
{
	uint32_t chain = TALLY_CHAIN_NONE;
	bool zero = salvage->has_prev && tally_hash_is_zero(&salvage->prev);
	uint64_t seq = 0, head = 0;

	*out_chain = TALLY_CHAIN_NONE;
	*out_seq = 0;
	if (salvage->has_chain)
		chain = tally_chains_find(&judge->chains, salvage->chain,
		    salvage->chain_len,
		    tally_chains_key(judge->chains.seed, salvage->chain,
			salvage->chain_len));
	if (chain != TALLY_CHAIN_NONE)
		head = judge->chains.items[chain].seq;
	if (chain != TALLY_CHAIN_NONE && salvage->has_prev && !zero &&
	    is_head(judge, chain, &salvage->prev, &seq)) {
		*out_chain = chain;
		*out_seq = seq;
		return 0;
	}
	if (salvage->has_prev && !zero &&
	    find_head(judge, &salvage->prev, out_chain, out_seq))
		return 0;
	if (zero || (head == 0 && salvage->has_seq && salvage->seq == 1) ||
	    (judge->size == 0 && salvage->chain_len > 0))
		return identify_first(judge, text, salvage, chain, out_chain,
		    out_seq);
	if (head != 0 && salvage->has_seq && salvage->seq == head + 1) {
		*out_chain = chain;
		*out_seq = salvage->seq;
	}
	return 0;
}
