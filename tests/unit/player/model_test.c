/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "player/disc_menu.h"
#include "player/model.h"
#include "player/port_menu.h"

static int tell(struct model *m, enum message_type type, union message message)
{
	message.header.type = (uint16_t)type;
	return model_update(m, &message);
}

static struct model running(unsigned cds)
{
	struct model m = { 0 };

	assert_int_equal(tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = PROTOCOL_VERSION } }), 0);
	assert_int_equal(tell(&m, MESSAGE_MACHINE, (union message){ .machine = { .cd_count = cds, .name = "guest" } }),
	                 MODEL_MACHINE | MODEL_CD);
	assert_int_equal(tell(&m, MESSAGE_STATE, (union message){ .state = { .state = STATE_RUNNING } }), MODEL_STATE);
	return m;
}

static void a_normal_start_is_shown(void **state)
{
	struct model m = running(1);

	(void)state;
	assert_int_equal(m.state, STATE_RUNNING);
	assert_string_equal(m.name, "guest");
	assert_int_equal(tell(&m, MESSAGE_SCREEN,
	                      (union message){ .screen = { .width = 640, .height = 480, .dx = 640, .dy = 480 } }),
	                 MODEL_MACHINE | MODEL_SCREEN);
	assert_int_equal(tell(&m, MESSAGE_SCREEN,
	                      (union message){ .screen = { .width = 640, .height = 480, .x = 1, .dx = 2, .dy = 3 } }),
	                 MODEL_SCREEN);
	assert_int_equal(m.damage.x, 1);
	assert_int_equal(m.damage.width, 2);
	assert_int_equal(m.damage.height, 3);
}

static void the_first_serial_port_is_heard_and_no_other(void **state)
{
	struct model m = running(0);
	union message said = { .serial = { .port = 0, .count = 3, .data = "\033ab" } };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_SERIAL_OUTPUT, said), MODEL_SERIAL);
	assert_int_equal(m.said_count, 3);
	assert_memory_equal(m.said, "\033ab", 3);
	said.serial.port = 1;
	assert_int_equal(tell(&m, MESSAGE_SERIAL_OUTPUT, said), 0);
	said.serial.port = 0;
	said.serial.count = MESSAGE_CHUNK + 1;
	assert_int_equal(tell(&m, MESSAGE_SERIAL_OUTPUT, said), -EPROTO);
}

static void a_licence_is_whole_before_it_is_asked_about(void **state)
{
	struct model m = running(0);
	union message part = { .license = { .text = "one\n\ttwo \xe2\x80\xae" } },
		      whole = { .license = { .text = "!" } };
	union message question = { .question = { .kind = QUESTION_LICENSE } };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_QUESTION, question), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_LICENSE, part), 0);
	assert_int_equal(tell(&m, MESSAGE_QUESTION, question), -EPROTO);
	whole.license.last = 1;
	assert_int_equal(tell(&m, MESSAGE_LICENSE, whole), 0);
	assert_string_equal(m.license, "one\n\ttwo  !");
	assert_int_equal(m.license_length, strlen(m.license));
	assert_int_equal(tell(&m, MESSAGE_LICENSE, whole), -EPROTO); /* no second one */
	assert_int_equal(tell(&m, MESSAGE_QUESTION, question), MODEL_QUESTION);
}

static void a_licence_without_end_is_nonsense(void **state)
{
	struct model m = running(0);
	union message part = { .license = { .last = 0 } };
	unsigned count = 0;

	(void)state;
	memset(part.license.text, 'x', sizeof(part.license.text) - 1);
	while (tell(&m, MESSAGE_LICENSE, part) == 0)
		count++;
	assert_int_equal(count, (LICENSE_MAX - 1) / (MESSAGE_CHUNK - 1));
}

static void what_is_prepared_is_shown_until_the_machine_is_there(void **state)
{
	const union message half = { .progress = { .done = 1, .total = 2, .what = "a.zip" } };
	struct model m = { 0 };

	(void)state;
	tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = PROTOCOL_VERSION } });
	assert_int_equal(tell(&m, MESSAGE_PROGRESS, half), MODEL_PROGRESS);
	assert_true(m.preparing);
	assert_int_equal(m.prepared, 1);
	assert_int_equal(m.to_prepare, 2);
	assert_string_equal(m.preparing_what, "a.zip");
	tell(&m, MESSAGE_MACHINE, (union message){ .machine = { .name = "guest" } });
	assert_false(m.preparing);
	assert_int_equal(tell(&m, MESSAGE_PROGRESS, half), -EPROTO);
}

