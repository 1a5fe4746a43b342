/* SPDX-License-Identifier: Apache-2.0 */
/* Orders, signed and sealed; and what the log says of a key. */
#ifndef TALLY_PUBLISH_KEYORDER_H
#define TALLY_PUBLISH_KEYORDER_H

#include <tally/publish.h>

#include "core/keyring.h"

/* What tally:log says of a key; zero is nothing, before seq 1. */
struct tally_key_said {
	uint64_t next_seq;                 /* of tally:log, to be asked next */
	uint64_t orders;                   /* about any key */
	uint64_t added_seq, retired_seq;   /* 0: no order does */
	bool has_ordered;                  /* an order says that it signed it */
	uint32_t known[TALLY_KEYRING_MAX]; /* ids of keys that orders name */
	bool is_retired[TALLY_KEYRING_MAX]; /* each of these: by an order */
	size_t known_len;
};

/* A record of any chain; those of tally:log by ascending seq. */
void
tally_key_hear(struct tally_key_said *said, struct tally_hasher *hasher,
    const struct tally_vkey *vkey, const struct tally_record *record);

/* By what was said.  Returns 0 or TALLY_E_USAGE as tally_key_ask. */
TALLY_MUST_CHECK int
tally_key_may_sign(const struct tally_key_said *said,
    const struct tally_vkey *vkey, struct tally_error *error);

/*
 * Goes on from what was said.  Returns 0 if the key may sign; TALLY_E_USAGE if
 * it was retired, or if there are orders and it has no part in them.
 */
TALLY_MUST_CHECK int
tally_key_ask(struct tally_log *log, struct tally_hasher *hasher,
    const struct tally_vkey *vkey, struct tally_key_said *said,
    struct tally_error *error);

/* An order of any kind: rest as in struct tally_order. */
TALLY_MUST_CHECK int
tally_key_order_seal(struct tally_log *log, const struct tally_signer *signer,
    enum tally_order_kind kind, const char *rest, size_t rest_len,
    struct tally_receipt *out, struct tally_error *error);

#endif
