/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign text on its way to a terminal or into JSON.
 *
 * Written as \uXXXX: control characters (C0, DEL, C1), the characters that
 * turn the direction of writing, zero-width ones, line and paragraph
 * separators, tags.  Inside a JSON string that is the same character, so an
 * event that was made visible is the same JSON.  Bytes that are no UTF-8
 * become \xNN, in JSON U+FFFD.
 */
#ifndef TALLY_CLI_TEXT_H
#define TALLY_CLI_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Writes text; nothing in it moves a cursor. */
void
text_put_visible(FILE *file, const char *text, size_t len);

/* Writes text for a program: as it is, but for what would end the line. */
void
text_put_line(FILE *file, const char *text, size_t len);

/* The first in at most so many columns, shortened with "..." at its end. */
void
text_put_shortened(FILE *file, const char *text, size_t len, size_t columns);

/* The columns that text takes when it is made visible. */
size_t
text_columns(const char *text, size_t len);

/* Writes a JSON string with its quotes. */
void
text_put_json(FILE *file, const char *text, size_t len);

#endif
