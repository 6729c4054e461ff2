/* SPDX-License-Identifier: MIT */
/*
 * Configuration pages. A driver asks for a page's header first, then reads or writes it whole. What a page says comes
 * from its fill function over zeros; the bytes of changeable pages are kept in m->store. All pages are in one table.
 */
#include "core/storage/mpt_private.h"

enum config_request {
	CONFIG_ACTION = 0,
	CONFIG_EXT_TYPE = 6,
	CONFIG_HEADER = 20,
	CONFIG_ADDRESS = 24,
	CONFIG_SGE = 28
};
enum { CONFIG_EXT_LENGTH = 4, CONFIG_REPLY_LENGTH = 24 };
enum config_action {
	PAGE_HEADER,
	READ_CURRENT,
	WRITE_CURRENT,
	PAGE_DEFAULT,
	WRITE_NVRAM,
	READ_DEFAULT,
	READ_NVRAM,
};
enum page_type {
	IO_UNIT = 0x00,
	IOC = 0x01,
	BIOS = 0x02,
	SCSI_PORT = 0x03,
	SCSI_DEVICE = 0x04,
	MANUFACTURING = 0x09,
	EXTENDED = 0x0f, /* the type is one of these: */
	SAS_IO_UNIT = 0x10,
	SAS_DEVICE = 0x12,
	SAS_PHY = 0x13,
};
#define TYPE_MASK 0x0f
#define CHANGEABLE 0x10
#define HEADER 4u /* bytes of a page's header; an extended one has 8 */
#define EXT_HEADER 8u
#define PAGE_MAX 288u

/* On SAS the controller's PHYs have the handles from 1 on, the targets those behind them, as real firmware counts. */
#define PHYS MPT_TARGETS
#define PHY_HANDLE(i) ((uint16_t)(1 + (i)))
#define TARGET_HANDLE(i) ((uint16_t)(1 + PHYS + (i)))
#define RATE_3_0 0x09
enum device_info { END_DEVICE = 0x001, SSP_INITIATOR = 0x040, SSP_TARGET = 0x400, DIRECT_ATTACH = 0x800 };

static bool is_present(const struct mpt *m, unsigned target)
{
	return m->targets[target].block;
}

/* NAA 5 with VMware's OUI, as the hardware that this stands for has it; the PHYs end in small numbers. */
static uint64_t target_address(const struct mpt *m, unsigned target)
{
	return 0x5ull << 60 | 0x000c29ull << 36 | scsi_target_number(&m->targets[target]);
}

static uint64_t phy_address(const struct mpt *m, unsigned phy)
{
	return 0x5ull << 60 | 0x000c29ull << 36 | (uint64_t)m->pci.devfn << 8 | phy;
}

/* ---- what the pages say: p is the whole page, index the target or PHY ---- */

static void manufacturing_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)index;
	memcpy(p + 4, m->sas ? "LSISAS1068" : "LSI53C1030", 10);
	memcpy(p + 20, "B0", 2);
	memcpy(p + 28, m->sas ? "SAS1068" : "53C1030", 7);
}

static void chip_revision(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)index;
	memcpy(p + 4, m->pci.config + PCI_DEVICE_ID, 2);
	p[6] = m->pci.config[PCI_REVISION];
}

static void manufacturing_5(const struct mpt *m, unsigned index, uint8_t *p)
{
	le64_store(p + 4, phy_address(m, index));
}

static void io_unit_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)index;
	le64_store(p + 4, m->pci.devfn); /* UniqueValue */
}

static void io_unit_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	p[4] = 0x01; /* more than one function on the bus */
}

static void ioc_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)index;
	memcpy(p + 12, m->pci.config + PCI_VENDOR_ID, 4);
	memcpy(p + 16, m->pci.config + PCI_REVISION, 1);
	memcpy(p + 20, m->pci.config + PCI_REVISION, 4); /* class code in the upper 24 bits */
	memcpy(p + 24, m->pci.config + PCI_SUBSYSTEM_VENDOR_ID, 4);
}

static void ioc_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	p[13] = 0xff; /* PCISlotNum: unknown */
}

