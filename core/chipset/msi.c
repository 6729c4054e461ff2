/* SPDX-License-Identifier: MIT */
#include "core/chipset/msi.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_CAPABILITIES 0x10 /* of the status register's low byte: there is a list */

/* Offsets in the capabilities, and their control words. */
enum msi_register { MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, CAPABILITY_MSI = 0x05 };
enum msi_control { MSI_ENABLE = 1, MSI_CAPABLE_SHIFT = 1, MSI_ENABLED_SHIFT = 4, MSI_ENABLED = 7 << 4, MSI_64 = 0x80 };
enum msix_register { MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PBA = 8, CAPABILITY_MSIX = 0x11 };
enum msix_control { MSIX_MASK_ALL = 0x4000, MSIX_ENABLE = 0x8000 };
enum msix_entry { ENTRY_ADDRESS = 0, ENTRY_DATA = 8, ENTRY_CONTROL = 12, ENTRY_SIZE = 16, ENTRY_MASKED = 1 };

struct msix {
	uint8_t offset; /* of the capability */
	unsigned vectors;
	uint32_t table_offset, pba_offset;
	uint64_t pending; /* a bit for each vector: MSIX_MAX_VECTORS is 64 */
	uint8_t table[MSIX_MAX_VECTORS * ENTRY_SIZE];
};

static void add_capability(struct pci_device *p, uint8_t offset, uint8_t id)
{
	assert(offset >= 0x40 && !(offset & 3) && offset <= 0xf0);
	p->config[offset] = id;
	p->config[offset + 1] = p->config[PCI_CAPABILITIES];
	p->config[PCI_CAPABILITIES] = offset;
	p->config[PCI_STATUS] |= STATUS_CAPABILITIES;
}

/* The write that a message is. To the APICs' addresses it is an interrupt; anywhere else it is four bytes of DMA, as on a bus,
 * which may reach nothing but the guest's own RAM. */
static void send(struct pci_device *p, uint64_t address, uint32_t data)
{
	uint8_t raw[4];

	if (!pci_bus_master(p))
		return;
	if (address - IRQ_MESSAGE_BASE < IRQ_MESSAGE_SIZE) {
		irq_send_msi(p->device.board->irq, (uint32_t)address, data);
		return;
	}
	le32_store(raw, data);
	device_dma_write(&p->device, address, raw, sizeof(raw));
}

/* ---- MSI: section 6.8.1 ---- */

void msi_add(struct pci_device *p, uint8_t offset, unsigned vectors)
{
	assert(vectors && vectors <= MSI_MAX_VECTORS && !(vectors & (vectors - 1)));
	add_capability(p, offset, CAPABILITY_MSI);
	p->msi = offset;
	p->msi_shift = (uint8_t)__builtin_ctz(vectors);
	le16_store(p->config + offset + MSI_CONTROL, (uint16_t)(MSI_64 | p->msi_shift << MSI_CAPABLE_SHIFT));
	le16_store(p->write_mask + offset + MSI_CONTROL, MSI_ENABLE | MSI_ENABLED);
	le64_store(p->write_mask + offset + MSI_ADDRESS, ~UINT64_C(3));
	le16_store(p->write_mask + offset + MSI_DATA, 0xffff);
}

static bool msi_on(const struct pci_device *p)
{
	return p->msi && le16_load(p->config + p->msi + MSI_CONTROL) & MSI_ENABLE;
}

static void send_msi(struct pci_device *p, unsigned vector)
{
	const uint8_t *capability = p->config + p->msi;
	unsigned enabled = (le16_load(capability + MSI_CONTROL) & MSI_ENABLED) >> MSI_ENABLED_SHIFT;
	unsigned count = 1u << MIN(enabled, p->msi_shift); /* 6 and 7 are reserved, more than asked for is nonsense */
	uint32_t data = le16_load(capability + MSI_DATA) & ~(count - 1);

	send(p, le64_load(capability + MSI_ADDRESS), data | (vector < count ? vector : 0));
}

/* ---- MSI-X: section 6.8.2 ---- */

int msix_add(struct pci_device *p, uint8_t offset, unsigned vectors, unsigned bar, uint32_t table_offset,
             uint32_t pba_offset)
{
	assert(vectors && vectors <= MSIX_MAX_VECTORS && bar < PCI_ROM_BAR && !(table_offset & 7) && !(pba_offset & 7));
	p->msix = calloc(1, sizeof(*p->msix));
	if (!p->msix)
		return -ENOMEM;
	*p->msix = (struct msix){
		.offset = offset, .vectors = vectors, .table_offset = table_offset, .pba_offset = pba_offset
	};
	add_capability(p, offset, CAPABILITY_MSIX);
	le16_store(p->config + offset + MSIX_CONTROL, (uint16_t)(vectors - 1));
	le16_store(p->write_mask + offset + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL);
	le32_store(p->config + offset + MSIX_TABLE, table_offset | bar);
	le32_store(p->config + offset + MSIX_PBA, pba_offset | bar);
	msi_reset(p);
	return 0;
}

