/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab.h"

int
lab_setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	const char *tmp = getenv("TMPDIR");

	if (lab == NULL)
		return -1;
	snprintf(lab->top, sizeof(lab->top), "%.80s/tally-crash-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(lab->top) == NULL)
		return -1;
	snprintf(lab->dir, sizeof(lab->dir), "%s/audit", lab->top);
	lab->shared = mmap(NULL, sizeof(*lab->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lab->shared == MAP_FAILED)
		return -1;
	hooks_clear();
	*state = lab;
	return 0;
}

int
lab_teardown(void **state)
{
	struct lab *lab = *state;

	hooks_clear();
	lab_shell("rm -rf '%s'", lab->top);
	munmap(lab->shared, sizeof(*lab->shared));
	free(lab);
	return 0;
}

/* ---- processes -------------------------------------------------------- */

pid_t
lab_spawn(struct lab *lab, lab_fn *fn, void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(lab, arg));
	return pid;
}

pid_t
lab_spawn_apart(struct lab *lab, lab_fn *fn, void *arg, pid_t *out_waiter)
{
	_Atomic int *inner = &lab->shared->flag[LAB_FLAGS - 1];
	pid_t pid;
	int status;

	atomic_store(inner, 0);
	*out_waiter = fork();
	assert_true(*out_waiter >= 0);
	if (*out_waiter == 0) {
		if (unshare(CLONE_NEWPID) != 0)
			_exit(lab_wrong(lab, "no PID namespace"));
		pid = fork();
		if (pid == 0)
			_exit(getpid() == 1 ? fn(lab, arg) : 1);
		atomic_store(inner, pid);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(1);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
	}
	assert_true(lab_await(lab, LAB_FLAGS - 1));
	return atomic_load(inner);
}

void
lab_check_wrongs(struct lab *lab)
{
	if (atomic_load(&lab->shared->wrongs) == 0)
		return;
	if (lab->what != NULL)
		print_message("# %s\n", lab->what);
	fail_msg("%s", lab->shared->wrong);
}

void
lab_join(struct lab *lab, pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	lab_check_wrongs(lab);
	if (WIFSIGNALED(status))
		fail_msg("a process ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void
lab_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void
lab_expect_killed(struct lab *lab, pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	lab_check_wrongs(lab);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

bool
lab_ends(pid_t pid, int timeout_ms)
{
	int64_t end = lab_now_us() + (int64_t)timeout_ms * 1000;
	siginfo_t info;

	do {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &info,
			WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid != 0)
			return true;
		lab_sleep_ms(2);
	} while (lab_now_us() < end);
	return false;
}

int
lab_wrong(struct lab *lab, const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&lab->shared->wrongs, 1) != 0)
		return 1;
	va_start(args, format);
	vsnprintf(lab->shared->wrong, sizeof(lab->shared->wrong), format, args);
	va_end(args);
	return 1;
}

void
lab_raise(struct lab *lab, int flag)
{
	atomic_store(&lab->shared->flag[flag], 1);
}

bool
lab_await(struct lab *lab, int flag)
{
	int64_t end = lab_now_us() + 10000000;

	while (atomic_load(&lab->shared->flag[flag]) == 0) {
		if (lab_now_us() > end) {
			lab_wrong(lab, "flag %d was not raised", flag);
			return false;
		}
		lab_sleep_ms(1);
	}
	return true;
}

void
lab_sleep_ms(int ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

int64_t
lab_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int
lab_shell(const char *format, ...)
{
	char command[2048];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the log ---------------------------------------------------------- */

void
lab_init(struct lab *lab, uint64_t segment_bytes)
{
	struct tally_init_options options = {
		.origin = "example.org/crash",
		.segment_bytes = segment_bytes,
	};

	if (tally_log_init(lab->dir, &options, &lab->error) != 0)
		fail_msg("init: %s", lab->error.message);
}

struct tally_log *
lab_open(struct lab *lab)
{
	struct tally_log *log = NULL;

	return tally_log_open(lab->dir, NULL, &log, &lab->error) == 0 ? log
								      : NULL;
}

struct tally_log *
lab_must_open(struct lab *lab)
{
	struct tally_log *log = lab_open(lab);

	if (log == NULL)
		fail_msg("open: %s", lab->error.message);
	return log;
}

int
lab_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, const char *event, enum tally_durability durability,
    struct tally_receipt *out_receipt)
{
	static _Atomic unsigned long number;
	char text[64];
	struct tally_append request = {
		.chain = chain,
		.chain_len = strlen(chain),
		.id = id,
		.id_len = id != NULL ? strlen(id) : 0,
	};
	struct tally_receipt receipt;
	int result;

	if (event == NULL && id != NULL)
		snprintf(text, sizeof(text), "{\"id\":\"%.40s\"}", id);
	else if (event == NULL)
		snprintf(text, sizeof(text), "{\"n\":%lu}",
		    atomic_fetch_add(&number, 1));
	request.event = event != NULL ? event : text;
	request.event_len = strlen(request.event);
	memset(&lab->error, 0, sizeof(lab->error));
	result = tally_log_append(log, &request, 1, durability, &receipt,
	    &lab->error);
	if (result == 0 && out_receipt != NULL)
		*out_receipt = receipt;
	return result;
}

void
lab_ack(struct lab *lab, const char *chain, const struct tally_receipt *receipt)
{
	uint64_t at = atomic_fetch_add(&lab->shared->acks_len, 1);
	struct lab_ack *ack;

	if (at >= LAB_ACKS) {
		lab_wrong(lab, "no room for a receipt");
		return;
	}
	ack = &lab->shared->ack[at];
	snprintf(ack->chain, sizeof(ack->chain), "%s", chain);
	ack->index = receipt->index;
	ack->seq = receipt->seq;
	ack->hash = receipt->hash;
	ack->repeated = receipt->repeated;
	atomic_store(&ack->valid, 1);
}

bool
lab_can_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, enum tally_durability durability)
{
	struct tally_receipt receipt;

	if (lab_put(lab, log, chain, id, NULL, durability, &receipt) != 0) {
		lab_wrong(lab, "append: %d, %s", lab->error.code,
		    lab->error.message);
		return false;
	}
	lab_ack(lab, chain, &receipt);
	return true;
}

void
lab_must_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, enum tally_durability durability)
{
	(void)lab_can_put(lab, log, chain, id, durability);
	lab_check_wrongs(lab);
}

void
lab_expect_error(struct lab *lab, int got, int code, const char *text)
{
	if (got != code)
		print_message("# got %d, \"%s\"\n", got, lab->error.message);
	assert_int_equal(got, code);
	assert_int_equal(lab->error.code, code);
	if (text != NULL)
		assert_string_equal(lab->error.message, text);
}

uint64_t
lab_size(struct lab *lab)
{
	struct tally_log *log = lab_must_open(lab);
	struct tally_stat stat;

	if (tally_log_stat(log, &stat, &lab->error) != 0)
		fail_msg("stat: %s", lab->error.message);
	tally_log_close(log, NULL);
	return stat.size;
}

void
lab_last_segment(struct lab *lab, char out[256])
{
	char command[300];
	FILE *pipe;

	snprintf(command, sizeof(command), "ls '%s/log'/*.jsonl | tail -1",
	    lab->dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(out, 256, pipe));
	pclose(pipe);
	out[strcspn(out, "\n")] = '\0';
}