static void a_core_that_does_not_greet_is_broken(void **state)
{
	struct model m = { 0 };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_MACHINE, (union message){ .machine = { .cd_count = 1 } }), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = 99 } }), -EPROTO);
}

static void a_start_may_fail_before_the_greeting(void **state)
{
	struct model m = { 0 };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_STATE, (union message){ .state = { .state = STATE_FAILED, .text = "no" } }),
	                 MODEL_STATE);
	assert_string_equal(m.text, "no");
}

static void greeting_and_description_come_once(void **state)
{
	struct model m = running(1);

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = PROTOCOL_VERSION } }), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_MACHINE, (union message){ .machine = { .cd_count = 4 } }), -EPROTO);
	assert_int_equal(m.cd_count, 1);
}

static void an_undescribed_machine_cannot_run(void **state)
{
	struct model m = { .greeted = true };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_STATE, (union message){ .state = { .state = STATE_RUNNING } }), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_STATE, (union message){ .state = { .state = STATE_STARTING } }), MODEL_STATE);
}

static void a_cd_in_a_drive_that_is_not_there_is_refused(void **state)
{
	struct model m = running(2);

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_CD, (union message){ .cd = { .drive = 1, .present = 1, .name = "a.iso" } }),
	                 MODEL_CD);
	assert_string_equal(m.cds[1].name, "a.iso");
	assert_int_equal(tell(&m, MESSAGE_CD, (union message){ .cd = { .drive = 2, .present = 1 } }), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_CD, (union message){ .cd = { .drive = UINT32_MAX } }), -EPROTO);
}

static void damage_outside_the_screen_is_refused(void **state)
{
	struct model m = running(0);

	(void)state;
	assert_int_equal(
		tell(&m, MESSAGE_SCREEN, (union message){ .screen = { .width = 10, .height = 10, .x = 5, .dx = 6 } }),
		-EPROTO);
	assert_int_equal(tell(&m, MESSAGE_SCREEN, (union message){ .screen = { .width = 10, .height = 10, .x = 11 } }),
	                 -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_SCREEN,
	                      (union message){ .screen = { .width = 10, .height = 10, .y = 1, .dy = UINT32_MAX } }),
	                 -EPROTO);
	assert_int_equal(m.width, 0);
}

static void a_second_question_before_the_answer_is_refused(void **state)
{
	struct model m = running(0);
	union message q = { .question = { .header.serial = 77, .text = "?", .accept = "Yes", .reject = "No" } };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_QUESTION, q), MODEL_QUESTION);
	assert_int_equal(m.question_serial, 77);
	assert_int_equal(tell(&m, MESSAGE_QUESTION, q), -EPROTO);
	model_answered(&m);
	assert_int_equal(tell(&m, MESSAGE_QUESTION, q), MODEL_QUESTION);
}

static void messages_that_are_not_for_a_player_are_refused(void **state)
{
	struct model m = running(0);

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_OUTPUT, (union message){ 0 }), -EPROTO);
	assert_int_equal(tell(&m, MESSAGE_KEY, (union message){ 0 }), -EPROTO);
	assert_int_equal(tell(&m, 0, (union message){ 0 }), -EPROTO);
}

static void texts_lose_control_and_direction_marks(void **state)
{
	char text[64];

	(void)state;
	model_copy_text(text, sizeof(text),
	                "a\nb\x1b[1mc\xe2\x80\xae"
	                "d\xe2\x81\xa6"
	                "e \xc3\xa4\xf0\x9f\x92\xbf");
	assert_string_equal(text, "a b [1mc d e \xc3\xa4\xf0\x9f\x92\xbf");
}

static void texts_are_cut_between_characters(void **state)
{
	char text[4];

	(void)state;
	model_copy_text(text, sizeof(text), "ab\xc3\xa4");
	assert_string_equal(text, "ab");
	model_copy_text(text, sizeof(text),
	                "a\xff"
	                "b");
	assert_string_equal(text, "a");
}

