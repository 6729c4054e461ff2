/* SPDX-License-Identifier: MIT */
#include "core/script.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/headless.h"
#include "vmformat/bytes.h"

#define MAX_WORDS 8 /* on a line */
#define MAX_LINE 1024
#define MAX_LINES 10000 /* of a script: a day of acts */
#define KEY_QUEUE 2048  /* events: "type" of the longest line has 1,024 characters of 2, with Shift of 4 */
/* Seconds between events. A keyboard keeps 16 bytes, eight keys or four with Shift, and a guest on a busy computer may not look for half a
 * second: what comes then is lost. */
#define KEY_PERIOD 0.05

struct line {
	unsigned number;
	const struct word *word;
	unsigned count;
	char *arguments[MAX_WORDS];
};

struct script {
	const char *path;
	struct line *lines;
	unsigned line_count, at;
	bool begun; /* lines[at] has been started at `since` */
	double since;
	struct {
		uint16_t code;
		bool down;
	} keys[KEY_QUEUE];
	unsigned key_count, key_at;
	double next_key;
};

/* ---- keys ---- */

#define K(name)                   \
	{                         \
#name, KEY_##name \
	}
static const struct {
	const char *name; /* without KEY_ */
	uint16_t code;
} key_names[] = {
	K(A),          K(B),         K(C),          K(D),       K(E),         K(F),          K(G),         K(H),
	K(I),          K(J),         K(K),          K(L),       K(M),         K(N),          K(O),         K(P),
	K(Q),          K(R),         K(S),          K(T),       K(U),         K(V),          K(W),         K(X),
	K(Y),          K(Z),         K(0),          K(1),       K(2),         K(3),          K(4),         K(5),
	K(6),          K(7),         K(8),          K(9),       K(F1),        K(F2),         K(F3),        K(F4),
	K(F5),         K(F6),        K(F7),         K(F8),      K(F9),        K(F10),        K(F11),       K(F12),
	K(ENTER),      K(ESC),       K(TAB),        K(SPACE),   K(BACKSPACE), K(UP),         K(DOWN),      K(LEFT),
	K(RIGHT),      K(HOME),      K(END),        K(PAGEUP),  K(PAGEDOWN),  K(INSERT),     K(DELETE),    K(LEFTSHIFT),
	K(RIGHTSHIFT), K(LEFTCTRL),  K(RIGHTCTRL),  K(LEFTALT), K(RIGHTALT),  K(LEFTMETA),   K(RIGHTMETA), K(COMPOSE),
	K(CAPSLOCK),   K(NUMLOCK),   K(SCROLLLOCK), K(PAUSE),   K(SYSRQ),     K(MINUS),      K(EQUAL),     K(LEFTBRACE),
	K(RIGHTBRACE), K(SEMICOLON), K(APOSTROPHE), K(GRAVE),   K(BACKSLASH), K(COMMA),      K(DOT),       K(SLASH),
	K(KP0),        K(KP1),       K(KP2),        K(KP3),     K(KP4),       K(KP5),        K(KP6),       K(KP7),
	K(KP8),        K(KP9),       K(KPENTER),    K(KPPLUS),  K(KPMINUS),   K(KPASTERISK), K(KPSLASH),   K(KPDOT),
	K(102ND),
};
#undef K

static int key_code(const char *name)
{
	if (!strncmp(name, "KEY_", 4))
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(key_names); i++)
		if (!strcmp(key_names[i].name, name))
			return key_names[i].code;
	return -1;
}

/* The rows of a US keyboard, without and with Shift; the first code of each. KEY_* run along the rows. */
static const struct {
	const char *plain, *shifted;
	uint16_t first;
} key_rows[] = {
	{ "1234567890-=", "!@#$%^&*()_+", KEY_1 },
	{ "qwertyuiop[]\n", "QWERTYUIOP{}", KEY_Q },
	{ "asdfghjkl;'`", "ASDFGHJKL:\"~", KEY_A },
	{ "\\zxcvbnm,./", "|ZXCVBNM<>?", KEY_BACKSLASH },
	{ " ", " ", KEY_SPACE },
	{ "\b\t", "", KEY_BACKSPACE },
	{ "\033", "", KEY_ESC },
};

static bool find_key(char c, uint16_t *ret_code, bool *ret_shift)
{
	for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++) {
		const char *plain = strchr(key_rows[i].plain, c), *shifted = strchr(key_rows[i].shifted, c);

		if (!c || (!plain && !shifted))
			continue;
		*ret_shift = !plain;
		*ret_code = (uint16_t)(key_rows[i].first +
		                       (plain ? plain - key_rows[i].plain : shifted - key_rows[i].shifted));
		return true;
	}
	return false;
}

static void queue_key(struct script *s, unsigned code, bool down)
{
	if (s->key_count < KEY_QUEUE) {
		s->keys[s->key_count].code = (uint16_t)code;
		s->keys[s->key_count++].down = down;
	}
}

