/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains' locks.
 *
 * A slot is free (owner 0) or held by the backend whose entry in the proc
 * array is owner - 1.  Whoever finds it free takes it, also before those who
 * wait: a waiter that was woken looks again and may have to sleep once more.
 * That is on purpose.  Handing the slot to the longest waiter would make
 * every commit of a busy chain wait until the kernel has woken a process.  For
 * the same reason whoever comes looks for a moment before it sleeps.
 *
 * A waiter is woken through the slot's condition variable, one at a time:
 * until it has looked, no other is woken, however often the slot is released
 * meanwhile (a process needs many commits' time to wake up on a busy machine;
 * otherwise the whole queue would soon be awake and go back to sleep).  So
 * that a free slot with sleepers and nobody awake does not exist:
 *
 * - Whoever waits says so (waiters) before it is in the list.  In the list, it
 *   takes back that somebody is being woken (waking), tries, and only then
 *   sleeps.  A release frees the slot first and looks at both then: so either
 *   the try succeeds, or the release comes after it and finds waking 0.
 * - One that leaves takes waking back and wakes another (leave_queue).  That
 *   ConditionVariableCancelSleep passes a wake-up on is not enough: whoever is
 *   cancelled in ConditionVariableTimedSleep is in the list again already, and
 *   a release may come between the two.
 *
 * Taken only at PRE_COMMIT, all slots of a transaction in ascending order, so
 * waiting for slots alone never makes a cycle.  A cycle needs something else
 * that a holder waits for, which only a PRE_COMMIT callback of another
 * extension can bring (P3); find_cycle looks for it.
 */
#include "postgres.h"

#include "compat.h"
#include "lock.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/s_lock.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* SQL's advisory locks have 1 or 2 here. */
#define ADVISORY_FIELD4 0x7a11

/* A cycle through more backends than these is found by one of them. */
#define CYCLE_MAX 64

/*
 * Looks before sleeping, each with a processor's pause: some 10 us.  A chain is
 * held for 20 to 40 us unless its holder lost its processor; to fall asleep and
 * be woken costs both sides as much again.  64 sessions on one chain and two
 * processors: 9.4 k/s without looking, 10.8 with 100 looks, 13.1 with 300, 13.0
 * with 1000, 10.8 with 4000.
 */
#define SPINS 500

/* Of the slot's last chain; read and written by its holder. */
struct hint
{
	Oid			database;
	uint64		chain_hash;
	uint64		seq;
};

struct slot
{
	pg_atomic_uint32 owner;		/* proc number + 1; 0: free */
	pg_atomic_uint32 waiters;	/* how many wait */
	pg_atomic_uint32 waking;	/* 1: one was woken and has not looked */
	ConditionVariable freed;
	struct hint hint;
	char		pad[PG_CACHE_LINE_SIZE - 3 * sizeof(pg_atomic_uint32) -
					sizeof(ConditionVariable) - sizeof(struct hint)];
};

struct shared
{
	struct slot slots[TALLY_LOCK_SLOTS];
	/* By proc number: the slot that it waits for, + 1; 0: none. */
	pg_atomic_uint32 waits_for[FLEXIBLE_ARRAY_MEMBER];
};

static struct shared *shared;

/* Without shared memory each backend has hints of its own. */
static struct hint own_hints[TALLY_LOCK_SLOTS];
static shmem_startup_hook_type previous_startup;
static shmem_request_hook_type previous_request;

/* What this backend holds, or is about to. */
static int	held[TALLY_LOCK_SLOTS];
static int	nheld;

