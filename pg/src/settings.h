/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings tally.*; doc/postgresql.md explains them to users.
 */
#ifndef TALLY_PG_SETTINGS_H
#define TALLY_PG_SETTINGS_H

#include "postgres.h"

/* When the chain's lock is released (P6, P7). */
enum tally_early_release
{
	TALLY_RELEASE_OFF,			/* when PostgreSQL releases its locks */
	TALLY_RELEASE_LOCAL,		/* before the flush, if no standby is awaited */
	TALLY_RELEASE_FULL,			/* before the flush and the standby */
};

/* May records come from elsewhere? */
enum tally_mode
{
	TALLY_MODE_PRIMARY,
	TALLY_MODE_REPLICA,
};

/* DDL by which sealed rows become unverifiable. */
enum tally_ddl_policy
{
	TALLY_POLICY_REFUSE,
	TALLY_POLICY_SEAL,			/* whoever does it consents */
};

extern int	tally_ddl_policy;
extern int	tally_early_release;
extern int	tally_mode;
extern int	tally_max_rows_per_transaction;

extern char *tally_actor;

/* From _PG_init. */
extern void tally_settings_init(void);

#endif
