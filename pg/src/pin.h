/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings that output functions read, pinned (P2): UTC, ISO, iso_8601,
 * 1, hex, and C for money, whatever the session has chosen.
 */
#ifndef TALLY_PG_PIN_H
#define TALLY_PG_PIN_H

#include "postgres.h"

/*
 * Calls body(arg) under pinned settings; needs are the bits of types.h.  The
 * session's are back when it returns, also by an error.
 *
 * body calls nothing that a user has written, and nothing that reads a
 * setting for another purpose.
 */
extern void tally_pin_call(int needs, void (*body) (void *arg), void *arg);

/*
 * Calls body(arg) under settings by which a text has one meaning, and an
 * expression one text: those above, only built-in names, standard strings.
 * This takes some 50 us.
 */
extern void tally_pin_call_parser(void (*body) (void *arg), void *arg);

#endif
