/* SPDX-License-Identifier: MIT */
#include "core/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/chipset/pci.h"
#include "core/memory.h"

int device_create(const struct device_class *class, const struct board *board, const struct device_config *config,
                  struct device **ret_device, struct error *e)
{
	struct device *d = calloc(1, class->size);
	int r;

	if (!d)
		return error_set(e, -ENOMEM, "%s: not enough memory; close other programs and try again", class->name);
	d->class = class;
	d->board = board;
	d->irq_count = config->irq_count;
	snprintf(d->id, sizeof(d->id), "%s", config->id);
	pthread_mutex_init(&d->lock, NULL);
	for (unsigned i = 0; i < d->irq_count; i++)
		d->irqs[i] = (struct irq_line){ .router = board->irq, .gsi = config->irqs[i] };
	r = class->create(d, config, e);
	if (r < 0) {
		device_destroy(d);
		return error_set(e, r, "%s: cannot be created: %s", config->id, strerror(-r));
	}
	*ret_device = d;
	return 0;
}

void device_destroy(struct device *d)
{
	if (!d)
		return;
	clock_remove_device(d->board->clock, d);
	bus_unmap_device(d->board->bus, d);
	for (unsigned i = 0; i < d->irq_count; i++)
		irq_line_set(&d->irqs[i], false);
	if (d->pci)
		d->pci->unplug(d->pci);
	if (d->class->destroy)
		d->class->destroy(d);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void device_set_irq(struct device *d, unsigned n, bool level)
{
	if (n < d->irq_count)
		irq_line_set(&d->irqs[n], level);
}

static bool may_dma(const struct device *d)
{
	return !d->pci || le16_load(d->pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

int device_dma_read(struct device *d, uint64_t address, void *buffer, size_t length)
{
	int r = may_dma(d) ? memory_read(d->board->memory, address, buffer, length) : -EFAULT;

	if (r < 0)
		memset(buffer, 0xff, length);
	return r;
}

int device_dma_write(struct device *d, uint64_t address, const void *buffer, size_t length)
{
	return may_dma(d) ? memory_write(d->board->memory, address, buffer, length) : -EFAULT;
}

int device_dma_map(struct device *d, uint64_t address, size_t length, bool writable, struct iovec *ret_iov,
                   unsigned max_iov)
{
	return may_dma(d) ? memory_iov(d->board->memory, address, length, writable, ret_iov, max_iov) : -EFAULT;
}
