/* SPDX-License-Identifier: MIT */
/* One virtual CPU and its thread: KVM_RUN, and what it comes back with. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bus.h"
#include "core/cpu/kvm_private.h"
#include "core/sandbox.h"
#include "vmformat/bytes.h"

#define KICK_SIGNAL SIGUSR1
#define STACK_SIZE (256u << 10) /* deepest is a device's callback, some KB; the sanitizers want more */
#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING 1
#define APIC_TMR 0x180
#define APIC_IRR 0x200
#define APIC_LVT_TIMER 0x320

/* ---- exits ---- */

/* What a port wrote into the low half of a register; as with any 32-bit result the upper half becomes 0, but a register that it
 * left alone keeps it. */
static void put_register(__u64 *to, uint32_t value)
{
	if ((uint32_t)*to != value)
		*to = value;
}

/* The port answers in more than EAX. The instruction is finished inside the next KVM_RUN, which takes RAX from data, and the others
 * as they are set here. */
static void exchange_registers(struct vcpu *vcpu, uint8_t *data)
{
	struct kvm_regs regs;
	struct cpu_registers r;

	memset(data, 0xff, 4);
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0)
		return;
	r = (struct cpu_registers){ .eax = (uint32_t)regs.rax,
		                    .ebx = (uint32_t)regs.rbx,
		                    .ecx = (uint32_t)regs.rcx,
		                    .edx = (uint32_t)regs.rdx,
		                    .esi = (uint32_t)regs.rsi,
		                    .edi = (uint32_t)regs.rdi };
	bus_exchange(vcpu->kvm->options.bus, vcpu->run->io.port, &r);
	put_register(&regs.rbx, r.ebx);
	put_register(&regs.rcx, r.ecx);
	put_register(&regs.rdx, r.edx);
	put_register(&regs.rsi, r.esi);
	put_register(&regs.rdi, r.edi);
	memcpy(data, &r.eax, 4);
	ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct bus *bus = vcpu->kvm->options.bus;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;
	uint64_t value = 0;

	if (run->io.count > 1) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			bus_read_many(bus, run->io.port, size, data, run->io.count);
		else
			bus_write_many(bus, run->io.port, size, data, run->io.count);
	} else if (run->io.direction == KVM_EXIT_IO_IN && size == 4 && bus_exchanges(bus, run->io.port)) {
		exchange_registers(vcpu, data);
	} else if (run->io.direction == KVM_EXIT_IO_IN) {
		bus_read(bus, BUS_PORT, run->io.port, size, &value);
		memcpy(data, &value, size);
	} else {
		memcpy(&value, data, size);
		bus_write(bus, BUS_PORT, run->io.port, size, value);
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		bus_write(vcpu->kvm->options.bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.len, value);
	} else {
		bus_read(vcpu->kvm->options.bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.len, &value);
		memcpy(run->mmio.data, &value, sizeof(run->mmio.data));
	}
}

/* The last instruction bytes that KVM could not emulate, for a bug report. */
static void describe_internal_error(const struct kvm_run *run, char *text, size_t size)
{
	const struct kvm_run *r = run;
	int n = snprintf(text, size, "internal error %u", r->internal.suberror);

	if (r->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || r->internal.ndata < 4)
		return;
	n += snprintf(text + n, size - (size_t)n, ", instruction bytes");
	for (unsigned i = 0; i < 15 && n > 0 && (size_t)n < size; i++)
		n += snprintf(text + n, size - (size_t)n, " %02x", ((const uint8_t *)&r->internal.data[1])[8 + i]);
}