/* Ultra320: what driver and drive agree on makes no difference here, but they must agree. */
#define PARAMETERS 0x20ff0807u /* wide, offset 255, period 8 (6.25 ns), DT, IU, QAS */
#define CAPABILITIES (PARAMETERS | 0x80000000u /* AIP */)
#define PARAMETER_BITS 0x20ffff07u /* any offset and period that was asked for is good */

static void scsi_port_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	le32_store(p + 4, CAPABILITIES);
	le32_store(p + 8, 0x03); /* LVD */
}

static void scsi_port_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	le32_store(p + 4, 1u << (16 + MPT_HOST_ID) | MPT_HOST_ID);
}

static void scsi_port_2(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	le32_store(p + 8, MPT_HOST_ID);
	for (unsigned i = 0; i < MPT_TARGETS; i++) {
		p[12 + 4 * i + 1] = 8;                /* SyncFactor */
		le16_store(p + 12 + 4 * i + 2, 0x0f); /* disconnects, is scanned with all units, queues tags */
	}
}

/* What was asked for in page 1 is what they have agreed on. */
static void scsi_device_0(const struct mpt *m, unsigned index, uint8_t *p);

static void scsi_device_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	le32_store(p + 4, PARAMETERS);
}

static uint32_t target_info(const struct mpt *m, unsigned target)
{
	return is_present(m, target) ? END_DEVICE | SSP_TARGET | DIRECT_ATTACH : 0;
}

static void sas_io_unit_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)index;
	p[12] = PHYS;
	for (unsigned i = 0; i < PHYS; i++) {
		uint8_t *phy = p + 16 + 16 * i;

		phy[0] = (uint8_t)i; /* Port */
		phy[3] = is_present(m, i) ? RATE_3_0 : 0;
		le32_store(phy + 4, END_DEVICE | SSP_INITIATOR);
		le16_store(phy + 8, is_present(m, i) ? TARGET_HANDLE(i) : 0);
		le16_store(phy + 10, PHY_HANDLE(i));
	}
}

static void sas_io_unit_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	p[16] = PHYS;
	for (unsigned i = 0; i < PHYS; i++) {
		uint8_t *phy = p + 20 + 12 * i;

		phy[0] = (uint8_t)i;
		phy[3] = 0x98; /* 1.5 to 3 Gbit/s */
		le32_store(phy + 4, END_DEVICE | SSP_INITIATOR);
	}
}

static void sas_io_unit_2(const struct mpt *m, unsigned index, uint8_t *p)
{
	(void)m, (void)index;
	le16_store(p + 12, MPT_TARGETS); /* MaxPersistentIDs */
	le16_store(p + 18, MPT_TARGETS); /* MaxNumPhysicalMappedIDs */
}

/* index: of a PHY of ours below PHYS, of a target from there on. */
static void sas_device_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	unsigned target = index % PHYS;
	bool phy = index < PHYS;

	le16_store(p + 8, (uint16_t)target); /* Slot */
	le64_store(p + 12, phy ? phy_address(m, target) : target_address(m, target));
	le16_store(p + 20, phy ? 0 : PHY_HANDLE(target)); /* ParentDevHandle */
	p[22] = (uint8_t)target;                          /* PhyNum */
	le16_store(p + 24, phy ? PHY_HANDLE(target) : TARGET_HANDLE(target));
	p[26] = (uint8_t)target; /* TargetID, on bus 0 */
	le32_store(p + 28, phy ? END_DEVICE | SSP_INITIATOR : target_info(m, target));
	le16_store(p + 32, 0x0003); /* present and mapped */
	p[34] = (uint8_t)target;    /* PhysicalPort */
}

static void sas_device_1(const struct mpt *m, unsigned index, uint8_t *p)
{
	uint8_t zero[PAGE_MAX] = { 0 };

	sas_device_0(m, index, zero);
	memcpy(p + 12, zero + 12, 8);
	memcpy(p + 24, zero + 24, 4); /* DevHandle, TargetID, Bus */
}

static void sas_device_2(const struct mpt *m, unsigned index, uint8_t *p)
{
	uint8_t zero[PAGE_MAX] = { 0 };

	sas_device_0(m, index, zero);
	memcpy(p + 8, zero + 12, 8); /* PhysicalIdentifier */
}