/* 1: keys are still to be sent. */
static int send_keys(struct script *s, struct headless *h)
{
	if (s->key_at < s->key_count && headless_now(h) >= s->next_key) {
		headless_key(h, s->keys[s->key_at].code, s->keys[s->key_at].down);
		s->key_at++;
		s->next_key = headless_now(h) + KEY_PERIOD;
	}
	if (s->key_at < s->key_count)
		return 1;
	s->key_at = s->key_count = 0;
	return 0;
}

/* ---- the acts: 0 done, 1 call again, negative failed. `begun` is false at the first call ---- */

static int act_type(struct script *s, struct headless *h, const struct line *l)
{
	uint16_t code;
	bool shift;

	for (const char *p = l->arguments[0]; !s->begun && *p; p++) {
		if (!find_key(*p, &code, &shift)) {
			headless_complain("%s:%u: no key types '%c'; use ASCII", s->path, l->number, *p);
			return -EINVAL;
		}
		if (shift)
			queue_key(s, KEY_LEFTSHIFT, true);
		queue_key(s, code, true);
		queue_key(s, code, false);
		if (shift)
			queue_key(s, KEY_LEFTSHIFT, false);
	}
	return send_keys(s, h);
}

static int act_key(struct script *s, struct headless *h, const struct line *l)
{
	for (unsigned i = 0; !s->begun && i < l->count; i++)
		queue_key(s, (unsigned)key_code(l->arguments[i]), true);
	for (unsigned i = l->count; !s->begun && i-- > 0;)
		queue_key(s, (unsigned)key_code(l->arguments[i]), false);
	return send_keys(s, h);
}

static int act_serial(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	headless_type_serial(h, l->arguments[0]);
	return 0;
}

static int act_pointer(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	headless_pointer(h, atoi(l->arguments[0]), atoi(l->arguments[1]),
	                 l->count > 2 ? (unsigned)atoi(l->arguments[2]) : 0);
	return 0;
}

static int act_position(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	headless_position(h, (unsigned)atoi(l->arguments[0]), (unsigned)atoi(l->arguments[1]),
	                  l->count > 2 ? (unsigned)atoi(l->arguments[2]) : 0);
	return 0;
}

static int act_wait_text(struct script *s, struct headless *h, const struct line *l)
{
	double limit = l->count > 1 ? atof(l->arguments[1]) : 60;

	if (headless_find(h, l->arguments[0])) {
		headless_forget(h);
		return 0;
	}
	if (headless_now(h) - s->since < limit)
		return 1;
	headless_complain("%s:%u: \"%s\" was not seen within %g seconds", s->path, l->number, l->arguments[0], limit);
	return -ETIME;
}

static int act_expect_text(struct script *s, struct headless *h, const struct line *l)
{
	if (headless_find(h, l->arguments[0]))
		return 0;
	headless_complain("%s:%u: \"%s\" is not to be seen", s->path, l->number, l->arguments[0]);
	return -ENOENT;
}

static int act_sleep(struct script *s, struct headless *h, const struct line *l)
{
	return headless_now(h) - s->since < atof(l->arguments[0]);
}

static int act_cd(struct script *s, struct headless *h, const struct line *l)
{
	bool inserts = !strcmp(l->arguments[0], "insert"), force = !strcmp(l->arguments[0], "force-eject");

	if ((inserts && l->count == 2) || (l->count == 1 && (force || !strcmp(l->arguments[0], "eject"))))
		return headless_insert_cd(h, inserts ? l->arguments[1] : NULL, force);
	headless_complain("%s:%u: cd insert FILE, cd eject, or cd force-eject", s->path, l->number);
	return -EINVAL;
}

static int act_net(struct script *s, struct headless *h, const struct line *l)
{
	bool connect = !strcmp(l->arguments[0], "connect");
	char *end;
	unsigned long nic = strtoul(l->arguments[1], &end, 10);

	if ((connect || !strcmp(l->arguments[0], "disconnect")) && l->arguments[1][0] >= '0' &&
	    l->arguments[1][0] <= '9' && !*end && nic < NAT_MAX_NICS) {
		headless_cable(h, (unsigned)nic, connect);
		return 0;
	}
	headless_complain("%s:%u: net connect N or net disconnect N; the first card is 0", s->path, l->number);
	return -EINVAL;
}

static int act_pause(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	(void)l;
	headless_command(h, COMMAND_PAUSE);
	return 0;
}

static int act_run(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	(void)l;
	headless_command(h, COMMAND_RUN);
	return 0;
}

static int act_reset(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	(void)l;
	headless_command(h, COMMAND_RESET);
	return 0;
}

static int act_power_button(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	(void)l;
	headless_command(h, COMMAND_POWER_BUTTON);
	return 0;
}