/* KVM gave up: says where the guest was, and stops the machine. */
static void give_up(struct vcpu *vcpu, const char *what)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs = { 0 };
	struct error e = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	error_set(&e, -EIO,
	          "KVM cannot go on with CPU %u at %04x:%llx (CR0 %llx): %s. Restart the machine; if it happens again, "
	          "please report it with these words",
	          vcpu->index, sregs.cs.selector, (unsigned long long)regs.rip, (unsigned long long)sregs.cr0, what);
	atomic_store(&kvm->stop, true);
	kvm->options.trouble(kvm->options.context, KVM_TROUBLE, &e);
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	char text[160];

	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		kvm_flush_coalesced(kvm);
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		kvm_flush_coalesced(kvm);
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_HLT:
		break;
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_SYSTEM_EVENT:
		atomic_store(&kvm->stop, true);
		kvm->options.trouble(kvm->options.context, KVM_TRIPLE_FAULT, NULL);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		describe_internal_error(vcpu->run, text, sizeof(text));
		give_up(vcpu, text);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(text, sizeof(text), "entry failed, hardware reason 0x%llx",
		         (unsigned long long)vcpu->run->fail_entry.hardware_entry_failure_reason);
		give_up(vcpu, text);
		break;
	default:
		snprintf(text, sizeof(text), "unknown exit %u", vcpu->run->exit_reason);
		give_up(vcpu, text);
	}
}

/* An exit for I/O is finished inside the next KVM_RUN. Before the CPU rests, it is let in with immediate_exit for just that: its
 * registers are then those between two instructions. One instruction may exit several times. */
static void finish_io(struct vcpu *vcpu)
{
	for (;;) {
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
			return;
		if (vcpu->run->exit_reason != KVM_EXIT_IO && vcpu->run->exit_reason != KVM_EXIT_MMIO)
			return;
		handle_exit(vcpu);
	}
}

/* Waits while the machine is stopped. false: the thread is to end. */
static bool rest(struct vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	bool go_on;

	finish_io(vcpu);
	pthread_mutex_lock(&kvm->lock);
	kvm->parked++;
	pthread_cond_broadcast(&kvm->changed);
	while (atomic_load(&kvm->stop) && !kvm->quit)
		pthread_cond_wait(&kvm->changed, &kvm->lock);
	kvm->parked--;
	go_on = !kvm->quit;
	pthread_mutex_unlock(&kvm->lock);
	/* In force before the caller looks at `stop`: else it could undo the kick of a stop that he did not see. */
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	return go_on;
}

static void *vcpu_thread(void *context)
{
	struct vcpu *vcpu = context;
	struct kvm *kvm = vcpu->kvm;

	if (sandbox_enter_role(SANDBOX_VCPU) < 0)
		abort(); /* a thread that cannot be narrowed must not run a guest */
	for (;;) {
		/* immediate_exit is cleared in rest() and only a kick sets it: a kick between this look and KVM_RUN makes
		 * that return at once. */
		if (atomic_load(&kvm->stop) && !rest(vcpu))
			return NULL;
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			handle_exit(vcpu);
		} else if (errno != EINTR && errno != EAGAIN) {
			char text[80];

			snprintf(text, sizeof(text), "KVM_RUN: %s", strerror(errno));
			give_up(vcpu, text);
		} else if (!atomic_load(&kvm->stop)) {
			__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_RELAXED);
			atomic_thread_fence(memory_order_seq_cst);
			if (atomic_load(&kvm->stop))
				continue;
		}
	}
}

static void ignore_kick(int signal)
{
	(void)signal;
}

void vcpu_kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/* ---- set-up ---- */

/* Reads or writes one MSR. KVM answers with how many it took: a refused one is none. */
static bool one_msr(struct vcpu *vcpu, unsigned long request, uint32_t index, uint64_t *value)
{
	union {
		struct kvm_msrs list;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .list.nmsrs = 1 };
	bool done;

	msrs.list.entries[0] = (struct kvm_msr_entry){ .index = index, .data = *value };
	done = ioctl(vcpu->fd, request, &msrs) == 1;
	*value = done ? msrs.list.entries[0].data : 0;
	return done;
}

static void set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	one_msr(vcpu, KVM_SET_MSRS, index, &value);
}

static uint64_t get_msr(struct vcpu *vcpu, uint32_t index)
{
	uint64_t value = 0;

	one_msr(vcpu, KVM_GET_MSRS, index, &value);
	return value;
}

