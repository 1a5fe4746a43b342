/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally pg sql: prints the script that seals tables where no extension can be
 * installed.  The script is data, pg/sql/plain, put into the command when it is
 * built; what the caller chooses stands before and behind it.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"

extern const unsigned char plain_sql[];
extern const unsigned long plain_sql_size;
extern const unsigned char plain_leave_sql[];
extern const unsigned long plain_leave_sql_size;
extern const unsigned char plain_enter_sql[];
extern const unsigned long plain_enter_sql_size;
extern const unsigned char plain_to_extension_sql[];
extern const unsigned long plain_to_extension_sql_size;

struct settings {
	const char *owner;
	bool from_extension;
	bool to_extension;
};

static const struct option options[] = {
	{ "schema-owner", "ROLE", OPTION_TEXT, offsetof(struct settings, owner),
	    "the role that is to own it; run by a member" },
	{ "from-extension", NULL, OPTION_FLAG,
	    offsetof(struct settings, from_extension),
	    "take over from the extension, with its records" },
	{ "to-extension", NULL, OPTION_FLAG,
	    offsetof(struct settings, to_extension),
	    "give over to the extension, with the records" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
print(const unsigned char *text, unsigned long size)
{
	(void)fwrite(text, 1, size, stdout);
}

/* An identifier as SQL quotes it. */
static void
print_quoted(const char *name)
{
	putchar('"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			putchar('"');
		putchar(*name);
	}
	putchar('"');
}

static void
print_begin(void)
{
	fputs("-- SPDX-License-Identifier: Apache-2.0\n"
	      "-- Written by \"tally pg sql\"; doc/postgresql-plain.md says"
	      " how to use it.\n\n"
	      "BEGIN;\n"
	      "SET LOCAL standard_conforming_strings = on;\n"
	      "SET LOCAL check_function_bodies = off;\n"
	      "SET LOCAL quote_all_identifiers = off;\n"
	      "SET LOCAL search_path = pg_catalog, pg_temp;\n\n",
	    stdout);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;

	(void)operand;
	if (settings->from_extension && settings->to_extension)
		return options_refuse(&command_pg_sql,
		    "--from-extension and --to-extension exclude each other");
	print_begin();
	if (settings->from_extension)
		print(plain_leave_sql, plain_leave_sql_size);
	if (settings->owner != NULL) {
		fputs("SET LOCAL ROLE ", stdout);
		print_quoted(settings->owner);
		fputs(";\n\n", stdout);
	}
	if (settings->to_extension)
		print(plain_to_extension_sql, plain_to_extension_sql_size);
	else
		print(plain_sql, plain_sql_size);
	if (settings->from_extension) {
		fputs("\nRESET ROLE;\n\n", stdout);
		print(plain_enter_sql, plain_enter_sql_size);
	}
	fputs("\nCOMMIT;\n", stdout);
	return STATUS_DONE;
}

const struct command command_pg_sql = {
	.name = "pg sql",
	.summary = "print the script for databases without the extension",
	.synopsis = "pg sql [--schema-owner ROLE]"
		    " [--from-extension | --to-extension]",
	.about = "Prints an SQL script that makes the schema \"tally\" with"
		 " everything that seals\nrows of tables, for managed"
		 " databases: no superuser, no C, no extension.",
	.options = options,
	.example = "  tally pg sql | psql -v ON_ERROR_STOP=1 audit",
	.statuses = "  0 done  2 call refused  5 output error",
	.operands = { NULL },
	.needed = 0,
	.settings_size = sizeof(struct settings),
	.run = run,
};
