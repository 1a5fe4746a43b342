/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher in a process of its own that stops or dies at a named step, by
 * wrappers around what publish.c calls (link_args in meson.build), and what all
 * of them let out.  Include behind cmocka.h.
 */
#ifndef TALLY_TEST_STEPS_H
#define TALLY_TEST_STEPS_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tally/publish.h>

#include "core/fail.h"
#include "core/note.h"
#include "core/tree.h"
#include "log/headtree.h"
#include "log/reader.h"
#include "publish/register.h"
#include "publish/register_file.h"
#include "publish/tiles.h"

/* As the labels of the model's publisher; a step is stopped at before it is
 * done. */
enum step {
	STEP_REGISTER, /* 1: public/ is locked; read public, read register */
	STEP_BEGIN,    /* an origin that the register does not know */
	STEP_LOOK,     /* 2: the log against what went out */
	STEP_HEADS,    /* 3: seal the heads record */
	STEP_READ,     /* 4: what goes out was read; before it is whole */
	STEP_SWAP,     /* 5: compare and swap */
	STEP_SIGN,     /* 6: sign */
	STEP_PUBLIC,   /* and public/checkpoint */
	STEPS,
};
static const char *const step_names[STEPS] = { "register", "begin", "look",
	"heads", "read", "swap", "sign", "public" };

#define SIZE_END 128

/* What all processes see of what was registered and signed. */
struct outside {
	bool is_held[SIZE_END], is_signed[SIZE_END];
	struct tally_hash held[SIZE_END], root[SIZE_END];
	struct tally_hash leaf[SIZE_END][SIZE_END]; /* of each that is signed */
	bool is_ended;
	uint64_t end_size;
	char wrong[200];
	unsigned long signatures;
	/* A swap that was asked for, and is under way. */
	bool is_late, is_first;
	struct tally_checkpoint late_last, late_next;
};
static struct outside *outside;

/* ---- a publisher, in a process of its own ------------------------------- */

static enum step stop_at;
static int stopped, proceed; /* pipes; -1: it never stops */
static bool dies, blind;     /* at the step; swaps without comparing */
/* The answer of a swap is lost: it was carried out, or is under way.  lost_at
 * is STEP_BEGIN or STEP_SWAP, or STEPS: none is. */
static enum step lost_at = STEPS;
static bool is_under_way;
static char dir[192], register_dir[192];
static int public_dir; /* that of the log, also where that was replaced */
static struct tally_signer *signer;

static void
wrong(const char *what, uint64_t size)
{
	if (outside->wrong[0] == '\0')
		(void)snprintf(outside->wrong, sizeof(outside->wrong),
		    "%s, size %llu", what, (unsigned long long)size);
}

/* The register may hold it from now on. */
static void
hold(const struct tally_checkpoint *next)
{
	if (next->size >= SIZE_END)
		return;
	outside->is_held[next->size] = true;
	outside->held[next->size] = next->root;
}

static void
at(enum step step)
{
	char byte = 0;

	if (stopped < 0 || step != stop_at)
		return;
	if (dies)
		(void)raise(SIGKILL);
	stop_at = STEPS;
	if (write(stopped, &byte, 1) != 1 || read(proceed, &byte, 1) != 1)
		_exit(9);
}

int
__real_tally_register_swap(struct tally_register *reg,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next,
    struct tally_error *error);
int
__wrap_tally_register_swap(struct tally_register *reg,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next,
    struct tally_error *error);
int
__wrap_tally_register_swap(struct tally_register *reg,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next,
    struct tally_error *error)
{
	enum step step = last == NULL ? STEP_BEGIN : STEP_SWAP;
	struct tally_checkpoint now;
	int result;

	at(step);
	if (step == lost_at && is_under_way) {
		outside->is_late = true;
		outside->is_first = last == NULL;
		if (last != NULL)
			outside->late_last = *last;
		outside->late_next = *next;
		return tally_fail(error, TALLY_E_IO, "the answer is lost");
	}
	if (blind && tally_register_read(reg, next->origin, &now, error) == 0)
		last = &now;
	result = __real_tally_register_swap(reg, last, next, error);
	if (result == 0)
		hold(next);
	if (step == lost_at)
		return tally_fail(error, TALLY_E_IO, "the answer is lost");
	return result;
}

int
__real_tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error);
int
__wrap_tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error);
int
__wrap_tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error)
{
	char public[300];

	(void)snprintf(public, sizeof(public), "%s/public", dir);
	public_dir = open(public, O_RDONLY | O_DIRECTORY);
	at(STEP_REGISTER);
	return __real_tally_file_register_open(out, base, path, hasher, error);
}

int
__real_tally_reader_horizon(struct tally_log *log, struct tally_place *out,
    struct tally_error *error);
int
__wrap_tally_reader_horizon(struct tally_log *log, struct tally_place *out,
    struct tally_error *error);
int
__wrap_tally_reader_horizon(struct tally_log *log, struct tally_place *out,
    struct tally_error *error)
{
	at(STEP_LOOK);
	return __real_tally_reader_horizon(log, out, error);
}

