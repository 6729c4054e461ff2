/* SPDX-License-Identifier: MIT */
/* What a guest is told of its CPU, from tables such as KVM_GET_SUPPORTED_CPUID gives. Bits: Intel SDM volume 2, CPUID; AMD APM volume 3,
 * appendix E. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/cpu/kvm_private.h"
#include "vmformat/bytes.h"

/* Leaves of a host that has everything: all bits of all registers. */
static const uint32_t leaves[][2] = {
	{ 0x0, 0 },        { 0x1, 0 },        { 0x4, 0 },        { 0x4, 1 },  { 0x7, 0 },        { 0x7, 1 },
	{ 0xa, 0 },        { 0xb, 0 },        { 0xb, 1 },        { 0xb, 2 },  { 0xd, 0 },        { 0xd, 1 },
	{ 0xd, 2 },        { 0xd, 17 },       { 0xd, 18 },       { 0x12, 0 }, { 0x12, 1 },       { 0x14, 0 },
	{ 0x1d, 0 },       { 0x1e, 0 },       { 0x1f, 0 },       { 0x1f, 1 }, { 0x80000001, 0 }, { 0x80000002, 0 },
	{ 0x80000008, 0 }, { 0x8000000a, 0 }, { 0x8000001e, 0 },
};

static struct kvm_cpuid2 *trimmed(unsigned index, unsigned cpus, unsigned cores)
{
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + ARRAY_SIZE(leaves) * sizeof(list->entries[0]));

	assert_non_null(list);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		list->entries[list->nent++] = (struct kvm_cpuid_entry2){
			.function = leaves[i][0], .index = leaves[i][1], .eax = ~0u, .ebx = ~0u, .ecx = ~0u, .edx = ~0u
		};
	cpuid_trim(list, &(struct cpuid_place){ index, cpus, cores });
	return list;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *list, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < list->nent; i++)
		if (list->entries[i].function == function && list->entries[i].index == index)
			return &list->entries[i];
	fail_msg("leaf %x.%x is not there any more", function, index);
	return NULL;
}

static void assert_empty(const struct kvm_cpuid2 *list, uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *e = leaf(list, function, index);

	if (e->eax | e->ebx | e->ecx | e->edx)
		fail_msg("leaf %x.%x is not empty", function, index);
}

static void nested_virtualization_is_hidden(void **state)
{
	struct kvm_cpuid2 *list = trimmed(0, 1, 1);

	(void)state;
	assert_false(leaf(list, 1, 0)->ecx & 1u << 5);          /* VMX */
	assert_false(leaf(list, 0x80000001, 0)->ecx & 1u << 2); /* SVM */
	assert_empty(list, 0x8000000a, 0);
	free(list);
}

static void performance_counters_are_hidden(void **state)
{
	struct kvm_cpuid2 *list = trimmed(0, 1, 1);

	(void)state;
	assert_empty(list, 0xa, 0);
	assert_empty(list, 0x14, 0);
	assert_false(leaf(list, 1, 0)->ecx & (1u << 15 | 1u << 2 | 1u << 4));
	assert_false(leaf(list, 1, 0)->edx & 1u << 21);
	assert_false(leaf(list, 0x80000001, 0)->ecx & (1u << 10 | 1u << 23 | 1u << 24));
	free(list);
}

static void sgx_and_amx_are_hidden_with_their_state(void **state)
{
	struct kvm_cpuid2 *list = trimmed(0, 1, 1);

	(void)state;
	assert_false(leaf(list, 7, 0)->ebx & 1u << 2);
	assert_false(leaf(list, 7, 0)->ecx & 1u << 30);
	assert_false(leaf(list, 7, 0)->edx & (1u << 22 | 1u << 24 | 1u << 25));
	assert_false(leaf(list, 7, 1)->eax & 1u << 21);
	assert_false(leaf(list, 0xd, 0)->eax & 3u << 17);
	assert_empty(list, 0xd, 17);
	assert_empty(list, 0xd, 18);
	assert_empty(list, 0x12, 0);
	assert_empty(list, 0x12, 1);
	assert_empty(list, 0x1d, 0);
	assert_empty(list, 0x1e, 0);
	free(list);
}