static void sas_phy_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	le16_store(p + 8, PHY_HANDLE(index));
	le64_store(p + 12, is_present(m, index) ? target_address(m, index) : 0);
	le16_store(p + 20, is_present(m, index) ? TARGET_HANDLE(index) : 0);
	le32_store(p + 24, target_info(m, index));
	p[28] = p[29] = 0x98; /* programmed and hardware link rates: 1.5 to 3 Gbit/s */
}

/* ---- of what: the index that a page address names; -1: there is none ---- */

static int of_target(const struct mpt *m, uint32_t address)
{
	(void)m;
	return (address & 0xffff) < MPT_TARGETS ? (int)(address & 0xffff) : -1; /* bus in bits 15 to 8 */
}

static int of_phy(const struct mpt *m, uint32_t address)
{
	(void)m;
	return address >> 28 <= 1 && (address & 0xffff) < PHYS ? (int)(address & 0xffff) : -1; /* by number or index */
}

static int of_handle(const struct mpt *m, uint32_t handle)
{
	unsigned index = handle - 1;

	return index < PHYS || (index < 2 * PHYS && is_present(m, index - PHYS)) ? (int)index : -1;
}

enum { FORM_NEXT_HANDLE, FORM_BUS_TARGET, FORM_HANDLE };

static int of_device(const struct mpt *m, uint32_t address)
{
	uint32_t low = address & 0xffff;

	switch (address >> 28) {
	case FORM_NEXT_HANDLE:
		low = low == 0xffff ? 0 : low;
		while (++low <= 2 * PHYS)
			if (of_handle(m, low) >= 0)
				return of_handle(m, low);
		return -1;
	case FORM_BUS_TARGET:
		return low < MPT_TARGETS && is_present(m, low) ? (int)(PHYS + low) : -1;
	case FORM_HANDLE:
		return of_handle(m, low);
	default:
		return -1;
	}
}

enum { SPI = 1, SAS = 2, BOTH = 3 };

/* Where the bytes of changeable pages are kept, without their headers. */
enum store {
	STORE_NONE,
	STORE_IO_UNIT_1,
	STORE_IOC_1 = STORE_IO_UNIT_1 + 4,
	STORE_SCSI_PORT_1 = STORE_IOC_1 + 12,
	STORE_SCSI_PORT_2 = STORE_SCSI_PORT_1 + 12,
	STORE_SCSI_DEVICE_1 = STORE_SCSI_PORT_2 + 72, /* of each target */
	STORE_SAS_IO_UNIT_1 = STORE_SCSI_DEVICE_1 + 12 * MPT_TARGETS,
	STORE_END = STORE_SAS_IO_UNIT_1 + 204,
};
_Static_assert(STORE_END <= MPT_STORE, "the changeable pages fit their store");