static void the_disc_menu_names_what_is_in_and_keeps_underscores(void **state)
{
	struct model m = running(2);
	g_autoptr(GPtrArray) recent = g_ptr_array_new_with_free_func(g_object_unref);
	g_autofree char *label = NULL;

	(void)state;
	assert_string_equal(disc_menu_label(&m), "No CD");
	tell(&m, MESSAGE_CD, (union message){ .cd = { .drive = 1, .present = 1, .name = "debian_12.iso" } });
	assert_string_equal(disc_menu_label(&m), "debian_12.iso");
	g_ptr_array_add(recent, g_file_new_for_path("/tmp/old_one.iso"));
	g_autoptr(GMenu) owned = g_menu_new();
	GMenuModel *menu = G_MENU_MODEL(owned);
	disc_menu_fill(owned, &m, recent);
	assert_int_equal(g_menu_model_get_n_items(menu), 2);
	g_menu_model_get_item_attribute(menu, 1, G_MENU_ATTRIBUTE_LABEL, "s", &label);
	assert_string_equal(label, "Drive 2: debian__12.iso");
	g_autoptr(GMenuModel) drive = g_menu_model_get_item_link(menu, 1, G_MENU_LINK_SUBMENU);
	assert_int_equal(g_menu_model_get_n_items(drive), 2); /* Insert and Eject; Recent */
	g_autoptr(GMenuModel) first = g_menu_model_get_item_link(drive, 0, G_MENU_LINK_SECTION);
	assert_int_equal(g_menu_model_get_n_items(first), 2);
	g_autoptr(GMenuModel) empty = g_menu_model_get_item_link(menu, 0, G_MENU_LINK_SUBMENU);
	g_autoptr(GMenuModel) empty_first = g_menu_model_get_item_link(empty, 0, G_MENU_LINK_SECTION);
	assert_int_equal(g_menu_model_get_n_items(empty_first), 1); /* nothing to eject */
}

static void the_guest_may_change_from_mouse_to_tablet_and_back(void **state)
{
	struct model m = { 0 };

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_POINTER_MODE, (union message){ .pointer_mode = { .absolute = 1 } }), -EPROTO);
	tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = PROTOCOL_VERSION } });
	assert_false(m.absolute);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(
			tell(&m, MESSAGE_POINTER_MODE, (union message){ .pointer_mode = { .absolute = !(i & 1) } }),
			MODEL_POINTER);
		assert_int_equal(m.absolute, !(i & 1));
	}
	assert_int_equal(tell(&m, MESSAGE_POINTER_MODE, (union message){ .pointer_mode = { .absolute = 2 } }), -EPROTO);
}

/* Few random bytes pass message_check(): the texts of those whose fields lie well get their ends. */
static void make_sound(union message *m, struct message_header header)
{
	m->header = header;
	for (size_t i = 127; i < header.length; i += 16)
		((char *)m)[i] = '\0';
	((char *)m)[header.length - 1] = '\0';
}

/* The same as tests/fuzz/player_messages_fuzz.c, for everyday runs: fields from a few interesting values, in any order.
 */
static void random_well_formed_messages_keep_the_model_sound(void **state)
{
	static const uint32_t values[] = { 0,   1,    2,    3,    4,          5,          64,        639,
		                           640, 1600, 2560, 2561, 0x7fffffff, 0x80000000, 0xffffffff };
	static const struct message_header shapes[] = {
		{ .type = MESSAGE_HELLO, .length = sizeof(struct message_hello) },
		{ .type = MESSAGE_MACHINE, .length = sizeof(struct message_machine) },
		{ .type = MESSAGE_STATE, .length = sizeof(struct message_state) },
		{ .type = MESSAGE_SCREEN, .length = sizeof(struct message_screen) },
		{ .type = MESSAGE_CD, .length = sizeof(struct message_cd) },
		{ .type = MESSAGE_NOTICE, .length = sizeof(struct message_notice) },
		{ .type = MESSAGE_QUESTION, .length = sizeof(struct message_question) },
		{ .type = MESSAGE_TEXT_SCREEN, .length = sizeof(struct message_text_screen) },
		{ .type = MESSAGE_POINTER_MODE, .length = sizeof(struct message_pointer_mode) },
	};
	GRand *random = g_rand_new_with_seed(2);
	struct model m = { 0 };
	unsigned accepted = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		union message message;
		memset(&message, g_rand_int_range(random, 0, 2) ? 0 : 'x', sizeof(message));
		uint32_t *words = (uint32_t *)(void *)&message;
		for (unsigned w = 4; w < 12; w++)
			words[w] = values[g_rand_int_range(random, 0, G_N_ELEMENTS(values))];
		if (i % 1000 == 0) {
			m = (struct model){ 0 };
			tell(&m, MESSAGE_HELLO, (union message){ .hello = { .version = PROTOCOL_VERSION } });
		}
		make_sound(&message, shapes[g_rand_int_range(random, 0, G_N_ELEMENTS(shapes))]);
		if (!message_check(&message, message.header.length, 0, FROM_CORE))
			continue;
		struct model before = m;
		int r = model_update(&m, &message);
		assert_true(r >= 0 || r == -EPROTO);
		if (r == -EPROTO)
			assert_memory_equal(&before, &m, sizeof(m));
		accepted += r > 0;
		assert_true(m.cd_count <= MESSAGE_MAX_CDS && m.state < STATE_COUNT);
		assert_true(m.damage.x >= 0 && (unsigned)(m.damage.x + m.damage.width) <= m.width);
		assert_true(m.damage.y >= 0 && (unsigned)(m.damage.y + m.damage.height) <= m.height);
		if (m.asking && i % 3 == 0)
			model_answered(&m);
	}
	assert_true(accepted > 1000); /* most do not pass message_check() */
	;
	g_rand_free(random);
}

