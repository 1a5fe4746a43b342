/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012), on words of this machine: its
 * values are compared with one another and never leave.
 */
#include "postgres.h"

#include "verify_sum.h"


struct state
{
	uint64		a;
	uint64		b;
	uint64		c;
	uint64		d;
};

static inline uint64
rotate(uint64 word, int bits)
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
take_word(struct state *s, uint64 word)
{
	s->d ^= word;
	round_once(s);
	round_once(s);
	s->a ^= word;
}

uint64
tally_sum_hash(const uint64 key[2], const void *bytes, Size len)
{
	struct state s = {
		key[0] ^ UINT64CONST(0x736f6d6570736575),
		key[1] ^ UINT64CONST(0x646f72616e646f6d),
		key[0] ^ UINT64CONST(0x6c7967656e657261),
		key[1] ^ UINT64CONST(0x7465646279746573),
	};
	const uint8 *p = bytes;
	uint64		last = (uint64) len << 56;
	uint64		word;
	int			i;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		take_word(&s, word);
	}
	word = 0;
	memcpy(&word, p, len);
	take_word(&s, word | last);
	s.c ^= 0xff;
	for (i = 0; i < 4; i++)
		round_once(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
