/* SPDX-License-Identifier: MIT */
/* What the card shows and how it reacts. Everything is also said on the serial port, for tests. */
#include "card.h"

#define BACKGROUND 0x00182430
#define INK 0x00e8e8e8
#define DIM 0x0090a0b0
#define LIT 0x00ffd040

#define LINE(n) (250 + 40 * (n))
#define LABEL_X 60
#define VALUE_X 260
#define STRIP_Y 640
#define STRIP_HEIGHT 60
#define CODE_Y 720 /* the frame's number as 24 black and white cells: a test reads it from a screenshot */
#define CODE_CELL 20
#define BOOT_SECTOR 2047 /* where the boots are counted */
#define FRAME_MS 8

extern char bss_begin[], bss_end[];
void run(void);

__attribute__((section(".start"), naked)) void start(void)
{
	__asm__ volatile("call run");
}

static void say(const char *what, const char *value)
{
	char line[120];

	format(line, sizeof(line), "testcard: %s %s\r\n", what, value);
	serial_write(line);
}

static void show(int line, const char *label, const char *value)
{
	char padded[80];
	size_t i = 0;

	for (; value[i] && i < 79; i++)
		padded[i] = value[i];
	for (; i < 79; i++)
		padded[i] = ' ';
	padded[79] = 0;
	text(LABEL_X, LINE(line), 1, DIM, BACKGROUND, label);
	text(VALUE_X, LINE(line), 1, INK, BACKGROUND, padded);
}

static void report(int line, const char *label, const char *value)
{
	show(line, label, value);
	say(label, value);
}

static void draw_bars(void)
{
	static const uint32_t colours[8] = { 0xffffff, 0xffff00, 0x00ffff, 0x00ff00, 0xff00ff, 0xff0000, 0x0000ff, 0 };

	for (int i = 0; i < 8; i++)
		fill(i * WIDTH / 8, 0, WIDTH / 8, 120, colours[i]);
	for (int i = 0; i < 256; i++)
		fill(i * WIDTH / 256, 120, WIDTH / 256, 30, (uint32_t)i * 0x010101);
	text(LABEL_X, 176, 3, INK, BACKGROUND, "Vitrine test card");
	text(LABEL_X, 770, 1, DIM, BACKGROUND, "Enter: power off    B: beep    any key, mouse: echo above");
}

/* ---- the disk ---- */

static void count_boots(void)
{
	struct {
		char magic[8];
		uint64_t boots;
		uint8_t rest[496];
	} sector;
	char value[64];

	if (!disk_read(BOOT_SECTOR, &sector)) {
		report(3, "boots", "the disk cannot be read");
		return;
	}
	if (*(uint64_t *)sector.magic != 0x64726163747365) /* "estcard", little endian */
		memset(&sector, 0, sizeof(sector));
	*(uint64_t *)sector.magic = 0x64726163747365;
	sector.boots++;
	if (!disk_write(BOOT_SECTOR, &sector))
		format(value, sizeof(value), "%u, but the disk cannot be written", sector.boots);
	else
		format(value, sizeof(value), "%u, counted on the disk", sector.boots);
	report(3, "boots", value);
}

static void show_machine(void)
{
	char name[64], value[80];
	uint64_t bytes;

	cpu_name(name);
	report(0, "cpu", name);
	format(value, sizeof(value), "%u MB", (BOOT_INFO->memory + (1 << 20) - 1) >> 20);
	report(1, "memory", value);
	if (disk_model(name, &bytes))
		format(value, sizeof(value), "%s, %u MB", name, bytes >> 20);
	else
		format(value, sizeof(value), "none");
	report(2, "disk", value);
	count_boots();
}

static void poll_cd(void)
{
	static char last[40] = "?";
	char label[40];
	bool same = true;

	if (!cd_label(label))
		format(label, sizeof(label), "(empty)");
	for (int i = 0; i < 40 && same; i++) {
		same = label[i] == last[i];
		if (!label[i])
			break;
	}
	if (same)
		return;
	memcpy(last, label, sizeof(last));
	report(4, "cd", label);
}

