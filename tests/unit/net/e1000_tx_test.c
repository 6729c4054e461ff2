/* SPDX-License-Identifier: MIT */
/* The e1000's transmission: packets, checksums, segmentation beside a reference of our own, hostile rings. */
#include "e1000_rig.h"

static const uint8_t *sent(struct rig *r, unsigned n, size_t *ret_length)
{
	assert_in_range(n, 0, r->net.count - 1);
	*ret_length = r->net.frames[n].length;
	return r->net.frames[n].data;
}

static struct rig *tx_rig(void)
{
	struct rig *r = rig_new(E1000_82540EM);

	rings_up(r, 0);
	return r;
}

/* ---- plain packets ---- */

static void a_packet_is_sent_and_its_descriptor_done(void **state)
{
	struct rig *r = tx_rig();
	uint8_t *packet = fake_ram(r->f, TX_BUFFERS), *descriptor;
	const uint8_t *frame;
	size_t length;

	(void)state;
	wr(r, IMS, INT_TXDW);
	make_frame(packet, peer_mac, own_mac, 0x0800, 1514);
	descriptor = put(r, TX_BUFFERS, LEGACY(1514, TXD_EOP | TXD_IFCS | TXD_RS), 0);
	assert_int_equal(r->net.count, 0);
	kick(r);
	frame = sent(r, 0, &length);
	assert_int_equal(length, 1514);
	assert_memory_equal(frame, packet, 1514);
	assert_int_equal(descriptor[12] & TXD_STA_DD, TXD_STA_DD);
	assert_int_equal(rd(r, TDH), 1);
	assert_true(r->f->irq_level[PIRQ_GSI]);
	assert_int_equal(rd(r, ICR) & (INT_TXDW | INT_TXQE), INT_TXDW | INT_TXQE);
	assert_int_equal(rd(r, GPTC), 1);
	rig_free(r);
}

static void without_rs_the_descriptor_is_left_alone(void **state)
{
	struct rig *r = tx_rig();
	uint8_t *descriptor = put(r, TX_BUFFERS, LEGACY(100, TXD_EOP), 0);

	(void)state;
	kick(r);
	assert_int_equal(r->net.count, 1);
	assert_int_equal(descriptor[12], 0);
	assert_false(rd(r, ICR) & INT_TXDW);
	rig_free(r);
}

static void a_packet_may_lie_in_several_buffers_and_is_padded(void **state)
{
	static const uint8_t zeros[60];
	struct rig *r = tx_rig();
	const uint8_t *frame;
	size_t length;

	(void)state;
	make_frame(fake_ram(r->f, TX_BUFFERS), peer_mac, own_mac, 0x0800, 33);
	put(r, TX_BUFFERS, LEGACY(14, 0), 0);
	put(r, 0, LEGACY(50, 0), 0); /* a null address: nothing */
	put(r, TX_BUFFERS + 14, LEGACY(0, 0), 0);
	put(r, TX_BUFFERS + 14, LEGACY(19, TXD_EOP), 0);
	kick(r);
	frame = sent(r, 0, &length);
	assert_int_equal(length, 60);
	assert_memory_equal(frame, fake_ram(r->f, TX_BUFFERS), 33);
	assert_memory_equal(frame + 33, zeros, 27);
	rig_free(r);
}

static void a_disabled_transmitter_waits(void **state)
{
	struct rig *r = tx_rig();

	(void)state;
	wr(r, TCTL, 0);
	put(r, TX_BUFFERS, LEGACY(100, TXD_EOP), 0);
	kick(r);
	assert_int_equal(r->net.count, 0);
	wr(r, TCTL, TCTL_EN);
	assert_int_equal(r->net.count, 1);
	rig_free(r);
}

