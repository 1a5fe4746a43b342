/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "log/fail.h"
#include "log/state.h"
#include "log/sys.h"

#define MAGIC "tallyrs1"
/* Raise the first number whenever a field changes its meaning. */
#define LAYOUT \
	((uint64_t)3 << 48 | sizeof(struct tally_shared) | \
	    sizeof(struct tally_chain) << 16 | \
	    sizeof(struct tally_recent) << 32)
#define STATE_NEW "state.new"
#define CHAINS_MIN 256
#define ARENA_MIN 16384
#define RECENT_MIN 1024
#define WRITE_STEP ((size_t)1 << 20)

static uint64_t
power_of_two(uint64_t at_least)
{
	uint64_t power = 1;

	while (power < at_least)
		power *= 2;
	return power;
}

static uint64_t
align_page(uint64_t bytes)
{
	return (bytes + 4095) & ~(uint64_t)4095;
}

/* Where everything lies in a state of this room. */
static void
layout(const struct tally_state_room *room, struct tally_shared *out)
{
	uint64_t at = align_page(sizeof(*out));

	out->chain_slots = 2 *
	    power_of_two(room->chains < CHAINS_MIN ? CHAINS_MIN : room->chains);
	out->arena_bytes = align_page(room->arena_bytes < ARENA_MIN
		? ARENA_MIN
		: room->arena_bytes);
	out->recent_slots = 2 *
	    power_of_two(room->recent < RECENT_MIN ? RECENT_MIN : room->recent);
	out->chains_at = at;
	at += align_page(out->chain_slots * sizeof(struct tally_chain));
	out->order_at = at;
	at += align_page(out->chain_slots / 2 * sizeof(uint32_t));
	out->arena_at = at;
	at += out->arena_bytes;
	for (int i = 0; i < 2; i++) {
		out->recent_at[i] = at;
		at += align_page(out->recent_slots *
		    sizeof(struct tally_recent));
	}
	out->bytes = at;
}

static void
view_fill(struct tally_state *state, void *memory)
{
	struct tally_shared *shared = memory;
	char *base = memory;

	state->shared = shared;
	state->chains = (struct tally_chain *)(void *)(base +
	    shared->chains_at);
	state->order = (uint32_t *)(void *)(base + shared->order_at);
	state->arena = base + shared->arena_at;
	for (int i = 0; i < 2; i++)
		state->recent[i] = (struct tally_recent *)(void *)(base +
		    shared->recent_at[i]);
}

/* Real bytes for the whole file: a hole is a SIGBUS on a full disk. */
static int
file_fill(int fd, uint64_t bytes, struct tally_error *error)
{
	uint64_t most = bytes < WRITE_STEP ? bytes : WRITE_STEP;
	char *zeros = tally_sys_alloc((size_t)most);
	int result = 0;

	if (zeros == NULL)
		return tally_fail_memory(error);
	for (uint64_t at = 0; at < bytes && result == 0; at += most) {
		uint64_t step = bytes - at < most ? bytes - at : most;

		result = tally_sys_write(fd, zeros, (size_t)step, at, NULL);
	}
	tally_sys_free(zeros);
	if (result != 0)
		return tally_fail_os(error, result,
		    "cannot write \"run/state\"");
	return TALLY_OK;
}

static int
file_map(int fd, uint64_t bytes, bool writable, struct tally_state *state,
    void **out_memory, struct tally_error *error)
{
	struct tally_sys_stat st;
	int result;

	result = tally_sys_stat(fd, &st);
	if (result == 0)
		result = tally_sys_map(fd, (size_t)bytes, writable, out_memory);
	if (result != 0)
		return tally_fail_os(error, result, "cannot map \"run/state\"");
	state->device = st.device;
	state->inode = st.inode;
	state->writable = writable;
	return TALLY_OK;
}

