/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command says, and the statuses it ends with.
 *
 * Data goes to standard output, everything else to standard error.  Foreign
 * text (names, events, messages that hold either) is shown so that it cannot
 * drive a terminal, nor make a line that looks like one of ours.
 */
#ifndef TALLY_CLI_OUTPUT_H
#define TALLY_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/record.h>

/* Exit statuses, the same for every command. */
enum status {
	STATUS_DONE = 0,      /* done; intact */
	STATUS_TAMPERED = 1,  /* tampering was found */
	STATUS_USAGE = 2,     /* the call or the event is refused */
	STATUS_UNJUDGED = 3,  /* could not verify */
	STATUS_NOT_FOUND = 4, /* no such log, chain or record */
	STATUS_IO = 5,        /* input, output, or a log that takes no more */
	STATUS_BUSY = 6,      /* locked by somebody */
	STATUS_INTERRUPTED = 130,
};

enum colour {
	COLOUR_GOOD,
	COLOUR_BAD,
	COLOUR_UNSURE
};

/* Looks at the terminal and the environment, once, before anything else. */
void
output_init(void);

/* Is standard output a terminal? */
bool
output_is_terminal(void);

/* Columns of that terminal; 80 if it does not say. */
size_t
output_columns(void);

/* Writes a word to standard output, in a colour where there are colours. */
void
output_word(enum colour colour, const char *word);

/* Writes a name: made visible on a terminal, else as it is, but for what would
 * end the line.  No name makes a line of its own that looks like ours. */
void
output_name(const char *name, size_t len);

/* Writes a JSON string with its quotes. */
void
output_json(const char *text, size_t len);

/* Writes {"chain":...,"seq":...; what follows is the caller's. */
void
output_json_place(const char *chain, size_t chain_len, uint64_t seq);

/* Writes 64 hexadecimal digits. */
void
output_hash(const struct tally_hash *hash);

/* Writes a time, as RFC 3339 in UTC. */
void
output_time(int64_t time_us);

/* "tally: <message>" on standard error. */
void
complain(const char *format, ...) TALLY_PRINTF(1, 2);

/* What errno means, in lower case; until the next call. */
const char *
output_reason(int os_errno);

/*
 * The exit status of a result of the library.  judging: for a command that
 * judges (verify, check), to which a newer format is "could not verify".
 */
enum status
status_of(int result, bool judging);

/*
 * Says what failed and gives the exit status; result is what the library
 * returned, error what it filled (its message may be empty).
 */
enum status
output_failure(int result, const struct tally_error *error, bool judging);

/*
 * Flushes standard output.  Returns 0, or STATUS_IO after it complained (once)
 * that something could not be written.
 */
enum status
output_flush(void);

/* The end of every command: status, unless it is 0 and the output is lost. */
enum status
output_finish(enum status status);

#endif
