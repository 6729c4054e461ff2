/* SPDX-License-Identifier: MIT */
/* What kvm.c, vcpu.c and cpuid.c share. */
#ifndef VITRINE_KVM_PRIVATE_H
#define VITRINE_KVM_PRIVATE_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/cpu/kvm.h"

struct vcpu {
	struct kvm *kvm;
	unsigned index;
	int fd;
	struct kvm_run *run; /* shared with the kernel */
	pthread_t thread;
	bool started; /* the thread exists */
	/* frozen time, between kvm_stop() and kvm_run() */
	struct kvm_lapic_state lapic;
	uint64_t tsc, tsc_deadline, tsc_offset;
	bool has_tsc_offset, frozen;
};

struct kvm {
	struct kvm_options options;
	int fd;
	size_t run_size;
	struct vcpu cpus[KVM_MAX_CPUS];
	unsigned cpu_count;
	uint64_t tsc_hz;  /* 0: not known */
	atomic_bool stop; /* CPUs are to wait */
	/* under lock: */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned parked; /* CPUs that wait */
	bool quit;
	/* coalesced writes, under ring_lock: */
	pthread_mutex_t ring_lock;
	struct kvm_coalesced_mmio_ring *ring; /* NULL: this KVM has none */
	unsigned ring_slots;
	struct kvm_clock_data clock; /* frozen */
	uint64_t host_tsc;           /* when it was frozen */
	bool clock_frozen;
};

int vcpu_create(struct kvm *kvm, unsigned index, struct error *e);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_start(struct vcpu *vcpu, struct error *e);
void vcpu_kick(struct vcpu *vcpu);
void vcpu_freeze_time(struct vcpu *vcpu);
void vcpu_thaw_time(struct vcpu *vcpu, uint64_t elapsed);

/* Into the state that is to be set again after a pause: interrupts that the LAPIC has got meanwhile. */
void lapic_keep_arrived(struct kvm_lapic_state *frozen, const struct kvm_lapic_state *now);

struct cpuid_place { /* of one CPU in the machine */
	unsigned index, cpus, cores_per_socket;
};

/* What KVM supports becomes what we offer: leaves and bits go, and the CPU's place comes in. */
void cpuid_trim(struct kvm_cpuid2 *list, const struct cpuid_place *place);
/* KVM_SET_CPUID2 with what the host supports less what we do not offer. */
int cpuid_set(struct vcpu *vcpu, struct error *e);

#endif