static uint16_t msix_control(const struct pci_device *p)
{
	return p->msix ? le16_load(p->config + p->msix->offset + MSIX_CONTROL) : 0;
}

static bool may_send(const struct pci_device *p, unsigned vector)
{
	return (msix_control(p) & (MSIX_ENABLE | MSIX_MASK_ALL)) == MSIX_ENABLE && pci_bus_master(p) &&
	       !(p->msix->table[vector * ENTRY_SIZE + ENTRY_CONTROL] & ENTRY_MASKED);
}

static void send_msix(struct pci_device *p, unsigned vector)
{
	const uint8_t *entry = p->msix->table + vector * ENTRY_SIZE;

	if (may_send(p, vector))
		send(p, le64_load(entry + ENTRY_ADDRESS), le32_load(entry + ENTRY_DATA));
	else
		p->msix->pending |= 1ull << vector;
}

/* Something was unmasked, perhaps. */
static void send_pending(struct pci_device *p)
{
	for (unsigned vector = 0; vector < p->msix->vectors && p->msix->pending; vector++)
		if (p->msix->pending & 1ull << vector && may_send(p, vector)) {
			p->msix->pending &= ~(1ull << vector);
			send_msix(p, vector);
		}
}

uint64_t msix_read(struct pci_device *p, uint64_t bar_offset, unsigned size)
{
	const struct msix *x = p->msix;
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++) {
		uint64_t in_table = bar_offset + i - x->table_offset, in_pba = bar_offset + i - x->pba_offset;
		uint8_t byte = 0;

		if (in_table < x->vectors * ENTRY_SIZE)
			byte = x->table[in_table];
		else if (in_pba < sizeof(x->pending))
			byte = (uint8_t)(x->pending >> 8 * in_pba);
		value |= (uint64_t)byte << 8 * i;
	}
	return value;
}

/* The bits of an entry that exist: addresses are multiples of 4, the control word has its mask bit alone. */
static uint8_t existing_bits(unsigned byte_of_entry)
{
	if (byte_of_entry >= ENTRY_CONTROL)
		return byte_of_entry == ENTRY_CONTROL ? ENTRY_MASKED : 0;
	return byte_of_entry == ENTRY_ADDRESS ? 0xfc : 0xff;
}

void msix_write(struct pci_device *p, uint64_t bar_offset, unsigned size, uint64_t value)
{
	struct msix *x = p->msix;

	for (unsigned i = 0; i < size; i++) {
		uint64_t at = bar_offset + i - x->table_offset;

		if (at < x->vectors * ENTRY_SIZE)
			x->table[at] = (uint8_t)(value >> 8 * i) & existing_bits(at % ENTRY_SIZE);
	}
	send_pending(p);
}

/* ---- what both have in common ---- */

bool msi_enabled(const struct pci_device *p)
{
	return msi_on(p) || msix_control(p) & MSIX_ENABLE;
}

/* Both at once are forbidden to software; then it is MSI-X. */
void msi_send(struct pci_device *p, unsigned vector)
{
	if (msix_control(p) & MSIX_ENABLE) {
		if (vector < p->msix->vectors)
			send_msix(p, vector);
	} else if (msi_on(p)) {
		send_msi(p, vector);
	}
}

void pci_interrupt(struct pci_device *p, bool level)
{
	bool rises = level && !p->intx_level;

	pci_set_irq(p, level);
	if (rises)
		msi_send(p, 0);
}

void msi_config_written(struct pci_device *p)
{
	if (p->msix)
		send_pending(p);
}

void msi_reset(struct pci_device *p)
{
	if (p->msi) {
		uint8_t *capability = p->config + p->msi;

		le16_store(capability + MSI_CONTROL,
		           le16_load(capability + MSI_CONTROL) & (uint16_t) ~(MSI_ENABLE | MSI_ENABLED));
		le64_store(capability + MSI_ADDRESS, 0);
		le16_store(capability + MSI_DATA, 0);
	}
	if (p->msix) {
		le16_store(p->config + p->msix->offset + MSIX_CONTROL, (uint16_t)(p->msix->vectors - 1));
		p->msix->pending = 0;
		memset(p->msix->table, 0, sizeof(p->msix->table));
		for (unsigned vector = 0; vector < p->msix->vectors; vector++)
			p->msix->table[vector * ENTRY_SIZE + ENTRY_CONTROL] = ENTRY_MASKED;
	}
}

void msi_state(struct pci_device *p, struct state *s)
{
	struct msix *x = p->msix;

	if (!x)
		return;
	state_u64(s, "msix.pending", &x->pending);
	state_bytes(s, "msix.table", x->table, x->vectors * ENTRY_SIZE);
	if (x->vectors < 64 && x->pending >> x->vectors)
		state_fail(s, -EINVAL, "msix.pending");
	for (unsigned i = 0; i < x->vectors * ENTRY_SIZE; i++)
		if (x->table[i] & ~existing_bits(i % ENTRY_SIZE))
			state_fail(s, -EINVAL, "msix.table");
}

void msi_free(struct pci_device *p)
{
	free(p->msix);
	p->msix = NULL;
}