static void poll_clock(void)
{
	static uint8_t last;
	char now[9];

	clock_rtc(now);
	if ((uint8_t)now[7] == last)
		return;
	last = (uint8_t)now[7];
	show(5, "clock", now);
}

/* ---- input ---- */

static uint64_t beep_until;

static void key(uint8_t code)
{
	static char keys[70];
	static size_t length;
	char hex[8];

	format(hex, sizeof(hex), "%x ", (uint64_t)code);
	say("key", hex);
	if (length + 3 >= sizeof(keys))
		length = 0;
	memcpy(keys + length, hex, 4);
	length += 3;
	show(6, "keys", keys);
	if (code == 0x1c) {
		say("power", "off");
		power_off();
	} else if (code == 0x30) {
		speaker(440);
		beep_until = clock_ms() + 300;
	}
}

static void mouse(uint8_t byte)
{
	static uint8_t packet[3];
	static unsigned at;
	static int x = WIDTH / 2, y = STRIP_Y + STRIP_HEIGHT / 2;
	static uint64_t moves;
	char value[64];

	if (at == 0 && !(byte & 8))
		return; /* out of step: the first byte of a packet has bit 3 set */
	packet[at++] = byte;
	if (at < 3)
		return;
	at = 0;
	x += (int)packet[1] - (packet[0] & 0x10 ? 256 : 0);
	y -= (int)packet[2] - (packet[0] & 0x20 ? 256 : 0);
	x = x < 0 ? 0 : x >= WIDTH ? WIDTH - 1 : x;
	y = y < 0 ? 0 : y >= HEIGHT ? HEIGHT - 1 : y;
	format(value, sizeof(value), "%u packets, at %u,%u, buttons %x", ++moves, (uint64_t)x, (uint64_t)y,
	       (uint64_t)(packet[0] & 7));
	show(7, "mouse", value);
	if (moves % 16 == 1)
		say("mouse", value);
}

static void poll_input(void)
{
	uint8_t byte;
	bool is_mouse;

	for (int i = 0; i < 16 && ps2_read(&byte, &is_mouse); i++) {
		if (is_mouse)
			mouse(byte);
		else
			key(byte);
	}
}

/* ---- motion ---- */

/* A light that sweeps the strip in two seconds each way, and the frame's number. Only what changes is drawn. */
static void draw_motion(uint64_t frame, uint64_t now)
{
	static int last = -1;
	int phase = (int)(now % 4000), x = (phase < 2000 ? phase : 3999 - phase) * (WIDTH - 80) / 2000;

	if (last >= 0)
		fill(last, STRIP_Y, 80, STRIP_HEIGHT, BACKGROUND);
	fill(x, STRIP_Y, 80, STRIP_HEIGHT, LIT);
	last = x;
	/* Row by row, so that a screen that is looked at meanwhile has whole numbers in nearly every row. */
	for (int y = CODE_Y; y < CODE_Y + CODE_CELL; y++)
		for (int i = 0; i < 24; i++)
			fill(LABEL_X + i * CODE_CELL, y, CODE_CELL, 1, frame >> i & 1 ? 0xffffff : 0);
}

void run(void)
{
	uint64_t frame = 0, next_frame = 0, next_poll = 0;

	for (char *at = bss_begin; at < bss_end; at++)
		*at = 0;
	serial_write("testcard: up\r\n");
	clock_init();
	if (!screen_init())
		say("screen", "none");
	fill(0, 0, WIDTH, HEIGHT, BACKGROUND);
	draw_bars();
	show_machine();
	show(6, "keys", "");
	show(7, "mouse", "");
	ps2_enable_mouse();
	say("ready", "");
	for (;;) {
		uint64_t now = clock_ms();

		if (now >= next_frame) {
			next_frame = now + FRAME_MS;
			draw_motion(frame++, now);
			poll_input();
		}
		if (now >= next_poll) {
			next_poll = now + 250;
			poll_clock();
			poll_cd();
		}
		if (beep_until && now >= beep_until) {
			beep_until = 0;
			speaker(0);
		}
		__asm__ volatile("pause");
	}
}
