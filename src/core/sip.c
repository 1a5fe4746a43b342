/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/sip.h"

struct sip {
	uint64_t a, b, c, d;
};

static inline uint64_t
rotate(uint64_t word, int by)
{
	return word << by | word >> (64 - by);
}

static inline void
sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotate(s->b, 13) ^ s->a;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a = rotate(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotate(s->b, 17) ^ s->c;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c = rotate(s->c, 32);
}

static inline void
sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	sip_round(s);
	s->a ^= word;
}

static inline struct sip
sip_begin(const struct tally_sip_key *key)
{
	return (struct sip){
		key->k[0] ^ UINT64_C(0x736f6d6570736575),
		key->k[1] ^ UINT64_C(0x646f72616e646f6d),
		key->k[0] ^ UINT64_C(0x6c7967656e657261),
		key->k[1] ^ UINT64_C(0x7465646279746573),
	};
}

/* One load where the machine's order is the hash's. */
static inline uint64_t
load(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* The rest of the message, which is total bytes long. */
static inline uint64_t
sip_end(struct sip *s, const unsigned char *at, size_t len, size_t total)
{
	uint64_t last = (uint64_t)total << 56;

	for (; len >= 8; len -= 8, at += 8)
		sip_word(s, load(at));
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)at[i] << 8 * i;
	sip_word(s, last);
	s->c ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->a ^ s->b ^ s->c ^ s->d;
}

struct tally_sip_key
tally_sip_key_decode(const uint8_t bytes[TALLY_SIP_KEY_SIZE])
{
	return (struct tally_sip_key){ { load(bytes), load(bytes + 8) } };
}

uint64_t
tally_sip(const struct tally_sip_key *key, const void *bytes, size_t len)
{
	struct sip s = sip_begin(key);

	return sip_end(&s, bytes, len, len);
}

uint64_t
tally_sip_after(const struct tally_sip_key *key, uint64_t first,
    const void *bytes, size_t len)
{
	struct sip s = sip_begin(key);

	sip_word(&s, first);
	return sip_end(&s, bytes, len, len + sizeof(first));
}

struct tally_sip_key
tally_sip_derive(const struct tally_sip_key *key, const char *name)
{
	size_t len = strlen(name);

	return (struct tally_sip_key){ {
	    tally_sip_after(key, 0, name, len),
	    tally_sip_after(key, 1, name, len),
	} };
}