static const union message listening = {
	.listening = { .count = 4,
	               .ports = { { NAT_TCP, { 0 }, { 127, 0, 0, 1 }, 8443, 443 },
	                          { NAT_TCP, { 0 }, { 0, 0, 0, 0 }, 8080, 80 },
	                          { NAT_TCP, { 0 }, { 127, 0, 0, 1 }, 2222, 22 },
	                          { NAT_UDP, { 0 }, { 127, 0, 0, 1 }, 5353, 53 } } },
};

static void forwarded_ports_have_a_use(void **state)
{
	struct model m = running(0);
	char *text;

	(void)state;
	assert_int_equal(tell(&m, MESSAGE_LISTENING, listening), MODEL_PORTS);
	assert_int_equal(port_menu_use(&m, 8443, &text), PORT_BROWSER);
	assert_string_equal(text, "https://127.0.0.1:8443/");
	g_free(text);
	assert_int_equal(port_menu_use(&m, 8080, &text), PORT_BROWSER);
	assert_string_equal(text, "http://127.0.0.1:8080/");
	g_free(text);
	assert_int_equal(port_menu_use(&m, 2222, &text), PORT_SHELL);
	assert_string_equal(text, "ssh -p 2222 127.0.0.1");
	g_free(text);
	assert_int_equal(port_menu_use(&m, 5353, &text), PORT_NONE);
	assert_int_equal(port_menu_use(&m, 443, &text), PORT_NONE);
}

static void the_menu_has_an_item_for_each_tcp_port_and_forgets_old_ones(void **state)
{
	struct model m = running(0);
	g_autoptr(GMenu) menu = g_menu_new();
	g_autofree char *label = NULL;

	(void)state;
	tell(&m, MESSAGE_LISTENING, listening);
	port_menu_fill(menu, &m);
	port_menu_fill(menu, &m);
	assert_int_equal(g_menu_model_get_n_items(G_MENU_MODEL(menu)), 3);
	g_menu_model_get_item_attribute(G_MENU_MODEL(menu), 0, G_MENU_ATTRIBUTE_LABEL, "s", &label);
	assert_string_equal(label, "Open https://127.0.0.1:8443/ in Browser");
	tell(&m, MESSAGE_LISTENING, (union message){ .listening = { .count = 0 } });
	port_menu_fill(menu, &m);
	assert_int_equal(g_menu_model_get_n_items(G_MENU_MODEL(menu)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_normal_start_is_shown),
		cmocka_unit_test(the_first_serial_port_is_heard_and_no_other),
		cmocka_unit_test(a_licence_is_whole_before_it_is_asked_about),
		cmocka_unit_test(a_licence_without_end_is_nonsense),
		cmocka_unit_test(what_is_prepared_is_shown_until_the_machine_is_there),
		cmocka_unit_test(a_core_that_does_not_greet_is_broken),
		cmocka_unit_test(a_start_may_fail_before_the_greeting),
		cmocka_unit_test(greeting_and_description_come_once),
		cmocka_unit_test(an_undescribed_machine_cannot_run),
		cmocka_unit_test(a_cd_in_a_drive_that_is_not_there_is_refused),
		cmocka_unit_test(damage_outside_the_screen_is_refused),
		cmocka_unit_test(a_second_question_before_the_answer_is_refused),
		cmocka_unit_test(messages_that_are_not_for_a_player_are_refused),
		cmocka_unit_test(texts_lose_control_and_direction_marks),
		cmocka_unit_test(texts_are_cut_between_characters),
		cmocka_unit_test(the_disc_menu_names_what_is_in_and_keeps_underscores),
		cmocka_unit_test(the_guest_may_change_from_mouse_to_tablet_and_back),
		cmocka_unit_test(random_well_formed_messages_keep_the_model_sound),
		cmocka_unit_test(forwarded_ports_have_a_use),
		cmocka_unit_test(the_menu_has_an_item_for_each_tcp_port_and_forgets_old_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