static int act_power_off(struct script *s, struct headless *h, const struct line *l)
{
	(void)l;
	if (!s->begun)
		headless_command(h, COMMAND_POWER_OFF);
	return 1; /* the machine's end ends the script */
}

static int act_screenshot(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	return headless_screenshot(h, l->arguments[0]);
}

static int act_screen_text(struct script *s, struct headless *h, const struct line *l)
{
	(void)s;
	return headless_screen_text(h, l->arguments[0]);
}

struct word {
	const char *name;
	unsigned least, most; /* arguments */
	int (*act)(struct script *s, struct headless *h, const struct line *l);
};

static const struct word words[] = {
	{ "wait-text", 1, 2, act_wait_text },
	{ "expect-text", 1, 1, act_expect_text },
	{ "type", 1, 1, act_type },
	{ "key", 1, MAX_WORDS - 1, act_key },
	{ "serial", 1, 1, act_serial },
	{ "pointer", 2, 3, act_pointer },
	{ "position", 2, 3, act_position },
	{ "cd", 1, 2, act_cd },
	{ "net", 2, 2, act_net },
	{ "pause", 0, 0, act_pause },
	{ "run", 0, 0, act_run },
	{ "reset", 0, 0, act_reset },
	{ "powerbutton", 0, 0, act_power_button },
	{ "poweroff", 0, 0, act_power_off },
	{ "screenshot", 1, 1, act_screenshot },
	{ "screen-text", 1, 1, act_screen_text },
	{ "sleep", 1, 1, act_sleep },
};

/* ---- reading ---- */

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'e':
		return '\033';
	case 'b':
		return '\b';
	default:
		return c;
	}
}

/* The next word of *at, unquoted in place; NULL: none. */
static char *next_word(char **at)
{
	char *from = *at + strspn(*at, " \t\r\n"), *to = from, *word = from;
	bool quoted = false;

	if (!*from || *from == '#')
		return NULL;
	for (; *from && (quoted || !strchr(" \t\r\n", *from)); from++) {
		if (*from == '"')
			quoted = !quoted;
		else if (*from == '\\' && quoted && from[1])
			*to++ = unescape(*++from);
		else
			*to++ = *from;
	}
	*at = *from ? from + 1 : from;
	*to = 0;
	return word;
}

static const struct word *find_word(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].name, name))
			return &words[i];
	return NULL;
}

static bool keys_are_known(const struct script *s, const struct line *l)
{
	for (unsigned i = 0; l->word->act == act_key && i < l->count; i++) {
		if (key_code(l->arguments[i]) < 0) {
			headless_complain("%s:%u: there is no key %s (see vitrine-core(1))", s->path, l->number,
			                  l->arguments[i]);
			return false;
		}
	}
	return true;
}

/* 0, also for an empty line; negative after a complaint. */
static int read_line(struct script *s, char *text, unsigned number)
{
	struct line l = { .number = number };
	char *word = next_word(&text);

	if (!word)
		return 0;
	l.word = find_word(word);
	while (l.word && l.count < MAX_WORDS && (word = next_word(&text)))
		if (!(l.arguments[l.count++] = strdup(word)))
			return -ENOMEM;
	s->lines[s->line_count++] = l;
	if (!l.word)
		headless_complain("%s:%u: \"%s\" is not a word of a script (see vitrine-core(1))", s->path, number,
		                  word);
	else if (l.count < l.word->least || l.count > l.word->most)
		headless_complain("%s:%u: \"%s\" takes %u to %u arguments, here are %u", s->path, number, l.word->name,
		                  l.word->least, l.word->most, l.count);
	else if (keys_are_known(s, &l))
		return 0;
	return -EINVAL;
}

struct script *script_read(const char *path)
{
	FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "re");
	struct script *s = calloc(1, sizeof(*s));
	char text[MAX_LINE];
	int err = 0;

	if (f && s)
		s->lines = calloc(MAX_LINES, sizeof(*s->lines));
	if (!f || !s || !s->lines) {
		headless_complain("%s: %s", path, strerror(errno));
		err = -errno;
	} else {
		s->path = path;
		for (unsigned n = 1; !err && s->line_count < MAX_LINES && fgets(text, sizeof(text), f); n++)
			err = read_line(s, text, n);
	}
	if (f && f != stdin)
		fclose(f);
	if (!err)
		return s;
	script_free(s);
	return NULL;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->line_count; i++)
		for (unsigned k = 0; k < s->lines[i].count; k++)
			free(s->lines[i].arguments[k]);
	free(s->lines);
	free(s);
}

int script_step(struct script *s, struct headless *h)
{
	while (s->at < s->line_count) {
		const struct line *l = &s->lines[s->at];
		int result;

		if (!s->begun)
			s->since = headless_now(h);
		result = l->word->act(s, h, l);
		s->begun = result > 0;
		if (result)
			return result;
		s->at++;
	}
	return 0;
}
