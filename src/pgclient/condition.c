/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A condition comes out of the database and goes back as SQL, so it is looked
 * at first: token by token, as PostgreSQL prints an expression.
 *
 * 1. No statement, query or comment can begin in it: no semicolon, dollar,
 *    SELECT, "--" or slash-star; quotes and parentheses are closed.  A string
 *    is of the kinds that are printed ('', E'', B''), and none goes on on
 *    another line: of others it is not known here where they end.
 * 2. With an empty search_path a name without a schema is built in; one with
 *    a schema may only be a type, behind "::".
 * 3. What stands before a parenthesis is a built-in immutable function.
 * 4. So is what is selected of a value, "(value).name": if it has no field of
 *    that name PostgreSQL calls the function.  That none has the name is fine.
 */
#include <ctype.h>
#include <string.h>

#include "pgclient/condition.h"

struct lexer {
	const char *p;
	int depth;
	bool is_type;                   /* behind "::" */
	bool is_value;                  /* right behind one that has fields */
	struct tally_pg_text functions; /* an array of text */
	struct tally_pg_text fields;    /* likewise */
};

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (c & 0x80) != 0;
}

/* Behind the closing quotation mark; NULL if there is none. */
static const char *
skip_quoted(const char *p, char quote, bool has_escapes)
{
	for (p++; *p != '\0'; p++) {
		if (has_escapes && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == quote && p[1] == quote)
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return NULL;
}

/* Words that SQL has before a parenthesis, and that are no functions. */
static bool
is_keyword(const char *word, size_t len)
{
	static const char *const words[] = { "AND", "OR", "NOT", "IN", "ANY",
		"ALL", "ARRAY", "ROW", "COALESCE", "NULLIF", "GREATEST",
		"LEAST", "CASE", "WHEN", "THEN", "ELSE", "IS", "FROM",
		"BETWEEN", "character", "varying", "numeric", "bit",
		"timestamp", "time", "interval", "bpchar" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return true;
	return false;
}

static bool
is_query(const char *word, size_t len)
{
	char lower[8] = "";

	if (len >= sizeof(lower))
		return false;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)word[i]);
	return strcmp(lower, "select") == 0 || strcmp(lower, "with") == 0 ||
	    strcmp(lower, "table") == 0 || strcmp(lower, "values") == 0;
}

/* An element of an array of text; its bytes as they stand in a quoted name. */
static void
add_name(struct tally_pg_text *names, const char *name, size_t len)
{
	tally_pg_text_put(names, names->len == 0 ? "{\"" : ",\"");
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '"' || name[i] == '\\')
			tally_pg_text_put(names, "\\");
		tally_pg_text_add(names, name + i, 1);
		i += name[i] == '"';
	}
	tally_pg_text_put(names, "\"");
}

/* Behind a dot: a name as it is printed, quoted unless all of it is small. */
static const char *
take_field(struct lexer *lexer)
{
	const char *name = lexer->p;
	size_t len = 0;

	if (*name == '"') {
		lexer->p = skip_quoted(name, '"', false);
		if (lexer->p == NULL)
			return "a quotation mark is not closed";
		name++;
		len = (size_t)(lexer->p - name) - 1;
	} else {
		while (islower((unsigned char)name[len]) || name[len] == '_' ||
		    (len > 0 && isdigit((unsigned char)name[len])))
			len++;
		lexer->p += len;
	}
	if (len == 0 || is_word(*lexer->p) || *lexer->p == '(' ||
	    *lexer->p == '&')
		return "it selects a part of something";
	add_name(&lexer->fields, name, len);
	lexer->is_value = true;
	return NULL;
}

/* Of the strings with a letter before them only some are printed. */
static bool
is_strange_string(const char *word, size_t len)
{
	const char *p = word + len;

	if (*p == '\'')
		return len != 1 || *word != 'B';
	return len == 1 && (*word == 'u' || *word == 'U') && *p == '&' &&
	    (p[1] == '"' || p[1] == '\'');
}

static const char *
take_word(struct lexer *lexer)
{
	const char *word = lexer->p;
	size_t len = 0;

	while (is_word(word[len]))
		len++;
	lexer->p += len;
	if (is_strange_string(word, len))
		return "it holds a string of a kind that no condition has";
	if (is_query(word, len))
		return "it holds a query";
	if (*lexer->p == '.' && !lexer->is_type &&
	    !isdigit((unsigned char)*word))
		return "it names something with its schema";
	if (*lexer->p == '.')
		lexer->p++;
	else
		lexer->is_type = false;
	if (*lexer->p == '(' && !is_keyword(word, len) &&
	    !isdigit((unsigned char)*word))
		add_name(&lexer->functions, word, len);
	return NULL;
}

