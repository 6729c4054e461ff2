/* SPDX-License-Identifier: MIT */
/* The cable: frames both ways, what waits and what is lost, the link, a peer that dies. */
#include "fake_board.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/loop.h"
#include "core/net/net.h"

struct card {
	struct device device;
	unsigned room, received, link_changes;
	bool link;
	size_t length;
	uint8_t frame[NET_FRAME_MAX];
};

static bool card_receive(struct device *d, const uint8_t *frame, size_t length)
{
	struct card *c = (struct card *)d;

	if (!c->room)
		return false;
	c->room--;
	c->received++;
	c->length = length;
	memcpy(c->frame, frame, length);
	return true;
}

static void card_link_changed(struct device *d, bool up)
{
	struct card *c = (struct card *)d;

	c->link = up;
	c->link_changes++;
}

static const struct net_port_ops card_ops = { card_receive, card_link_changed };

struct rig {
	struct loop *loop;
	struct card *card;
	struct net_port *port;
	int peer;
};

static void cable(int ret_pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair), 0);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int pair[2];

	cable(pair);
	r->loop = loop_new(NULL);
	r->card = calloc(1, sizeof(*r->card));
	r->card->room = 1000000;
	pthread_mutex_init(&r->card->device.lock, NULL);
	r->peer = pair[1];
	r->port = net_port_new(r->loop, pair[0]);
	assert_non_null(r->port);
	net_port_set_card(r->port, &r->card->device, &card_ops);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	net_port_free(r->port);
	loop_free(r->loop);
	close(r->peer);
	pthread_mutex_destroy(&r->card->device.lock);
	free(r->card);
	free(r);
	return 0;
}

static void turn(struct rig *r)
{
	for (unsigned i = 0; i < 8; i++)
		loop_run_once(r->loop, 0);
}

static void peer_sends(struct rig *r, size_t length, uint8_t fill)
{
	static uint8_t frame[NET_FRAME_MAX + 16];

	memset(frame, fill, length);
	assert_int_equal(send(r->peer, frame, length, MSG_DONTWAIT), length);
}

static void card_sends(struct rig *r, size_t length, uint8_t fill)
{
	static uint8_t frame[NET_FRAME_MAX + 16];
	struct iovec pieces[2] = { { frame, 6 }, { frame + 6, length - 6 } };

	memset(frame, fill, length);
	device_lock(&r->card->device);
	net_port_send(r->port, pieces, 2);
	device_unlock(&r->card->device);
}

static ssize_t peer_receives(struct rig *r, uint8_t *frame)
{
	return recv(r->peer, frame, NET_FRAME_MAX, MSG_DONTWAIT);
}

static void frames_come_in_and_go_out_whole(void **state)
{
	struct rig *r = *state;
	uint8_t *frame = malloc(NET_FRAME_MAX);

	peer_sends(r, 60, 0x11);
	turn(r);
	assert_int_equal(r->card->received, 1);
	assert_int_equal(r->card->length, 60);
	assert_int_equal(r->card->frame[59], 0x11);
	card_sends(r, NET_FRAME_MAX, 0x22);
	assert_int_equal(peer_receives(r, frame), NET_FRAME_MAX);
	assert_int_equal(frame[NET_FRAME_MAX - 1], 0x22);
	free(frame);
}

static void frames_of_a_wrong_length_are_lost(void **state)
{
	struct rig *r = *state;
	uint8_t frame[64];

	peer_sends(r, NET_FRAME_MIN - 1, 1);
	peer_sends(r, NET_FRAME_MAX + 1, 1);
	turn(r);
	assert_int_equal(r->card->received, 0);
	card_sends(r, NET_FRAME_MIN - 1, 1);
	card_sends(r, NET_FRAME_MAX + 1, 1);
	assert_int_equal(peer_receives(r, frame), -1);
	assert_true(net_port_link(r->port));
}

static void a_frame_without_a_buffer_waits_until_the_card_is_ready(void **state)
{
	struct rig *r = *state;

	r->card->room = 0;
	peer_sends(r, 60, 1);
	peer_sends(r, 61, 2);
	turn(r);
	assert_int_equal(r->card->received, 0);
	r->card->room = 1;
	turn(r);
	assert_int_equal(r->card->received, 0); /* not before it says so */
	net_port_ready(r->port);
	turn(r);
	assert_int_equal(r->card->received, 1);
	assert_int_equal(r->card->length, 60);
	r->card->room = 5;
	net_port_ready(r->port);
	turn(r);
	assert_int_equal(r->card->received, 2);
	assert_int_equal(r->card->length, 61);
}

/* A card without buffers must not make the I/O thread spin on a readable socket. */
static void a_full_card_lets_the_loop_sleep(void **state)
{
	struct rig *r = *state;
	struct timespec before, after;

	r->card->room = 0;
	peer_sends(r, 60, 1);
	peer_sends(r, 60, 1);
	turn(r);
	clock_gettime(CLOCK_MONOTONIC, &before);
	loop_run_once(r->loop, 50);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 40);
}

static void many_frames_all_arrive_over_several_rounds(void **state)
{
	struct rig *r = *state;
	unsigned sent = 0;

	for (; sent < 200; sent++) {
		uint8_t frame[60] = { (uint8_t)sent };

		if (send(r->peer, frame, sizeof(frame), MSG_DONTWAIT) < 0)
			break;
	}
	assert_true(sent > 64);
	turn(r);
	assert_int_equal(r->card->received, sent);
	assert_int_equal(r->card->frame[0], (uint8_t)(sent - 1));
}