static void the_tag_is_inserted_when_the_last_descriptor_says_so(void **state)
{
	struct rig *r = tx_rig();
	const uint8_t *packet = fake_ram(r->f, TX_BUFFERS), *frame;
	size_t length;

	(void)state;
	make_frame(fake_ram(r->f, TX_BUFFERS), peer_mac, own_mac, 0x0800, 200);
	put(r, TX_BUFFERS, LEGACY(200, TXD_EOP | TXD_VLE), 0x6123u << 16);
	kick(r);
	frame = sent(r, 0, &length);
	assert_int_equal(length, 200); /* CTRL.VME is off */
	wr(r, CTRL, rd(r, CTRL) | CTRL_VME);
	put(r, TX_BUFFERS, LEGACY(100, TXD_VLE), 0x0999u << 16);
	put(r, TX_BUFFERS + 100, LEGACY(100, TXD_EOP | TXD_VLE), 0x6123u << 16);
	kick(r);
	frame = sent(r, 1, &length);
	assert_int_equal(length, 204);
	assert_memory_equal(frame, packet, 12);
	assert_int_equal(be32_load(frame + 12), 0x81006123);
	assert_memory_equal(frame + 16, packet + 12, 188);
	rig_free(r);
}

static void delayed_interrupts_wait_for_tidv_and_at_most_tadv(void **state)
{
	struct rig *r = tx_rig();

	(void)state;
	wr(r, TIDV, 10);
	wr(r, TADV, 25);
	for (unsigned i = 0; i < 3; i++) {
		put(r, TX_BUFFERS, LEGACY(100, TXD_EOP | TXD_RS | TXD_IDE), 0);
		kick(r);
		assert_false(rd(r, ICR) & INT_TXDW);
		pass(r, 8 * NS_PER_US);
	}
	pass(r, 2 * NS_PER_US);
	assert_true(rd(r, ICR) & INT_TXDW);
	put(r, TX_BUFFERS, LEGACY(100, TXD_EOP | TXD_RS | TXD_IDE), 0);
	kick(r);
	pass(r, 11 * NS_PER_US);
	assert_true(rd(r, ICR) & INT_TXDW);
	rig_free(r);
}

static void looped_frames_come_back_and_reach_no_cable(void **state)
{
	struct rig *r = tx_rig();
	const uint8_t *packet = fake_ram(r->f, TX_BUFFERS);

	(void)state;
	rings_up(r, RCTL_SECRC | RCTL_LBM);
	make_frame(fake_ram(r->f, TX_BUFFERS), own_mac, own_mac, 0x0800, 200);
	put(r, TX_BUFFERS, LEGACY(200, TXD_EOP), 0);
	kick(r);
	assert_int_equal(r->net.count, 0);
	assert_int_equal(rd(r, RDH), 1);
	assert_memory_equal(fake_ram(r->f, RX_BUFFERS), packet, 200);
	rings_up(r, RCTL_SECRC);
	wr(r, MDIC, 1u << 21 | PHY_CONTROL << 16 | MDIC_OP_WRITE << 26 | 0x4140); /* the PHY's */
	put(r, TX_BUFFERS, LEGACY(200, TXD_EOP), 0);
	kick(r);
	assert_int_equal(r->net.count, 0);
	assert_int_equal(rd(r, RDH), 1);
	rig_free(r);
}

/* ---- checksums ---- */

static void put_context(struct rig *r, uint32_t ip, uint32_t transport, uint32_t paylen, uint8_t command,
                        uint32_t header, uint32_t mss)
{
	put(r, ip | (uint64_t)transport << 32, paylen | (uint32_t)(command | TXD_DEXT) << 24, header << 8 | mss << 16);
}

static void a_legacy_checksum_is_inserted_where_the_descriptor_says(void **state)
{
	struct rig *r = tx_rig();
	uint8_t *packet = fake_ram(r->f, TX_BUFFERS);
	const uint8_t *frame;
	size_t length;

	(void)state;
	make_frame(packet, peer_mac, own_mac, 0x0800, 101);
	be16_store(packet + 50, 0);
	put(r, TX_BUFFERS, LEGACY(101, TXD_EOP | TXD_IC) | 50u << 16, 34u << 8);
	put(r, TX_BUFFERS, LEGACY(101, TXD_EOP | TXD_IC) | 100u << 16, 34u << 8); /* half beyond the end: ignored */
	put(r, TX_BUFFERS, LEGACY(101, TXD_EOP | TXD_IC) | 50u << 16, 101u << 8);
	kick(r);
	frame = sent(r, 0, &length);
	assert_int_equal(be16_load(frame + 50), (uint16_t)~plain_sum(packet + 34, 67, 0));
	for (unsigned i = 1; i < 3; i++)
		assert_memory_equal(sent(r, i, &length), packet, 101);
	rig_free(r);
}

