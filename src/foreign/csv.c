/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV (RFC 4180), each row made into a JSON object by its header.
 *
 * A cell is text unless the profile's types say that it is JSON.  One that is
 * empty and stands without quotes is null, as PostgreSQL writes it.  Lines may
 * end with CR LF or LF alone, the last one with nothing.
 */
#include <string.h>

#include "core/fail.h"
#include "foreign/judge.h"
#include "foreign/reader.h"
#include "log/sys.h"

static const char digits[] = "0123456789abcdef";

struct cell {
	const char *at; /* within its quotes */
	size_t len;
	bool quoted;
};

/* A row in the unread bytes, as far as it was cut up. */
struct row {
	struct cell cells[TALLY_CELLS_MAX];
	size_t cells_len;
	size_t len;  /* with its line end */
	bool whole;  /* its end was there */
	bool broken; /* a quote where none may be, or too many cells */
};

static void
add_cell(struct row *row, const char *at, const char *end, bool quoted)
{
	if (row->cells_len == TALLY_CELLS_MAX) {
		row->broken = true;
		return;
	}
	row->cells[row->cells_len].at = at;
	row->cells[row->cells_len].len = (size_t)(end - at);
	row->cells[row->cells_len++].quoted = quoted;
}

/* A cell in quotes; gives what is behind it, or NULL: it does not end here. */
static const char *
cut_quoted(struct row *row, const char *p, const char *end)
{
	const char *begin = ++p;

	for (;;) {
		p = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
		if (p == NULL)
			return NULL;
		if (p + 1 < end && p[1] == '"') {
			p += 2;
			continue;
		}
		add_cell(row, begin, p, true);
		return p + 1;
	}
}

/* A cell without quotes; its end may be the end of what was read. */
static const char *
cut_bare(struct row *row, const char *p, const char *end)
{
	const char *begin = p, *last;

	while (p < end && *p != ',' && *p != '\n') {
		row->broken |= *p == '"';
		p++;
	}
	last = p;
	if (last > begin && last[-1] == '\r' && (p == end || *p == '\n'))
		last--;
	add_cell(row, begin, last, false);
	return p;
}

/* Cuts a row; false if its end is not among the bytes. */
static bool
cut(struct row *row, const char *at, size_t len)
{
	const char *p = at, *end = at + len;

	row->cells_len = 0;
	row->whole = row->broken = false;
	for (;;) {
		if (p < end && *p == '"') {
			p = cut_quoted(row, p, end);
			if (p == NULL)
				break;
			if (p < end && *p == '\r')
				p++;
			while (p < end && *p != ',' && *p != '\n') {
				row->broken = true;
				p++;
			}
		} else {
			p = cut_bare(row, p, end);
		}
		if (p == end)
			break;
		if (*p++ == '\n') {
			row->whole = true;
			row->len = (size_t)(p - at);
			return true;
		}
	}
	row->len = len;
	/* Without an open quote it may be the last one, whole all the same. */
	row->whole = p != NULL;
	return false;
}

/* Reads until a row is whole, or the source ends. */
static int
next_row(struct tally_reader *reader, struct row *row)
{
	size_t len, wanted = 0;
	int r;

	for (;;) {
		len = reader->end - reader->begin;
		/* What was cut in vain is not cut again before there is twice
		 * as much. */
		if (len >= wanted || reader->at_end) {
			if (len == 0 && reader->at_end)
				return TALLY_END;
			if (len > 0 &&
			    (cut(row, reader->buffer + reader->begin, len) ||
				reader->at_end))
				return 0;
			wanted = 2 * len;
		}
		r = tally_reader_fill(reader);
		if (r < 0)
			return r;
	}
}

/* The text of a cell, without doubled quotes, in place of it. */
static size_t
unquote(const struct cell *cell, char *out)
{
	size_t i, len = 0;

	for (i = 0; i < cell->len; i++) {
		out[len++] = cell->at[i];
		i += cell->quoted && cell->at[i] == '"';
	}
	return len;
}

static bool
is_field(const struct tally_profile *profile,
    const struct tally_canon_text *name, bool *json)
{
	json_t *types = json_object_get(profile->json, "types");
	const char *type = json_string_value(json_object_get(types, name->at));
	int i;

	*json = type != NULL && strcmp(type, "json") == 0;
	for (i = 0; i < profile->fields_len; i++) {
		const struct tally_canon_text *field = &profile->fields[i]
							    .path[0];

		if (field->len == name->len &&
		    memcmp(field->at, name->at, name->len) == 0)
			return true;
	}
	return profile->whole;
}

