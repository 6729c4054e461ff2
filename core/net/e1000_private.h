/* SPDX-License-Identifier: MIT */
/* What the files of the e1000 share: e1000.c is the card, the others one part of the chip each. */
#ifndef VITRINE_E1000_PRIVATE_H
#define VITRINE_E1000_PRIVATE_H

#include "core/chipset/pci.h"
#include "core/net/e1000.h"
#include "core/net/e1000_regs.h"
#include "core/net/net.h"

/* What the chip's 64 KiB of packet memory can hold of one frame (SDM 3.3.3: 16,288 bytes on the wire; received ones may fill the
 * largest buffer). Longer ones are dropped whole. */
#define E1000_FRAME_MAX 16384u
#define E1000_FRAME_MIN 60u /* without FCS; shorter ones are padded */
#define E1000_EEPROM_WORDS 64u

/* The EEPROM's serial interface, 93C46 (Microwire): what the bits clocked in so far amount to. */
struct e1000_microwire {
	uint16_t shift;   /* bits in, the newest lowest */
	uint16_t out;     /* bits still to come out, the next one highest */
	uint8_t count;    /* bits in since the start bit; 0: waiting for it */
	uint8_t address;  /* the word being read */
	uint8_t out_left; /* of `out`; 0: the next word follows */
	bool reading, writing, write_all, write_enabled, data_out;
};

struct e1000_phy {
	uint16_t reg[PHY_REGISTERS];
	bool link;        /* negotiated */
	bool link_failed; /* since the status was read: its link bit latches low (IEEE 802.3 22.2.4.2.13) */
};

/* A context descriptor's fields (SDM 3.3.6). The chip keeps two: for segmentation and for plain checksums. */
struct e1000_context {
	uint8_t ipcss, ipcso, tucss, tucso, hdrlen, tucmd;
	uint16_t ipcse, tucse, mss;
	uint32_t paylen;
};

struct e1000_descriptor { /* a transmit descriptor, copied out of guest memory */
	uint64_t address;
	uint32_t lower, upper;
};

/* The packet that descriptors have been adding to since the last EOP. */
struct e1000_tx {
	struct e1000_context contexts[2]; /* [1]: of packets to be segmented */
	struct e1000_descriptor current;  /* while busy: of which `taken` bytes are done */
	uint32_t taken;
	bool busy;
	bool open;      /* a packet has begun */
	bool segmented; /* TSE in its first data descriptor */
	bool lost;      /* too long, or not memory: dropped at its EOP */
	bool tagged;    /* with `tag` as its VLAN tag */
	uint8_t popts;  /* of its first data descriptor */
	uint16_t tag;
	uint32_t length;         /* bytes in data */
	uint32_t segments, sent; /* segmented: frames sent of it, and the payload in them */
	uint32_t payload;        /* PAYLEN, MSS and HDRLEN when it began, whatever contexts follow */
	uint16_t mss;
	uint8_t header;
	uint8_t prototype[256]; /* its headers as the driver wrote them */
	uint8_t room[4];        /* a VLAN tag moves the addresses to here; data follows */
	uint8_t data[E1000_FRAME_MAX];
};

struct e1000 {
	struct pci_device pci;
	struct net_port *net;
	enum e1000_model model;
	uint8_t mac[6];
	struct region memory, io;
	uint32_t io_address;                    /* IOADDR */
	uint32_t regs[E1000_REGISTERS_END / 4]; /* by offset / 4; which exist: e1000_registers.c */
	uint16_t eeprom[E1000_EEPROM_WORDS];
	struct e1000_microwire microwire;
	struct e1000_phy phy;
	struct e1000_tx tx;

	bool cable;            /* what net_port says, as last told to the PHY */
	bool rx_refused;       /* a frame waits in the port for buffers */
	bool interrupting;     /* INTx is asserted */
	uint64_t quiet_until;  /* ITR: the next interrupt not before */
	struct timer throttle; /* at quiet_until, if a cause waits for it */
	struct timer link;     /* negotiation is over */
	struct timer rx_delay, rx_absolute, tx_delay, tx_absolute;
	struct timer tx_more; /* the rest of a ring that was too much for one callback */
};

