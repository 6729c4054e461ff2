/* SPDX-License-Identifier: MIT */
/* What --selftest makes of its guest's words: no failure may be lost, and no nonsense taken for a pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/selftest_report.h"

struct heard {
	struct selftest_report report;
	char verdicts[1024];
	unsigned samples;
	uint64_t clocks[SELFTEST_CLOCKS];
};

static void hear_verdict(void *context, enum selftest_verdict v, const char *name, const char *detail)
{
	struct heard *h = context;
	size_t used = strlen(h->verdicts);

	snprintf(h->verdicts + used, sizeof(h->verdicts) - used, "%c[%s](%s)", "PFS"[v], name, detail);
}

static void hear_clocks(void *context, const uint64_t ns[SELFTEST_CLOCKS])
{
	struct heard *h = context;

	h->samples++;
	memcpy(h->clocks, ns, sizeof(h->clocks));
}

static void say(struct heard *h, const char *text)
{
	h->report.tell = hear_verdict;
	h->report.clocks = hear_clocks;
	h->report.context = h;
	selftest_take(&h->report, (const uint8_t *)text, strlen(text));
}

static void verdicts_are_told_with_name_and_reason(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "1..3\n# begin 1 first\nok 1 - first\nnot ok 2 - the second # it is: 7, should be 8\n"
	        "ok 3 - third # SKIP there is none\n");
	assert_string_equal(h.verdicts, "P[first]()F[the second](it is: 7, should be 8)S[third](there is none)");
	assert_int_equal(h.report.counts[SELFTEST_PASS], 1);
	assert_int_equal(h.report.counts[SELFTEST_FAIL], 1);
	assert_int_equal(h.report.counts[SELFTEST_SKIP], 1);
	assert_int_equal(selftest_missing(&h.report), 0);
}

static void a_failure_cannot_call_itself_skipped(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "1..1\nnot ok 1 - a # SKIP b\n");
	assert_int_equal(h.report.counts[SELFTEST_FAIL], 1);
}

static void lines_may_come_in_pieces(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "1..1");
	say(&h, "\nok 1 ");
	say(&h, "- wh");
	say(&h, "ole\n");
	assert_string_equal(h.verdicts, "P[whole]()");
}

static void what_was_not_reached_is_missing(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "1..3\nok 1 - a\n# begin 2 hangs\n");
	assert_int_equal(selftest_missing(&h.report), 2);
	selftest_end_under_way(&h.report, SELFTEST_FAIL, "the machine stands still");
	selftest_end_under_way(&h.report, SELFTEST_PASS, ""); /* nothing is under way any more */
	assert_string_equal(h.verdicts, "P[a]()F[hangs](the machine stands still)");
	assert_int_equal(selftest_missing(&h.report), 1);
}

static void a_verdict_out_of_turn_is_none(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "ok 1 - before the plan\n1..2\nok 2 - too early\nok 1 - a\nok 1 - again\nok 2 - b\nok 3 - too "
	        "many\n1..9\n");
	assert_string_equal(h.verdicts, "P[a]()P[b]()");
	assert_int_equal(h.report.planned, 2);
}

static void nonsense_is_passed_over(void **state)
{
	struct heard h = { 0 };
	char longest[2000];

	(void)state;
	memset(longest, 'o', sizeof(longest) - 2);
	longest[sizeof(longest) - 2] = '\n';
	longest[sizeof(longest) - 1] = 0;
	say(&h, longest);
	say(&h, "1..1\nok\nok \nok x - y\nok 1\nok 1 -\nok -1 - z\nok 18446744073709551617 - z\n# clocks 1 2 "
	        "3\n\n1..99999999\n");
	say(&h, "ok 1 - \x1b[2Jescape\n");
	assert_string_equal(h.verdicts, "P[?[2Jescape]()");
	assert_int_equal(h.samples, 0);
}

static void the_guest_may_bail_out(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "1..1\nBail out! No timer.\n");
	assert_string_equal(h.verdicts, "F[the machine](No timer.)");
}

static void clocks_are_handed_on(void **state)
{
	struct heard h = { 0 };

	(void)state;
	say(&h, "# clocks 1 18446744073709551615 3 4\n");
	assert_int_equal(h.samples, 1);
	assert_int_equal(h.clocks[CLOCK_ACPI], 1);
	assert_true(h.clocks[CLOCK_KVM] == UINT64_MAX);
	assert_int_equal(h.clocks[CLOCK_RTC_TICKS], 4);
}

/* ---- drift ---- */

#define MS 1000000

static void a_clock_that_loses_is_found_through_a_busy_hosts_delays(void **state)
{
	struct drift d = { 0 };
	int64_t lost;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t guest = i * 20 * MS, late = i % 7 * 3 * MS; /* 0 to 18 ms, the best of each end on time */

		drift_add(&d, 5 * MS + guest + guest / 1000 + late, guest);
	}
	assert_true(drift_result(&d, &lost));
	assert_true(lost > 15 * MS / 10 && lost < 20 * MS / 10); /* a thousandth of what lies between the ends */
}

static void a_clock_that_jumps_ahead_has_won(void **state)
{
	struct drift d = { 0 };
	int64_t lost;

	(void)state;
	for (uint64_t i = 0; i < 50; i++)
		drift_add(&d, i * 20 * MS, i * 20 * MS + (i > 25 ? 300 * MS : 0));
	assert_true(drift_result(&d, &lost));
	assert_true(lost == -300 * MS);
}

static void few_samples_say_nothing(void **state)
{
	struct drift d = { 0 };
	int64_t lost;

	(void)state;
	for (unsigned i = 0; i < 2 * DRIFT_SAMPLES - 1; i++)
		drift_add(&d, i, i);
	assert_false(drift_result(&d, &lost));
	drift_add(&d, 99, 99);
	assert_true(drift_result(&d, &lost));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_told_with_name_and_reason),
		cmocka_unit_test(a_failure_cannot_call_itself_skipped),
		cmocka_unit_test(lines_may_come_in_pieces),
		cmocka_unit_test(what_was_not_reached_is_missing),
		cmocka_unit_test(a_verdict_out_of_turn_is_none),
		cmocka_unit_test(nonsense_is_passed_over),
		cmocka_unit_test(the_guest_may_bail_out),
		cmocka_unit_test(clocks_are_handed_on),
		cmocka_unit_test(a_clock_that_loses_is_found_through_a_busy_hosts_delays),
		cmocka_unit_test(a_clock_that_jumps_ahead_has_won),
		cmocka_unit_test(few_samples_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
