/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and their options, as tables.  One table serves the parser, the
 * help and "did you mean".
 *
 * Options may stand anywhere, as "--name value" or "--name=value"; "--" ends
 * them.  An option given twice is refused: of two chains one would be wrong.
 * Names are not abbreviated, so that a new option breaks no script.
 */
#ifndef TALLY_CLI_OPTIONS_H
#define TALLY_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output.h"

/* What an option takes, and the type of the member that it fills. */
enum option_kind {
	OPTION_FLAG,  /* bool */
	OPTION_TEXT,  /* const char *, not empty; NULL if not given */
	OPTION_COUNT, /* struct option_count */
	OPTION_BYTES, /* struct option_count; the number may end in K, M, G */
	OPTION_TIME,  /* struct option_time */
	OPTION_ROOT,  /* struct option_root: HEX or SIZE:HEX */
};

struct option_count {
	bool given;
	uint64_t value;
};

struct option_time {
	bool given;
	int64_t time_us;
};

struct option_root {
	bool given;
	bool has_size;
	uint64_t size;
	struct tally_hash hash;
};

struct option {
	const char *name;     /* without "--"; NULL ends a table */
	const char *argument; /* what the help calls it; NULL for a flag */
	enum option_kind kind;
	size_t offset; /* of the member in the command's settings */
	const char *help;
};

#define OPERANDS_MAX 3

/* One command; operands[0, needed) must be given. */
struct command {
	const char *name;
	const char *summary;  /* for the list of commands */
	const char *synopsis; /* behind "tally "; lines are the help's own */
	const char *about;    /* what it does */
	const char *example;
	const char *statuses;
	const struct option *options;
	const char *operands[OPERANDS_MAX];
	size_t needed;
	size_t settings_size;
	/* operand: OPERANDS_MAX of them, NULL where not given. */
	enum status (*run)(const void *settings, char *const *operand);
	/* Or it is a group: its commands, behind its name; NULL ends them. */
	const struct command *const *parts;
};

enum parsed {
	PARSED,
	PARSED_HELP,
	PARSED_REFUSED
};

/*
 * Fills settings (zeroed, settings_size bytes) and operand from argv[0, argc),
 * or complains.
 */
enum parsed
options_parse(const struct command *command, int argc, char **argv,
    void *settings, char *operand[OPERANDS_MAX]);

/* The command's help, on standard output. */
void
options_help(const struct command *command);

/* "tally: <message>; see "tally <command> --help"", and STATUS_USAGE. */
enum status
options_refuse(const struct command *command, const char *format, ...)
    TALLY_PRINTF(2, 3);

/* A decimal number without sign; false if it is none or too large. */
bool
parse_count(const char *text, size_t len, uint64_t *out);

#endif
