/* SPDX-License-Identifier: MIT */
#include "core/cpu/kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "core/bus.h"
#include "core/cpu/kvm_private.h"
#include "core/irq.h"
#include "core/memory.h"
#include "vmformat/bytes.h"

static const struct {
	int capability;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },   { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },   { KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },       { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" }, { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" }, { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static int check_capabilities(int fd, struct error *e)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return error_set(e, -ENOTSUP,
		                 "/dev/kvm speaks API version %d, Vitrine needs %d; update the Linux kernel", version,
		                 KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].capability) <= 0)
			return error_set(e, -ENOTSUP,
			                 "/dev/kvm lacks %s, which every Linux since 4.13 has; update the kernel",
			                 needed[i].name);
	return 0;
}

/* ---- listeners ---- */

/* A slot that KVM refuses would make the guest see nothing there: a machine that goes on so is broken in a way nobody could
 * understand. It cannot happen but by a lack of kernel memory. */
static void slot_changed(void *context, const struct slot *slot, bool mapped)
{
	struct kvm *kvm = context;
	struct kvm_userspace_memory_region region = {
		.slot = slot->id,
		.guest_phys_addr = slot->base,
		.memory_size = mapped ? slot->size : 0,
		.userspace_addr = (uintptr_t)slot->host,
	};
	struct error e = { 0 };

	if (slot->flags & SLOT_READONLY)
		region.flags |= KVM_MEM_READONLY;
	if (slot->flags & SLOT_LOG_DIRTY)
		region.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	if (ioctl(kvm->fd, KVM_SET_USER_MEMORY_REGION, &region) == 0)
		return;
	error_set(&e, -errno,
	          "KVM refuses %llu KiB of guest memory (%s) at 0x%llx: %s; close other programs and try again",
	          (unsigned long long)(slot->size >> 10), slot->name, (unsigned long long)slot->base, strerror(errno));
	kvm->options.trouble(kvm->options.context, KVM_TROUBLE, &e);
	kvm_request_stop(kvm);
}

static void slot_dirty(void *context, const struct slot *slot, uint64_t *bitmap)
{
	struct kvm *kvm = context;
	size_t words = (slot->size / 4096 + 63) / 64;
	uint64_t fresh[words];
	struct kvm_dirty_log log = { .slot = slot->id, .dirty_bitmap = fresh };

	memset(fresh, 0, sizeof(fresh));
	if (ioctl(kvm->fd, KVM_GET_DIRTY_LOG, &log) < 0)
		memset(fresh, 0xff, sizeof(fresh)); /* drawing too much is right, if slow */
	for (size_t i = 0; i < words; i++)
		bitmap[i] |= fresh[i];
}

static void region_changed(void *context, const struct region *r, bool mapped)
{
	struct kvm *kvm = context;
	struct kvm_coalesced_mmio_zone zone = { .addr = r->base, .size = (uint32_t)r->size };

	/* A zone that KVM has no room for is slower, and nothing else. */
	if (r->coalesced && r->space == BUS_MMIO && kvm->ring)
		ioctl(kvm->fd, mapped ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

void kvm_flush_coalesced(struct kvm *kvm)
{
	struct kvm_coalesced_mmio_ring *ring = kvm->ring;
	uint32_t last;

	if (!ring)
		return;
	/* Mostly nothing waits, and all CPUs come here at each exit, so that is seen without the lock. What stood before `last` when it
	 * was read has reached its device if `first`, read after it, has come there: it moves only then. */
	last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) % kvm->ring_slots;
	if (__atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) % kvm->ring_slots == last)
		return;
	pthread_mutex_lock(&kvm->ring_lock);
	/* What is there now: with other CPUs filling the ring, waiting until it is empty could last as long as they like. */
	last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) % kvm->ring_slots;
	while (ring->first % kvm->ring_slots != last) {
		struct kvm_coalesced_mmio m = ring->coalesced_mmio[ring->first % kvm->ring_slots];
		uint64_t value = 0;

		memcpy(&value, m.data, MIN(m.len, 8u));
		bus_write(kvm->options.bus, BUS_MMIO, m.phys_addr, MIN(m.len, 8u), value);
		__atomic_store_n(&ring->first, (ring->first + 1) % kvm->ring_slots, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&kvm->ring_lock);
}

