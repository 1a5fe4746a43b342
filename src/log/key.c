/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/key.h"

/* So that the seq 7 and the id "7" of a chain do not meet. */
#define SEQ_SALT UINT64_C(0x5bd1e995a3c59ac3)

static uint64_t
mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
	a ^= a >> 32;
	a *= UINT64_C(0xd6e8feb86659fd93);
	return a ^ a >> 29;
}

/* Eight bytes at a time. */
static uint64_t
key_of(uint64_t seed, const char *text, size_t len)
{
	uint64_t key = mix(seed, len);

	while (len > 0) {
		size_t step = len < 8 ? len : 8;
		uint64_t word = 0;

		memcpy(&word, text, step);
		key = mix(key, word);
		text += step;
		len -= step;
	}
	return key != 0 ? key : 1;
}

uint64_t
tally_key_chain(const uint8_t log_id[16], const char *name, size_t len)
{
	uint64_t seed;

	memcpy(&seed, log_id, sizeof(seed));
	return key_of(seed, name, len);
}

uint64_t
tally_key_id(uint64_t chain_key, const char *id, size_t len)
{
	return key_of(chain_key, id, len);
}

uint64_t
tally_key_seq(uint64_t chain_key, uint64_t seq)
{
	uint64_t key = mix(mix(chain_key, SEQ_SALT), seq);

	return key != 0 ? key : 1;
}