/* IP over 20 bytes at 14, then a transport with its sum at `at`, as Linux's driver sets it up. */
static void checksum_offload(uint8_t protocol, unsigned at, size_t payload)
{
	struct rig *r = tx_rig();
	uint8_t *packet = fake_ram(r->f, TX_BUFFERS);
	size_t length = 34 + 20 + payload, transport = length - 34, got;
	const uint8_t *frame;
	uint32_t pseudo;

	make_frame(packet, peer_mac, own_mac, 0x0800, length);
	memset(packet + 24, 0, 2); /* IP's sum */
	pseudo = plain_sum(packet + 26, 8, 0) + protocol + (uint32_t)transport;
	be16_store(packet + 34 + at, (uint16_t)((pseudo & 0xffff) + (pseudo >> 16)));
	put_context(r, 14 | 24 << 8 | 33 << 16, 34 | (34 + at) << 8, 0,
	            TXD_TUCMD_IP | (protocol == 6 ? TXD_TUCMD_TCP : 0), 0, 0);
	put(r, TX_BUFFERS, DATA(20, 0), (TXD_POPTS_IXSM | TXD_POPTS_TXSM) << 8);
	put(r, TX_BUFFERS + 20, DATA(length - 20, TXD_EOP | TXD_RS), 0);
	kick(r);
	frame = sent(r, 0, &got);
	assert_int_equal(got, MAX(length, 60));
	assert_int_equal(plain_sum(frame + 14, 20, 0), 0xffff);
	assert_int_equal(plain_sum(frame + 34, transport, plain_sum(frame + 26, 8, 0) + protocol + (uint32_t)transport),
	                 0xffff);
	assert_memory_equal(frame + 54, packet + 54, payload);
	rig_free(r);
}

static void checksums_are_inserted_by_context(void **state)
{
	(void)state;
	for (size_t payload = 0; payload < 1460; payload += 211) {
		checksum_offload(6, 16, payload);
		checksum_offload(17, 6, payload);
	}
}

static void a_udp_sum_of_zero_is_sent_as_all_ones(void **state)
{
	struct rig *r = tx_rig();
	uint8_t *packet = fake_ram(r->f, TX_BUFFERS);
	size_t length;

	(void)state;
	make_frame(packet, peer_mac, own_mac, 0x0800, 60);
	memset(packet + 34, 0, 26);
	be16_store(packet + 34, 0xffff);
	put_context(r, 0, 34 | 40 << 8, 0, TXD_TUCMD_IP, 0, 0);
	put(r, TX_BUFFERS, DATA(60, TXD_EOP), TXD_POPTS_TXSM << 8);
	kick(r);
	assert_int_equal(be16_load(sent(r, 0, &length) + 40), 0xffff);
	rig_free(r);
}

/* ---- segmentation ---- */

struct stream { /* what is to be cut */
	bool v6, udp;
	unsigned header; /* bytes up to the payload */
	uint32_t payload, mss;
	uint8_t data[1 << 17];
};

#define TCP_HEADER 32u /* with time stamps */

static unsigned transport_at(const struct stream *s)
{
	return s->v6 ? 54 : 34;
}

static uint32_t pseudo_sum(const struct stream *s, const uint8_t *frame, uint32_t length)
{
	return plain_sum(frame + (s->v6 ? 22 : 26), s->v6 ? 32 : 8, 0) + (s->udp ? 17 : 6) + length;
}