/* ---- interrupts ---- */

/* ISA interrupt 0 is on pin 2 of the I/O APIC, as on every PC (and as the firmware's tables say); pin 2's own line is the
 * cascade of the 8259s. */
static int set_routing(struct kvm *kvm, struct error *e)
{
	struct kvm_irq_routing *routing = calloc(1, sizeof(*routing) + 2 * IRQ_GSI_COUNT * sizeof(routing->entries[0]));
	int r = 0;

	if (!routing)
		return -ENOMEM;
	for (unsigned gsi = 0; gsi < IRQ_GSI_COUNT; gsi++) {
		if (gsi < 16 && gsi != 2)
			routing->entries[routing->nr++] = (struct kvm_irq_routing_entry){
				.gsi = gsi,
				.type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip = { gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi & 7 }
			};
		if (gsi != 2)
			routing->entries[routing->nr++] =
				(struct kvm_irq_routing_entry){ .gsi = gsi,
				                                .type = KVM_IRQ_ROUTING_IRQCHIP,
				                                .u.irqchip = { KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2 } };
	}
	if (ioctl(kvm->fd, KVM_SET_GSI_ROUTING, routing) < 0)
		r = error_set(e, -errno, "KVM_SET_GSI_ROUTING: %s", strerror(errno));
	free(routing);
	return r;
}

int kvm_set_irq(void *context, unsigned gsi, bool level)
{
	struct kvm *kvm = context;
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	return ioctl(kvm->fd, KVM_IRQ_LINE_STATUS, &irq) < 0 ? 1 : irq.status;
}

void kvm_send_msi(void *context, uint32_t address, uint32_t data)
{
	struct kvm *kvm = context;
	struct kvm_msi message = { .address_lo = address, .data = data };

	ioctl(kvm->fd, KVM_SIGNAL_MSI, &message); /* a message to no CPU, or with no vector, is lost as on a PC */
}

/* ---- the machine ---- */