static int
create_file(int run_dir, uint64_t bytes, struct tally_state *state,
    void **out_memory, struct tally_error *error)
{
	int fd, result;

	/* Never cut a file that somebody may have mapped. */
	fd = tally_sys_unlink(run_dir, STATE_NEW);
	if (fd == 0 || fd == -ENOENT)
		fd = tally_sys_open(run_dir, STATE_NEW,
		    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE);
	/* run/ was removed since it was opened. */
	if (fd == -ENOENT)
		return TALLY_END;
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot make \"run/%s\"",
		    STATE_NEW);
	result = file_fill(fd, bytes, error);
	if (result == 0)
		result = file_map(fd, bytes, true, state, out_memory, error);
	tally_sys_close(fd);
	return result;
}

int
tally_state_create(int run_dir, const struct tally_state_owner *owner,
    const struct tally_state_room *room, struct tally_state **out,
    struct tally_error *error)
{
	struct tally_shared shape;
	struct tally_state *state;
	void *memory = NULL;
	int result = TALLY_OK;

	memset(&shape, 0, sizeof(shape));
	layout(room, &shape);
	memcpy(shape.magic, MAGIC, sizeof(shape.magic));
	shape.layout = LAYOUT;
	memcpy(shape.boot, owner->boot, sizeof(shape.boot));
	memcpy(shape.log_id, owner->log_id, sizeof(shape.log_id));
	shape.log_device = owner->log_device;
	shape.log_inode = owner->log_inode;
	result = tally_sys_random(&shape.seed, sizeof(shape.seed));
	if (result != 0)
		return tally_fail_os(error, result, "cannot get random bytes");
	state = tally_sys_alloc(sizeof(*state));
	if (state == NULL)
		return tally_fail_memory(error);
	if (run_dir >= 0)
		result = create_file(run_dir, shape.bytes, state, &memory,
		    error);
	if (run_dir < 0 || result == TALLY_END) {
		result = TALLY_OK;
		memory = tally_sys_alloc((size_t)shape.bytes);
		if (memory == NULL)
			result = tally_fail_memory(error);
		state->writable = true;
	}
	if (result != 0) {
		tally_sys_free(state);
		return result;
	}
	shape.own_device = state->device;
	shape.own_inode = state->inode;
	memcpy(memory, &shape, sizeof(shape));
	view_fill(state, memory);
	state->refs = 1;
	*out = state;
	return TALLY_OK;
}

int
tally_state_install(int run_dir, struct tally_state *state,
    struct tally_error *error)
{
	int result;

	if (state->inode == 0)
		return TALLY_OK;
	result = tally_sys_rename(run_dir, STATE_NEW, TALLY_STATE_NAME);
	/* Removed before it had its name is as good as removed after: it
	 * serves whoever holds the order lock now, and nobody later (R2). */
	if (result != 0 && result != -ENOENT)
		return tally_fail_os(error, result,
		    "cannot put \"run/state\" in place");
	return TALLY_OK;
}

/* Is the shape what layout gives, and the owner the right one? */
static bool
is_ours(const struct tally_shared *shared,
    const struct tally_state_owner *owner, const struct tally_sys_stat *file)
{
	uint64_t file_bytes = file->size;
	struct tally_shared shape;
	struct tally_state_room room = {
		.chains = shared->chain_slots / 2,
		.arena_bytes = shared->arena_bytes,
		.recent = shared->recent_slots / 2,
	};

	if (memcmp(shared->magic, MAGIC, sizeof(shared->magic)) != 0 ||
	    shared->layout != LAYOUT ||
	    memcmp(shared->boot, owner->boot, sizeof(shared->boot)) != 0 ||
	    memcmp(shared->log_id, owner->log_id, sizeof(shared->log_id)) !=
		0 ||
	    shared->log_device != owner->log_device ||
	    shared->log_inode != owner->log_inode ||
	    shared->own_device != file->device ||
	    shared->own_inode != file->inode ||
	    shared->bytes != file_bytes || room.chains > file_bytes ||
	    room.arena_bytes > file_bytes || room.recent > file_bytes)
		return false;
	memset(&shape, 0, sizeof(shape));
	layout(&room, &shape);
	return shape.bytes == file_bytes &&
	    shape.chain_slots == shared->chain_slots &&
	    shape.recent_slots == shared->recent_slots &&
	    shape.arena_at == shared->arena_at &&
	    shape.recent_at[1] == shared->recent_at[1];
}