static uint16_t fold32(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The prototype as a driver leaves it: no lengths, no IP sum, the pseudo header's sum without length. */
static void make_stream(struct stream *s)
{
	uint8_t *ip = s->data + 14, *l4 = s->data + transport_at(s);

	s->header = transport_at(s) + (s->udp ? 8 : TCP_HEADER);
	make_frame(s->data, peer_mac, own_mac, s->v6 ? 0x86dd : 0x0800, s->header + s->payload);
	if (s->v6) {
		ip[0] = 0x60;
		be16_store(ip + 4, 0);
		ip[6] = s->udp ? 17 : 6;
	} else {
		ip[0] = 0x45;
		be16_store(ip + 2, 0);
		be16_store(ip + 4, 0xfffe); /* the identification wraps */
		ip[9] = s->udp ? 17 : 6;
		be16_store(ip + 10, 0);
	}
	if (s->udp) {
		be16_store(l4 + 4, 0);
		be16_store(l4 + 6, fold32(pseudo_sum(s, s->data, 0)));
	} else {
		be32_store(l4 + 4, 0xffffff00); /* so does the sequence number */
		l4[12] = TCP_HEADER / 4 << 4;
		l4[13] = 0x19; /* ACK, PSH, FIN */
		be16_store(l4 + 16, fold32(pseudo_sum(s, s->data, 0)));
	}
}

/* The n-th frame as RFC 791, 793 and 768 want it; returns its length. */
static size_t reference(const struct stream *s, unsigned n, uint8_t *frame)
{
	uint32_t begin = n * s->mss, size = MIN(s->mss, s->payload - begin), length = s->header + size;
	uint8_t *ip = frame + 14, *l4 = frame + transport_at(s);
	uint32_t transport = length - transport_at(s);
	uint8_t *sum = l4 + (s->udp ? 6 : 16);

	memcpy(frame, s->data, s->header);
	memcpy(frame + s->header, s->data + s->header + begin, size);
	if (s->v6) {
		be16_store(ip + 4, (uint16_t)(length - 54));
	} else {
		be16_store(ip + 2, (uint16_t)(length - 14));
		be16_store(ip + 4, (uint16_t)(0xfffe + n));
		be16_store(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
	}
	if (s->udp) {
		be16_store(l4 + 4, (uint16_t)transport);
	} else {
		be32_store(l4 + 4, 0xffffff00 + begin);
		l4[13] = begin + size == s->payload ? 0x19 : 0x10;
	}
	be16_store(sum, 0);
	be16_store(sum, (uint16_t)~plain_sum(l4, transport, fold32(pseudo_sum(s, frame, transport))));
	memset(frame + length, 0, 60);
	return MAX(length, 60u);
}

static void put_stream_context(struct rig *r, const struct stream *s)
{
	uint32_t ip = s->v6 ? 14 : 14 | 24 << 8 | 33 << 16, l4 = transport_at(s);

	put_context(r, ip, l4 | (l4 + (s->udp ? 6 : 16)) << 8, s->payload,
	            TXD_TSE | (s->v6 ? 0 : TXD_TUCMD_IP) | (s->udp ? 0 : TXD_TUCMD_TCP), s->header, s->mss);
}

static uint32_t stream_options(const struct stream *s)
{
	return (s->v6 ? TXD_POPTS_TXSM : TXD_POPTS_TXSM | TXD_POPTS_IXSM) << 8;
}

/* In data descriptors of at most `piece` bytes. */
static void put_stream(struct rig *r, const struct stream *s, uint32_t piece)
{
	uint32_t total = s->header + s->payload;

	memcpy(fake_ram(r->f, TX_BUFFERS), s->data, total);
	put_stream_context(r, s);
	for (uint32_t at = 0; at < total; at += piece)
		put(r, TX_BUFFERS + at,
		    DATA(MIN(piece, total - at), TXD_TSE | (at + piece >= total ? TXD_EOP | TXD_RS : 0)),
		    at ? 0 : stream_options(s));
}

static void check_stream(struct rig *r, const struct stream *s)
{
	static uint8_t expected[70000];
	unsigned frames = (s->payload + s->mss - 1) / s->mss;
	size_t length, want;

	assert_int_equal(r->net.count, frames);
	for (unsigned i = 0; i < frames; i++) {
		const uint8_t *frame = sent(r, i, &length);

		want = reference(s, i, expected);
		assert_int_equal(length, want);
		assert_memory_equal(frame, expected, want);
	}
	fake_net_clear(&r->net);
}

static void segments_are_those_of_the_reference(void **state)
{
	static const uint32_t payloads[] = { 1, 7, 1448, 1449, 2896, 14480, 65000, 65483 };
	static const uint32_t masses[] = { 1448, 536, 8948, 4096 };
	static const uint32_t pieces[] = { 70000, 4096, 1449 };
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *r = tx_rig();

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++)
		for (size_t p = 0; p < ARRAY_SIZE(payloads); p++)
			for (size_t m = 0; m < ARRAY_SIZE(masses); m++) {
				s->v6 = kind & 1;
				s->udp = kind & 2;
				s->payload = payloads[p];
				s->mss = masses[m];
				make_stream(s);
				put_stream(r, s, pieces[(p + m) % ARRAY_SIZE(pieces)]);
				kick(r);
				pass(r, 0); /* what one callback left */
				check_stream(r, s);
				assert_int_equal(rd(r, TDH), r->tx_tail);
			}
	free(s);
	rig_free(r);
}

static void headers_and_payload_may_be_cut_anywhere(void **state)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *r = tx_rig();

	(void)state;
	*s = (struct stream){ .payload = 300, .mss = 100 };
	make_stream(s);
	for (uint32_t piece = 7; piece < 400; piece++) {
		put_stream(r, s, piece);
		kick(r);
		check_stream(r, s);
	}
	free(s);
	rig_free(r);
}

