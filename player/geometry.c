/* SPDX-License-Identifier: MIT */
#include "player/geometry.h"

#include <math.h>

/* Lowering 1.12 to 1 costs a border of 6 % on each side; more than that and the screen would look lost in its window.
 */
#define SNAP 0.125

struct placement geometry_place(int guest_width, int guest_height, int width, int height)
{
	struct placement p = { .scale = 1 };

	if (guest_width <= 0 || guest_height <= 0 || width <= 0 || height <= 0)
		return p;
	p.scale = fmin((double)width / guest_width, (double)height / guest_height);
	double whole = floor(p.scale);
	if (whole >= 1 && p.scale - whole <= SNAP * whole)
		p.scale = whole;
	p.crisp = p.scale == whole;
	p.area.width = (int)fmax(1, fmin(width, round(guest_width * p.scale)));
	p.area.height = (int)fmax(1, fmin(height, round(guest_height * p.scale)));
	p.area.x = (width - p.area.width) / 2;
	p.area.y = (height - p.area.height) / 2;
	return p;
}

static int clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

struct rectangle geometry_damage(const struct placement *p, struct rectangle damage, int scale_factor)
{
	if (damage.width <= 0 || damage.height <= 0 || p->area.width <= 0 || p->area.height <= 0 || scale_factor < 1)
		return (struct rectangle){ 0 };

	/* A filter lets a guest pixel reach over its neighbour's place. */
	int reach = p->crisp ? 0 : 1;
	double end_x = (double)damage.x + damage.width + reach, end_y = (double)damage.y + damage.height + reach;
	/* A sliver of a screen much reduced may round away; the last row then shows it. */
	int left = clamp((int)floor((damage.x - reach) * p->scale), 0, p->area.width - 1);
	int top = clamp((int)floor((damage.y - reach) * p->scale), 0, p->area.height - 1);
	int right = clamp((int)ceil(fmin(end_x * p->scale, p->area.width)), left + 1, p->area.width);
	int bottom = clamp((int)ceil(fmin(end_y * p->scale, p->area.height)), top + 1, p->area.height);

	int x0 = (p->area.x + left) / scale_factor;
	int y0 = (p->area.y + top) / scale_factor;
	int x1 = (p->area.x + right + scale_factor - 1) / scale_factor;
	int y1 = (p->area.y + bottom + scale_factor - 1) / scale_factor;
	return (struct rectangle){ x0, y0, x1 - x0, y1 - y0 };
}

/* The middle of a pixel, so that the guest, which divides, arrives at that pixel again. */
static unsigned along(double at, int begin, int length, unsigned range)
{
	double part = length > 0 ? (at - begin + 0.5) / length : 0;

	return (unsigned)fmin(fmax(floor(part * (range + 1.0)), 0), range);
}

static bool between(double at, int begin, int length)
{
	return at >= begin && at < (double)begin + length;
}

bool geometry_position(const struct placement *p, double x, double y, unsigned range, unsigned *ret_x, unsigned *ret_y)
{
	*ret_x = along(x, p->area.x, p->area.width, range);
	*ret_y = along(y, p->area.y, p->area.height, range);
	return between(x, p->area.x, p->area.width) && between(y, p->area.y, p->area.height);
}

void geometry_natural_size(int guest_width, int guest_height, struct rectangle limit, int *ret_width, int *ret_height)
{
	double fit = fmin((double)limit.width / guest_width, (double)limit.height / guest_height);

	fit = fmin(fit, 1);
	*ret_width = (int)fmax(1, floor(guest_width * fit));
	*ret_height = (int)fmax(1, floor(guest_height * fit));
}
