/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign chains for the command: finding a profile, opening a source. */
#ifndef TALLY_CLI_PROFILE_H
#define TALLY_CLI_PROFILE_H

#include <stdbool.h>

#include <tally/pg.h>
#include <tally/profile.h>

#include "output.h"

/* Where those that are installed are. */
const char *
profile_folder(void);

/* The text of a profile, to be freed; TALLY_END if there is none. */
int
profile_text(const char *name, char **out, size_t *out_len,
    struct tally_error *error);

/* All of a file of a MiB at most, to be freed. */
int
profile_slurp(const char *path, char **out, size_t *out_len,
    struct tally_error *error);

/*
 * Reads a profile: the path of one, or the name of one that is installed; set,
 * or NULL, are its parameters, "NAME=VALUE,...".
 * Returns 0 with one to free; TALLY_END if there is none, TALLY_E_USAGE if it
 * is wrong, or another error.
 */
int
profile_load(const char *name, const char *set, struct tally_profile **out,
    struct tally_error *error);

/* Where a foreign chain is, and what it is, as options have it. */
struct foreign_options {
	const char *profile;
	const char *path;  /* "-" is standard input; or: */
	const char *pg;    /* a string or URI of libpq */
	const char *query; /* in place of the profile's */
	const char *set;   /* parameters: "NAME=VALUE,..." */
	bool csv;          /* the file is CSV, whatever its name is */
};

/* They are at this offset of a command's settings: its options. */
/* clang-format off */
#define FOREIGN_OPTIONS(at) \
	{ "profile", "NAME", OPTION_TEXT, \
	    (at) + offsetof(struct foreign_options, profile), \
	    "what the chain is; needed" }, \
	{ "pg", "CONNINFO", OPTION_TEXT, \
	    (at) + offsetof(struct foreign_options, pg), \
	    "in a database, no FILE" }, \
	{ "query", "SQL", OPTION_TEXT, \
	    (at) + offsetof(struct foreign_options, query), \
	    "with --pg: in place of the profile's" }, \
	{ "csv", NULL, OPTION_FLAG, \
	    (at) + offsetof(struct foreign_options, csv), "FILE is CSV" }, \
	{ "set", "NAME=VALUE", OPTION_TEXT, \
	    (at) + offsetof(struct foreign_options, set), \
	    "parameters of the profile" }
/* clang-format on */

/* Is the file CSV, by its name or by the options? */
bool
foreign_is_csv(const struct foreign_options *options, const char *path);

#define MARK_LEN 3 /* of a byte order mark */

/* That, opened; it stays where it is while the source is read. */
struct foreign {
	struct tally_profile *profile;
	struct tally_profile_source source;
	struct tally_pg_query *query;
	int fd;
	char mark[MARK_LEN]; /* the first bytes that were read */
	size_t mark_len;
};

/*
 * Returns 0; TALLY_END, TALLY_E_USAGE as profile_load; or what opening gives.
 * To be closed in either case.
 */
int
foreign_open(struct foreign *foreign, const struct foreign_options *options,
    struct tally_error *error);

/* Says so if the file begins with a byte order mark: for who has the library
 * read it. */
void
foreign_tell_mark(const char *path);

/* Says so if the profile is a guess. */
void
foreign_warn(const struct foreign *foreign);

void
foreign_close(struct foreign *foreign);

/* The options that belong together, or a refusal of command. */
struct command;
enum status
foreign_check(const struct command *command,
    const struct foreign_options *options);

#endif