static void each_segment_carries_the_first_descriptors_tag(void **state)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *r = tx_rig();
	uint8_t expected[2000];
	size_t length, want;

	(void)state;
	wr(r, CTRL, rd(r, CTRL) | CTRL_VME);
	*s = (struct stream){ .payload = 3000, .mss = 1448 };
	make_stream(s);
	memcpy(fake_ram(r->f, TX_BUFFERS), s->data, s->header + s->payload);
	put_stream_context(r, s);
	put(r, TX_BUFFERS, DATA(1000, TXD_TSE | TXD_VLE), stream_options(s) | 0x0123u << 16);
	put(r, TX_BUFFERS + 1000, DATA(s->header + 2000, TXD_TSE | TXD_EOP), 0x0fffu << 16);
	kick(r);
	assert_int_equal(r->net.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *frame = sent(r, i, &length);

		want = reference(s, i, expected);
		assert_int_equal(length, want + 4);
		assert_memory_equal(frame, expected, 12);
		assert_int_equal(be32_load(frame + 12), 0x81000123);
		assert_memory_equal(frame + 16, expected + 12, want - 12);
	}
	free(s);
	rig_free(r);
}

/* The chip has two contexts: a checksum between two segmented packets leaves theirs alone (SDM 3.3.6). */
static void the_two_contexts_do_not_disturb_each_other(void **state)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *r = tx_rig();

	(void)state;
	*s = (struct stream){ .payload = 3000, .mss = 1448 };
	make_stream(s);
	put_stream(r, s, 70000);
	put_context(r, 14 | 24 << 8 | 33 << 16, 34 | 40 << 8, 0, TXD_TUCMD_IP, 0, 0);
	put(r, TX_BUFFERS, DATA(s->header + s->payload, TXD_TSE | TXD_EOP), stream_options(s));
	kick(r);
	assert_int_equal(r->net.count, 6);
	fake_net_clear(&r->net);
	put(r, TX_BUFFERS, DATA(s->header + s->payload, TXD_TSE | TXD_EOP), stream_options(s));
	kick(r);
	check_stream(r, s);
	free(s);
	rig_free(r);
}

/* ---- hostile rings ---- */

/* One write of TDT sends this many frames at most before the vCPU goes on. */
#define AT_ONCE 300u

static void a_full_ring_of_65528_does_not_hold_the_vcpu(void **state)
{
	const uint32_t count = 65528;
	struct rig *r = tx_rig();

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = fake_ram(r->f, 0x300000 + 16 * i);

		le64_store(at, TX_BUFFERS);
		le32_store(at + 8, LEGACY(60, TXD_EOP));
	}
	wr(r, TCTL, 0);
	wr(r, TDBAL, 0x300000);
	wr(r, TDLEN, count * 16);
	wr(r, TDT, count - 1);
	wr(r, TCTL, TCTL_EN);
	assert_in_range(r->net.count, 1, AT_ONCE);
	wr(r, TDT, count - 1); /* kicking again adds no time */
	assert_in_range(r->net.count, 1, AT_ONCE);
	pass(r, 0);
	assert_int_equal(r->net.count, count - 1);
	assert_int_equal(rd(r, TDH), count - 1);
	rig_free(r);
}

