/* SPDX-License-Identifier: MIT */
/* Registers (SDM table 13-2), descriptors (SDM 3.2.3, 3.3.3, 3.3.6, 3.3.7) and the PHY of the 8254x, by their names there. */
#ifndef VITRINE_E1000_REGS_H
#define VITRINE_E1000_REGS_H

#define E1000_REGISTERS_END 0x6000u /* beyond: flexible filters and the packet buffer's memory, which read as zero */

enum e1000_register {
	CTRL = 0x0000,
	STATUS = 0x0008,
	EECD = 0x0010,
	EERD = 0x0014,
	CTRL_EXT = 0x0018,
	MDIC = 0x0020,
	FCAL = 0x0028,
	FCAH = 0x002c,
	FCT = 0x0030,
	VET = 0x0038,
	ICR = 0x00c0,
	ITR = 0x00c4,
	ICS = 0x00c8,
	IMS = 0x00d0,
	IMC = 0x00d8,
	RCTL = 0x0100,
	FCTTV = 0x0170,
	TXCW = 0x0178,
	RXCW = 0x0180,
	TCTL = 0x0400,
	TIPG = 0x0410,
	AIFS = 0x0458,
	LEDCTL = 0x0e00,
	PBA = 0x1000,
	FCRTL = 0x2160,
	FCRTH = 0x2168,
	RDFH = 0x2410,
	RDFPC = 0x2430,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	RDH = 0x2810,
	RDT = 0x2818,
	RDTR = 0x2820,
	RXDCTL = 0x2828,
	RADV = 0x282c,
	RSRPD = 0x2c00,
	TXDMAC = 0x3000,
	TDFH = 0x3410,
	TDFPC = 0x3430,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	TIDV = 0x3820,
	TXDCTL = 0x3828,
	TADV = 0x382c,
	TSPMT = 0x3830,
	STATISTICS = 0x4000,
	MPC = 0x4010,
	PRC64 = 0x405c, /* and five more: up to 127, 255, 511, 1023, 1522 bytes */
	GPRC = 0x4074,
	BPRC = 0x4078,
	MPRC = 0x407c,
	GPTC = 0x4080,
	GORCL = 0x4088,
	GORCH = 0x408c,
	GOTCL = 0x4090,
	GOTCH = 0x4094,
	RNBC = 0x40a0,
	ROC = 0x40ac,
	TORL = 0x40c0,
	TORH = 0x40c4,
	TOTL = 0x40c8,
	TOTH = 0x40cc,
	TPR = 0x40d0,
	TPT = 0x40d4,
	PTC64 = 0x40d8, /* and five more */
	MPTC = 0x40f0,
	BPTC = 0x40f4,
	TSCTC = 0x40f8,
	TSCTFC = 0x40fc,
	STATISTICS_LAST = 0x4124,
	RXCSUM = 0x5000,
	MTA = 0x5200,
	MTA_LAST = 0x53fc,
	RAL = 0x5400, /* 16 pairs RAL, RAH */
	RAH = 0x5404,
	RAH_LAST = 0x547c,
	VFTA = 0x5600,
	VFTA_LAST = 0x57fc,
	WUC = 0x5800,
	WUFC = 0x5808,
	WUS = 0x5810,
	MANC = 0x5820,
	IPAV = 0x5838,
	IP4AT = 0x5840,
	IP4AT_LAST = 0x585c,
	IP6AT = 0x5880,
	IP6AT_LAST = 0x588c,
	WUPL = 0x5900,
	WUPM = 0x5a00,
	WUPM_LAST = 0x5a7c,
	FFLT = 0x5f00,
	FFLT_LAST = 0x5f1c,
};

#define CTRL_FD 0x00000001u
#define CTRL_SLU 0x00000040u
#define CTRL_SPEED_1000 0x00000200u
#define CTRL_RST 0x04000000u
#define CTRL_VME 0x40000000u
#define CTRL_PHY_RST 0x80000000u
#define CTRL_EXT_EE_RST 0x00002000u

#define STATUS_FD 0x0001u
#define STATUS_LU 0x0002u
#define STATUS_SPEED_1000 0x0080u
#define STATUS_ASDV_1000 0x0200u

#define EECD_SK 0x001u
#define EECD_CS 0x002u
#define EECD_DI 0x004u
#define EECD_DO 0x008u
#define EECD_FWE_MASK 0x030u
#define EECD_FWE_DISABLED 0x010u
#define EECD_REQ 0x040u
#define EECD_GNT 0x080u
#define EECD_PRES 0x100u