/* Number of entries in the proc array, prepared transactions left out. */
static int
proc_count(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

static Size
shared_size(void)
{
	return add_size(offsetof(struct shared, waits_for),
					mul_size(proc_count(), sizeof(pg_atomic_uint32)));
}

static void
request_shared(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(shared_size());
}

static void
start_shared(void)
{
	bool		found;
	int			i;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("tally locks", shared_size(), &found);
	if (!found)
	{
		for (i = 0; i < TALLY_LOCK_SLOTS; i++)
		{
			pg_atomic_init_u32(&shared->slots[i].owner, 0);
			pg_atomic_init_u32(&shared->slots[i].waiters, 0);
			pg_atomic_init_u32(&shared->slots[i].waking, 0);
			ConditionVariableInit(&shared->slots[i].freed);
			memset(&shared->slots[i].hint, 0, sizeof(struct hint));
		}
		for (i = 0; i < proc_count(); i++)
			pg_atomic_init_u32(&shared->waits_for[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
tally_lock_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = request_shared;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = start_shared;
}

bool
tally_lock_is_preloaded(void)
{
	return shared != NULL;
}

int
tally_lock_slot(uint64 chain_hash)
{
	/* Chains of one name in two databases need not meet. */
	chain_hash ^= (uint64) MyDatabaseId * UINT64CONST(0x9e3779b97f4a7c15);
	return (int) ((chain_hash >> 32) % TALLY_LOCK_SLOTS);
}

static struct hint *
find_hint(uint64 chain_hash)
{
	int			slot = tally_lock_slot(chain_hash);

	return shared == NULL ? &own_hints[slot] : &shared->slots[slot].hint;
}

uint64
tally_lock_hint(uint64 chain_hash)
{
	const struct hint *hint = find_hint(chain_hash);

	if (hint->database != MyDatabaseId || hint->chain_hash != chain_hash)
		return 0;
	return hint->seq;
}

void
tally_lock_set_hint(uint64 chain_hash, uint64 seq)
{
	struct hint *hint = find_hint(chain_hash);

	hint->database = MyDatabaseId;
	hint->chain_hash = chain_hash;
	hint->seq = seq;
}

static bool
try_slot(struct slot *slot)
{
	uint32		free = 0;

	if (pg_atomic_read_u32(&slot->owner) != 0)
		return false;
	return pg_atomic_compare_exchange_u32(&slot->owner, &free,
										  (uint32) TALLY_MY_PROC_NUMBER + 1);
}

static bool
spin_for_slot(struct slot *slot)
{
	int			i;

	for (i = 0; i < SPINS; i++)
	{
		if (try_slot(slot))
			return true;
		SPIN_DELAY();
	}
	return false;
}

static int
slot_owner(int slot)
{
	uint32		owner = pg_atomic_read_u32(&shared->slots[slot].owner);

	return owner == 0 ? 0 : GetPGProcByNumber((int) owner - 1)->pid;
}

/* Appends pid to pids unless it is there; false if it is this backend. */
static bool
visit(int *pids, int *npids, int pid)
{
	int			i;

	if (pid == MyProcPid)
		return false;
	for (i = 0; i < *npids; i++)
	{
		if (pids[i] == pid)
			return true;
	}
	if (pid != 0 && *npids < CYCLE_MAX)
		pids[(*npids)++] = pid;
	return true;
}

/* The slot that the backend pid waits for, or -1. */
static int
waits_for(int pid)
{
	PGPROC	   *proc = BackendPidGetProc(pid);
	uint32		slot;

	if (proc == NULL)
		return -1;
	slot = pg_atomic_read_u32(&shared->waits_for[GetNumberFromPGProc(proc)]);
	return (int) slot - 1;
}

/*
 * Does the owner of the slot, through whomever it waits for, wait for this
 * backend?  What is looked at changes meanwhile; but a real cycle does not go
 * away by itself, and a backend that waits keeps what it holds, so what looks
 * like a cycle twice in a row is one.
 */
static bool
find_cycle(int slot)
{
	int			pids[CYCLE_MAX];
	int			npids = 0;
	int			i;

	if (!visit(pids, &npids, slot_owner(slot)))
		return true;
	for (i = 0; i < npids; i++)
	{
		int			next = waits_for(pids[i]);
		ArrayType  *array;
		int			nblockers;
		int			k;

		if (next >= 0 && !visit(pids, &npids, slot_owner(next)))
			return true;
		array = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids,
													   Int32GetDatum(pids[i])));
		nblockers = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
		for (k = 0; k < nblockers; k++)
		{
			if (!visit(pids, &npids, ((int32 *) ARR_DATA_PTR(array))[k]))
				return true;
		}
	}
	return false;
}

/* How long to sleep at most, in milliseconds; ERROR if lock_timeout is over. */
static long
next_sleep(TimestampTz began)
{
	long		sleep = DeadlockTimeout;
	long		left;

	if (LockTimeout <= 0)
		return sleep;
	left = LockTimeout - TimestampDifferenceMilliseconds(began,
														 GetCurrentTimestamp());
	if (left <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("canceling statement due to lock timeout"),
				 errdetail("The transaction waited for the lock of a chain; nothing was committed.")));
	return Min(sleep, left);
}

static void
wait_for_slot(int number)
{
	struct slot *slot = &shared->slots[number];
	TimestampTz began = 0;
	int			suspicions = 0;

	ConditionVariablePrepareToSleep(&slot->freed);
	for (;;)
	{
		pg_atomic_exchange_u32(&slot->waking, 0);
		if (try_slot(slot))
			break;
		if (began == 0)
			began = GetCurrentTimestamp();
		if (!ConditionVariableTimedSleep(&slot->freed, next_sleep(began),
										 PG_WAIT_EXTENSION))
			continue;
		suspicions = find_cycle(number) ? suspicions + 1 : 0;
		if (suspicions >= 2)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
					 errmsg("deadlock detected"),
					 errdetail("The owner of a chain's lock, process %d, waits for this transaction; nothing was committed.",
							   slot_owner(number))));
	}
	ConditionVariableCancelSleep();

	/*
	 * If we were woken between the last look and here, PostgreSQL 15 passes
	 * that on; later versions do not.  Our own release will wake the next.
	 */
	pg_atomic_exchange_u32(&slot->waking, 0);
}