static void a_megabyte_in_segments_of_one_byte_is_done_in_shares(void **state)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *r = tx_rig();

	(void)state;
	*s = (struct stream){ .payload = 1000, .mss = 1 };
	make_stream(s);
	memcpy(fake_ram(r->f, TX_BUFFERS), s->data, s->header);
	put_stream_context(r, s);
	put(r, TX_BUFFERS, DATA(0xfffff, TXD_TSE | TXD_EOP), stream_options(s));
	kick(r);
	assert_in_range(r->net.count, 1, AT_ONCE);
	wr(r, TCTL, 0); /* gives up: nothing more comes */
	fake_net_clear(&r->net);
	pass(r, NS_PER_SECOND);
	assert_int_equal(r->net.count, 0);
	free(s);
	rig_free(r);
}

static void a_packet_without_end_is_dropped_and_the_next_is_sent(void **state)
{
	struct rig *r = tx_rig();
	size_t length;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 40; i++)
			put(r, TX_BUFFERS, LEGACY(16000, i == 39 && round == 3 ? TXD_EOP : 0), 0);
		kick(r);
		pass(r, 0);
	}
	assert_int_equal(rd(r, TDH), r->tx_tail);
	assert_int_equal(r->net.count, 0);
	put(r, TX_BUFFERS, LEGACY(100, TXD_EOP), 0);
	kick(r);
	assert_int_equal(r->net.count, 1);
	sent(r, 0, &length);
	assert_int_equal(length, 100);
	rig_free(r);
}

static void what_is_not_memory_is_not_sent(void **state)
{
	struct rig *r = tx_rig();

	(void)state;
	put(r, FAKE_RAM_SIZE - 10, LEGACY(100, TXD_EOP | TXD_RS), 0);
	put(r, UINT64_MAX - 4, LEGACY(100, TXD_EOP | TXD_RS), 0);
	kick(r);
	assert_int_equal(r->net.count, 0);
	assert_int_equal(rd(r, TDH), 2);
	wr(r, TDBAH, 0x80000000); /* a ring nowhere: its descriptors read as ones */
	wr(r, TDT, 60);
	pass(r, 0);
	assert_int_equal(r->net.count, 0);
	assert_int_equal(rd(r, TDH), 60);
	rig_free(r);
}

static void segmentation_that_makes_no_sense_sends_nothing(void **state)
{
	static const struct {
		uint32_t header, mss;
	} cases[] = { { 54, 0 }, { 0, 1448 }, { 13, 1448 }, { 255, 0xffff }, { 54, 16384 } };
	struct rig *r = tx_rig();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_context(r, 14 | 24 << 8, 34 | 50 << 8, 60000, TXD_TSE | TXD_TUCMD_IP | TXD_TUCMD_TCP,
		            cases[i].header, cases[i].mss);
		put(r, TX_BUFFERS, DATA(60000, TXD_TSE | TXD_EOP), 0x300);
		kick(r);
		pass(r, 0);
		assert_int_equal(r->net.count, 0);
	}
	assert_int_equal(rd(r, TSCTFC), ARRAY_SIZE(cases));
	put(r, TX_BUFFERS, LEGACY(100, TXD_EOP), 0);
	kick(r);
	assert_int_equal(r->net.count, 1);
	rig_free(r);
}

static void a_tail_beyond_the_ring_sends_nothing(void **state)
{
	struct rig *r = tx_rig();

	(void)state;
	wr(r, TDT, RING_COUNT);
	pass(r, NS_PER_SECOND);
	assert_int_equal(rd(r, TDH), 0);
	wr(r, TDH, 0xffff);
	wr(r, TDT, 1);
	assert_int_equal(rd(r, TDH), 1);
	wr(r, TDLEN, 0);
	wr(r, TDT, 5);
	assert_int_equal(rd(r, TDH), 1);
	rig_free(r);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8 ^ *seed << 24;
}