int
__real_tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, uint64_t *out_size, bool *out_sealed,
    struct tally_error *error);
int
__wrap_tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, uint64_t *out_size, bool *out_sealed,
    struct tally_error *error);
static bool is_sealed;
int
__wrap_tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, uint64_t *out_size, bool *out_sealed,
    struct tally_error *error)
{
	at(STEP_HEADS);
	is_sealed = true;
	return __real_tally_headtree_seal(log, tree, went_out, out_size,
	    out_sealed, error);
}

int
__real_tally_tiles_finish(struct tally_tiles *tiles, struct tally_error *error);
int
__wrap_tally_tiles_finish(struct tally_tiles *tiles, struct tally_error *error);
int
__wrap_tally_tiles_finish(struct tally_tiles *tiles, struct tally_error *error)
{
	/* The first walk is that of step 2. */
	if (is_sealed)
		at(STEP_READ);
	return __real_tally_tiles_finish(tiles, error);
}

/* What leaves with a signature, and all that it says. */
static void
hear(const struct tally_checkpoint *next)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "tile/0/000.p/%llu",
	    (unsigned long long)next->size);
	outside->signatures++;
	if (next->size >= SIZE_END) {
		wrong("too many records for this test", next->size);
		return;
	}
	if (!outside->is_held[next->size] ||
	    !tally_hash_equal(&outside->held[next->size], &next->root))
		wrong("unregistered", next->size);
	if (outside->is_signed[next->size] &&
	    !tally_hash_equal(&outside->root[next->size], &next->root))
		wrong("forked", next->size);
	if (outside->is_ended && !outside->is_signed[next->size] &&
	    next->size != outside->end_size)
		wrong("late", next->size);
	fd = openat(public_dir, path, O_RDONLY);
	if (fd < 0 ||
	    read(fd, outside->leaf[next->size], next->size * TALLY_HASH_SIZE) !=
		(ssize_t)(next->size * TALLY_HASH_SIZE))
		wrong("the tile is not there", next->size);
	(void)close(fd);
	outside->is_signed[next->size] = true;
	outside->root[next->size] = next->root;
}

int
__real_tally_note_sign(const struct tally_vkey *vkey,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], uint64_t time, const char *text,
    size_t len, char *out, size_t *out_len);
int
__wrap_tally_note_sign(const struct tally_vkey *vkey,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], uint64_t time, const char *text,
    size_t len, char *out, size_t *out_len);
int
__wrap_tally_note_sign(const struct tally_vkey *vkey,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], uint64_t time, const char *text,
    size_t len, char *out, size_t *out_len)
{
	struct tally_checkpoint next;

	at(STEP_SIGN);
	if (tally_checkpoint_parse(text, len, &next) == 0)
		hear(&next);
	else
		wrong("no checkpoint", 0);
	return __real_tally_note_sign(vkey, seed, time, text, len, out,
	    out_len);
}

int
__real_tally_public_write(int base, const char *name, const void *bytes,
    size_t len, struct tally_error *error);
int
__wrap_tally_public_write(int base, const char *name, const void *bytes,
    size_t len, struct tally_error *error);
int
__wrap_tally_public_write(int base, const char *name, const void *bytes,
    size_t len, struct tally_error *error)
{
	at(STEP_PUBLIC);
	return __real_tally_public_write(base, name, bytes, len, error);
}

/* ---- processes ---------------------------------------------------------- */

struct process {
	pid_t pid;
	int stopped, proceed;
};

static void
act(void)
{
	const struct tally_publish_options how = { .signers = &signer,
		.signers_len = 1,
		.register_dir = register_dir };
	struct tally_published_checkpoint out;
	struct tally_error error;
	int result = tally_publish(dir, &how, &out, &error);

	_exit(result != 0 ? 3 : out.verdict <= TALLY_PUBLISH_CURRENT ? 0 : 1);
}

/* A publisher of the log in path that stops, or dies, at a step. */
static struct process
start(const char *path, enum step step, bool kill)
{
	struct process process;
	int up[2], down[2];

	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	process.pid = fork();
	assert_true(process.pid >= 0);
	if (process.pid == 0) {
		(void)close(up[0]);
		(void)close(down[1]);
		(void)snprintf(dir, sizeof(dir), "%s", path);
		stop_at = step;
		dies = kill;
		stopped = up[1];
		proceed = down[0];
		act();
	}
	(void)close(up[1]);
	(void)close(down[0]);
	process.stopped = up[0];
	process.proceed = down[1];
	return process;
}

/* Has it come to its step?  Else it ended before. */
static bool
wait_for(const struct process *process)
{
	char byte;

	return read(process->stopped, &byte, 1) == 1;
}

static int
finish(const struct process *process, bool kill_it)
{
	char byte = 0;
	int status;

	if (kill_it)
		(void)kill(process->pid, SIGKILL);
	else
		(void)!write(process->proceed, &byte, 1);
	assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
	(void)close(process->stopped);
	(void)close(process->proceed);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
publish(const char *path)
{
	struct process process = start(path, STEPS, false);

	return finish(&process, false);
}

#endif
