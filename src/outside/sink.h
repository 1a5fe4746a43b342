/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sink is: its kind's functions, its name, its queue.
 *
 * A kind sends one line at a time and may be given the same line again: after
 * a kill, and after a failure of which nobody knows whether it was one.
 */
#ifndef TALLY_OUTSIDE_SINK_H
#define TALLY_OUTSIDE_SINK_H

#include <jansson.h>

#include <tally/outside.h>

#include "outside/queue.h"

struct tally_sink;

/* One line, taken apart; without its line feed. */
struct tally_sink_line {
	const char *text;
	size_t len;
	const struct tally_dispatch *dispatch;
};

/* Called with each line that a sink holds; not 0 ends the reading. */
typedef int
tally_sink_line_fn(void *arg, const char *text, size_t len);

struct tally_sink_kind {
	const char *type;
	/* What was sent may be on its way for a while. */
	bool is_unanswered;
	/* own of the sink is the kind's; close is called even if open failed,
	 * if own was set. */
	int (*open)(struct tally_sink *sink, const json_t *config,
	    struct tally_error *error);
	int (*send)(struct tally_sink *sink, const struct tally_sink_line *line,
	    struct tally_error *error);
	/* NULL: cannot be read back.  Returns TALLY_END if this one cannot. */
	int (*read)(struct tally_sink *sink, uint64_t since,
	    tally_sink_line_fn *fn, void *arg, struct tally_error *error);
	void (*close)(struct tally_sink *sink);
};

struct tally_sink {
	const struct tally_sink_kind *kind;
	const struct tally_outside_options *options;
	char name[TALLY_SINK_NAME_MAX + 1];
	char origin_hash[TALLY_HASH_TEXT_SIZE];
	void *own;
	bool readable;
	/* Lines that somebody hid from others, and read found nevertheless. */
	uint64_t hidden;
	struct tally_queue queue;
};

extern const struct tally_sink_kind tally_sink_file;
extern const struct tally_sink_kind tally_sink_git;
extern const struct tally_sink_kind tally_sink_syslog;
extern const struct tally_sink_kind tally_sink_journald;
extern const struct tally_sink_kind tally_sink_webhook;
extern const struct tally_sink_kind tally_sink_s3;
extern const struct tally_sink_kind tally_sink_rfc3161;
extern const struct tally_sink_kind tally_sink_witnesses;

#define TALLY_SINK_WHOSE_MAX (TALLY_SINK_NAME_MAX + sizeof("the sink \"\""))

/* "the sink \"NAME\"", for messages. */
const char *
tally_sink_whose(const struct tally_sink *sink, char out[TALLY_SINK_WHOSE_MAX]);

/*
 * A member of a sink's configuration, which must be a string, not empty, if it
 * is there; must: it has to be.  *out views the configuration, or is NULL.
 */
TALLY_MUST_CHECK int
tally_sink_text(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, const char **out, struct tally_error *error);

/* As above, duplicated: free() it. */
TALLY_MUST_CHECK int
tally_sink_text_dup(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, char **out, struct tally_error *error);

/* Calls fn for each line of a file; one that is missing has none. */
TALLY_MUST_CHECK int
tally_sink_read_lines(const char *path, tally_sink_line_fn *fn, void *arg,
    struct tally_error *error);

/* Calls fn for each line of text. */
TALLY_MUST_CHECK int
tally_sink_each_line(const char *text, size_t len, tally_sink_line_fn *fn,
    void *arg);

/* A socket that nobody reads fails after a time (connecting to it, too). */
void
tally_sink_limit_send(int fd);

#endif