static const struct page {
	uint8_t type, number, version, on;                                /* SPI, SAS or both */
	uint16_t size;                                                    /* bytes, with the header */
	void (*fill)(const struct mpt *m, unsigned index, uint8_t *page); /* NULL: all zeros */
	int (*index)(const struct mpt *m, uint32_t address);              /* NULL: there is one of it */
	uint16_t store;                                                   /* enum store; NONE: cannot be changed */
} pages[] = {
	{ IO_UNIT, 0, 0, BOTH, 12, io_unit_0 },
	{ IO_UNIT, 1, 1, BOTH, 8, io_unit_1, .store = STORE_IO_UNIT_1 },
	{ IO_UNIT, 2, 2, BOTH, 32 },
	{ IO_UNIT, 3, 1, BOTH, 12 },
	{ IO_UNIT, 4, 0, BOTH, 20 },
	{ IOC, 0, 1, BOTH, 28, ioc_0 },
	{ IOC, 1, 1, BOTH, 16, ioc_1, .store = STORE_IOC_1 },
	{ IOC, 2, 4, BOTH, 12 }, /* no RAID */
	{ IOC, 3, 0, BOTH, 12 },
	{ IOC, 4, 0, BOTH, 12 },
	{ IOC, 5, 0, BOTH, 16 },
	{ IOC, 6, 1, BOTH, 44 },
	{ BIOS, 1, 3, BOTH, 32 },
	{ BIOS, 2, 2, BOTH, 56 },
	{ BIOS, 4, 0, BOTH, 12 },
	{ SCSI_PORT, 0, 2, SPI, 12, scsi_port_0 },
	{ SCSI_PORT, 1, 3, SPI, 16, scsi_port_1, .store = STORE_SCSI_PORT_1 },
	{ SCSI_PORT, 2, 2, SPI, 76, scsi_port_2, .store = STORE_SCSI_PORT_2 },
	{ SCSI_DEVICE, 0, 4, SPI, 12, scsi_device_0, of_target },
	{ SCSI_DEVICE, 1, 5, SPI, 16, scsi_device_1, of_target, STORE_SCSI_DEVICE_1 },
	{ SCSI_DEVICE, 2, 1, SPI, 16, NULL, of_target },
	{ SCSI_DEVICE, 3, 0, SPI, 12, NULL, of_target },
	{ MANUFACTURING, 0, 0, BOTH, 76, manufacturing_0 },
	{ MANUFACTURING, 1, 0, BOTH, 260 },
	{ MANUFACTURING, 2, 0, BOTH, 12, chip_revision },
	{ MANUFACTURING, 3, 0, BOTH, 12, chip_revision },
	{ MANUFACTURING, 4, 5, BOTH, 104 },
	{ MANUFACTURING, 5, 2, BOTH, 24, manufacturing_5 },
	{ MANUFACTURING, 6, 0, BOTH, 8 },
	{ MANUFACTURING, 7, 0, BOTH, 64 },
	{ MANUFACTURING, 8, 0, BOTH, 8 },
	{ MANUFACTURING, 9, 0, BOTH, 8 },
	{ MANUFACTURING, 10, 0, BOTH, 8 },
	{ SAS_IO_UNIT, 0, 4, SAS, 16 + 16 * PHYS, sas_io_unit_0 },
	{ SAS_IO_UNIT, 1, 7, SAS, 20 + 12 * PHYS, sas_io_unit_1, .store = STORE_SAS_IO_UNIT_1 },
	{ SAS_IO_UNIT, 2, 6, SAS, 20, sas_io_unit_2 },
	{ SAS_IO_UNIT, 3, 6, SAS, 44 },
	{ SAS_DEVICE, 0, 5, SAS, 36, sas_device_0, of_device },
	{ SAS_DEVICE, 1, 0, SAS, 48, sas_device_1, of_device },
	{ SAS_DEVICE, 2, 1, SAS, 20, sas_device_2, of_device },
	{ SAS_PHY, 0, 1, SAS, 36, sas_phy_0, of_phy },
	{ SAS_PHY, 1, 0, SAS, 28, NULL, of_phy },
};

static bool is_extended(const struct page *page)
{
	return page->type > EXTENDED;
}

static unsigned header_size(const struct page *page)
{
	return is_extended(page) ? EXT_HEADER : HEADER;
}

/* Where a changeable page's bytes are kept. */
static uint8_t *stored(struct mpt *m, const struct page *page, unsigned index)
{
	return m->store + page->store + index * (page->size - header_size(page));
}

static void scsi_device_0(const struct mpt *m, unsigned index, uint8_t *p)
{
	if (!is_present(m, index))
		return;
	le32_store(p + 4, le32_load(m->store + STORE_SCSI_DEVICE_1 + 12 * index) & PARAMETER_BITS);
	p[8] = 0x01; /* parameters have been negotiated */
}

/* ---- reading and writing ---- */

static void put_header(const struct page *page, uint8_t *to)
{
	to[0] = page->version;
	to[1] = is_extended(page) ? 0 : (uint8_t)(page->size / 4);
	to[2] = page->number;
	to[3] = (uint8_t)((is_extended(page) ? EXTENDED : page->type) | (page->store ? CHANGEABLE : 0));
}

