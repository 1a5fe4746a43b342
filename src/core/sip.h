/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4, the keyed hash of Aumasson and Bernstein ("SipHash: a fast
 * short-input PRF", 2012): for tables whose keys strangers choose, and for the
 * sums of pages.
 *
 * Of our own rather than libcrypto's: theirs is a context that may fail, that
 * belongs to one thread and holds one key, while lookups share their files
 * among threads and every file has a key of its own; and it costs twice as much
 * for what is hashed here (47 and 55 ns where ours takes 20 and 30, for names
 * of 20 bytes and pages of 48; a proof sums up a thousand of them).  The test
 * holds it against libcrypto's and against the authors' vectors.
 */
#ifndef TALLY_CORE_SIP_H
#define TALLY_CORE_SIP_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_SIP_KEY_SIZE 16

struct tally_sip_key {
	uint64_t k[2];
};

struct tally_sip_key
tally_sip_key_decode(const uint8_t bytes[TALLY_SIP_KEY_SIZE]);

uint64_t
tally_sip(const struct tally_sip_key *key, const void *bytes, size_t len);

/* Of the eight bytes of first, little-endian, and the bytes behind them. */
uint64_t
tally_sip_after(const struct tally_sip_key *key, uint64_t first,
    const void *bytes, size_t len);

/* Another key, for what is called so. */
struct tally_sip_key
tally_sip_derive(const struct tally_sip_key *key, const char *name);

#endif
