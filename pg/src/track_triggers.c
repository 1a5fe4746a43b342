/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The triggers of a tracked table: one for each kind of change, since one that
 * has transition tables may fire at one kind only.
 */
#include "postgres.h"

#include "attach.h"
#include "track.h"

#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"

const struct tally_track_trigger tally_track_triggers[TALLY_TRACK_TRIGGERS] = {
	{"!tally_track_insert", TRIGGER_TYPE_INSERT, false, true},
	{"!tally_track_update", TRIGGER_TYPE_UPDATE, true, true},
	{"!tally_track_delete", TRIGGER_TYPE_DELETE, true, false},
	{"!tally_track_truncate", TRIGGER_TYPE_TRUNCATE, false, false},
};

static TriggerTransition *
transition(const char *name, bool is_new)
{
	TriggerTransition *transition = makeNode(TriggerTransition);

	transition->name = pstrdup(name);
	transition->isNew = is_new;
	transition->isTable = true;
	return transition;
}

void
tally_track_make_triggers(Oid relation)
{
	int			i;

	for (i = 0; i < TALLY_TRACK_TRIGGERS; i++)
	{
		const struct tally_track_trigger *what = &tally_track_triggers[i];
		CreateTrigStmt *trigger = makeNode(CreateTrigStmt);

		trigger->trigname = pstrdup(what->name);
		trigger->timing = TRIGGER_TYPE_AFTER;
		trigger->events = what->events;
		if (what->has_old)
			trigger->transitionRels = lappend(trigger->transitionRels,
											  transition("tally_old", false));
		if (what->has_new)
			trigger->transitionRels = lappend(trigger->transitionRels,
											  transition("tally_new", true));
		tally_attach_make_trigger(relation, trigger, TALLY_TRACK_FUNCTION);
	}
	CommandCounterIncrement();
}

void
tally_track_drop_triggers(Oid relation)
{
	tally_attach_drop_triggers_of(relation, TALLY_TRACK_FUNCTION);
}
