/* SPDX-License-Identifier: Apache-2.0 */
#include "log/key.h"
#include "log/bytes.h"

static uint64_t
not_zero(uint64_t key)
{
	return key != 0 ? key : 1;
}

uint64_t
tally_key_chain(const struct tally_sip_key *seed, const char *name, size_t len)
{
	return not_zero(tally_sip(seed, name, len));
}

uint64_t
tally_key_id(const struct tally_sip_key *seed, uint64_t chain_key,
    const char *id, size_t len)
{
	return not_zero(tally_sip_after(seed, chain_key, id, len));
}

/* Its bytes are no id's: the last is zero, for a seq is below 2^53. */
uint64_t
tally_key_seq(const struct tally_sip_key *seed, uint64_t chain_key,
    uint64_t seq)
{
	char bytes[8];

	tally_put64(bytes, seq);
	return not_zero(tally_sip_after(seed, chain_key, bytes, sizeof(bytes)));
}
