/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally pg: chains that are kept in PostgreSQL.  Each command of the group
 * stands in its own cmd_pg_<name>.c.
 */
#include "commands.h"

static const struct command *const parts[] = {
	&command_pg_verify,
	&command_pg_export,
	&command_pg_status,
	&command_pg_sql,
	NULL,
};

const struct command command_pg = {
	.name = "pg",
	.summary = "chains in PostgreSQL: verify, export, status, sql",
	.parts = parts,
};
