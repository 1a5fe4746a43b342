/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012), on words of this machine: its
 * values are compared with one another and never leave.
 */
#include <string.h>

#include "pgclient/sum.h"

struct state {
	uint64_t a;
	uint64_t b;
	uint64_t c;
	uint64_t d;
};

static inline uint64_t
rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void
round_once(struct state *s)
{
	s->a += s->b;
	s->b = rotate(s->b, 13) ^ s->a;
	s->a = rotate(s->a, 32);
	s->c += s->d;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = rotate(s->b, 17) ^ s->c;
	s->c = rotate(s->c, 32);
}

static inline void
take_word(struct state *s, uint64_t word)
{
	s->d ^= word;
	round_once(s);
	round_once(s);
	s->a ^= word;
}

uint64_t
tally_pg_sum_hash(const uint64_t key[2], const void *bytes, size_t len)
{
	struct state s = {
		key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *p = bytes;
	uint64_t last = (uint64_t)len << 56;
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		take_word(&s, word);
	}
	word = 0;
	if (len > 0)
		memcpy(&word, p, len);
	take_word(&s, word | last);
	s.c ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_once(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
