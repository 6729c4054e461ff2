/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/teller.c"

struct ear {
	struct loop *loop;
	struct teller *teller;
	unsigned messages;
	size_t bytes[256]; /* of each port */
	char text[4096];   /* of port 0: the last */
	struct message_cd cd;
};

static void hear(void *context, union message *m, enum message_type type)
{
	struct ear *ear = context;

	ear->messages++;
	if (type == MESSAGE_CD) {
		ear->cd = m->cd;
		return;
	}
	assert_int_equal(type, MESSAGE_SERIAL_OUTPUT);
	assert_in_range(m->serial.count, 1, sizeof(m->serial.data));
	ear->bytes[m->serial.port] += m->serial.count;
	if (m->serial.port == 0) {
		memcpy(ear->text, m->serial.data, m->serial.count);
		ear->text[m->serial.count] = 0;
	}
}

static int setup(void **state)
{
	struct ear *ear = calloc(1, sizeof(*ear));

	ear->loop = loop_new(NULL);
	ear->teller = teller_new(ear->loop, hear, ear);
	assert_non_null(ear->teller);
	*state = ear;
	return 0;
}

static int teardown(void **state)
{
	struct ear *ear = *state;

	teller_free(ear->teller);
	loop_free(ear->loop);
	free(ear);
	return 0;
}

static void print(struct ear *ear, unsigned port, const char *text)
{
	teller_serial(ear->teller, port, (const uint8_t *)text, strlen(text));
}

static void lock_tray(struct ear *ear, bool locked)
{
	teller_cd(ear->teller, &(struct message_cd){ .drive = 1, .present = 1, .locked = locked });
}

static void the_first_word_is_told_in_the_next_round(void **state)
{
	struct ear *ear = *state;

	print(ear, 0, "lo");
	print(ear, 0, "gin: ");
	assert_int_equal(ear->messages, 0);
	loop_run_once(ear->loop, -1);
	assert_int_equal(ear->messages, 1);
	assert_string_equal(ear->text, "login: ");
}

/* Each round of the loop is a chance to tell: a guest that prints between them is gathered all the same. */
static void what_follows_soon_is_gathered(void **state)
{
	struct ear *ear = *state;

	for (unsigned i = 0; i < 500; i++) {
		print(ear, 0, "a");
		print(ear, 255, "b");
		lock_tray(ear, i & 1);
		loop_run_once(ear->loop, 0);
	}
	while (ear->bytes[0] < 500)
		loop_run_once(ear->loop, 1000);
	assert_int_equal(ear->bytes[255], 500);
	assert_true(ear->messages < 300); /* of 1,500: three each 10 ms, and the loop above takes a few of them */
	assert_int_equal(ear->cd.drive, 1);
	assert_int_equal(ear->cd.locked, 1);
}

static void what_comes_later_is_told_without_another_cause(void **state)
{
	struct ear *ear = *state;

	lock_tray(ear, true);
	loop_run_once(ear->loop, -1);
	assert_int_equal(ear->messages, 1);
	lock_tray(ear, false);
	lock_tray(ear, true);
	lock_tray(ear, false);
	loop_run_once(ear->loop, -1);
	while (ear->messages < 2)
		loop_run_once(ear->loop, 1000);
	assert_int_equal(ear->cd.locked, 0);
	loop_run_once(ear->loop, 30);
	loop_run_once(ear->loop, 0);
	assert_int_equal(ear->messages, 2);
}

static void long_output_comes_whole_and_in_order(void **state)
{
	struct ear *ear = *state;
	char *text = malloc(3 * MESSAGE_CHUNK + 5);

	memset(text, 'x', 3 * MESSAGE_CHUNK);
	strcpy(text + 3 * MESSAGE_CHUNK, "last");
	print(ear, 0, text);
	assert_int_equal(ear->messages, 3);
	teller_flush(ear->teller);
	assert_int_equal(ear->messages, 4);
	assert_string_equal(ear->text, "last");
	for (unsigned port = 0; port < 20; port++)
		print(ear, port, "more ports than any board");
	teller_flush(ear->teller);
	assert_int_equal(ear->bytes[0], 3 * MESSAGE_CHUNK + 4 + 25);
	for (unsigned port = 1; port < 20; port++)
		assert_int_equal(ear->bytes[port], 25);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_word_is_told_in_the_next_round),
		TEST(what_follows_soon_is_gathered),
		TEST(what_comes_later_is_told_without_another_cause),
		TEST(long_output_comes_whole_and_in_order),
	};

	return cmocka_run_group_tests_name("teller", tests, NULL, NULL);
}
