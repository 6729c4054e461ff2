/* SPDX-License-Identifier: MIT */
#include "core/selftest_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

void selftest_tell(struct selftest_report *r, enum selftest_verdict v, const char *name, const char *detail)
{
	r->counts[v]++;
	r->tell(r->context, v, name, detail);
}

void selftest_end_under_way(struct selftest_report *r, enum selftest_verdict v, const char *detail)
{
	if (!r->under_way)
		return;
	r->told = r->under_way;
	r->under_way = 0;
	selftest_tell(r, v, r->name, detail);
}

unsigned selftest_missing(const struct selftest_report *r)
{
	return r->planned > r->told ? r->planned - r->told : 0;
}

/* "[not ]ok NUMBER - NAME[ # [SKIP ]DETAIL]"; the number must be the next, so that no check can be left out or told twice. */
static void take_verdict(struct selftest_report *r, char *text, enum selftest_verdict v)
{
	static const char skip[] = "SKIP ";
	char *name, *detail;
	unsigned long number = strtoul(text, &name, 10);

	if (number != r->told + 1ul || number > r->planned || strncmp(name, " - ", 3))
		return;
	name += 3;
	detail = strstr(name, " # ");
	if (detail) {
		*detail = 0;
		detail += 3;
		if (v == SELFTEST_PASS && !strncmp(detail, skip, strlen(skip))) {
			v = SELFTEST_SKIP;
			detail += strlen(skip);
		}
	}
	r->told++;
	r->under_way = 0;
	selftest_tell(r, v, name, detail ? detail : "");
}

static void take_begin(struct selftest_report *r, char *text)
{
	char *name;
	unsigned long number = strtoul(text, &name, 10);

	if (number != r->told + 1ul || number > r->planned || *name != ' ')
		return;
	r->under_way = (unsigned)number;
	snprintf(r->name, sizeof(r->name), "%s", name + 1);
}

static void take_clocks(struct selftest_report *r, const char *text)
{
	uint64_t ns[SELFTEST_CLOCKS];

	if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &ns[0], &ns[1], &ns[2], &ns[3]) == 4)
		r->clocks(r->context, ns);
}

static void take_plan(struct selftest_report *r, const char *text)
{
	unsigned long count = strtoul(text, NULL, 10);

	if (!r->planned && count < 1000) /* ours has 35 */
		r->planned = (unsigned)count;
}

static bool begins(char *line, const char *with, char **ret_rest)
{
	*ret_rest = line + strlen(with);
	return !strncmp(line, with, strlen(with));
}

static void take_line(struct selftest_report *r, char *line)
{
	char *rest;

	if (begins(line, "ok ", &rest))
		take_verdict(r, rest, SELFTEST_PASS);
	else if (begins(line, "not ok ", &rest))
		take_verdict(r, rest, SELFTEST_FAIL);
	else if (begins(line, "# begin ", &rest))
		take_begin(r, rest);
	else if (begins(line, "# clocks ", &rest))
		take_clocks(r, rest);
	else if (begins(line, "1..", &rest))
		take_plan(r, rest);
	else if (begins(line, "Bail out! ", &rest))
		selftest_tell(r, SELFTEST_FAIL, "the machine", rest);
}

void selftest_take(struct selftest_report *r, const uint8_t *data, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (data[i] == '\n') {
			r->line[r->length] = 0;
			r->length = 0;
			take_line(r, r->line);
		} else if (r->length < sizeof(r->line) - 1) {
			r->line[r->length++] = (char)(data[i] >= ' ' && data[i] < 0x7f ? data[i] : '?');
		}
	}
}

/* ---- clocks ---- */

void drift_add(struct drift *d, uint64_t host_ns, uint64_t guest_ns)
{
	int64_t offset = (int64_t)(host_ns - guest_ns);

	if (d->count < DRIFT_SAMPLES)
		d->first[d->count] = offset;
	d->last[d->count % DRIFT_SAMPLES] = offset;
	d->count++;
}

static int64_t earliest(const int64_t offsets[DRIFT_SAMPLES])
{
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < DRIFT_SAMPLES; i++)
		least = MIN(least, offsets[i]);
	return least;
}

bool drift_result(const struct drift *d, int64_t *ret_ns)
{
	if (d->count < 2 * DRIFT_SAMPLES)
		return false;
	*ret_ns = earliest(d->last) - earliest(d->first);
	return true;
}
