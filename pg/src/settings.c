/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings tally.*.
 */
#include "postgres.h"

#include "settings.h"

#include <limits.h>

#include "utils/guc.h"

int			tally_ddl_policy = TALLY_POLICY_REFUSE;
int			tally_early_release = TALLY_RELEASE_LOCAL;
int			tally_mode = TALLY_MODE_PRIMARY;
int			tally_max_rows_per_transaction = 2000000;
char	   *tally_actor = NULL;

static const struct config_enum_entry early_release_options[] = {
	{"off", TALLY_RELEASE_OFF, false},
	{"local", TALLY_RELEASE_LOCAL, false},
	{"full", TALLY_RELEASE_FULL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry mode_options[] = {
	{"primary", TALLY_MODE_PRIMARY, false},
	{"replica", TALLY_MODE_REPLICA, false},
	{NULL, 0, false}
};

static const struct config_enum_entry ddl_options[] = {
	{"refuse", TALLY_POLICY_REFUSE, false},
	{"seal", TALLY_POLICY_SEAL, false},
	{NULL, 0, false}
};

void
tally_settings_init(void)
{
	DefineCustomEnumVariable("tally.ddl",
							 "What becomes of a change by which sealed rows cannot be verified any more.",
							 "\"refuse\": it fails; \"seal\": it is done, and sealed as what was done.",
							 &tally_ddl_policy, TALLY_POLICY_REFUSE,
							 ddl_options, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomEnumVariable("tally.early_release",
							 "When a commit lets the next one into its chain.",
							 "\"local\": before its own flush, unless it waits for a standby; "
							 "\"full\": also before the standby; \"off\": after both.",
							 &tally_early_release, TALLY_RELEASE_LOCAL,
							 early_release_options, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("tally.max_rows_per_transaction",
							"How many rows one transaction may seal.",
							"Each takes some 120 bytes of memory until the commit.",
							&tally_max_rows_per_transaction, 2000000,
							1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("tally.mode",
							 "Whether this database seals, or has its records by logical replication.",
							 "\"primary\": it seals, and takes no records of another; \"replica\": it takes them, and seals nothing.",
							 &tally_mode, TALLY_MODE_PRIMARY, mode_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("tally.actor",
							   "Who acts, as the application says.",
							   "Events of tables that are tracked with actor => true name it as a claim.",
							   &tally_actor, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);
	MarkGUCPrefixReserved("tally");
}
