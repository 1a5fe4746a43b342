/* SPDX-License-Identifier: Apache-2.0 */
/* The commands; each stands in its own cmd_<name>.c. */
#ifndef TALLY_CLI_COMMANDS_H
#define TALLY_CLI_COMMANDS_H

#include "options.h"

extern const struct command command_init;
extern const struct command command_append;
extern const struct command command_head;
extern const struct command command_log;
extern const struct command command_verify;
extern const struct command command_diagnose;
extern const struct command command_profile;
extern const struct command command_prove;
extern const struct command command_check;
extern const struct command command_consistency;
extern const struct command command_stat;
extern const struct command command_key;
extern const struct command command_checkpoint;
extern const struct command command_publish;
extern const struct command command_sink;
extern const struct command command_restore;
extern const struct command command_adopt;
extern const struct command command_watch;
extern const struct command command_witness;
extern const struct command command_pg;

/* Of the group "profile". */
extern const struct command command_profile_list;
extern const struct command command_profile_show;
extern const struct command command_profile_test;

/* Of the group "pg". */
extern const struct command command_pg_verify;
extern const struct command command_pg_export;
extern const struct command command_pg_status;
extern const struct command command_pg_sql;

/* Of the group "sink". */
extern const struct command command_sink_send;
extern const struct command command_sink_check;

/* Of the group "witness". */
extern const struct command command_witness_add;
extern const struct command command_witness_serve;

#endif
