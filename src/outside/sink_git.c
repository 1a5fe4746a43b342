/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A git repository with a work tree: "<hash of the origin>/<size>-<part>.json"
 * is written, committed, and pushed if a remote is named.  What is there
 * already is not committed again.  Read back is the remote, if there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside/child.h"
#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/sink.h"

#define TIMEOUT_S 60
#define OUTPUT_MAX ((size_t)256 << 20)
#define NAME_SIZE 64

struct git {
	char *repository, *remote, *branch, *ref;
};

/* git of this repository; nothing of it runs hooks or asks at a terminal. */
static int
run(const struct git *git, const char *const *words, char **out,
    size_t *out_len, int *out_status, struct tally_error *error)
{
	const char *argv[32] = { "git", "-C", git->repository, "-c",
		"core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c",
		"core.fsync=all", "-c", "gc.auto=0", "-c",
		"core.askPass=true" };
	size_t count = 13;

	while (*words != NULL && count < 31)
		argv[count++] = *words++;
	argv[count] = NULL;
	return tally_child_run(argv, TIMEOUT_S, OUTPUT_MAX, out, out_len,
	    out_status, error);
}

/* The same, where status 0 is demanded. */
static int
must(const struct git *git, const char *const *words, struct tally_error *error)
{
	int status = 0;
	int result = run(git, words, NULL, NULL, &status, error);

	return result != 0 || status == 0 ? result : TALLY_E_IO;
}

static int
git_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct git *git = calloc(1, sizeof(*git));
	int result;

	if (git == NULL)
		return tally_outside_fail_memory(error);
	sink->own = git;
	result = tally_sink_text_dup(sink, config, "repository", true,
	    &git->repository, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "push", false,
		    &git->remote, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "branch",
		    git->remote != NULL, &git->branch, error);
	if (result != 0 || git->remote == NULL)
		return result;
	if (git->remote[0] == '-' || git->branch[0] == '-')
		return tally_fail(error, TALLY_E_USAGE,
		    "\"push\" and \"branch\" of the sink \"%s\" begin with no"
		    " \"-\"",
		    sink->name);
	git->ref = malloc(strlen(git->branch) + sizeof("HEAD:refs/heads/"));
	if (git->ref == NULL)
		return tally_outside_fail_memory(error);
	(void)sprintf(git->ref, "HEAD:refs/heads/%s", git->branch);
	return TALLY_OK;
}

static void
git_close(struct tally_sink *sink)
{
	struct git *git = sink->own;

	free(git->repository);
	free(git->remote);
	free(git->branch);
	free(git->ref);
	free(git);
}

/* The line as a file, whole; its path in the repository. */
static int
write_line(const struct tally_sink *sink, const struct tally_sink_line *line,
    char path[TALLY_HASH_TEXT_SIZE + NAME_SIZE], struct tally_error *error)
{
	const struct git *git = sink->own;
	char name[NAME_SIZE];
	int base, dir = -1, failed = 0;

	(void)snprintf(name, sizeof(name), "%020" PRIu64 "-%06" PRIu32 ".json",
	    line->dispatch->size, line->dispatch->part);
	(void)snprintf(path, TALLY_HASH_TEXT_SIZE + NAME_SIZE, "%s/%s",
	    sink->origin_hash, name);
	base = open(git->repository, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0 ||
	    (mkdirat(base, sink->origin_hash, 0777) != 0 && errno != EEXIST) ||
	    (dir = openat(base, sink->origin_hash,
		 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		failed = errno;
	if (failed == 0)
		failed = tally_disk_replace(dir, name, line->text, line->len);
	if (dir >= 0)
		(void)close(dir);
	if (base >= 0)
		(void)close(base);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot write into the repository \"%s\"", git->repository);
	return TALLY_OK;
}

static int
commit(const struct tally_sink *sink, const struct tally_sink_line *line,
    const char *path, struct tally_error *error)
{
	const struct git *git = sink->own;
	const char *add[] = { "add", "--force", "--", path, NULL };
	const char *diff[] = { "diff", "--cached", "--quiet", "--", path,
		NULL };
	char message[TALLY_ORIGIN_MAX + 64];
	const char *commit[] = { "-c", "user.name=tally", "-c",
		"user.email=tally@localhost", "commit", "--quiet", "-m",
		message, "--", path, NULL };
	int status = 0;
	int result = must(git, add, error);

	if (result == 0)
		result = run(git, diff, NULL, NULL, &status, error);
	if (result != 0 || status == 0)
		return result;
	(void)snprintf(message, sizeof(message), "%s, size %" PRIu64,
	    line->dispatch->origin, line->dispatch->size);
	return must(git, commit, error);
}

static int
git_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct git *git = sink->own;
	const char *push[] = { "push", "--quiet", git->remote, git->ref, NULL };
	char path[TALLY_HASH_TEXT_SIZE + NAME_SIZE];
	int result = write_line(sink, line, path, error);

	if (result == 0)
		result = commit(sink, line, path, error);
	/* Only the last part waits for the remote. */
	if (result == 0 && git->remote != NULL &&
	    line->dispatch->part == line->dispatch->parts)
		result = must(git, push, error);
	return result;
}

/* Every line of every file of the newest commit. */
static int
git_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct git *git = sink->own;
	const char *fetch[] = { "fetch", "--quiet", "--no-tags", git->remote,
		git->branch, NULL };
	const char *ref = git->remote == NULL ? "HEAD" : "FETCH_HEAD";
	/* Whatever the user's configuration and .gitattributes ask for. */
	const char *grep[] = { "grep", "--no-color", "--no-line-number",
		"--no-column", "--no-heading", "--no-break", "--text",
		"--no-textconv", "-h", "-e", "", ref, "--", sink->origin_hash,
		NULL };
	char *text = NULL;
	size_t len = 0;
	int status = 0, result = TALLY_OK;

	(void)since;
	if (git->remote != NULL)
		result = must(git, fetch, error);
	if (result == 0)
		result = run(git, grep, &text, &len, &status, error);
	/* Status 1: there are none. */
	if (result == 0 && status > 1)
		result = TALLY_E_IO;
	else if (result == 0)
		result = tally_sink_each_line(text, len, fn, arg);
	free(text);
	return result;
}

const struct tally_sink_kind tally_sink_git = {
	.type = "git",
	.open = git_open,
	.send = git_send,
	.read = git_read,
	.close = git_close,
};
