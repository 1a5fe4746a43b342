/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally profile: profiles of foreign chains.  Its test, which is longer, stands
 * in cmd_profile_test.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include "commands.h"
#include "profile.h"

static const struct command *const parts[] = {
	&command_profile_list,
	&command_profile_show,
	&command_profile_test,
	NULL,
};

const struct command command_profile = {
	.name = "profile",
	.summary = "profiles of foreign chains: list, show, test",
	.parts = parts,
};

/* ---- list ------------------------------------------------------------- */

struct list_settings {
	bool json;
};

static const struct option list_options[] = {
	{ "json", NULL, OPTION_FLAG, offsetof(struct list_settings, json),
	    "one JSON array" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static int
is_profile(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && entry->d_name[0] != '.' &&
	    strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void
put_member(const char *name, const char *text)
{
	printf(",\"%s\":", name);
	if (text != NULL)
		output_json(text, strlen(text));
	else
		fputs("null", stdout);
}

static void
list_one(const char *name, const struct tally_profile_about *about, bool json,
    bool first)
{
	if (json) {
		fputs(first ? "[{\"name\":" : ",{\"name\":", stdout);
		output_json(name, strlen(name));
		put_member("title", about->title);
		put_member("confidence", about->confidence);
		put_member("query", about->query);
		fputc('}', stdout);
		return;
	}
	printf("%-20s  ", name);
	if (about->title != NULL)
		output_name(about->title, strlen(about->title));
	if (about->confidence != NULL) {
		fputs(" (", stdout);
		output_name(about->confidence, strlen(about->confidence));
		fputc(')', stdout);
	}
	fputc('\n', stdout);
}

static enum status
run_list(const void *data, char *const *operand)
{
	const struct list_settings *settings = data;
	struct dirent **entries = NULL;
	enum status status = STATUS_DONE;
	bool first = true;
	int count = scandir(profile_folder(), &entries, is_profile, alphasort);

	(void)operand;
	if (count < 0) {
		complain("cannot read \"%s\": %s", profile_folder(),
		    output_reason(errno));
		return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
	}
	for (int i = 0; i < count; i++) {
		struct tally_profile *profile;
		struct tally_profile_about about;
		struct tally_error error = { 0 };
		char *name = entries[i]->d_name;
		int result;

		name[strlen(name) - 5] = '\0';
		result = profile_load(name, NULL, &profile, &error);
		if (result != 0) {
			complain("\"%s\": %s", name, error.message);
			status = STATUS_USAGE;
		} else {
			tally_profile_describe(profile, &about);
			list_one(name, &about, settings->json, first);
			tally_profile_free(profile);
			first = false;
		}
		free(entries[i]);
	}
	free(entries);
	if (settings->json)
		fputs(first ? "[]\n" : "]\n", stdout);
	return status;
}

const struct command command_profile_list = {
	.name = "profile list",
	.summary = "list the profiles that are installed",
	.synopsis = "profile list [--json]",
	.about = "Lists the profiles in the folder that is installed, or in"
		 " $TALLY_PROFILES.",
	.options = list_options,
	.example = "  tally profile list",
	.statuses = "  0 done  2 one of them is wrong  4 no such folder",
	.settings_size = sizeof(struct list_settings),
	.run = run_list,
};

/* ---- show ------------------------------------------------------------- */

struct show_settings {
	bool none; /* a command has at least a byte of settings */
};

static const struct option show_options[] = {
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static enum status
run_show(const void *data, char *const *operand)
{
	struct tally_profile *profile;
	struct tally_error error = { 0 };
	size_t len;
	char *text;
	int result = profile_load(operand[0], NULL, &profile, &error);

	(void)data;
	if (result != 0)
		return output_failure(result, &error, false);
	tally_profile_free(profile);
	result = profile_text(operand[0], &text, &len, &error);
	if (result != 0)
		return output_failure(result, &error, false);
	(void)fwrite(text, 1, len, stdout);
	free(text);
	return STATUS_DONE;
}

const struct command command_profile_show = {
	.name = "profile show",
	.summary = "print a profile",
	.synopsis = "profile show NAME",
	.about = "Prints a profile as it is, once it was found to be right:"
		 " something to begin\nanother one with.",
	.options = show_options,
	.example = "  tally profile show vouch >mine.json",
	.statuses = "  0 done  2 the profile is wrong  4 no such profile",
	.operands = { "NAME" },
	.needed = 1,
	.settings_size = sizeof(struct show_settings),
	.run = run_show,
};
