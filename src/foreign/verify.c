/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying a source by a profile: what was found is told, in order. */
#include <string.h>

#include "core/fail.h"
#include "foreign/walk.h"
#include "log/sys.h"

#define DETAIL_MAX 480

static void
tell(const struct tally_walk *w, const struct tally_found *found,
    struct tally_verdict *verdict)
{
	struct tally_finding finding;
	char detail[DETAIL_MAX];

	tally_walk_detail(w, found, detail, sizeof(detail));
	tally_walk_finding(w, found, detail, &finding);
	tally_walk_count(verdict, found->kind);
	if (w->options->finding != NULL)
		w->options->finding(w->options->arg, &finding);
}

static int
tell_all(struct tally_walk *w, struct tally_verdict *verdict)
{
	struct tally_found found;
	int r = 0;

	memset(verdict, 0, sizeof(*verdict));
	if (tally_walk_is_strange(w, &found)) {
		tell(w, &found, verdict);
	} else {
		while ((r = tally_links_next(&w->links, &found)) == 0)
			tell(w, &found, verdict);
	}
	if (r < 0)
		return r;
	tally_walk_conclude(w, verdict);
	return 0;
}

int
tally_profile_verify(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error)
{
	static const struct tally_verify_options none = { 0 };
	struct tally_walk *w = tally_sys_alloc(sizeof(*w));
	struct tally_verdict verdict;
	int r;

	if (w == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	r = tally_walk(w, profile, source, options != NULL ? options : &none,
	    NULL, NULL, error);
	if (r == 0)
		r = tell_all(w, &verdict);
	if (r == 0)
		*out_verdict = verdict;
	tally_walk_close(w);
	tally_sys_free(w);
	return r;
}