static void
acquire_slot(int number)
{
	pg_atomic_uint32 *mine = &shared->waits_for[TALLY_MY_PROC_NUMBER];

	if (spin_for_slot(&shared->slots[number]))
		return;
	pg_atomic_write_u32(mine, (uint32) number + 1);
	pg_atomic_fetch_add_u32(&shared->slots[number].waiters, 1);
	wait_for_slot(number);
	pg_atomic_fetch_sub_u32(&shared->slots[number].waiters, 1);
	pg_atomic_write_u32(mine, 0);
}

/* Wakes a waiter, unless one is being woken already. */
static void
wake(struct slot *slot)
{
	if (pg_atomic_read_u32(&slot->waiters) > 0 &&
		pg_atomic_exchange_u32(&slot->waking, 1) == 0)
		ConditionVariableSignal(&slot->freed);
}

/*
 * Whoever leaves the queue with an error, or because the session is ended,
 * comes by here when the transaction aborts.  Not by PG_FINALLY: the end of a
 * session does not, and the next backend in this place of the proc array
 * would be taken for one that waits.
 */
static void
leave_queue(void)
{
	pg_atomic_uint32 *mine = &shared->waits_for[TALLY_MY_PROC_NUMBER];
	uint32		number = pg_atomic_read_u32(mine);
	struct slot *slot;

	if (number == 0)
		return;
	slot = &shared->slots[number - 1];
	pg_atomic_fetch_sub_u32(&slot->waiters, 1);
	pg_atomic_write_u32(mine, 0);
	/* Were we the one who was woken?  Then it is another's turn to look. */
	pg_atomic_exchange_u32(&slot->waking, 0);
	wake(slot);
}

static void
advisory_tag(LOCKTAG *tag, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, slot, ADVISORY_FIELD4);
}

/*
 * The locks belong to the top transaction, whichever resource owner is
 * current: a subtransaction that ends must not release them (P5).
 */
static void
advisory_each(bool acquire, int from, int to)
{
	ResourceOwner saved = CurrentResourceOwner;
	LOCKTAG		tag;
	int			i;

	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		for (i = from; i < to; i++)
		{
			advisory_tag(&tag, held[i]);
			if (acquire)
			{
				(void) LockAcquire(&tag, ExclusiveLock, false, false);
				nheld = i + 1;
			}
			else
				(void) LockRelease(&tag, ExclusiveLock, false);
		}
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = saved;
	}
	PG_END_TRY();
}

void
tally_lock_acquire(const int *slots, int count)
{
	int			i;

	Assert(nheld == 0 && count <= TALLY_LOCK_SLOTS);
#ifndef TALLY_NO_LOCK			/* a test without it must see forks */
	memcpy(held, slots, (Size) count * sizeof(int));
	if (shared == NULL)
	{
		advisory_each(true, 0, count);
		return;
	}
	for (i = 0; i < count; i++)
	{
		Assert(i == 0 || slots[i - 1] < slots[i]);
		acquire_slot(slots[i]);
		nheld = i + 1;
	}
#endif
}

void
tally_lock_release(void)
{
	int			count = nheld;
	int			i;

	nheld = 0;
	if (shared == NULL)
	{
		advisory_each(false, 0, count);
		return;
	}
	leave_queue();
	for (i = 0; i < count; i++)
	{
		struct slot *slot = &shared->slots[held[i]];

		/* A full barrier: whoever takes the slot sees what we did. */
		pg_atomic_exchange_u32(&slot->owner, 0);
		wake(slot);
	}
}

static void
add_waiters(struct tally_lock_holder *holder)
{
	int			i;

	holder->waiters = palloc_array(int, proc_count());
	holder->nwaiters = 0;
	for (i = 0; i < proc_count(); i++)
	{
		if (pg_atomic_read_u32(&shared->waits_for[i]) ==
			(uint32) holder->slot + 1)
			holder->waiters[holder->nwaiters++] = GetPGProcByNumber(i)->pid;
	}
}

struct tally_lock_holder *
tally_lock_holders(int *out_count)
{
	struct tally_lock_holder *holders;
	int			count = 0;
	int			i;

	holders = palloc_array(struct tally_lock_holder, TALLY_LOCK_SLOTS);
	for (i = 0; shared != NULL && i < TALLY_LOCK_SLOTS; i++)
	{
		int			owner = slot_owner(i);

		if (owner == 0)
			continue;
		holders[count].slot = i;
		holders[count].owner = owner;
		add_waiters(&holders[count]);
		count++;
	}
	*out_count = count;
	return holders;
}
