/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a log, with the words for what goes wrong. */
#ifndef TALLY_CLI_HANDLE_H
#define TALLY_CLI_HANDLE_H

#include <tally/log.h>

#include "output.h"

/* For commands that only read: they never write to the log. */
enum status
handle_open_reader(const char *dir, struct tally_log **out_log);

enum status
handle_open_writer(const char *dir, struct tally_log **out_log);

/* Closes; status, unless it is 0 and closing failed. */
enum status
handle_close(struct tally_log *log, enum status status);

#endif