#define EERD_START 0x01u
#define EERD_DONE 0x10u

#define MDIC_OP_WRITE 1u /* in bits 27:26 */
#define MDIC_OP_READ 2u
#define MDIC_R 0x10000000u
#define MDIC_I 0x20000000u
#define MDIC_E 0x40000000u

#define INT_TXDW 0x00000001u /* ICR, ICS, IMS, IMC */
#define INT_TXQE 0x00000002u
#define INT_LSC 0x00000004u
#define INT_RXDMT0 0x00000010u
#define INT_RXO 0x00000040u
#define INT_RXT0 0x00000080u
#define INT_MDAC 0x00000200u
#define INT_SRPD 0x00010000u
#define INT_CAUSES 0x0001fedfu
#define INT_ASSERTED 0x80000000u

#define RCTL_EN 0x00000002u
#define RCTL_UPE 0x00000008u
#define RCTL_MPE 0x00000010u
#define RCTL_LPE 0x00000020u
#define RCTL_LBM 0x000000c0u
#define RCTL_BAM 0x00008000u
#define RCTL_VFE 0x00040000u
#define RCTL_CFIEN 0x00080000u
#define RCTL_CFI 0x00100000u
#define RCTL_BSEX 0x02000000u
#define RCTL_SECRC 0x04000000u

#define RDTR_FPD 0x80000000u

#define TCTL_EN 0x00000002u
#define TCTL_PSP 0x00000008u

#define RXCSUM_PCSS 0x000000ffu
#define RXCSUM_IPOFLD 0x00000100u
#define RXCSUM_TUOFLD 0x00000200u
#define RXCSUM_IPV6OFL 0x00000400u

#define RAH_AS_MASK 0x00030000u
#define RAH_AS_SOURCE 0x00010000u
#define RAH_AV 0x80000000u

/* Receive descriptor: buffer address, u16 length, u16 packet checksum, u8 status, u8 errors, u16 special. */
#define RXD_DD 0x01u
#define RXD_EOP 0x02u
#define RXD_IXSM 0x04u
#define RXD_VP 0x08u
#define RXD_TCPCS 0x20u
#define RXD_IPCS 0x40u
#define RXD_PIF 0x80u
#define RXD_ERROR_TCPE 0x20u
#define RXD_ERROR_IPE 0x40u

/* Transmit descriptors: the command byte (bits 31:24 of the third double word) of all three kinds. */
#define TXD_EOP 0x01u
#define TXD_IFCS 0x02u
#define TXD_IC 0x04u  /* legacy: insert checksum */
#define TXD_TSE 0x04u /* data and context */
#define TXD_RS 0x08u
#define TXD_DEXT 0x20u
#define TXD_VLE 0x40u
#define TXD_IDE 0x80u
#define TXD_TUCMD_TCP 0x01u
#define TXD_TUCMD_IP 0x02u /* IPv4 */
#define TXD_DTYP_CONTEXT 0u
#define TXD_DTYP_DATA 1u
#define TXD_POPTS_IXSM 0x01u
#define TXD_POPTS_TXSM 0x02u
#define TXD_STA_DD 0x01u

/* The Marvell 88E1011's registers, IEEE 802.3 clause 22 below 16. */
enum e1000_phy_register {
	PHY_CONTROL = 0,
	PHY_STATUS = 1,
	PHY_ID1 = 2,
	PHY_ID2 = 3,
	PHY_ADVERTISE = 4,
	PHY_PARTNER = 5,
	PHY_EXPANSION = 6,
	PHY_1000T_CONTROL = 9,
	PHY_1000T_STATUS = 10,
	PHY_EXTENDED_STATUS = 15,
	PHY_SPECIFIC_CONTROL = 16,
	PHY_SPECIFIC_STATUS = 17,
	PHY_EXTENDED_CONTROL = 20,
	PHY_REGISTERS = 32,
};
#define PHY_CONTROL_RESET 0x8000u
#define PHY_CONTROL_LOOPBACK 0x4000u
#define PHY_CONTROL_AUTONEG 0x1000u
#define PHY_CONTROL_POWER_DOWN 0x0800u
#define PHY_CONTROL_RESTART 0x0200u
#define PHY_STATUS_COMPLETE 0x0020u
#define PHY_STATUS_LINK 0x0004u

#endif
