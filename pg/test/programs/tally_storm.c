/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load that keeps books: many sessions write to audited tables in every way
 * that can go wrong, and what the server answered is written down.
 *
 *	tally_storm -c CONNINFO -o FILE [-s SESSIONS] [-d SECONDS] [-k CHAINS]
 *				[-p PREFIX] [-r]
 *
 * Needs a table audit (id text, chain int, body text), attached by chain.
 * Each line of FILE is "<fate>\t<kind>\t<id>":
 *
 *	acked		the server said that it is committed: must be there
 *	aborted		the server said that it is not, or was never asked to commit:
 *				must not be there
 *	row, event	a row of audit, or an event of tally.append with this id
 *
 * What was being committed when the connection broke is in no line: it may be
 * there or not.
 *
 * Ends after SECONDS (10), or with 0 at SIGTERM.  With -r a lost connection is
 * opened again; without it, it is an error, as is every error of the server
 * that was not asked for: the exit status is 1.  The last line on stdout says
 * how many transactions were acknowledged.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MAX 16
#define ID_SIZE 64
#define SESSIONS_MAX 256

/* What a transaction wrote, and what became of it. */
struct entry
{
	const char *kind;
	bool		rolled_back;
	char		id[ID_SIZE];
};

struct session
{
	int			number;
	unsigned int random;
	long		made;			/* ids so far */
	long		committed;
	PGconn	   *conn;
	int			count;
	struct entry entries[IDS_MAX];
};

static const char *conninfo;
static const char *prefix = "s";
static int	nchains = 1;
static bool reconnects = false;
static pid_t parent;
static volatile sig_atomic_t stopped = 0;
static volatile sig_atomic_t failed = 0;
static FILE *books;
static pthread_mutex_t books_lock = PTHREAD_MUTEX_INITIALIZER;

static int
pick(struct session *session, int below)
{
	return (int) ((unsigned int) rand_r(&session->random) >> 4) % below;
}

static bool
is_over(void)
{
	return stopped || failed;
}

/* One transaction's lines stand together: the lock is taken once for all. */
static void
write_down(struct session *session, bool committed)
{
	int			i;

	pthread_mutex_lock(&books_lock);
	for (i = 0; i < session->count; i++)
	{
		struct entry *entry = &session->entries[i];
		bool		acked = committed && !entry->rolled_back;

		fprintf(books, "%s\t%s\t%s\n", acked ? "acked" : "aborted",
				entry->kind, entry->id);
	}
	fflush(books);
	pthread_mutex_unlock(&books_lock);
	session->committed += committed;
}

static void
complain(struct session *session, const char *sql)
{
	fprintf(stderr, "session %d: %s: %s", session->number, sql,
			PQerrorMessage(session->conn));
	failed = 1;
}

/*
 * A server that goes down says so; it may also be too busy with coming up.
 */
static bool
is_going(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state == NULL || strncmp(state, "57P", 3) == 0;
}

/*
 * Runs a statement; true if it succeeded.  An error is one of the test's,
 * unless the connection is lost and may be.
 */
static bool
run(struct session *session, const char *format,...)
{
	char		sql[1024];
	va_list		args;
	PGresult   *result;
	ExecStatusType status;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	result = PQexec(session->conn, sql);
	status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		!(reconnects && is_going(result)))
		complain(session, sql);
	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static struct entry *
add_entry(struct session *session, const char *kind)
{
	struct entry *entry = &session->entries[session->count++];

	entry->kind = kind;
	entry->rolled_back = false;
	snprintf(entry->id, sizeof(entry->id), "%s-%d-%ld", prefix,
			 session->number, session->made++);
	return entry;
}

static bool
insert_row(struct session *session)
{
	struct entry *entry = add_entry(session, "row");

	return run(session, "INSERT INTO audit VALUES ('%s', %d, 'said %d')",
			   entry->id, pick(session, nchains), pick(session, 1000));
}

static bool
append_event(struct session *session)
{
	struct entry *entry = add_entry(session, "event");

	return run(session, "SELECT tally.append('direct/%d', '{\"n\":%d}', '%s')",
			   pick(session, nchains), pick(session, 1000), entry->id);
}

/* Any number of rows, each in a chain of its own choice: in every order. */
static bool
insert_rows(struct session *session)
{
	int			i;
	int			count = 1 + pick(session, 4);

	for (i = 0; i < count; i++)
	{
		if (!insert_row(session))
			return false;
	}
	return true;
}

static bool
insert_around_savepoint(struct session *session)
{
	int			first;
	int			i;

	if (!insert_rows(session) || !run(session, "SAVEPOINT a"))
		return false;
	first = session->count;
	if (!insert_rows(session) || !append_event(session) ||
		!run(session, "ROLLBACK TO a"))
		return false;
	for (i = first; i < session->count; i++)
		session->entries[i].rolled_back = true;
	return insert_row(session) && run(session, "RELEASE a");
}

