/* SPDX-License-Identifier: Apache-2.0 */
/* "tally pg ...": the commands about a PostgreSQL database, by their names. */
#include <string.h>

#include "commands.h"

static const struct command *const commands[] = {
	&command_pg_sql,
};

const struct command *
command_pg_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i]->name + strlen("pg "), name) == 0)
			return commands[i];
	return NULL;
}