int
tally_state_attach(int run_dir, const struct tally_state_owner *owner,
    bool writable, struct tally_state **out, struct tally_error *error)
{
	struct tally_state *state;
	struct tally_sys_stat st;
	void *memory = NULL;
	int fd, result;

	fd = tally_sys_open(run_dir, TALLY_STATE_NAME,
	    writable ? TALLY_SYS_WRITE : TALLY_SYS_READ);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EBADF)
		return TALLY_END;
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"run/state\"");
	state = tally_sys_alloc(sizeof(*state));
	result = state == NULL ? tally_fail_memory(error) : TALLY_OK;
	if (result == 0 && tally_sys_stat(fd, &st) != 0)
		result = TALLY_END;
	if (result == 0 && st.size < align_page(sizeof(struct tally_shared)))
		result = TALLY_END;
	if (result == 0)
		result = file_map(fd, st.size, writable, state, &memory, error);
	tally_sys_close(fd);
	if (result == 0 && !is_ours(memory, owner, &st)) {
		tally_sys_unmap(memory, (size_t)st.size);
		result = TALLY_END;
	}
	if (result != 0) {
		tally_sys_free(state);
		return result;
	}
	view_fill(state, memory);
	state->refs = 1;
	*out = state;
	return TALLY_OK;
}

struct tally_state *
tally_state_ref(struct tally_state *state)
{
	if (state != NULL)
		atomic_fetch_add(&state->refs, 1);
	return state;
}

void
tally_state_unref(struct tally_state *state)
{
	if (state == NULL || atomic_fetch_sub(&state->refs, 1) != 1)
		return;
	if (state->inode != 0)
		tally_sys_unmap(state->shared, (size_t)state->shared->bytes);
	else
		tally_sys_free(state->shared);
	tally_sys_free(state);
}

void
tally_published_set(struct tally_published *published,
    const struct tally_place *place)
{
	uint64_t turn = atomic_load_explicit(&published->turn,
			    memory_order_relaxed) +
	    1;

	/* The last turn is seen before the copy that it left is changed. */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&published->copy[turn % 2].size, place->size,
	    memory_order_relaxed);
	atomic_store_explicit(&published->copy[turn % 2].segment,
	    place->segment, memory_order_relaxed);
	atomic_store_explicit(&published->copy[turn % 2].offset, place->offset,
	    memory_order_relaxed);
	atomic_store(&published->turn, turn);
}

struct tally_place
tally_published_get(const struct tally_published *published)
{
	struct tally_place place;
	uint64_t turn, again = atomic_load(&published->turn);

	do {
		turn = again;
		place.size = atomic_load_explicit(
		    &published->copy[turn % 2].size, memory_order_relaxed);
		place.segment = atomic_load_explicit(
		    &published->copy[turn % 2].segment, memory_order_relaxed);
		place.offset = atomic_load_explicit(
		    &published->copy[turn % 2].offset, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		again = atomic_load(&published->turn);
	} while (again != turn);
	return place;
}

void
tally_state_publish(struct tally_state *state, const struct tally_place *tail,
    const struct tally_last *last)
{
	uint64_t turn = state->shared->tail.turn;

	state->shared->last[(turn + 1) % 2] = *last;
	tally_published_set(&state->shared->tail, tail);
}

void
tally_state_supersede(struct tally_state *state)
{
	atomic_store(&state->shared->superseded, 1);
	for (int i = 0; i < TALLY_STATE_BELLS; i++) {
		atomic_fetch_add(&state->shared->bell[i], 1);
		tally_sys_wake(&state->shared->bell[i], INT32_MAX, true);
	}
	atomic_fetch_add(&state->shared->growth, 1);
	tally_sys_wake(&state->shared->growth, INT32_MAX, true);
}

bool
tally_state_is_current(const struct tally_state *state, int dir)
{
	struct tally_sys_stat st;

	return state != NULL && !atomic_load(&state->shared->superseded) &&
	    tally_sys_stat_at(dir, TALLY_RUN_NAME "/" TALLY_STATE_NAME, &st) ==
	    0 &&
	    st.inode == state->inode && st.device == state->device;
}
