/* SPDX-License-Identifier: Apache-2.0 */
/* The process of one log: cycle after cycle, until it is to stop. */
#include <string.h>
#include <time.h>

#include "watch/target.h"

/* Until the next cycle; a clock that was put back ends it, too. */
static void
wait_for(struct watch_target *target, int64_t begin_us, int64_t interval_us)
{
	const struct timespec pause = { 0, 50000000 };
	int64_t waited_us = watch_now_us() - begin_us;

	while (!watch_stopping() && waited_us >= 0 && waited_us < interval_us) {
		watch_target_alive(target);
		(void)nanosleep(&pause, NULL);
		waited_us = watch_now_us() - begin_us;
	}
}

/* What was right when the configuration was read is not any more, as a key
 * that cannot be read: an alert. */
static void
say_refused(int fd, const char *why)
{
	const struct watch_break what = { .kind = WATCH_FAILED,
		.evidence = why };

	watch_report_break(fd, &what);
}

static void
cycle(struct watch_target *target, const struct watch_work *work, int fd)
{
	const struct watch_config *config = work->config;
	const json_t *log = json_array_get(config->logs, work->log);
	char why[WATCH_WHY_SIZE];

	/* Without a name it was not opened yet. */
	if (target->name[0] == '\0') {
		if (watch_target_open(target, log, config->state_dir,
			config->outside, why) != 0) {
			say_refused(fd, why);
			watch_target_close(target);
			return;
		}
		target->times = &config->times;
		target->report = fd;
		watch_target_report(target);
	}
	(config->outside ? watch_outside_cycle : watch_target_cycle)(target);
}

int
watch_work(void *arg, int fd)
{
	static struct watch_target target;
	const struct watch_work *work = arg;

	while (!watch_stopping()) {
		int64_t begin = watch_now_us();

		cycle(&target, work, fd);
		if (work->once)
			break;
		/* As one that could not be opened does not know. */
		target.report = fd;
		wait_for(&target, begin, work->config->times.interval_us);
	}
	watch_target_close(&target);
	return 0;
}
