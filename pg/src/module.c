/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module: magic, and what is set up when it is loaded, preloaded or not.
 */
#include "postgres.h"

#include "attachment.h"
#include "lock.h"
#include "origin.h"
#include "settings.h"
#include "store.h"
#include "xact.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	tally_settings_init();
	tally_lock_init();
	tally_store_init();
	tally_origin_init();
	tally_attachment_init();
	tally_xact_init();
}
