/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of mapped files, and the trap that makes every store to it an op.
 *
 * The pages exist twice.  The simulator uses the one mapping; the processes
 * get the other, which can be write-protected: a store faults, is counted (and
 * may be where the process dies), the page is opened, the instruction runs
 * alone with the trap flag set, and the page is closed again.  That needs
 * x86-64, and nobody else who owns these signals.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "sim_internal.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(__x86_64__) && defined(__linux__) && !defined(SANITIZED)
#define CAN_TRAP 1
#endif

static bool trapping;

/* Pairs that nobody uses, zeroed; making one costs more than all the rest. */
static struct {
	uint8_t *ours;
	uint8_t *theirs;
} spare[8];
static int spare_len;

bool
sim_shared_new(uint8_t **out_ours, uint8_t **out_theirs)
{
	int protect = trapping ? PROT_READ : PROT_READ | PROT_WRITE;
	void *ours = MAP_FAILED;
	void *theirs = MAP_FAILED;
	int fd;

	if (spare_len > 0) {
		spare_len--;
		*out_ours = spare[spare_len].ours;
		*out_theirs = spare[spare_len].theirs;
		return true;
	}
	fd = memfd_create("sim", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	if (ftruncate(fd, (off_t)SIM_MAP_MAX) == 0) {
		ours = mmap(NULL, SIM_MAP_MAX, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
		theirs = mmap(NULL, SIM_MAP_MAX, protect, MAP_SHARED, fd, 0);
	}
	(void)close(fd);
	if (ours == MAP_FAILED || theirs == MAP_FAILED)
		abort();
	*out_ours = ours;
	*out_theirs = theirs;
	return true;
}

void
sim_shared_free(uint8_t *ours, uint8_t *theirs, size_t used)
{
	if (spare_len < 8) {
		memset(ours, 0, used);
		spare[spare_len].ours = ours;
		spare[spare_len].theirs = theirs;
		spare_len++;
		return;
	}
	(void)munmap(ours, SIM_MAP_MAX);
	(void)munmap(theirs, SIM_MAP_MAX);
}

void
sim_shared_wipe(void)
{
	while (spare_len > 0) {
		spare_len--;
		(void)munmap(spare[spare_len].ours, SIM_MAP_MAX);
		(void)munmap(spare[spare_len].theirs, SIM_MAP_MAX);
	}
}

#ifdef CAN_TRAP

#define TRAP_FLAG 0x100

static uint8_t *opened[4]; /* pages that the present instruction may write */
static size_t opened_len;

static bool
is_shared(const uint8_t *at)
{
	for (uint32_t i = 1; i < sim.nodes_len; i++) {
		const uint8_t *base = sim.nodes[i].shared;

		if (base != NULL && at >= base && at < base + SIM_MAP_MAX)
			return true;
	}
	return false;
}

static void
on_fault(int signal_number, siginfo_t *info, void *arg)
{
	ucontext_t *context = arg;
	uintptr_t at = (uintptr_t)info->si_addr & ~(uintptr_t)(SIM_PAGE - 1);
	uint8_t *page = (uint8_t *)at; /* NOLINT(performance-no-int-to-ptr) */

	if (!is_shared(page) || opened_len == 4) {
		/* Not ours: die of it as if we were not here. */
		(void)signal(signal_number, SIG_DFL);
		return;
	}
	/* A copy that the simulator makes for a caller is part of its op. */
	if (sim.inside == 0 && opened_len == 0)
		(void)sim_gate(SIM_STORE);
	if (!trapping)
		return; /* that was a death; all pages are open now */
	(void)mprotect(page, SIM_PAGE, PROT_READ | PROT_WRITE);
	opened[opened_len++] = page;
	context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
on_step(int signal_number, siginfo_t *info, void *arg)
{
	ucontext_t *context = arg;

	(void)signal_number;
	(void)info;
	while (opened_len > 0)
		(void)mprotect(opened[--opened_len], SIM_PAGE, PROT_READ);
	context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void
protect_all(bool on)
{
	int protect = on ? PROT_READ : PROT_READ | PROT_WRITE;

	if (on == trapping)
		return;
	trapping = on;
	for (int i = 0; i < spare_len; i++)
		(void)mprotect(spare[i].theirs, SIM_MAP_MAX, protect);
	for (uint32_t i = 1; i < sim.nodes_len; i++) {
		if (sim.nodes[i].shared != NULL)
			(void)mprotect(sim.nodes[i].shared, SIM_MAP_MAX,
			    protect);
	}
}

void
sim_trap_release(void)
{
	protect_all(false);
}

bool
sim_trap_stores(bool on)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	(void)sigemptyset(&action.sa_mask);
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	action.sa_sigaction = on_fault;
	if (!on) {
		action.sa_flags = 0;
		action.sa_handler = SIG_DFL;
	}
	if (sigaction(SIGSEGV, &action, NULL) != 0)
		return false;
	if (on)
		action.sa_sigaction = on_step;
	if (sigaction(SIGTRAP, &action, NULL) != 0)
		return false;
	protect_all(on);
	return true;
}

#else

void
sim_trap_release(void)
{
}

bool
sim_trap_stores(bool on)
{
	return !on;
}

#endif