/* Descriptors of noise, under the sanitizers. */
static void random_descriptors_do_no_harm(void **state)
{
	struct rig *r = tx_rig();
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		for (unsigned i = next_random(&seed) % 8; i; i--) {
			uint32_t kind = next_random(&seed) % 4, command = next_random(&seed) & 0xff;
			uint32_t length = next_random(&seed) % (next_random(&seed) % 8 ? 2000 : 0x100000);
			uint64_t address = TX_BUFFERS + next_random(&seed) % 0x100000;

			if (kind == 0)
				put(r, (uint64_t)next_random(&seed) << 32 | next_random(&seed), next_random(&seed),
				    next_random(&seed));
			else if (kind == 1)
				put_context(r, next_random(&seed) & 0x7f7f7f, next_random(&seed) & 0x7f7f7f, length,
				            (uint8_t)command, next_random(&seed) & 0xff, next_random(&seed) % 3000);
			else if (kind == 2)
				put(r, address, DATA(length, command), next_random(&seed));
			else
				put(r, address, LEGACY(length & 0xffff, command & ~TXD_DEXT), next_random(&seed));
		}
		if (round % 500 == 499) {
			wr(r, RCTL, RCTL_EN | RCTL_UPE | (next_random(&seed) & RCTL_LBM));
			wr(r, CTRL, CTRL_SLU | (next_random(&seed) & CTRL_VME));
		}
		kick(r);
		pass(r, 0);
		fake_net_clear(&r->net);
	}
	rig_free(r);
}

/* ---- state ---- */

/* Both twins send the same from a save in the middle of a segmented packet on. */
static void a_packet_in_the_making_survives_save_and_load(void **state)
{
	static uint8_t expected[2000];
	struct stream *s = calloc(1, sizeof(*s));
	struct rig *a = tx_rig(), *b = tx_rig();
	size_t length, want;
	void *saved;

	(void)state;
	*s = (struct stream){ .payload = 100000, .mss = 200 };
	make_stream(s);
	put_stream(a, s, 70000);
	kick(a);
	assert_in_range(a->net.count, 1, 499);
	saved = fake_save(a->d, &length);
	memcpy(fake_ram(b->f, 0), fake_ram(a->f, 0), FAKE_RAM_SIZE);
	clock_set(b->f->board.clock, clock_now(a->f->board.clock));
	assert_int_equal(fake_load(b->d, saved, length), 0);
	pass(b, 0);
	assert_int_equal(a->net.count + b->net.count, 500);
	for (unsigned i = 0; i < b->net.count; i++) {
		const uint8_t *frame = sent(b, i, &length);

		want = reference(s, a->net.count + i, expected);
		assert_int_equal(length, want);
		assert_memory_equal(frame, expected, want);
	}
	free(saved);
	free(s);
	rig_free(a);
	rig_free(b);
}

/* One step of a driver gone mad, the same for equal seeds; returns what it read. */
static uint32_t mad_step(struct rig *r, uint32_t *seed)
{
	static const uint16_t registers[] = { CTRL,  EECD, EERD, MDIC,   ICR, ITR, ICS,  IMS, IMC, RCTL, RDTR, RADV,
		                              RSRPD, TIDV, TADV, RXCSUM, RAL, RAH, VFTA, TDH, TDT, RDH,  RDT,  GPRC };
	uint32_t offset = registers[next_random(seed) % ARRAY_SIZE(registers)], value = next_random(seed);
	uint32_t choice = next_random(seed) % 16;
	uint8_t frame[200];

	switch (choice) {
	case 0:
		pass(r, value % NS_PER_MS);
		return 0;
	case 1:
		fill(frame, sizeof(frame), value);
		memcpy(frame, own_mac, 6);
		return fake_net_deliver(&r->net, frame, 14 + value % 180);
	case 2:
	case 3:
		put(r, TX_BUFFERS + value % 0x10000, next_random(seed) & 0xff3007ff, next_random(seed));
		kick(r);
		return rd(r, TDH);
	case 4: /* the right way round again */
		rings_up(r, RCTL_UPE | RCTL_BAM | (value & 0x00030000));
		wr(r, CTRL, CTRL_SLU | (value & CTRL_VME));
		return rd(r, STATUS);
	case 5:
		fake_net_set_link(&r->net, value & 1);
		return rd(r, STATUS);
	default:
		if (choice & 1)
			wr(r, offset, offset == TDT || offset == RDT ? value % RING_COUNT : value);
		return rd(r, offset);
	}
}