static int
read_header(struct tally_reader *reader, struct row *row)
{
	const char *begin;
	size_t i, at = 0;
	int r;

	while (reader->end - reader->begin < 3) {
		r = tally_reader_fill(reader);
		if (r == TALLY_END)
			break;
		if (r != 0)
			return r;
	}
	begin = reader->buffer + reader->begin;
	tally_reader_skip(reader,
	    tally_mark_len(begin, reader->end - reader->begin));
	r = next_row(reader, row);
	if (r != 0)
		return r;
	if (row->broken || !row->whole)
		return tally_fail(reader->error, TALLY_E_FORMAT,
		    "\"%s\": the first line is no header of CSV",
		    reader->source->name);
	reader->header = tally_sys_realloc(NULL, row->len + row->cells_len);
	if (reader->header == NULL)
		return tally_fail(reader->error, TALLY_E_MEMORY,
		    "out of memory");
	for (i = 0; i < row->cells_len; i++) {
		struct tally_canon_text *name = &reader->names[i];

		name->at = reader->header + at;
		name->len = unquote(&row->cells[i], reader->header + at);
		at += name->len;
		reader->header[at++] = '\0';
		reader->wanted[i] = is_field(reader->profile, name,
		    &reader->json[i]);
	}
	reader->names_len = row->cells_len;
	tally_reader_skip(reader, row->len);
	return 0;
}

/* A cell as a JSON string: all but its escapes is left as it is, so that what
 * is no UTF-8 is found by whoever reads it. */
static void
put_string(struct tally_canon_out *out, const char *at, size_t len, bool quoted)
{
	size_t i;

	tally_canon_put_char(out, '"');
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c == '"' || c == '\\') {
			tally_canon_put_char(out, '\\');
			tally_canon_put_char(out, (char)c);
			i += quoted && c == '"';
		} else if (c < 0x20) {
			tally_canon_put(out, "\\u00", 4);
			tally_canon_put_char(out, digits[c >> 4]);
			tally_canon_put_char(out, digits[c & 15]);
		} else {
			tally_canon_put_char(out, (char)c);
		}
	}
	tally_canon_put_char(out, '"');
}

/*
 * JSON may be spread over lines; a line feed is only white space in it.  It
 * must be one value: what is none could put members into the record that stand
 * in no cell of theirs.
 */
static int
put_cell_json(struct tally_reader *reader, const struct cell *cell)
{
	struct tally_canon_out *out = &reader->line;
	size_t begin = out->len, i, nodes;

	for (i = 0; i < cell->len; i++) {
		tally_canon_put_char(out, cell->at[i]);
		i += cell->quoted && cell->at[i] == '"';
	}
	return out->full
	    ? 0
	    : tally_room_read(&reader->cell, out->at + begin, out->len - begin,
		  TALLY_CANON_READ_NAN, &nodes, NULL);
}

/* 0; TALLY_E_MEMORY; else a cell is not the JSON that it ought to be. */
static int
put_object(struct tally_reader *reader, const struct row *row)
{
	struct tally_canon_out *out = &reader->line;
	char mark = '{';
	size_t i;
	int r = 0;

	for (i = 0; i < row->cells_len && r == 0; i++) {
		const struct cell *cell = &row->cells[i];

		if (!reader->wanted[i])
			continue;
		tally_canon_put_char(out, mark);
		mark = ',';
		put_string(out, reader->names[i].at, reader->names[i].len,
		    false);
		tally_canon_put_char(out, ':');
		if (cell->len == 0 && !cell->quoted)
			tally_canon_put(out, "null", 4);
		else if (reader->json[i])
			r = put_cell_json(reader, cell);
		else
			put_string(out, cell->at, cell->len, cell->quoted);
	}
	if (mark == '{')
		tally_canon_put_char(out, '{');
	tally_canon_put_char(out, '}');
	return r;
}

static int
put_line(struct tally_reader *reader, struct row *row)
{
	struct tally_canon_out *out = &reader->line;
	int r = 0, cells = 0;

	do {
		if (out->full || out->capacity == 0)
			r = tally_out_grow(out);
		out->len = 0;
		out->full = false;
		if (r == 0)
			cells = put_object(reader, row);
	} while (r == 0 && out->full);
	if (r == 0 && cells == TALLY_E_MEMORY)
		r = cells;
	row->broken = cells != 0;
	return r == 0 ? 0
		      : tally_fail(reader->error, r, "a record is too long");
}

int
tally_reader_csv(struct tally_reader *reader, struct tally_reading *out)
{
	struct row row;
	int r = 0;

	if (reader->names_len == 0)
		r = read_header(reader, &row);
	do {
		if (r == 0)
			r = next_row(reader, &row);
		if (r != 0)
			return r;
		out->offset = reader->offset;
		tally_reader_skip(reader, row.len);
		/* A line with nothing in it is no record. */
	} while (row.cells_len == 1 && row.cells[0].len == 0 &&
	    !row.cells[0].quoted);
	out->line = NULL;
	out->len = 0;
	out->raw = reader->buffer + reader->begin - row.len;
	out->raw_len = row.len;
	while (out->raw_len > 0 &&
	    (out->raw[out->raw_len - 1] == '\n' ||
		out->raw[out->raw_len - 1] == '\r'))
		out->raw_len--;
	/* A last row with too few cells was cut off, as one with an open
	 * quote was. */
	out->whole = row.whole &&
	    (!reader->at_end || reader->begin < reader->end ||
		row.cells_len >= reader->names_len);
	if (row.broken || !row.whole || row.cells_len != reader->names_len)
		return 0;
	r = put_line(reader, &row);
	if (r == 0 && !row.broken) {
		out->line = reader->line.at;
		out->len = reader->line.len;
	}
	return r;
}
