/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A condition comes out of the database and goes back as SQL, so it is looked
 * at first: token by token, as PostgreSQL prints an expression.
 *
 * 1. No statement, query or comment can begin in it: no semicolon, dollar,
 *    SELECT, "--" or slash-star; quotes and parentheses are closed.
 * 2. With an empty search_path a name without a schema is built in; one with
 *    a schema may only be a type, behind "::".
 * 3. What stands before a parenthesis is a built-in immutable function.
 */
#include <ctype.h>
#include <string.h>

#include "pgclient/condition.h"

struct lexer {
	const char *p;
	int depth;
	bool is_type;                   /* behind "::" */
	struct tally_pg_text functions; /* an array of text */
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

static const char *
take_word(struct lexer *lexer)
{
	const char *word = lexer->p;
	size_t len = 0;

	while (is_word(word[len]))
		len++;
	lexer->p += len;
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
	    !isdigit((unsigned char)*word)) {
		tally_pg_text_put(&lexer->functions,
		    lexer->functions.len == 0 ? "{\"" : ",\"");
		tally_pg_text_add(&lexer->functions, word, len);
		tally_pg_text_put(&lexer->functions, "\"");
	}
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

	if (*p == '"' || *p == '\'' || (*p == 'E' && p[1] == '\''))
		return take_quoted(lexer);
	if (is_word(*p))
		return take_word(lexer);
	if (*p == ';' || *p == '$')
		return "it holds a character that no condition has";
	if ((*p == '-' && p[1] == '-') || (*p == '/' && p[1] == '*'))
		return "it holds a comment";
	if (*p == '.' && !isdigit((unsigned char)p[1]))
		return "it selects a part of something";
	lexer->depth += (*p == '(') - (*p == ')');
	if (lexer->depth < 0)
		return "its parentheses are not closed";
	if (*p == ':' && p[1] == ':') {
		lexer->is_type = true;
		lexer->p++;
	}
	lexer->p++;
	return NULL;
}

/* Are all that have one of these names built in and immutable? */
static int
judge_functions(struct tally_pg_verifier *v, const char *names,
    const char **out_why, struct tally_error *error)
{
	static const char sql[] =
	    "SELECT pg_catalog.count(*) FROM pg_catalog.unnest("
	    "$1::pg_catalog.text[]) AS w(name) WHERE NOT EXISTS (SELECT FROM"
	    " pg_catalog.pg_proc p WHERE p.proname = w.name AND p.pronamespace"
	    " = 'pg_catalog'::pg_catalog.regnamespace) OR EXISTS (SELECT FROM"
	    " pg_catalog.pg_proc p WHERE p.proname = w.name AND p.pronamespace"
	    " = 'pg_catalog'::pg_catalog.regnamespace AND (p.oid >= 16384"
	    " OR p.provolatile <> 'i'))";
	PGresult *rows;
	int result = tally_pg_conn_query(&v->pool.first, sql, 1, &names, &rows,
	    error);

	if (result != 0)
		return result;
	if (strcmp(PQgetvalue(rows, 0, 0), "0") != 0)
		*out_why = "it calls a function that may not be immutable and"
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
	if (*out_why == NULL && lexer.functions.len > 0) {
		tally_pg_text_put(&lexer.functions, "}");
		result = lexer.functions.failed
		    ? tally_pg_no_memory(error)
		    : judge_functions(v, lexer.functions.at, out_why, error);
	}
	tally_pg_text_wipe(&lexer.functions);
	return result;
}
