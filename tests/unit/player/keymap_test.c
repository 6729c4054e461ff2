/* SPDX-License-Identifier: MIT */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "player/keymap.h"

static enum key_fate press(struct keys *k, unsigned code, enum shortcut meaning, enum shortcut expected)
{
	enum shortcut shortcut;
	enum key_fate fate = keys_press(k, code, meaning, &shortcut);

	assert_int_equal(shortcut, expected);
	return fate;
}

static enum key_fate release(struct keys *k, unsigned code, enum shortcut expected)
{
	enum shortcut shortcut;
	enum key_fate fate = keys_release(k, code, &shortcut);

	assert_int_equal(shortcut, expected);
	return fate;
}

static void key_codes_are_positions_above_eight(void **state)
{
	(void)state;
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 9), KEY_ESC);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 24), KEY_Q);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 127), KEY_PAUSE);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 107), KEY_SYSRQ);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 108), KEY_RIGHTALT);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 104), KEY_KPENTER);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 94), KEY_102ND);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 95), KEY_F11);
}

static void old_x_servers_numbers_are_translated(void **state)
{
	(void)state;
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 24), KEY_Q);
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 98), KEY_UP);
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 110), KEY_PAUSE);
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 111), KEY_SYSRQ);
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 113), KEY_RIGHTALT);
	assert_int_equal(keymap_code(KEYMAP_XFREE86, 250), 0);
}

static void hardware_codes_out_of_range_are_no_keys(void **state)
{
	(void)state;
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 0), 0);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 8), 0);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 8 + KEY_CODES), 0);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, UINT32_MAX), 0);
	assert_int_equal(keymap_code(KEYMAP_EVDEV, 7 + KEY_CODES), KEY_CODES - 1);
}

static void repeats_of_a_held_key_are_dropped(void **state)
{
	struct keys k = { 0 };

	(void)state;
	assert_int_equal(press(&k, KEY_A, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(press(&k, KEY_A, SHORTCUT_NONE, SHORTCUT_NONE), FATE_DROP);
	assert_true(keys_is_down(&k, KEY_A));
	assert_int_equal(release(&k, KEY_A, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_A, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(press(&k, KEY_A, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
}

static void impossible_codes_are_dropped(void **state)
{
	struct keys k = { 0 };

	(void)state;
	assert_int_equal(press(&k, 0, SHORTCUT_NONE, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(press(&k, KEY_CODES, SHORTCUT_NONE, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(release(&k, KEY_CODES, SHORTCUT_NONE), FATE_DROP);
	assert_false(keys_is_down(&k, KEY_CODES));
}

static void a_shortcut_needs_ctrl_and_alt(void **state)
{
	struct keys k = { 0 };

	(void)state;
	assert_int_equal(press(&k, KEY_P, SHORTCUT_RUN_PAUSE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_P, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(press(&k, KEY_LEFTALT, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(press(&k, KEY_ENTER, SHORTCUT_FULL_SCREEN, SHORTCUT_NONE), FATE_SEND);
}

static void a_shortcut_swallows_its_keys_until_they_are_released(void **state)
{
	struct keys k = { 0 };

	(void)state;
	assert_int_equal(press(&k, KEY_LEFTCTRL, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(press(&k, KEY_LEFTALT, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(press(&k, KEY_ENTER, SHORTCUT_FULL_SCREEN, SHORTCUT_FULL_SCREEN), FATE_SHORTCUT);
	assert_false(keys_is_down(&k, KEY_LEFTCTRL));
	assert_int_equal(press(&k, KEY_ENTER, SHORTCUT_FULL_SCREEN, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(release(&k, KEY_ENTER, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(release(&k, KEY_LEFTALT, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(release(&k, KEY_LEFTCTRL, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(press(&k, KEY_ENTER, SHORTCUT_FULL_SCREEN, SHORTCUT_NONE), FATE_SEND);
}

static void ctrl_alt_alone_releases_the_pointer(void **state)
{
	struct keys k = { 0 };

	(void)state;
	press(&k, KEY_LEFTALT, SHORTCUT_NONE, SHORTCUT_NONE);
	press(&k, KEY_RIGHTCTRL, SHORTCUT_NONE, SHORTCUT_NONE);
	assert_int_equal(release(&k, KEY_LEFTALT, SHORTCUT_RELEASE_POINTER), FATE_SHORTCUT);
	assert_int_equal(release(&k, KEY_RIGHTCTRL, SHORTCUT_NONE), FATE_DROP);
	assert_int_equal(press(&k, KEY_LEFTALT, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
}

static void ctrl_alt_with_another_key_is_the_guests(void **state)
{
	struct keys k = { 0 };

	(void)state;
	press(&k, KEY_LEFTCTRL, SHORTCUT_NONE, SHORTCUT_NONE);
	press(&k, KEY_LEFTALT, SHORTCUT_NONE, SHORTCUT_NONE);
	assert_int_equal(press(&k, KEY_DELETE, SHORTCUT_NONE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_DELETE, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_LEFTALT, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_LEFTCTRL, SHORTCUT_NONE), FATE_SEND);
}

static void altgr_is_no_part_of_a_shortcut(void **state)
{
	struct keys k = { 0 };

	(void)state;
	press(&k, KEY_LEFTCTRL, SHORTCUT_NONE, SHORTCUT_NONE);
	press(&k, KEY_RIGHTALT, SHORTCUT_NONE, SHORTCUT_NONE);
	assert_int_equal(press(&k, KEY_M, SHORTCUT_MENU, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_M, SHORTCUT_NONE), FATE_SEND);
	assert_int_equal(release(&k, KEY_RIGHTALT, SHORTCUT_NONE), FATE_SEND);
}

static void forgetting_tells_whether_a_key_was_down(void **state)
{
	struct keys k = { 0 };

	(void)state;
	assert_false(keys_forget(&k));
	press(&k, KEY_A, SHORTCUT_NONE, SHORTCUT_NONE);
	assert_true(keys_forget(&k));
	assert_false(keys_is_down(&k, KEY_A));
	assert_int_equal(release(&k, KEY_A, SHORTCUT_NONE), FATE_DROP);
	assert_false(keys_forget(&k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_codes_are_positions_above_eight),
		cmocka_unit_test(old_x_servers_numbers_are_translated),
		cmocka_unit_test(hardware_codes_out_of_range_are_no_keys),
		cmocka_unit_test(repeats_of_a_held_key_are_dropped),
		cmocka_unit_test(impossible_codes_are_dropped),
		cmocka_unit_test(a_shortcut_needs_ctrl_and_alt),
		cmocka_unit_test(a_shortcut_swallows_its_keys_until_they_are_released),
		cmocka_unit_test(ctrl_alt_alone_releases_the_pointer),
		cmocka_unit_test(ctrl_alt_with_another_key_is_the_guests),
		cmocka_unit_test(altgr_is_no_part_of_a_shortcut),
		cmocka_unit_test(forgetting_tells_whether_a_key_was_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