static void fill_page(struct mpt *m, const struct page *page, unsigned index, bool defaults, uint8_t *to)
{
	unsigned header = header_size(page);

	memset(to, 0, PAGE_MAX);
	if (page->store && !defaults)
		memcpy(to + header, stored(m, page, index), page->size - header);
	else if (page->fill)
		page->fill(m, index, to);
	put_header(page, to);
	if (is_extended(page)) {
		le16_store(to + 4, page->size / 4);
		to[6] = page->type;
	}
}

void mpt_config_defaults(struct mpt *m)
{
	uint8_t raw[PAGE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		for (unsigned n = 0; pages[i].store && n < (pages[i].index ? MPT_TARGETS : 1); n++) {
			unsigned header = header_size(&pages[i]);

			fill_page(m, &pages[i], n, true, raw);
			memcpy(stored(m, &pages[i], n), raw + header, pages[i].size - header);
		}
}

static const struct page *find_page(const struct mpt *m, const uint8_t *frame)
{
	uint8_t type = frame[CONFIG_HEADER + 3] & TYPE_MASK, number = frame[CONFIG_HEADER + 2];

	if (type == EXTENDED)
		type = frame[CONFIG_EXT_TYPE];
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (pages[i].type == type && pages[i].number == number && pages[i].on & (m->sas ? SAS : SPI))
			return &pages[i];
	return NULL;
}

static enum mpt_ioc_status write_page(struct mpt *m, const struct page *page, unsigned index, const uint8_t *from)
{
	unsigned header = header_size(page);

	if (!page->store)
		return MPT_CONFIG_CANT_COMMIT;
	memcpy(stored(m, page, index), from + header, page->size - header);
	return MPT_SUCCESS;
}

/* Moves the page to or from the buffer that the message's one element names, as far as that reaches. */
static enum mpt_ioc_status move_page(struct mpt *m, const uint8_t *frame, const struct page *page, unsigned index)
{
	struct mpt_element element;
	uint8_t action = frame[CONFIG_ACTION], raw[PAGE_MAX];
	uint32_t n;

	mpt_element_load(frame + CONFIG_SGE, &element);
	n = MIN(element.length, page->size);
	if ((element.flags & MPT_TYPE) != MPT_SIMPLE)
		return MPT_INVALID_SGL;
	fill_page(m, page, index, action == READ_DEFAULT, raw);
	if (action == WRITE_CURRENT || action == WRITE_NVRAM) {
		if (device_dma_read(&m->pci.device, element.address, raw, n) < 0)
			return MPT_INVALID_SGL;
		return write_page(m, page, index, raw);
	}
	return device_dma_write(&m->pci.device, element.address, raw, n) < 0 ? MPT_INVALID_SGL : MPT_SUCCESS;
}

static enum mpt_ioc_status act(struct mpt *m, const uint8_t *frame, const struct page *page)
{
	uint8_t action = frame[CONFIG_ACTION], raw[PAGE_MAX];
	int index = page->index ? page->index(m, le32_load(frame + CONFIG_ADDRESS)) : 0;

	if (action == PAGE_HEADER)
		return MPT_SUCCESS;
	if (action > READ_NVRAM)
		return MPT_CONFIG_INVALID_ACTION;
	if (index < 0)
		return MPT_CONFIG_INVALID_PAGE;
	if (action != PAGE_DEFAULT)
		return move_page(m, frame, page, (unsigned)index);
	fill_page(m, page, (unsigned)index, true, raw);
	return write_page(m, page, (unsigned)index, raw);
}

void mpt_config_message(struct mpt *m, const uint8_t *frame, uint8_t *reply)
{
	const struct page *page = find_page(m, frame);

	mpt_begin_reply(frame, reply, CONFIG_REPLY_LENGTH, page ? act(m, frame, page) : MPT_CONFIG_INVALID_PAGE);
	reply[CONFIG_ACTION] = frame[CONFIG_ACTION];
	memcpy(reply + CONFIG_HEADER, frame + CONFIG_HEADER, 4);
	if (!page)
		return;
	put_header(page, reply + CONFIG_HEADER);
	if (is_extended(page)) {
		le16_store(reply + CONFIG_EXT_LENGTH, page->size / 4);
		reply[CONFIG_EXT_TYPE] = page->type;
	}
}
