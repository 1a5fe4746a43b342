/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "log/fail.h"
#include "log/locks.h"

/* flock, whatever signals come. */
static int
lock_wait(int fd, struct tally_error *error)
{
	int result;

	do
		result = tally_sys_lock(fd, true);
	while (result == -EINTR);
	if (result != 0)
		return tally_fail_os(error, result, "cannot lock the log");
	return TALLY_OK;
}

int
tally_order_lock(struct tally_log *log, struct tally_error *error)
{
	int result;

	pthread_mutex_lock(&log->order);
	result = lock_wait(log->log_dir, error);
	if (result != 0)
		pthread_mutex_unlock(&log->order);
	return result;
}

void
tally_order_unlock(struct tally_log *log)
{
	tally_sys_unlock(log->log_dir);
	pthread_mutex_unlock(&log->order);
}

int
tally_sync_lock(struct tally_log *log, struct tally_error *error)
{
	int result;

	pthread_mutex_lock(&log->sync);
	result = lock_wait(log->dir, error);
	if (result != 0)
		pthread_mutex_unlock(&log->sync);
	return result;
}

bool
tally_sync_trylock(struct tally_log *log)
{
	if (pthread_mutex_trylock(&log->sync) != 0)
		return false;
	if (tally_sys_lock(log->dir, false) == 0)
		return true;
	pthread_mutex_unlock(&log->sync);
	return false;
}

void
tally_sync_unlock(struct tally_log *log)
{
	tally_sys_unlock(log->dir);
	pthread_mutex_unlock(&log->sync);
}
