/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of publishing and of witnesses share: a life on the simulated
 * machine, lived again and again, each time disturbed at another of its ops;
 * and what goes out of all these lives is held against each other.
 */
#ifndef TALLY_TEST_POWER_LIVES_H
#define TALLY_TEST_POWER_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/publish.h>

#include "simdisk.h"

/* What is being tried, for the message. */
extern char lives_what[160];

void
lives_try(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The test fails; detail may be "". */
void
lives_wrong(const char *message, const char *detail);

/* A fresh machine with "/w" on it, on which process 1 runs. */
void
lives_begin(void);

/* A life has passed undisturbed: remembers its ops.  Returns their number. */
uint64_t
lives_remember(void);

/* One of these ops, from 0 on. */
enum sim_op
lives_op(uint64_t n);

/* Could this op of it have changed what the disk holds; or is it the end? */
bool
lives_op_changes(uint64_t n);

/*
 * The power goes now: calls check for each of the first modes of what the disk
 * may have kept, with turn and the mode added up.  Returns their number.
 */
unsigned long
lives_cut(uint64_t turn, int modes, void (*check)(void *arg, uint64_t turn),
    void *arg);

/*
 * Keys are the same in every life: they are made outside of the machine.
 * generate: tally_key_generate or tally_key_generate_witness.
 */
int
lives_make_key(int (*generate)(const char *path, const char *name,
		   const char *passphrase, char out_vkey[TALLY_VKEY_TEXT_SIZE],
		   struct tally_error *error),
    const char *name, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    struct tally_signer **out);

#endif
