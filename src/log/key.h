/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit keys of chains, ids and seqs, for tables that only save time: what
 * they lead to is always compared.  Who appends chooses chains and ids; so that
 * he cannot choose them to collide, a table's keys are made with a seed that
 * only its own files hold.  Never 0.
 */
#ifndef TALLY_LOG_KEY_H
#define TALLY_LOG_KEY_H

#include "core/sip.h"

/* Of a chain's escaped name. */
uint64_t
tally_key_chain(const struct tally_sip_key *seed, const char *name, size_t len);

/* Of an escaped id in the chain. */
uint64_t
tally_key_id(const struct tally_sip_key *seed, uint64_t chain_key,
    const char *id, size_t len);

uint64_t
tally_key_seq(const struct tally_sip_key *seed, uint64_t chain_key,
    uint64_t seq);

#endif