static void what_the_socket_cannot_take_is_queued_in_order_and_the_rest_is_lost(void **state)
{
	struct rig *r = *state;
	unsigned count = 0;
	uint8_t *frame = malloc(NET_FRAME_MAX);

	for (unsigned i = 0; i < 5000; i++) {
		uint8_t data[64];
		struct iovec whole = { data, sizeof(data) };

		le32_store(data, i);
		net_port_send(r->port, &whole, 1);
	}
	for (unsigned idle = 0; idle < 3;) {
		ssize_t n = peer_receives(r, frame);

		if (n < 0) {
			turn(r);
			idle++;
			continue;
		}
		assert_int_equal(le32_load(frame), count); /* the oldest, none missing in between */
		count++;
		idle = 0;
	}
	assert_true(count > 256 && count < 5000);
	free(frame);
}

static void while_held_nothing_reaches_the_card(void **state)
{
	struct rig *r = *state;

	net_port_hold(r->port, true);
	peer_sends(r, 60, 1);
	net_port_set_link(r->port, false);
	turn(r);
	assert_int_equal(r->card->received, 0);
	assert_int_equal(r->card->link_changes, 0);
	net_port_set_link(r->port, true);
	net_port_hold(r->port, false);
	turn(r);
	assert_int_equal(r->card->received, 1);
	assert_int_equal(r->card->link_changes, 0);
}

static void a_link_change_while_held_is_told_afterwards(void **state)
{
	struct rig *r = *state;

	net_port_hold(r->port, true);
	net_port_set_link(r->port, false);
	assert_true(net_port_link(r->port));
	net_port_hold(r->port, false);
	assert_int_equal(r->card->link_changes, 1);
	assert_false(r->card->link);
	assert_false(net_port_link(r->port));
}

static void a_pulled_cable_loses_frames_both_ways(void **state)
{
	struct rig *r = *state;
	uint8_t frame[64];

	net_port_set_link(r->port, false);
	assert_false(net_port_link(r->port));
	peer_sends(r, 60, 1);
	card_sends(r, 60, 1);
	turn(r);
	assert_int_equal(r->card->received, 0);
	assert_int_equal(peer_receives(r, frame), -1);
	net_port_set_link(r->port, true);
	assert_int_equal(r->card->link_changes, 2);
	turn(r);
	assert_int_equal(r->card->received, 0); /* what came while it was out stays lost */
	peer_sends(r, 60, 1);
	turn(r);
	assert_int_equal(r->card->received, 1);
}

static void a_peer_that_dies_takes_the_link_down_and_another_brings_it_up(void **state)
{
	struct rig *r = *state;
	int pair[2];

	close(r->peer);
	turn(r);
	assert_false(r->card->link);
	assert_int_equal(r->card->link_changes, 1);
	card_sends(r, 60, 1);
	cable(pair);
	r->peer = pair[1];
	net_port_attach(r->port, pair[0]);
	assert_true(r->card->link);
	peer_sends(r, 60, 7);
	turn(r);
	assert_int_equal(r->card->received, 1);
}

static void frames_that_a_dying_peer_had_sent_still_arrive(void **state)
{
	struct rig *r = *state;

	peer_sends(r, 60, 1);
	peer_sends(r, 60, 2);
	close(r->peer);
	turn(r);
	assert_int_equal(r->card->received, 2);
	assert_false(net_port_link(r->port));
	r->peer = dup(0);
}

static void a_replaced_cable_shows_as_down_and_up(void **state)
{
	struct rig *r = *state;
	int pair[2], old = r->peer;

	cable(pair);
	r->peer = pair[1];
	close(old);
	net_port_attach(r->port, pair[0]); /* before the loop has seen the old one's end */
	assert_int_equal(r->card->link_changes, 2);
	turn(r);
	assert_true(net_port_link(r->port));
}

static void an_empty_message_is_not_an_end(void **state)
{
	struct rig *r = *state;

	assert_int_equal(send(r->peer, "", 0, 0), 0);
	peer_sends(r, 60, 1);
	turn(r);
	assert_true(net_port_link(r->port));
	assert_int_equal(r->card->received, 1);
}

static void a_peer_that_dies_while_held_is_noticed_without_spinning(void **state)
{
	struct rig *r = *state;

	net_port_hold(r->port, true);
	close(r->peer);
	turn(r);
	assert_int_equal(r->card->link_changes, 0);
	net_port_hold(r->port, false);
	assert_false(net_port_link(r->port));
	assert_int_equal(r->card->link_changes, 1);
	r->peer = dup(0);
}

static void a_card_without_a_cable_has_no_link(void **state)
{
	struct rig *r = *state;
	struct iovec frame = { "0123456789abcdef", 16 };

	assert_false(net_port_link(NULL));
	net_port_send(NULL, &frame, 1);
	net_port_ready(NULL);
	net_port_set_card(NULL, &r->card->device, &card_ops);
	net_port_attach(r->port, -1);
	assert_false(net_port_link(r->port));
	card_sends(r, 60, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_in_and_go_out_whole),
		TEST(frames_of_a_wrong_length_are_lost),
		TEST(a_frame_without_a_buffer_waits_until_the_card_is_ready),
		TEST(a_full_card_lets_the_loop_sleep),
		TEST(many_frames_all_arrive_over_several_rounds),
		TEST(what_the_socket_cannot_take_is_queued_in_order_and_the_rest_is_lost),
		TEST(while_held_nothing_reaches_the_card),
		TEST(a_link_change_while_held_is_told_afterwards),
		TEST(a_pulled_cable_loses_frames_both_ways),
		TEST(a_peer_that_dies_takes_the_link_down_and_another_brings_it_up),
		TEST(frames_that_a_dying_peer_had_sent_still_arrive),
		TEST(a_replaced_cable_shows_as_down_and_up),
		TEST(an_empty_message_is_not_an_end),
		TEST(a_peer_that_dies_while_held_is_noticed_without_spinning),
		TEST(a_card_without_a_cable_has_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
