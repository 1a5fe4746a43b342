/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally: an audit log that cannot fork and cannot be changed unnoticed.
 *
 * The command is the first user of the public library: it includes
 * <tally/...> and nothing else of this project but its own files.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include "commands.h"
#include "suggest.h"

/* By what somebody wants to do; NULL begins the next task. */
static const struct command *const commands[] = {
	NULL,
	&command_init,
	&command_append,
	&command_head,
	&command_log,
	&command_stat,
	NULL,
	&command_verify,
	&command_prove,
	&command_check,
	&command_consistency,
	NULL,
	&command_key,
	&command_checkpoint,
	&command_sink,
	&command_watch,
	&command_witness,
	&command_restore,
	NULL,
	&command_pg,
	&command_publish,
	NULL,
	&command_diagnose,
	&command_profile,
	&command_adopt,
};

static const char *const tasks[] = {
	"keep a log",
	"judge it",
	"bring it outside, and be told",
	"tables of PostgreSQL",
	"chains of other systems",
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (commands[i] != NULL && strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void
help(FILE *file)
{
	size_t task = 0;

	fputs("usage: tally COMMAND [ARGUMENT ...]\n\n"
	      "An audit log that cannot fork and cannot be changed"
	      " unnoticed.\n",
	    file);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i] == NULL)
			fprintf(file, "\n%s\n", tasks[task++]);
		else
			fprintf(file, "  %-11s  %s\n", commands[i]->name,
			    commands[i]->summary);
	}
	fputs(
	    "\n\"tally help COMMAND\" says more about one; \"tally --version\""
	    " names the version.\n"
	    "\nexample\n"
	    "  tally init audit.log\n"
	    "  tally append audit.log --chain org/42"
	    " '{\"actor\":\"alice\",\"action\":\"login\"}'\n"
	    "  tally verify audit.log\n"
	    "\nexit status\n"
	    "  0 done, intact    1 tampering found   2 call or event refused\n"
	    "  3 not verified    4 not found         5 input or output error\n"
	    "  6 locked          130 interrupted\n"
	    "\nmanual\n  tally(1)\n",
	    file);
}

static enum status
unknown(const char *name)
{
	struct suggest suggest;

	suggest_init(&suggest, name, strlen(name));
	for (size_t i = 0; i < COMMANDS; i++)
		if (commands[i] != NULL)
			suggest_offer(&suggest, commands[i]->name);
	suggest_offer(&suggest, "help");
	if (suggest.best != NULL)
		complain("unknown command \"%s\"; did you mean \"%s\"?", name,
		    suggest.best);
	else
		complain("unknown command \"%s\"; see \"tally help\"", name);
	return STATUS_USAGE;
}

/* Of a group, help is that of all its commands. */
static void
show(const struct command *command)
{
	if (command->parts == NULL) {
		options_help(command);
		return;
	}
	for (size_t i = 0; command->parts[i] != NULL; i++) {
		if (i > 0)
			fputc('\n', stdout);
		options_help(command->parts[i]);
	}
}

/* Which command of the group?  NULL: it was refused, or help was shown. */
static const struct command *
find_part(const struct command *group, int argc, char **argv,
    enum status *status)
{
	struct suggest suggest;

	*status = STATUS_USAGE;
	if (argc > 0 &&
	    (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		show(group);
		*status = STATUS_DONE;
		return NULL;
	}
	if (argc == 0) {
		complain("\"%s\" needs a command; see \"tally %s --help\"",
		    group->name, group->name);
		return NULL;
	}
	suggest_init(&suggest, argv[0], strlen(argv[0]));
	for (size_t i = 0; group->parts[i] != NULL; i++) {
		/* A part's name is that of the group, a space, its own. */
		const char *name = strchr(group->parts[i]->name, ' ') + 1;

		if (strcmp(name, argv[0]) == 0)
			return group->parts[i];
		suggest_offer(&suggest, name);
	}
	if (suggest.best != NULL)
		complain("unknown command \"%s %s\"; did you mean \"%s %s\"?",
		    group->name, argv[0], group->name, suggest.best);
	else
		complain("unknown command \"%s %s\"; see \"tally %s --help\"",
		    group->name, argv[0], group->name);
	return NULL;
}

static enum status
run(const struct command *command, int argc, char **argv)
{
	char *operand[OPERANDS_MAX];
	enum status status = STATUS_USAGE;
	void *settings;

	if (command->parts != NULL) {
		command = find_part(command, argc--, argv++, &status);
		if (command == NULL)
			return status;
	}
	settings = calloc(1, command->settings_size);
	if (settings == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	switch (options_parse(command, argc, argv, settings, operand)) {
	case PARSED:
		status = command->run(settings, operand);
		break;
	case PARSED_HELP:
		options_help(command);
		status = STATUS_DONE;
		break;
	case PARSED_REFUSED:
		break;
	}
	free(settings);
	return status;
}

/* "tally help [COMMAND]" */
static enum status
run_help(int argc, char **argv)
{
	const struct command *command;

	if (argc == 0) {
		help(stdout);
		return STATUS_DONE;
	}
	command = find(argv[0]);
	if (command == NULL)
		return unknown(argv[0]);
	show(command);
	return STATUS_DONE;
}

static enum status
dispatch(int argc, char **argv)
{
	const struct command *command;

	if (argc == 0) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[0], "--version") == 0) {
		printf("tally %s\n", tally_version());
		return STATUS_DONE;
	}
	if (strcmp(argv[0], "help") == 0)
		return run_help(argc - 1, argv + 1);
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return run_help(0, NULL);
	if (argv[0][0] == '-') {
		complain("unknown option \"%s\"; see \"tally help\"", argv[0]);
		return STATUS_USAGE;
	}
	command = find(argv[0]);
	if (command == NULL)
		return unknown(argv[0]);
	return run(command, argc - 1, argv + 1);
}

/*
 * A standard descriptor that is closed would be given to the next file that is
 * opened, and what is printed would end up in the log.  Whatever stands in its
 * place fails on the use that it is meant for.
 */
static bool
hold_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags) != fd)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	/* "tally log | head" ends like every other filter. */
	(void)signal(SIGPIPE, SIG_DFL);
	if (argc < 1 || !hold_descriptors())
		return STATUS_IO;
	output_init();
	return (int)output_finish(dispatch(argc - 1, argv + 1));
}
