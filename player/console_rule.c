/* SPDX-License-Identifier: MIT */
#include "player/console_rule.h"

#define CURSOR 32 /* pixels, both ways: the largest that blinks at a guest's prompt */
#define BACK_SHARE \
	4 /* of its screen a guest must draw to get it back: a picture or a page of text, not a clock's digits */

void console_rule_start(struct console_rule *r, int64_t now)
{
	*r = (struct console_rule){ .drawn_at = now };
}

void console_rule_touched(struct console_rule *r, int64_t now)
{
	r->drawn_at = now;
	r->said = 0;
}

bool console_rule_drawn(struct console_rule *r, struct rectangle damage, unsigned width, unsigned height,
                        bool shows_something, int64_t now)
{
	if ((damage.width <= CURSOR && damage.height <= CURSOR) || !shows_something)
		return false;
	console_rule_touched(r, now);
	if (r->phase != CONSOLE_CAME || (int64_t)damage.width * damage.height < (int64_t)width * height / BACK_SHARE)
		return false;
	r->phase = CONSOLE_SETTLED;
	return true;
}

void console_rule_said(struct console_rule *r, size_t count, int64_t now)
{
	if (now - r->drawn_at >= CONSOLE_ECHO_MS)
		r->said += count;
}

void console_rule_chosen(struct console_rule *r)
{
	r->phase = CONSOLE_SETTLED;
}

int console_rule_wait(struct console_rule *r, int64_t now)
{
	int64_t left = r->drawn_at + CONSOLE_QUIET_MS - now;

	if (r->phase != CONSOLE_WAITS || r->said < CONSOLE_WORDS)
		return -1;
	if (left > 0)
		return (int)left;
	r->phase = CONSOLE_CAME;
	return 0;
}
