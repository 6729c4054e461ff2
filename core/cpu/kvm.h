/* SPDX-License-Identifier: MIT */
/*
 * One virtual machine on /dev/kvm: memory slots, interrupt controllers, CPUs and their threads. The only files of Vitrine that
 * see <linux/kvm.h> are in this folder.
 *
 * Made and destroyed on the I/O thread. kvm_run() lets the CPUs go, kvm_stop() returns when all are outside KVM_RUN with their
 * last I/O finished. A reset is a new struct kvm over the same memory: nothing of the old state can survive.
 */
#ifndef VITRINE_KVM_H
#define VITRINE_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmformat/error.h"

struct bus;
struct irq_router;
struct kvm;
struct memory;

#define KVM_MAX_CPUS 8 /* what the firmware and our tables are tested with */

enum kvm_trouble {
	KVM_TRIPLE_FAULT, /* the CPU shut down: a PC resets */
	KVM_TROUBLE,      /* KVM cannot go on; the error says why */
};

struct kvm_options {
	int kvm_fd;    /* /dev/kvm; borrowed, must outlive */
	unsigned cpus; /* 1 to KVM_MAX_CPUS */
	unsigned cores_per_socket;
	struct memory *memory; /* becomes its listener */
	struct bus *bus;       /* exits go here; becomes its listener */
	/* Called on a vCPU thread that then waits for kvm_stop(); must not block. */
	void (*trouble)(void *context, enum kvm_trouble what, const struct error *e);
	void *context;
};

int kvm_create(const struct kvm_options *options, struct kvm **ret_kvm, struct error *e);
void kvm_destroy(struct kvm *kvm); /* stops first. Harmless on NULL */

/* An irq_sink: KVM_IRQ_LINE_STATUS. */
int kvm_set_irq(void *kvm, unsigned gsi, bool level);
/* An irq_message_sink: KVM_SIGNAL_MSI (README.md, "Interrupt messages", says why it is no irqfd). */
void kvm_send_msi(void *kvm, uint32_t address, uint32_t data);

/* Tells the API's version and the capabilities that matter to us, for a bug report. */
void kvm_report(int kvm_fd, void (*tell)(void *context, const char *name, int value), void *context);

/* Guest time as KVM keeps it (kvmclock, TSC, LAPIC timers) goes on where kvm_stop() froze it. */
void kvm_run(struct kvm *kvm);
void kvm_stop(struct kvm *kvm);
/* Any thread, does not wait: the CPUs stop as soon as they can; kvm_stop() must follow on the I/O thread. */
void kvm_request_stop(struct kvm *kvm);

/* How fast the guest's time stamp counters run; 0: this KVM does not say. */
uint64_t kvm_tsc_hz(const struct kvm *kvm);
/* How fast the local APICs' timers count before their divider: KVM's bus has one frequency. */
#define KVM_APIC_HZ 1000000000u

/* Hands batched writes (regions with .coalesced) to their devices. I/O thread, before a device draws. */
void kvm_flush_coalesced(struct kvm *kvm);

#endif