/* A field that state() forgets would show here. */
static void both_twins_go_on_alike_after_save_and_load(void **state)
{
	(void)state;
	for (uint32_t round = 1; round <= 40; round++) {
		struct rig *a = tx_rig(), *b = tx_rig();
		uint32_t seed = round * 2654435761u, seed_b;
		size_t length, length_b;
		void *saved, *saved_b;

		for (unsigned i = 0; i < 400; i++)
			mad_step(a, &seed);
		seed_b = seed;
		saved = fake_save(a->d, &length);
		memcpy(fake_ram(b->f, 0), fake_ram(a->f, 0), FAKE_RAM_SIZE);
		clock_set(b->f->board.clock, clock_now(a->f->board.clock));
		b->net.link = a->net.link;
		b->tx_tail = a->tx_tail;
		assert_int_equal(fake_load(b->d, saved, length), 0);
		fake_net_clear(&a->net);
		for (unsigned i = 0; i < 400; i++) {
			assert_int_equal(mad_step(a, &seed), mad_step(b, &seed_b));
			assert_int_equal(a->f->irq_level[PIRQ_GSI], b->f->irq_level[PIRQ_GSI]);
			assert_int_equal(a->net.bytes, b->net.bytes);
		}
		assert_memory_equal(fake_ram(a->f, 0), fake_ram(b->f, 0), FAKE_RAM_SIZE);
		saved_b = fake_save(b->d, &length_b);
		free(saved);
		saved = fake_save(a->d, &length);
		assert_int_equal(length, length_b);
		assert_memory_equal(saved, saved_b, length);
		free(saved);
		free(saved_b);
		rig_free(a);
		rig_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_is_sent_and_its_descriptor_done),
		cmocka_unit_test(without_rs_the_descriptor_is_left_alone),
		cmocka_unit_test(a_packet_may_lie_in_several_buffers_and_is_padded),
		cmocka_unit_test(a_disabled_transmitter_waits),
		cmocka_unit_test(the_tag_is_inserted_when_the_last_descriptor_says_so),
		cmocka_unit_test(delayed_interrupts_wait_for_tidv_and_at_most_tadv),
		cmocka_unit_test(looped_frames_come_back_and_reach_no_cable),
		cmocka_unit_test(a_legacy_checksum_is_inserted_where_the_descriptor_says),
		cmocka_unit_test(checksums_are_inserted_by_context),
		cmocka_unit_test(a_udp_sum_of_zero_is_sent_as_all_ones),
		cmocka_unit_test(segments_are_those_of_the_reference),
		cmocka_unit_test(headers_and_payload_may_be_cut_anywhere),
		cmocka_unit_test(each_segment_carries_the_first_descriptors_tag),
		cmocka_unit_test(the_two_contexts_do_not_disturb_each_other),
		cmocka_unit_test(a_full_ring_of_65528_does_not_hold_the_vcpu),
		cmocka_unit_test(a_megabyte_in_segments_of_one_byte_is_done_in_shares),
		cmocka_unit_test(a_packet_without_end_is_dropped_and_the_next_is_sent),
		cmocka_unit_test(what_is_not_memory_is_not_sent),
		cmocka_unit_test(segmentation_that_makes_no_sense_sends_nothing),
		cmocka_unit_test(a_tail_beyond_the_ring_sends_nothing),
		cmocka_unit_test(random_descriptors_do_no_harm),
		cmocka_unit_test(a_packet_in_the_making_survives_save_and_load),
		cmocka_unit_test(both_twins_go_on_alike_after_save_and_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
