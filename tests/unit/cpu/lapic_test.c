/* SPDX-License-Identifier: MIT */
/* Interrupts that come while the machine is paused (core/README.md, "Pause and resume"), on LAPIC pages as KVM gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cpu/kvm_private.h"
#include "vmformat/bytes.h"

enum { TMR = 0x180, IRR = 0x200, LVT_TIMER = 0x320, TPR = 0x80 };

static void set(struct kvm_lapic_state *page, unsigned base, unsigned vector)
{
	uint8_t *at = (uint8_t *)page->regs + base + 16 * (vector / 32);

	le32_store(at, le32_load(at) | 1u << vector % 32);
}

static bool is_set(const struct kvm_lapic_state *page, unsigned base, unsigned vector)
{
	return le32_load((const uint8_t *)page->regs + base + 16 * (vector / 32)) & 1u << vector % 32;
}

static unsigned count(const struct kvm_lapic_state *page, unsigned base)
{
	unsigned n = 0;

	for (unsigned vector = 0; vector < 256; vector++)
		n += is_set(page, base, vector);
	return n;
}

static void an_interrupt_that_came_meanwhile_is_kept(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	set(&now, IRR, 0x31);
	set(&now, IRR, 0xff);
	lapic_keep_arrived(&frozen, &now);
	assert_true(is_set(&frozen, IRR, 0x31));
	assert_true(is_set(&frozen, IRR, 0xff));
	assert_int_equal(count(&frozen, IRR), 2);
	assert_int_equal(count(&frozen, TMR), 0);
}

static void one_that_was_pending_before_stays(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	set(&frozen, IRR, 0x40);
	set(&frozen, TMR, 0x40);
	lapic_keep_arrived(&frozen, &now);
	assert_true(is_set(&frozen, IRR, 0x40));
	assert_true(is_set(&frozen, TMR, 0x40));
}

static void a_level_that_came_meanwhile_is_kept_as_a_level(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	set(&now, IRR, 0x39);
	set(&now, TMR, 0x39);
	lapic_keep_arrived(&frozen, &now);
	assert_true(is_set(&frozen, IRR, 0x39));
	assert_true(is_set(&frozen, TMR, 0x39));
}

/* A vector that was a level's once, and an edge's when it came: the EOI must not go to the I/O APIC. */
static void an_edge_that_came_meanwhile_clears_an_old_level_mark(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	set(&frozen, TMR, 0x39);
	set(&frozen, TMR, 0x3a);
	set(&now, IRR, 0x39);
	lapic_keep_arrived(&frozen, &now);
	assert_false(is_set(&frozen, TMR, 0x39));
	assert_true(is_set(&frozen, TMR, 0x3a)); /* nothing came there */
}

static void the_timers_own_expiry_is_dropped(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	le32_store((uint8_t *)frozen.regs + LVT_TIMER, 0x200ec); /* periodic, vector ec */
	set(&now, IRR, 0xec);
	set(&now, IRR, 0xed);
	lapic_keep_arrived(&frozen, &now);
	assert_false(is_set(&frozen, IRR, 0xec));
	assert_true(is_set(&frozen, IRR, 0xed));
}

static void a_timers_expiry_from_before_the_pause_stays(void **state)
{
	struct kvm_lapic_state frozen = { 0 }, now = { 0 };

	(void)state;
	le32_store((uint8_t *)frozen.regs + LVT_TIMER, 0xec);
	set(&frozen, IRR, 0xec);
	set(&now, IRR, 0xec);
	lapic_keep_arrived(&frozen, &now);
	assert_true(is_set(&frozen, IRR, 0xec));
}

static void no_other_register_is_touched(void **state)
{
	struct kvm_lapic_state frozen, now, before;

	(void)state;
	memset(&frozen, 0x5a, sizeof(frozen));
	memset(&now, 0xff, sizeof(now));
	before = frozen;
	lapic_keep_arrived(&frozen, &now);
	for (unsigned at = 0; at < sizeof(frozen.regs); at++)
		if ((at & 15) >= 4 || at < TMR || at >= IRR + 0x80)
			assert_int_equal(frozen.regs[at], before.regs[at]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupt_that_came_meanwhile_is_kept),
		cmocka_unit_test(one_that_was_pending_before_stays),
		cmocka_unit_test(a_level_that_came_meanwhile_is_kept_as_a_level),
		cmocka_unit_test(an_edge_that_came_meanwhile_clears_an_old_level_mark),
		cmocka_unit_test(the_timers_own_expiry_is_dropped),
		cmocka_unit_test(a_timers_expiry_from_before_the_pause_stays),
		cmocka_unit_test(no_other_register_is_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