/* The control of the three above: nothing else goes. */
static void everything_else_is_the_hosts(void **state)
{
	struct kvm_cpuid2 *list = trimmed(0, 1, 1);

	(void)state;
	assert_int_equal(list->nent, ARRAY_SIZE(leaves));
	assert_int_equal(leaf(list, 1, 0)->ecx, ~(1u << 5 | 1u << 15 | 1u << 2 | 1u << 4));
	assert_int_equal(leaf(list, 7, 0)->ebx, ~(1u << 2));
	assert_int_equal(leaf(list, 7, 0)->ecx, ~(1u << 30));
	assert_int_equal(leaf(list, 7, 0)->edx, ~(1u << 22 | 1u << 24 | 1u << 25));
	assert_int_equal(leaf(list, 0xd, 0)->eax, ~(3u << 17));
	assert_int_equal(leaf(list, 0xd, 2)->eax, ~0u);
	assert_int_equal(leaf(list, 0, 0)->eax, ~0u);
	assert_int_equal(leaf(list, 0x80000001, 0)->edx, ~0u);
	free(list);
}

static void a_hypervisor_is_announced(void **state)
{
	struct kvm_cpuid2 *list = trimmed(0, 1, 1);

	(void)state;
	assert_true(leaf(list, 1, 0)->ecx & 1u << 31);
	free(list);
}

static void each_cpu_is_told_its_apic_id(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KVM_MAX_CPUS; i++) {
		struct kvm_cpuid2 *list = trimmed(i, KVM_MAX_CPUS, 4);

		assert_int_equal(leaf(list, 1, 0)->ebx >> 24, i);
		assert_int_equal(leaf(list, 0xb, 0)->edx, i);
		assert_int_equal(leaf(list, 0x1f, 1)->edx, i);
		assert_int_equal(leaf(list, 0x8000001e, 0)->eax, i);
		free(list);
	}
}

/* The guest finds its package in the APIC id above these bits: cores per package, rounded up to a power of two. */
static void packages_are_told_by_every_leaf_that_tells_them(void **state)
{
	static const struct {
		unsigned cpus, cores, told, shift;
	} table[] = { { 1, 1, 1, 0 }, { 2, 1, 1, 0 },
		      { 2, 2, 2, 1 }, { 4, 2, 2, 1 },
		      { 3, 3, 3, 2 }, { 6, 3, 6, 3 /* see cores_of() */ },
		      { 8, 8, 8, 3 }, { 2, 8, 2, 1 /* no more cores than CPUs */ },
		      { 2, 0, 1, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned cores = table[i].told, shift = table[i].shift;
		struct kvm_cpuid2 *list = trimmed(0, table[i].cpus, table[i].cores);

		assert_int_equal(leaf(list, 1, 0)->ebx >> 16 & 0xff, cores);
		assert_int_equal(leaf(list, 1, 0)->edx >> 28 & 1, cores > 1);
		assert_int_equal(leaf(list, 4, 0)->eax >> 26, (1u << shift) - 1);
		assert_int_equal(leaf(list, 4, 0)->eax & 0x3fff, 0x3fff);
		assert_int_equal(leaf(list, 0x80000008, 0)->ecx & 0xff, cores - 1);
		assert_int_equal(leaf(list, 0x80000008, 0)->ecx >> 12 & 0xf, shift);
		assert_int_equal(leaf(list, 0x80000001, 0)->ecx >> 1 & 1, cores > 1);
		free(list);
	}
}

/* Level 0 is threads (one a core), level 1 cores, level 2 the end of the list. */
static void the_topology_leaf_has_threads_cores_and_an_end(void **state)
{
	struct kvm_cpuid2 *list = trimmed(5, 8, 4);

	(void)state;
	assert_int_equal(leaf(list, 0xb, 0)->eax, 0);
	assert_int_equal(leaf(list, 0xb, 0)->ebx, 1);
	assert_int_equal(leaf(list, 0xb, 0)->ecx, 1 << 8);
	assert_int_equal(leaf(list, 0xb, 1)->eax, 2);
	assert_int_equal(leaf(list, 0xb, 1)->ebx, 4);
	assert_int_equal(leaf(list, 0xb, 1)->ecx, 2 << 8 | 1);
	assert_int_equal(leaf(list, 0xb, 2)->ebx, 0);
	assert_int_equal(leaf(list, 0xb, 2)->ecx, 2);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_virtualization_is_hidden),
		cmocka_unit_test(performance_counters_are_hidden),
		cmocka_unit_test(sgx_and_amx_are_hidden_with_their_state),
		cmocka_unit_test(everything_else_is_the_hosts),
		cmocka_unit_test(a_hypervisor_is_announced),
		cmocka_unit_test(each_cpu_is_told_its_apic_id),
		cmocka_unit_test(packages_are_told_by_every_leaf_that_tells_them),
		cmocka_unit_test(the_topology_leaf_has_threads_cores_and_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
