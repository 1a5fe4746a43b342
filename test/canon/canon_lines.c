/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canon_lines FORM: each line of standard input, a JSON text, in a canonical
 * form, or "refused".  canon_lines numbers: each line, the bits of a double in
 * hexadecimal, as "JS PYTHON".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canon.h"
#include "core/double.h"

#define ROOM ((size_t)1 << 20)

static const char *const forms[] = { "js-property", "js-utf16", "python",
	"jsonb" };

static struct tally_canon_room room;
static char text[ROOM];

static void
number(const char *line)
{
	char js[TALLY_DOUBLE_TEXT_MAX], python[TALLY_DOUBLE_TEXT_MAX];
	uint64_t bits = strtoull(line, NULL, 16);
	double value;

	memcpy(&value, &bits, sizeof(value));
	printf("%.*s %.*s\n", (int)tally_double_format_js(value, js), js,
	    (int)tally_double_format_python(value, python), python);
}

static void
document(const char *line, size_t len, enum tally_canon_form form)
{
	struct tally_canon_style style = { .form = form };
	struct tally_canon_out out = { text, 0, sizeof(text), false };
	unsigned read = form == TALLY_CANON_PYTHON ? TALLY_CANON_READ_NAN : 0;
	size_t nodes;

	if (tally_canon_read(line, len, read, &room, &nodes, NULL) == 0 &&
	    tally_canon_write(line, &room, 0, &style, &out, NULL) == 0)
		printf("%.*s\n", (int)out.len, out.at);
	else
		puts("refused");
}

int
main(int argc, char **argv)
{
	size_t capacity = 0, form = 0;
	char *line = NULL;
	ssize_t len;

	if (argc != 2)
		return 2;
	while (form < 4 && strcmp(argv[1], forms[form]) != 0)
		form++;
	room.capacity = ROOM;
	room.nodes = malloc(ROOM * sizeof(*room.nodes));
	room.order = malloc(ROOM * sizeof(*room.order));
	if (room.nodes == NULL || room.order == NULL)
		return 1;
	while ((len = getline(&line, &capacity, stdin)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		if (form < 4)
			document(line, (size_t)len,
			    (enum tally_canon_form)form);
		else
			number(line);
	}
	free(line);
	free(room.nodes);
	free(room.order);
	return 0;
}
