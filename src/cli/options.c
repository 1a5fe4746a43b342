/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "suggest.h"
#include "values.h"

/* Where the parser stands. */
struct parser {
	const struct command *command;
	int argc;
	char **argv;
	int at;
	uint64_t given; /* a bit per option of the table */
	char *settings;
};

enum status
options_refuse(const struct command *command, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	complain("%s; see \"tally %s --help\"", message, command->name);
	return STATUS_USAGE;
}

/* Complains about an option that is none of the command's. */
static enum parsed
refuse_unknown(const struct parser *parser, const char *given, size_t len)
{
	const struct option *options = parser->command->options;
	struct suggest suggest;

	suggest_init(&suggest, given, len);
	for (size_t i = 0; options[i].name != NULL; i++)
		suggest_offer(&suggest, options[i].name);
	suggest_offer(&suggest, "help");
	if (suggest.best != NULL)
		complain("unknown option \"--%.*s\"; did you mean \"--%s\"?",
		    (int)len, given, suggest.best);
	else
		(void)options_refuse(parser->command,
		    "unknown option \"--%.*s\"", (int)len, given);
	return PARSED_REFUSED;
}

/* Puts the value of one option into its place. */
static enum parsed
store(const struct parser *parser, const struct option *option,
    const char *value)
{
	void *member = parser->settings + option->offset;
	const char *wanted = NULL;

	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)member = true;
		break;
	case OPTION_TEXT:
		wanted = value[0] == '\0' ? "a value" : NULL;
		*(const char **)member = value;
		break;
	case OPTION_COUNT:
		wanted = value_count(value, member);
		break;
	case OPTION_BYTES:
		wanted = value_bytes(value, member);
		break;
	case OPTION_TIME:
		wanted = value_time(value, member);
		break;
	case OPTION_ROOT:
		wanted = value_root(value, member);
		break;
	}
	if (wanted == NULL)
		return PARSED;
	complain("\"--%s\" needs %s, not \"%s\"", option->name, wanted, value);
	return PARSED_REFUSED;
}

/* Takes "--name", "--name=value" or "--name value". */
static enum parsed
take_option(struct parser *parser)
{
	const struct option *options = parser->command->options;
	const char *name = parser->argv[parser->at++] + 2;
	const char *value = strchr(name, '=');
	size_t len = value != NULL ? (size_t)(value++ - name) : strlen(name);
	size_t i = 0;

	while (options[i].name != NULL &&
	    (strlen(options[i].name) != len ||
		memcmp(options[i].name, name, len) != 0))
		i++;
	if (options[i].name == NULL)
		return refuse_unknown(parser, name, len);
	if (parser->given >> i & 1) {
		(void)options_refuse(parser->command, "\"--%s\" is given twice",
		    options[i].name);
		return PARSED_REFUSED;
	}
	parser->given |= (uint64_t)1 << i;
	if (options[i].kind == OPTION_FLAG && value != NULL) {
		(void)options_refuse(parser->command, "\"--%s\" takes no value",
		    options[i].name);
		return PARSED_REFUSED;
	}
	if (options[i].kind != OPTION_FLAG && value == NULL) {
		if (parser->at == parser->argc) {
			(void)options_refuse(parser->command,
			    "\"--%s\" needs a value: %s", options[i].name,
			    options[i].argument);
			return PARSED_REFUSED;
		}
		value = parser->argv[parser->at++];
	}
	return store(parser, &options[i], value);
}

/* Takes an argument that is no long option. */
static enum parsed
take_operand(struct parser *parser, char *operand[OPERANDS_MAX], size_t *count)
{
	const struct command *command = parser->command;
	char *argument = parser->argv[parser->at++];

	if (*count == OPERANDS_MAX || command->operands[*count] == NULL) {
		(void)options_refuse(command, "unexpected argument \"%s\"",
		    argument);
		return PARSED_REFUSED;
	}
	if (argument[0] == '\0') {
		(void)options_refuse(command, "%s is empty",
		    command->operands[*count]);
		return PARSED_REFUSED;
	}
	operand[(*count)++] = argument;
	return PARSED;
}

static bool
is_help(const char *argument)
{
	return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

enum parsed
options_parse(const struct command *command, int argc, char **argv,
    void *settings, char *operand[OPERANDS_MAX])
{
	struct parser parser = { .command = command,
		.argc = argc,
		.argv = argv,
		.settings = settings };
	enum parsed parsed = PARSED;
	bool ended = false;
	size_t count = 0;

	for (size_t i = 0; i < OPERANDS_MAX; i++)
		operand[i] = NULL;
	while (parser.at < argc && parsed == PARSED) {
		const char *argument = argv[parser.at];

		if (ended || argument[0] != '-' || argument[1] == '\0') {
			parsed = take_operand(&parser, operand, &count);
		} else if (strcmp(argument, "--") == 0) {
			ended = true;
			parser.at++;
		} else if (is_help(argument)) {
			return PARSED_HELP;
		} else if (argument[1] == '-') {
			parsed = take_option(&parser);
		} else {
			(void)options_refuse(command, "unknown option \"%s\"",
			    argument);
			return PARSED_REFUSED;
		}
	}
	if (parsed == PARSED && count < command->needed) {
		(void)options_refuse(command, "%s is missing",
		    command->operands[count]);
		return PARSED_REFUSED;
	}
	return parsed;
}

void
options_help(const struct command *command)
{
	printf("usage: tally %s\n\n%s\n\noptions\n", command->synopsis,
	    command->about);
	for (const struct option *o = command->options; o->name != NULL; o++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "--%s%s%s", o->name,
		    o->argument != NULL ? " " : "",
		    o->argument != NULL ? o->argument : "");
		printf("  %-24s  %s\n", left, o->help);
	}
	printf("  %-24s  %s\n", "--help", "show this");
	printf("\nexample\n%s\n\nexit status\n%s\n", command->example,
	    command->statuses);
	/* The commands of a group share its page. */
	printf("\nmanual\n  tally-%.*s(1)\n", (int)strcspn(command->name, " "),
	    command->name);
}
