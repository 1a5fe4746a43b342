/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <termios.h>
#include <unistd.h>

#include "passphrase.h"

void
passphrase_wipe(struct passphrase *passphrase)
{
	volatile char *at = passphrase->text;

	for (size_t i = 0; i < sizeof(passphrase->text); i++)
		at[i] = '\0';
	passphrase->given = false;
}

/* A line without its line feed; false if it is empty or too long. */
static bool
take_line(FILE *file, struct passphrase *out)
{
	size_t len;

	if (fgets(out->text, sizeof(out->text), file) == NULL)
		return false;
	len = strcspn(out->text, "\n");
	if (out->text[len] == '\0' && len == PASSPHRASE_MAX)
		return false;
	out->text[len] = '\0';
	out->given = len > 0;
	return out->given;
}

static enum status
from_file(const char *path, struct passphrase *out)
{
	FILE *file = fopen(path, "r");
	bool done;

	if (file == NULL) {
		complain("cannot read \"%s\": %s", path, output_reason(errno));
		return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
	}
	done = take_line(file, out);
	(void)fclose(file);
	if (done)
		return STATUS_DONE;
	complain("\"%s\" does not begin with a passphrase of 1 to %d bytes",
	    path, PASSPHRASE_MAX - 1);
	return STATUS_USAGE;
}

/* Asks without showing what is typed. */
static bool
ask(const char *prompt, struct passphrase *out)
{
	struct termios before, silent;
	bool done;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return false;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	(void)fflush(stderr);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	done = take_line(stdin, out);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return done;
}

static enum status
from_terminal(bool twice, struct passphrase *out)
{
	struct passphrase again = { 0 };
	bool same;

	if (!ask("passphrase: ", out))
		return STATUS_DONE;
	if (!twice)
		return STATUS_DONE;
	same = ask("once more: ", &again) && strcmp(again.text, out->text) == 0;
	passphrase_wipe(&again);
	if (same)
		return STATUS_DONE;
	complain("the two passphrases are not the same");
	return STATUS_USAGE;
}

enum status
passphrase_get(const char *file, bool twice, struct passphrase *out)
{
	const char *known = getenv("TALLY_PASSPHRASE");

	memset(out, 0, sizeof(*out));
	if (file != NULL)
		return from_file(file, out);
	if (known != NULL && known[0] != '\0') {
		if (strlen(known) >= PASSPHRASE_MAX) {
			complain("TALLY_PASSPHRASE is longer than %d bytes",
			    PASSPHRASE_MAX - 1);
			return STATUS_USAGE;
		}
		memcpy(out->text, known, strlen(known));
		out->given = true;
		return STATUS_DONE;
	}
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		return from_terminal(twice, out);
	return STATUS_DONE;
}
