/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between PostgreSQL 15 and newer versions, and nothing else.
 * Calls are written as the newest version has them.
 */
#ifndef TALLY_PG_COMPAT_H
#define TALLY_PG_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or newer is needed"
#endif

#include "access/genam.h"
#include "replication/syncrep.h"
#include "replication/walsender_private.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#if PG_VERSION_NUM >= 170000
#define TALLY_MY_PROC_NUMBER MyProcNumber
#else
#define TALLY_MY_PROC_NUMBER MyProc->pgprocno
#endif

/*
 * Is there a list of synchronous standbys, as far as this server knows?  In
 * minor releases from 2025 on the flag says nothing until it was initialised.
 */
#ifdef SYNC_STANDBY_INIT
#define TALLY_STANDBYS_DEFINED() \
	((WalSndCtl->sync_standbys_status & SYNC_STANDBY_INIT) != 0 ? \
	 (WalSndCtl->sync_standbys_status & SYNC_STANDBY_DEFINED) != 0 : \
	 SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0')
#else
#define TALLY_STANDBYS_DEFINED() \
	(((volatile WalSndCtlData *) WalSndCtl)->sync_standbys_defined)
#endif

#if PG_VERSION_NUM < 170000
#define GetPGProcByNumber(n) (&ProcGlobal->allProcs[(n)])
#define GetNumberFromPGProc(proc) ((proc)->pgprocno)
#endif

#if PG_VERSION_NUM >= 160000
#define TALLY_IS_ADD_COLUMN(subtype) ((subtype) == AT_AddColumn)
#define TALLY_OWNS_RELATION(oid, role) \
	object_ownercheck(RelationRelationId, oid, role)
#else
#define TALLY_IS_ADD_COLUMN(subtype) \
	((subtype) == AT_AddColumn || (subtype) == AT_AddColumnRecurse)
#define TALLY_OWNS_RELATION(oid, role) pg_class_ownercheck(oid, role)
#endif

/* The headers of 15 bring it along with others. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* PostgreSQL 18 counts searches of an index here, for EXPLAIN. */
#if PG_VERSION_NUM < 180000
#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

#ifndef palloc_array
#define palloc_array(type, count) ((type *) palloc(sizeof(type) * (count)))
#define palloc0_array(type, count) ((type *) palloc0(sizeof(type) * (count)))
#define palloc_object(type) ((type *) palloc(sizeof(type)))
#define palloc0_object(type) ((type *) palloc0(sizeof(type)))
#endif

#endif
