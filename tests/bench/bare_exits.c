/* SPDX-License-Identifier: MIT */
/*
 * bare_exits SECTOR CONSOLE: plays the boot sector of exits.S on two CPUs with the least that a program must do around
 * KVM_RUN: what a VMM adds to an exit is what it takes longer than this. Port 0x402 goes to the file CONSOLE; everything else
 * reads as all ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CPUS 2
#define MEMORY (1u << 20)
#define LOAD 0x7c00
#define CONSOLE_PORT 0x402

static int console;

struct cpu {
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

static int check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "bare_exits: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static void *run_cpu(void *context)
{
	struct cpu *cpu = context;
	struct kvm_run *run = cpu->run;

	for (;;) {
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				check(-1, "KVM_RUN");
		} else if (run->exit_reason == KVM_EXIT_IO) {
			char *data = (char *)run + run->io.data_offset;
			size_t size = (size_t)run->io.size * run->io.count;

			if (run->io.direction == KVM_EXIT_IO_IN)
				memset(data, 0xff, size);
			else if (run->io.port == CONSOLE_PORT)
				check((int)write(console, data, size), "console");
		} else if (run->exit_reason == KVM_EXIT_MMIO) {
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		} else {
			fprintf(stderr, "bare_exits: exit %u\n", run->exit_reason);
			exit(1);
		}
	}
}

static void make_cpu(struct cpu *cpu, int kvm, int vm, unsigned index)
{
	struct kvm_regs regs = { .rip = LOAD, .rflags = 2 };
	struct kvm_sregs sregs;
	int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	cpu->fd = check(ioctl(vm, KVM_CREATE_VCPU, index), "KVM_CREATE_VCPU");
	cpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		check(-1, "kvm_run");
	if (index) /* it waits for its start-up IPI */
		return;
	check(ioctl(cpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	check(ioctl(cpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(cpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void load(const char *sector, uint8_t *memory)
{
	int fd = check(open(sector, O_RDONLY | O_CLOEXEC), sector);

	check((int)read(fd, memory + LOAD, 512), sector);
	close(fd);
}

int main(int argc, char **argv)
{
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY, .userspace_addr = (uintptr_t)memory };
	struct cpu cpus[CPUS];
	int kvm, vm;

	if (argc != 3 || memory == MAP_FAILED)
		return 2;
	load(argv[1], memory);
	console = check(open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0666), argv[2]);
	kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	for (unsigned i = 0; i < CPUS; i++)
		make_cpu(&cpus[i], kvm, vm, i);
	for (unsigned i = 0; i < CPUS; i++)
		if (pthread_create(&cpus[i].thread, NULL, run_cpu, &cpus[i]))
			check(-1, "thread");
	pthread_join(cpus[0].thread, NULL);
	return 0;
}