static int create_vm(struct kvm *kvm, struct error *e)
{
	uint64_t identity = MEMORY_IDENTITY_PAGE; /* in the hole below the BIOS ROM, as the TSS pages are */
	int fd = kvm->options.kvm_fd, pages;

	do /* a signal may interrupt it, on a busy host again and again */
		kvm->fd = ioctl(fd, KVM_CREATE_VM, 0);
	while (kvm->fd < 0 && errno == EINTR);
	if (kvm->fd < 0)
		return error_set(e, -errno,
		                 "KVM cannot create a virtual machine: %s; is another hypervisor (VirtualBox, VMware) "
		                 "running? Stop it and try again",
		                 strerror(errno));
	if (ioctl(kvm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(kvm->fd, KVM_SET_TSS_ADDR, MEMORY_TSS_PAGES) < 0)
		return error_set(e, -errno, "KVM refuses its own pages: %s", strerror(errno));
	/* Memory before the interrupt controllers: each slot waits for readers whom only those bring (5 ms for the first). */
	memory_set_listener(kvm->options.memory, &(struct memory_listener){ slot_changed, slot_dirty, kvm });
	if (ioctl(kvm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set(e, -errno, "KVM cannot make interrupt controllers: %s", strerror(errno));
	kvm->run_size = (size_t)ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	pages = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO); /* where the ring is, in pages behind kvm_run */
	kvm->ring_slots = pages > 0 && kvm->run_size >= (size_t)(pages + 1) * 4096
	                          ? (4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio)
	                          : 0;
	return set_routing(kvm, e);
}

static int create_cpus(struct kvm *kvm, struct error *e)
{
	int page = ioctl(kvm->options.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO), r;

	for (unsigned i = 0; i < kvm->options.cpus; i++) {
		r = vcpu_create(kvm, i, e);
		if (r < 0)
			return r;
	}
	r = ioctl(kvm->cpus[0].fd, KVM_GET_TSC_KHZ, 0);
	kvm->tsc_hz = r > 0 ? (uint64_t)r * 1000 : 0;
	if (kvm->ring_slots)
		kvm->ring = (void *)((char *)kvm->cpus[0].run + page * 4096);
	return 0;
}

int kvm_create(const struct kvm_options *options, struct kvm **ret_kvm, struct error *e)
{
	struct kvm *kvm = calloc(1, sizeof(*kvm));
	int r;

	if (!kvm)
		return error_set(e, -ENOMEM,
		                 "not enough memory for a virtual machine; close other programs and try again");
	kvm->options = *options;
	kvm->fd = -1;
	atomic_store(&kvm->stop, true);
	pthread_mutex_init(&kvm->lock, NULL);
	pthread_mutex_init(&kvm->ring_lock, NULL);
	pthread_cond_init(&kvm->changed, NULL);
	r = check_capabilities(options->kvm_fd, e);
	r = r < 0 ? r : create_vm(kvm, e);
	r = r < 0 ? r : create_cpus(kvm, e);
	if (r < 0) {
		kvm_destroy(kvm);
		return r;
	}
	bus_set_listener(options->bus, region_changed, kvm);
	for (unsigned i = 0; i < kvm->cpu_count && r >= 0; i++)
		r = vcpu_start(&kvm->cpus[i], e);
	if (r < 0) {
		kvm_destroy(kvm);
		return r;
	}
	*ret_kvm = kvm;
	return 0;
}

void kvm_destroy(struct kvm *kvm)
{
	if (!kvm)
		return;
	kvm_request_stop(kvm);
	pthread_mutex_lock(&kvm->lock);
	kvm->quit = true;
	pthread_cond_broadcast(&kvm->changed);
	pthread_mutex_unlock(&kvm->lock);
	for (unsigned i = 0; i < kvm->cpu_count; i++)
		vcpu_destroy(&kvm->cpus[i]);
	memory_set_listener(kvm->options.memory, &(struct memory_listener){ 0 });
	bus_set_listener(kvm->options.bus, NULL, NULL);
	if (kvm->fd >= 0)
		close(kvm->fd);
	pthread_cond_destroy(&kvm->changed);
	pthread_mutex_destroy(&kvm->ring_lock);
	pthread_mutex_destroy(&kvm->lock);
	free(kvm);
}

uint64_t kvm_tsc_hz(const struct kvm *kvm)
{
	return kvm->tsc_hz;
}

void kvm_request_stop(struct kvm *kvm)
{
	atomic_store(&kvm->stop, true);
	for (unsigned i = 0; i < kvm->cpu_count; i++)
		vcpu_kick(&kvm->cpus[i]);
}

/*
 * Order (core/README.md): the CPUs first, so that nobody looks at a clock any more; then kvmclock, then each CPU's TSC and LAPIC
 * timer. Thawing goes the other way round.
 */
void kvm_stop(struct kvm *kvm)
{
	unsigned started = 0;

	kvm_request_stop(kvm);
	for (unsigned i = 0; i < kvm->cpu_count; i++)
		started += kvm->cpus[i].started;
	pthread_mutex_lock(&kvm->lock);
	while (kvm->parked < started)
		pthread_cond_wait(&kvm->changed, &kvm->lock);
	pthread_mutex_unlock(&kvm->lock);
	kvm_flush_coalesced(kvm);
	if (kvm->clock_frozen)
		return;
	kvm->host_tsc = __rdtsc();
	kvm->clock_frozen = ioctl(kvm->fd, KVM_GET_CLOCK, &kvm->clock) == 0;
	for (unsigned i = 0; i < kvm->cpu_count; i++)
		vcpu_freeze_time(&kvm->cpus[i]);
}

void kvm_run(struct kvm *kvm)
{
	uint64_t elapsed = __rdtsc() - kvm->host_tsc;

	for (unsigned i = 0; i < kvm->cpu_count; i++)
		vcpu_thaw_time(&kvm->cpus[i], elapsed);
	if (kvm->clock_frozen) {
		/* Without KVM_CLOCK_REALTIME the clock goes on at the value it had: nothing passed for the guest. */
		struct kvm_clock_data clock = { .clock = kvm->clock.clock };

		ioctl(kvm->fd, KVM_SET_CLOCK, &clock);
		kvm->clock_frozen = false;
	}
	atomic_store(&kvm->stop, false);
	pthread_mutex_lock(&kvm->lock);
	pthread_cond_broadcast(&kvm->changed);
	pthread_mutex_unlock(&kvm->lock);
}
