/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit keys of chains, ids and seqs, for tables that only save time: what
 * they lead to is always compared.  Seeded by the log's random id.  Never 0.
 */
#ifndef TALLY_LOG_KEY_H
#define TALLY_LOG_KEY_H

#include <stddef.h>
#include <stdint.h>

/* Of a chain's escaped name. */
uint64_t
tally_key_chain(const uint8_t log_id[16], const char *name, size_t len);

/* Of an escaped id in the chain. */
uint64_t
tally_key_id(uint64_t chain_key, const char *id, size_t len);

uint64_t
tally_key_seq(uint64_t chain_key, uint64_t seq);

#endif