static const char *
take_quoted(struct lexer *lexer)
{
	bool is_name = *lexer->p == '"';
	bool has_escapes = !is_name && *lexer->p == 'E';

	lexer->p = skip_quoted(lexer->p + has_escapes, is_name ? '"' : '\'',
	    has_escapes);
	if (lexer->p == NULL)
		return "a quotation mark is not closed";
	if (is_name && *lexer->p == '(')
		return "it calls a function with a quoted name";
	if (is_name && *lexer->p == '.' && !lexer->is_type)
		return "it names something with its schema";
	if (is_name && *lexer->p == '.')
		lexer->p++;
	else
		lexer->is_type = false;
	return NULL;
}

static const char *
take_token(struct lexer *lexer)
{
	const char *p = lexer->p;
	bool is_value = lexer->is_value;

	lexer->is_value = false;
	if (*p == '.' && is_value && !isdigit((unsigned char)p[1])) {
		lexer->p++;
		return take_field(lexer);
	}
	if (*p == '"' || *p == '\'' || (*p == 'E' && p[1] == '\''))
		return take_quoted(lexer);
	if (is_word(*p))
		return take_word(lexer);
	if (*p == ';' || *p == '$' || *p == '\n' || *p == '\r')
		return "it holds a character that no condition has";
	if ((*p == '-' && p[1] == '-') || (*p == '/' && p[1] == '*'))
		return "it holds a comment";
	if (*p == '.' && !isdigit((unsigned char)p[1]))
		return "it selects a part of something";
	lexer->depth += (*p == '(') - (*p == ')');
	lexer->is_value = *p == ')' || *p == ']';
	if (lexer->depth < 0)
		return "its parentheses are not closed";
	if (*p == ':' && p[1] == ':') {
		lexer->is_type = true;
		lexer->p++;
	}
	lexer->p++;
	return NULL;
}

/*
 * Are all that have one of these names built in and immutable?  And, of names
 * of functions, is there one?
 */
static int
judge_names(struct tally_pg_verifier *v, struct tally_pg_text *names,
    bool is_field, const char **out_why, struct tally_error *error)
{
	static const char sql[] =
	    "SELECT pg_catalog.count(*) FROM pg_catalog.unnest("
	    "$1::pg_catalog.text[]) AS w(name) WHERE NOT $2 AND NOT EXISTS"
	    " (SELECT FROM pg_catalog.pg_proc p"
	    " WHERE p.proname = w.name::pg_catalog.name AND"
	    " p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace)"
	    " OR EXISTS (SELECT FROM pg_catalog.pg_proc p"
	    " WHERE p.proname = w.name::pg_catalog.name AND p.pronamespace"
	    " = 'pg_catalog'::pg_catalog.regnamespace AND (p.oid >= 16384"
	    " OR p.provolatile <> 'i'))";
	const char *params[2] = { NULL, is_field ? "true" : "false" };
	PGresult *rows;
	int result;

	if (names->len == 0)
		return 0;
	tally_pg_text_put(names, "}");
	if (names->failed)
		return tally_pg_no_memory(error);
	params[0] = names->at;
	result = tally_pg_conn_query(&v->pool.first, sql, 2, params, &rows,
	    error);
	if (result != 0)
		return result;
	if (strcmp(PQgetvalue(rows, 0, 0), "0") != 0)
		*out_why = is_field
		    ? "it selects what may be a function that is not immutable"
		      " and built in"
		    : "it calls a function that may not be immutable and"
		      " built in";
	PQclear(rows);
	return 0;
}

int
tally_pg_condition_judge(struct tally_pg_verifier *v, const char *condition,
    const char **out_why, struct tally_error *error)
{
	struct lexer lexer = { .p = condition };
	int result = 0;

	*out_why = NULL;
	while (*out_why == NULL && *lexer.p != '\0')
		*out_why = take_token(&lexer);
	if (*out_why == NULL && lexer.depth != 0)
		*out_why = "its parentheses are not closed";
	if (*out_why == NULL)
		result = judge_names(v, &lexer.functions, false, out_why,
		    error);
	if (result == 0 && *out_why == NULL)
		result = judge_names(v, &lexer.fields, true, out_why, error);
	tally_pg_text_wipe(&lexer.functions);
	tally_pg_text_wipe(&lexer.fields);
	return result;
}