/* As insert_around_savepoint, but in PL/pgSQL. */
static bool
insert_around_exception(struct session *session)
{
	struct entry *entry;

	if (!insert_row(session))
		return false;
	entry = add_entry(session, "row");
	entry->rolled_back = true;
	return run(session,
			   "DO $$ BEGIN"
			   " INSERT INTO audit VALUES ('%s', %d, 'lost');"
			   " PERFORM 1 / 0;"
			   " EXCEPTION WHEN division_by_zero THEN NULL; END $$",
			   entry->id, pick(session, nchains));
}

static bool
write_some(struct session *session)
{
	switch (pick(session, 5))
	{
		case 0:
			return insert_around_savepoint(session);
		case 1:
			return insert_around_exception(session);
		case 2:
			return append_event(session) && insert_rows(session);
		case 3:
			return insert_rows(session) &&
				run(session, "NOTIFY storm");
		default:
			return insert_rows(session);
	}
}

/*
 * A transaction of several statements.  It is not committed if it was not
 * asked to be, whatever else went wrong; once COMMIT was sent, only an answer
 * says what became of it.
 */
static void
run_transaction(struct session *session)
{
	static const char *const levels[] = {
		"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
	};

	if (!run(session, "BEGIN ISOLATION LEVEL %s", levels[pick(session, 3)]))
		return;
	if (!write_some(session))
		write_down(session, false);
	else if (pick(session, 8) == 0)
	{
		run(session, "ROLLBACK");
		write_down(session, false);
	}
	else if (run(session, "COMMIT"))
		write_down(session, true);
}

static void
run_single(struct session *session)
{
	if (insert_row(session))
		write_down(session, true);
}

/* False if there is no session to be had, or no time left to have it. */
static bool
connect_session(struct session *session)
{
	static const char *const releases[] = {"off", "local", "full"};

	while (!is_over())
	{
		session->conn = PQconnectdb(conninfo);
		if (PQstatus(session->conn) == CONNECTION_OK &&
			run(session, "SET tally.early_release = %s", releases[pick(session, 3)]) &&
			run(session, "SET synchronous_commit = %s",
				pick(session, 4) == 0 ? "remote_apply" : "on"))
			return true;
		if (!reconnects)
			complain(session, "connect");
		PQfinish(session->conn);
		session->conn = NULL;
		usleep(50000);
	}
	return false;
}

static void *
run_session(void *argument)
{
	struct session *session = argument;

	while (!is_over())
	{
		if (session->conn == NULL && !connect_session(session))
			break;
		session->count = 0;
		if (pick(session, 3) == 0)
			run_single(session);
		else
			run_transaction(session);
		if (PQstatus(session->conn) != CONNECTION_OK)
		{
			PQfinish(session->conn);
			session->conn = NULL;
		}
	}
	if (session->conn != NULL)
		PQfinish(session->conn);
	return NULL;
}

static void
stop(int signal_number)
{
	stopped = 1;
}

static void
usage(void)
{
	fprintf(stderr, "usage: tally_storm -c CONNINFO -o FILE [-s SESSIONS] "
			"[-d SECONDS] [-k CHAINS] [-p PREFIX] [-r]\n");
	exit(2);
}

static long
run_sessions(int nsessions, int seconds)
{
	static struct session sessions[SESSIONS_MAX];
	pthread_t	threads[SESSIONS_MAX];
	long		committed = 0;
	int			i;

	for (i = 0; i < nsessions; i++)
	{
		sessions[i].number = i;
		sessions[i].random = (unsigned int) i + 1;
		if (pthread_create(&threads[i], NULL, run_session, &sessions[i]) != 0)
		{
			perror("pthread_create");
			exit(1);
		}
	}
	/* A test that died must not leave a storm behind. */
	for (i = 0; (seconds == 0 || i < seconds * 20) && !is_over() &&
		 getppid() == parent; i++)
		usleep(50000);
	stopped = 1;
	for (i = 0; i < nsessions; i++)
	{
		pthread_join(threads[i], NULL);
		committed += sessions[i].committed;
	}
	return committed;
}

int
main(int argc, char **argv)
{
	const char *path = NULL;
	int			nsessions = 64;
	int			seconds = 10;
	int			option;
	long		committed;

	while ((option = getopt(argc, argv, "c:o:s:d:k:p:r")) != -1)
	{
		switch (option)
		{
			case 'c':
				conninfo = optarg;
				break;
			case 'o':
				path = optarg;
				break;
			case 's':
				nsessions = atoi(optarg);
				break;
			case 'd':
				seconds = atoi(optarg);
				break;
			case 'k':
				nchains = atoi(optarg);
				break;
			case 'p':
				prefix = optarg;
				break;
			case 'r':
				reconnects = true;
				break;
			default:
				usage();
		}
	}
	if (conninfo == NULL || path == NULL || nchains < 1 ||
		nsessions < 1 || nsessions > SESSIONS_MAX)
		usage();
	books = fopen(path, "a");
	if (books == NULL)
	{
		perror(path);
		return 1;
	}
	parent = getppid();
	signal(SIGTERM, stop);
	committed = run_sessions(nsessions, seconds);
	if (fclose(books) != 0)
	{
		perror(path);
		return 1;
	}
	printf("%ld transactions acknowledged\n", committed);
	return failed ? 1 : 0;
}
