/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
#include "text.h"

#define BUFFER_BYTES ((size_t)64 << 10)

static struct {
	bool is_terminal;
	bool has_colours;
	bool is_lost; /* it was said that the output is lost */
} output;

static bool
is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && value[0] != '\0';
}

void
output_init(void)
{
	const char *term = getenv("TERM");

	output.is_terminal = isatty(STDOUT_FILENO) == 1;
	output.has_colours = output.is_terminal && !is_set("NO_COLOR") &&
	    term != NULL && strcmp(term, "dumb") != 0;
	if (!output.is_terminal)
		(void)setvbuf(stdout, NULL, _IOFBF, BUFFER_BYTES);
}

bool
output_is_terminal(void)
{
	return output.is_terminal;
}

size_t
output_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

void
output_word(enum colour colour, const char *word)
{
	static const char *const codes[] = { "32", "1;31", "33" };

	if (output.has_colours)
		printf("\033[%sm%s\033[0m", codes[colour], word);
	else
		fputs(word, stdout);
}

void
output_name(const char *name, size_t len)
{
	if (output.is_terminal)
		text_put_visible(stdout, name, len);
	else
		text_put_line(stdout, name, len);
}

void
output_json(const char *text, size_t len)
{
	text_put_json(stdout, text, len);
}

void
output_json_place(const char *chain, size_t chain_len, uint64_t seq)
{
	fputs("{\"chain\":", stdout);
	output_json(chain, chain_len);
	printf(",\"seq\":%" PRIu64, seq);
}

void
output_hash(const struct tally_hash *hash)
{
	char text[TALLY_HASH_TEXT_SIZE];

	tally_hash_format(hash, text);
	fputs(text, stdout);
}

void
output_time(int64_t time_us)
{
	char text[TALLY_TIME_TEXT_SIZE];

	tally_time_format(time_us, text);
	fputs(text, stdout);
}

void
complain(const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	fputs("tally: ", stderr);
	text_put_visible(stderr, message, strlen(message));
	fputc('\n', stderr);
}

const char *
output_reason(int os_errno)
{
	static char reason[128];

	(void)snprintf(reason, sizeof(reason), "%s", strerror(os_errno));
	if (reason[0] >= 'A' && reason[0] <= 'Z')
		reason[0] += 'a' - 'A';
	return reason;
}

enum status
status_of(int result, bool judging)
{
	switch (result) {
	case TALLY_OK:
		return STATUS_DONE;
	case TALLY_END:
	case TALLY_E_NO_LOG:
		return STATUS_NOT_FOUND;
	case TALLY_PARTIAL:
		return STATUS_INTERRUPTED;
	case TALLY_E_USAGE:
	case TALLY_E_EVENT:
	case TALLY_E_LIMIT:
	case TALLY_E_EXISTS:
	case TALLY_E_CONFLICT:
		return STATUS_USAGE;
	case TALLY_E_VERSION:
	case TALLY_E_DAMAGED:
		return judging ? STATUS_UNJUDGED : STATUS_IO;
	case TALLY_E_FORMAT:
		return STATUS_UNJUDGED;
	case TALLY_E_BUSY:
		return STATUS_BUSY;
	default:
		/* Memory, disk, rights, network, poison, bugs. */
		return STATUS_IO;
	}
}

enum status
output_failure(int result, const struct tally_error *error, bool judging)
{
	if (error != NULL && error->message[0] != '\0')
		complain("%s", error->message);
	else
		complain("%s", tally_strerror(result));
	return status_of(result, judging);
}

enum status
output_flush(void)
{
	int failed = 0;

	if (!output.is_lost && !ferror(stdout)) {
		if (fflush(stdout) == 0)
			return STATUS_DONE;
		failed = errno;
	} else if (!output.is_lost) {
		/* An earlier write failed; a small one says why. */
		clearerr(stdout);
		if (fflush(stdout) != 0)
			failed = errno;
	}
	if (!output.is_lost)
		complain("cannot write to standard output: %s",
		    failed != 0 ? output_reason(failed) : "some of it is lost");
	output.is_lost = true;
	return STATUS_IO;
}

enum status
output_finish(enum status status)
{
	enum status flushed = output_flush();

	return status == STATUS_DONE ? flushed : status;
}
