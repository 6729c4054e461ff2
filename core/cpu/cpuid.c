/* SPDX-License-Identifier: MIT */
/*
 * What the guest's CPU says of itself: the host's CPUID as KVM offers it, less what a machine that may be paused, saved and played
 * elsewhere must not have: nested virtualization, performance counters, SGX, AMX.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cpu/kvm_private.h"
#include "vmformat/bytes.h"

#define MAX_ENTRIES 256

enum reg { EAX, EBX, ECX, EDX };

/* Bits taken away: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. */
static const struct {
	uint32_t function, index;
	enum reg reg;
	uint32_t bits;
	const char *why;
} hidden[] = {
	{ 0x1, 0, ECX, 1u << 5, "VMX" },
	{ 0x1, 0, ECX, 1u << 15, "PDCM: performance counters" },
	{ 0x1, 0, ECX, 1u << 2 | 1u << 4, "DTES64, DS-CPL: debug store" },
	{ 0x1, 0, EDX, 1u << 21, "DS: debug store" },
	{ 0x7, 0, EBX, 1u << 2, "SGX" },
	{ 0x7, 0, ECX, 1u << 30, "SGX launch control" },
	{ 0x7, 0, EDX, 1u << 22 | 1u << 24 | 1u << 25, "AMX" },
	{ 0x7, 1, EAX, 1u << 21, "AMX-FP16" },
	{ 0xd, 0, EAX, 3u << 17, "AMX state in XCR0" },
	{ 0x80000001, 0, ECX, 1u << 2, "SVM" },
	{ 0x80000001, 0, ECX, 1u << 10, "IBS" },
	{ 0x80000001, 0, ECX, 1u << 23 | 1u << 24, "performance counter extensions" },
};

/* Leaves that become empty. */
static const uint32_t emptied[] = { 0xa /* PMU */, 0x12 /* SGX */, 0x14 /* PT */,
	                            0x1d,          0x1e /* AMX */, 0x8000000a /* SVM */ };

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	uint32_t *const regs[] = { [EAX] = &e->eax, [EBX] = &e->ebx, [ECX] = &e->ecx, [EDX] = &e->edx };

	return regs[reg];
}

static void hide(struct kvm_cpuid_entry2 *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (e->function == hidden[i].function && e->index == hidden[i].index)
			*reg_of(e, hidden[i].reg) &= ~hidden[i].bits;
	for (size_t i = 0; i < ARRAY_SIZE(emptied); i++)
		if (e->function == emptied[i])
			e->eax = e->ebx = e->ecx = e->edx = 0;
	if (e->function == 0xd && (e->index == 17 || e->index == 18))
		e->eax = e->ebx = e->ecx = e->edx = 0;
}

static unsigned bits_for(unsigned count)
{
	unsigned bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

/* The APIC id is the CPU's number, and a package is what it has above the bits of its cores. So several packages need a power of two
 * of cores each; a machine that asks for two packages of three gets one of six. */
static unsigned cores_of(const struct cpuid_place *place)
{
	unsigned cores = MAX(1u, MIN(place->cores_per_socket, place->cpus));

	return cores & (cores - 1) ? place->cpus : cores;
}

/* One thread a core. */
static void set_topology(struct kvm_cpuid_entry2 *e, const struct cpuid_place *place)
{
	unsigned cores = cores_of(place), shift = bits_for(cores);

	switch (e->function) {
	case 0x1:
		e->ebx = (e->ebx & 0x0000ffff) | cores << 16 | place->index << 24;
		e->ecx |= 1u << 31; /* a hypervisor is present */
		e->edx = cores > 1 ? e->edx | 1u << 28 : e->edx & ~(1u << 28);
		break;
	case 0x4:
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x00003fff) | ((1u << shift) - 1) << 26;
		break;
	case 0xb:
	case 0x1f:
		e->eax = e->index == 1 ? shift : 0;
		e->ebx = e->index == 1 ? cores : e->index == 0 ? 1 : 0;
		e->ecx = e->index | (e->index == 0 ? 1u : e->index == 1 ? 2u : 0) << 8;
		e->edx = place->index;
		break;
	case 0x80000001: /* AMD's CmpLegacy: logical CPUs are cores */
		e->ecx = cores > 1 ? e->ecx | 2 : e->ecx & ~2u;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffu) | (cores - 1) | shift << 12;
		break;
	case 0x8000001e:
		e->eax = place->index;
		e->ebx = place->index & ((1u << shift) - 1);
		e->ecx = 0;
		break;
	}
}

/* The processor's name, which KVM leaves blank. */
static void set_name(struct kvm_cpuid_entry2 *e)
{
	if (e->function >= 0x80000002 && e->function <= 0x80000004)
		__get_cpuid(e->function, &e->eax, &e->ebx, &e->ecx, &e->edx);
}

void cpuid_trim(struct kvm_cpuid2 *list, const struct cpuid_place *place)
{
	for (uint32_t i = 0; i < list->nent; i++) {
		hide(&list->entries[i]);
		set_topology(&list->entries[i], place);
	}
}

int cpuid_set(struct vcpu *vcpu, struct error *e)
{
	const struct kvm_options *o = &vcpu->kvm->options;
	const struct cpuid_place place = { vcpu->index, o->cpus, o->cores_per_socket };
	int kvm_fd = o->kvm_fd, r = 0;
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + MAX_ENTRIES * sizeof(list->entries[0]));

	if (!list)
		return error_set(e, -ENOMEM, "not enough memory for CPU %u", vcpu->index);
	list->nent = MAX_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, list) < 0) {
		r = error_set(e, -errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
		list->nent = 0;
	}
	cpuid_trim(list, &place);
	for (uint32_t i = 0; i < list->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &list->entries[i];

		set_name(entry);
		if (entry->function == 1 && ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			entry->ecx |= 1u << 24;
	}
	if (!r && ioctl(vcpu->fd, KVM_SET_CPUID2, list) < 0)
		r = error_set(e, -errno, "KVM_SET_CPUID2 for CPU %u: %s", vcpu->index, strerror(errno));
	free(list);
	return r;
}
