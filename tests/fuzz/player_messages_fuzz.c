/* SPDX-License-Identifier: MIT */
/*
 * A core that says anything: the input is a row of messages, each a type and fields; those that message_check() lets
 * through reach the player's model, and what the model then claims must hold for the code that draws from it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "player/disc_menu.h"
#include "player/geometry.h"
#include "player/model.h"

static const struct {
	uint16_t type;
	uint32_t length;
} shapes[] = {
	{ MESSAGE_HELLO, sizeof(struct message_hello) },
	{ MESSAGE_MACHINE, sizeof(struct message_machine) },
	{ MESSAGE_STATE, sizeof(struct message_state) },
	{ MESSAGE_SCREEN, sizeof(struct message_screen) },
	{ MESSAGE_CD, sizeof(struct message_cd) },
	{ MESSAGE_SERIAL_OUTPUT, sizeof(struct message_serial) },
	{ MESSAGE_NOTICE, sizeof(struct message_notice) },
	{ MESSAGE_QUESTION, sizeof(struct message_question) },
	{ MESSAGE_TEXT_SCREEN, sizeof(struct message_text_screen) },
	{ MESSAGE_OUTPUT, sizeof(struct message_output) },
	{ MESSAGE_OPEN, sizeof(struct message_open) },
	{ MESSAGE_POINTER_MODE, sizeof(struct message_pointer_mode) },
	{ MESSAGE_NETWORK_WANTED, sizeof(struct message_network_wanted) },
	{ MESSAGE_LICENSE, sizeof(struct message_license) },
};

static void require(bool claim)
{
	if (!claim)
		abort();
}

static void check_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL && g_utf8_validate(text, -1, NULL));
	for (; *text != '\0'; text++)
		require((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* Lines and tabs beside. */
static void check_license(const struct model *m)
{
	require(m->license_length < sizeof(m->license) && m->license[m->license_length] == '\0');
	require(g_utf8_validate(m->license, (gssize)m->license_length, NULL));
	for (size_t i = 0; i < m->license_length; i++)
		require((m->license[i] & 0xe0) != 0 || m->license[i] == '\n' || m->license[i] == '\t');
}

static void check_model(const struct model *m)
{
	struct placement p = geometry_place((int)m->width, (int)m->height, 1001, 703);
	unsigned x, y;
	struct rectangle r = geometry_damage(&p, m->damage, 2);

	require(m->width <= 2560 && m->height <= 1600 && m->cd_count <= MESSAGE_MAX_CDS && m->state < STATE_COUNT);
	require(m->damage.x + m->damage.width <= (int)m->width && m->damage.y + m->damage.height <= (int)m->height);
	require(r.x >= 0 && r.y >= 0 && r.x + r.width <= 501 && r.y + r.height <= 352);
	geometry_position(&p, m->damage.x, m->damage.y, POINTER_RANGE, &x, &y);
	require(x <= POINTER_RANGE && y <= POINTER_RANGE);
	check_text(m->name, sizeof(m->name));
	check_text(m->text, sizeof(m->text));
	check_text(m->notice, sizeof(m->notice));
	check_text(m->question, sizeof(m->question));
	check_text(m->accept, sizeof(m->accept));
	check_text(m->reject, sizeof(m->reject));
	for (unsigned i = 0; i < m->cd_count; i++)
		check_text(m->cds[i].name, sizeof(m->cds[i].name));
}

/* One byte chooses the type, one how many bytes of its body follow; the rest of the body is 0. */
static size_t next_message(const uint8_t *data, size_t size, union message *m, uint32_t *ret_length)
{
	size_t shape = data[0] % G_N_ELEMENTS(shapes), count = MIN((size_t)data[1], size - 2);

	memset(m, 0, sizeof(*m));
	*ret_length = shapes[shape].length;
	count = MIN(count, *ret_length - sizeof(m->header));
	memcpy((uint8_t *)m + sizeof(m->header), data + 2, count);
	m->header = (struct message_header){ .type = shapes[shape].type, .length = *ret_length, .serial = 1 };
	return 2 + count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GPtrArray) recent = g_ptr_array_new();
	g_autoptr(GMenu) menu = g_menu_new();
	struct model m = { 0 };

	while (size >= 2) {
		union message message;
		uint32_t length;
		size_t used = next_message(data, size, &message, &length);

		data += used;
		size -= used;
		if (!message_check(&message, length, 0, FROM_CORE))
			continue;
		int changes = model_update(&m, &message);
		if (changes < 0)
			continue;
		check_model(&m);
		if (changes & MODEL_CD)
			disc_menu_fill(menu, &m, recent);
		if (changes & MODEL_SERIAL)
			require(m.said_count <= sizeof(m.said));
		if (message.header.type == MESSAGE_LICENSE)
			check_license(&m);
		if (changes & MODEL_QUESTION) {
			require(m.question_kind != QUESTION_LICENSE || m.license_whole);
			model_answered(&m);
		}
	}
	return 0;
}