static inline uint32_t *e1000_reg(struct e1000 *e, unsigned offset)
{
	return &e->regs[offset / 4];
}

static inline uint32_t e1000_get(const struct e1000 *e, unsigned offset)
{
	return e->regs[offset / 4];
}

/* e1000_registers.c. offset: of a double word below 128 KiB. */
uint32_t e1000_read(struct e1000 *e, uint32_t offset);
void e1000_write(struct e1000 *e, uint32_t offset, uint32_t value);
void e1000_registers_reset(struct e1000 *e); /* to power-on, but for what the PHY says */
void e1000_registers_state(struct e1000 *e, struct state *s);
/* Statistics: they stick at all ones. */
void e1000_count(struct e1000 *e, unsigned offset);
void e1000_count_bytes(struct e1000 *e, unsigned offset_low, uint32_t bytes);
/* A frame of `length` bytes without FCS in the counters for its size, from the one for 64 bytes on. */
void e1000_count_size(struct e1000 *e, unsigned first, uint32_t length);

/* e1000.c */
void e1000_mac_reset(struct e1000 *e);
void e1000_load_eeprom(struct e1000 *e); /* what the chip takes from there after each reset: its address */

/* e1000_interrupt.c */
void e1000_raise(struct e1000 *e, uint32_t causes);
void e1000_update_interrupt(struct e1000 *e);
void e1000_interrupt_init(struct e1000 *e);
/* A cause that may be delayed: at once if the delay register is zero, else when that long nothing more came, or at the latest
 * when the absolute delay is over. */
void e1000_rx_interrupt(struct e1000 *e, uint32_t length);
void e1000_tx_interrupt(struct e1000 *e, bool delayed);
void e1000_flush_rx_delay(struct e1000 *e);
void e1000_interrupt_reset(struct e1000 *e);
void e1000_interrupt_state(struct e1000 *e, struct state *s);

/* e1000_eeprom.c */
void e1000_eeprom_init(struct e1000 *e);
void e1000_eecd_write(struct e1000 *e, uint32_t value);
uint32_t e1000_eecd_read(const struct e1000 *e);
void e1000_eerd_write(struct e1000 *e, uint32_t value);
void e1000_eeprom_state(struct e1000 *e, struct state *s);

/* e1000_phy.c */
void e1000_mdic_write(struct e1000 *e, uint32_t value);
void e1000_phy_init(struct e1000 *e);
void e1000_phy_reset(struct e1000 *e);
void e1000_phy_set_cable(struct e1000 *e, bool cable);
bool e1000_link_up(const struct e1000 *e); /* STATUS.LU */
bool e1000_loopback(const struct e1000 *e);
void e1000_phy_state(struct e1000 *e, struct state *s);

/* e1000_rx.c. length: NET_FRAME_MIN or more. false: no buffers now. */
bool e1000_receive(struct e1000 *e, const uint8_t *frame, size_t length);
void e1000_rx_ready(struct e1000 *e); /* the guest has given buffers, or a filter has changed */

/* e1000_tx.c */
void e1000_tx_init(struct e1000 *e);
void e1000_tx_kick(struct e1000 *e);
void e1000_tx_abandon(struct e1000 *e); /* the packet and descriptor it is in the middle of */
void e1000_tx_reset(struct e1000 *e);
void e1000_tx_state(struct e1000 *e, struct state *s);

/* e1000_offload.c */
/* Writes the checksum of data[start..end] (end 0: to the last byte) to data[at]; nothing if that lies outside (SDM 3.3.3.1). */
void e1000_insert_checksum(uint8_t *data, uint32_t length, uint32_t start, uint32_t at, uint32_t end, bool udp);
/* Makes the headers at tx->data those of its next segment, which has `payload` bytes; last: of the whole packet's. */
void e1000_segment_headers(struct e1000_tx *tx, uint32_t payload, bool last);
/* The receive status and error bits for the checksums that RXCSUM asks to check. frame: without VLAN tag or with one. */
void e1000_verify_checksums(uint32_t rxcsum, uint16_t vlan_type, const uint8_t *frame, size_t length,
                            uint8_t *ret_status, uint8_t *ret_errors);

#endif
