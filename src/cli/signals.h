/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM for commands that have something to finish.  The first
 * one is remembered; one more, two seconds later, ends the process at once,
 * which costs no acknowledged record.
 */
#ifndef TALLY_CLI_SIGNALS_H
#define TALLY_CLI_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* From here on the first signal is only remembered. */
void
signals_catch(void);

bool
signals_caught(void);

/*
 * Waits until fd can be read, or is at its end; for ever, or (wait false) not
 * at all.  A signal cannot slip through between the look and the wait.
 * Returns 1, 0 if it cannot be read or a signal came, -1 with errno.
 */
int
signals_wait_readable(int fd, bool wait);

/* Waits for so long, or until a signal came. */
void
signals_sleep(uint64_t seconds);

#endif
