/* SPDX-License-Identifier: MIT */
/* What this computer's KVM can do, for a bug report. */
#include <stdio.h>
#include <sys/ioctl.h>

#include "core/cpu/kvm_private.h"
#include "vmformat/bytes.h"

/* What we need, what we use when it is there, and what says most about a KVM's age and kind. */
static const struct {
	int capability;
	const char *name;
} told[] = {
	{ KVM_CAP_NR_VCPUS, "NR_VCPUS" },
	{ KVM_CAP_MAX_VCPUS, "MAX_VCPUS" },
	{ KVM_CAP_NR_MEMSLOTS, "NR_MEMSLOTS" },
	{ KVM_CAP_IRQCHIP, "IRQCHIP" },
	{ KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING" },
	{ KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI" },
	{ KVM_CAP_COALESCED_MMIO, "COALESCED_MMIO" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
	{ KVM_CAP_READONLY_MEM, "READONLY_MEM" },
	{ KVM_CAP_ADJUST_CLOCK, "ADJUST_CLOCK" },
	{ KVM_CAP_TSC_CONTROL, "TSC_CONTROL" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER" },
	{ KVM_CAP_X2APIC_API, "X2APIC_API" },
	{ KVM_CAP_XSAVE2, "XSAVE2" },
	{ KVM_CAP_SPLIT_IRQCHIP, "SPLIT_IRQCHIP" },
};

void kvm_report(int kvm_fd, void (*tell)(void *context, const char *name, int value), void *context)
{
	tell(context, "API version", ioctl(kvm_fd, KVM_GET_API_VERSION, 0));
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		tell(context, told[i].name, ioctl(kvm_fd, KVM_CHECK_EXTENSION, told[i].capability));
}
