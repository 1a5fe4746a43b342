/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a statement, as far as the server knows, and as the application
 * says (tally.actor), which is called a claim.
 */
#include "postgres.h"

#include "renderer.h"
#include "settings.h"
#include "track.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

/*
 * Names of roles may have come from a database with another encoding.  Nobody
 * is locked out for that.
 */
static void
append_text(StringInfo out, const char *value)
{
	char	   *p;

	if (tally_render_quoted(out, value, strlen(value)))
		return;
	value = p = pstrdup(value);
	for (; *p != '\0'; p++)
	{
		if ((unsigned char) *p >= 0x80)
			*p = '?';
	}
	(void) tally_render_quoted(out, value, strlen(value));
}

/* A member that is left out if there is nothing to say. */
static void
append_member(StringInfo out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	appendStringInfo(out, "%s\"%s\":",
					 out->data[out->len - 1] == '{' ? "" : ",", name);
	append_text(out, value);
}

/* The client's address, unless it is on this host by a socket. */
static const char *
address(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum		client;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	client = inet_client_addr(fcinfo);
	if (fcinfo->isnull)
		return NULL;
	return DatumGetCString(DirectFunctionCall1(inet_out, client));
}

void
tally_track_append_actor(StringInfo out)
{
	appendStringInfoChar(out, '{');
	append_member(out, "address", address());
	append_member(out, "application", application_name);
	append_member(out, "claim", tally_actor);
	append_member(out, "role", GetUserNameFromId(GetUserId(), true));
	append_member(out, "user", GetUserNameFromId(GetSessionUserId(), true));
	appendStringInfoChar(out, '}');
}