int vcpu_create(struct kvm *kvm, unsigned index, struct error *e)
{
	struct vcpu *vcpu = &kvm->cpus[index];

	*vcpu = (struct vcpu){ .kvm = kvm, .index = index };
	vcpu->fd = ioctl(kvm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return error_set(e, -errno, "KVM cannot create CPU %u: %s; try fewer CPUs (numvcpus)", index,
		                 strerror(errno));
	kvm->cpu_count++;
	vcpu->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return error_set(e, -errno, "KVM shares no page for CPU %u: %s", index, strerror(errno));
	}
	/* Windows and the BIOS look at it; a KVM that refuses keeps its own default, which does. */
	set_msr(vcpu, MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING);
	return cpuid_set(vcpu, e);
}

int vcpu_start(struct vcpu *vcpu, struct error *e)
{
	struct sigaction action = { .sa_handler = ignore_kick };
	pthread_attr_t attributes;
	int r;

	sigaction(KICK_SIGNAL, &action, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	r = pthread_create(&vcpu->thread, &attributes, vcpu_thread, vcpu);
	pthread_attr_destroy(&attributes);
	if (r)
		return error_set(e, -r, "no thread for CPU %u: %s", vcpu->index, strerror(r));
	vcpu->started = true;
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->started)
		pthread_join(vcpu->thread, NULL);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->kvm->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
}

/* ---- time ---- */

static bool tsc_offset(struct vcpu *vcpu, unsigned long request, uint64_t *value)
{
	struct kvm_device_attr attribute = { .group = KVM_VCPU_TSC_CTRL,
		                             .attr = KVM_VCPU_TSC_OFFSET,
		                             .addr = (uintptr_t)value };

	return ioctl(vcpu->fd, request, &attribute) == 0;
}

void vcpu_freeze_time(struct vcpu *vcpu)
{
	vcpu->frozen = ioctl(vcpu->fd, KVM_GET_LAPIC, &vcpu->lapic) == 0;
	vcpu->tsc_deadline = get_msr(vcpu, MSR_TSC_DEADLINE);
	vcpu->tsc = get_msr(vcpu, MSR_TSC);
	vcpu->has_tsc_offset = tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &vcpu->tsc_offset);
}

/* Interrupts that arrived while the CPU stood still (a drive was drained, a key pressed): the line's edge is gone, so what the LAPIC
 * has now must not be lost under what it had. Its own timer's is: no time has passed. Registers are 16 bytes apart (Intel SDM
 * volume 3, table "Local APIC Register Address Map"). */
void lapic_keep_arrived(struct kvm_lapic_state *frozen, const struct kvm_lapic_state *now)
{
	uint8_t *old = (uint8_t *)frozen->regs;
	const uint8_t *new = (const uint8_t *)now->regs;
	uint32_t timer = le32_load(old + APIC_LVT_TIMER) & 0xff;

	for (unsigned i = 0; i < 8; i++) {
		uint8_t *irr = old + APIC_IRR + 16 * i, *tmr = old + APIC_TMR + 16 * i;
		uint32_t arrived = le32_load(new + APIC_IRR + 16 * i) & ~le32_load(irr);

		if (timer / 32 == i)
			arrived &= ~(1u << timer % 32);
		le32_store(irr, le32_load(irr) | arrived);
		le32_store(tmr, (le32_load(tmr) & ~arrived) | (le32_load(new + APIC_TMR + 16 * i) & arrived));
	}
}

/* The same distance taken from each CPU's TSC offset keeps them in step exactly; where KVM has no offsets (before Linux 5.16),
 * writing the old value does, as well as KVM can guess it. The LAPIC goes before the deadline: setting it stops its timer, and
 * drops an expiry that came while time stood still. */
void vcpu_thaw_time(struct vcpu *vcpu, uint64_t elapsed)
{
	uint64_t offset = vcpu->tsc_offset - elapsed;
	struct kvm_lapic_state now;

	if (!vcpu->frozen)
		return;
	vcpu->frozen = false;
	if (!vcpu->has_tsc_offset || !tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &offset))
		set_msr(vcpu, MSR_TSC, vcpu->tsc);
	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &now) == 0)
		lapic_keep_arrived(&vcpu->lapic, &now);
	ioctl(vcpu->fd, KVM_SET_LAPIC, &vcpu->lapic);
	if (vcpu->tsc_deadline)
		set_msr(vcpu, MSR_TSC_DEADLINE, vcpu->tsc_deadline);
	/* Tells the guest's watchdog that it was stopped; fails without kvmclock. */
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}
