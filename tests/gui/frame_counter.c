/* SPDX-License-Identifier: MIT */
/*
 * frame_counter X Y SECONDS: how many different frames of the test card reached the display.
 *
 * The card draws its frame's number as 24 black and white cells of 20 pixels (samples/testcard/card.c); X, Y is the
 * middle of the first on the root window. They are read every two milliseconds. A number that is not above the one
 * before is not counted, so that cells caught half drawn can never make the result better than it is.
 */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CELLS 24
#define CELL 20
#define PERIOD_NS 2000000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -1: something else than cells is there. */
static int32_t read_number(Display *display, int x, int y)
{
	XImage *image =
		XGetImage(display, DefaultRootWindow(display), x, y, (CELLS - 1) * CELL + 1, 1, AllPlanes, ZPixmap);
	int32_t number = 0;

	if (image == NULL)
		return -1;
	for (int i = 0; i < CELLS && number >= 0; i++) {
		unsigned long pixel = XGetPixel(image, i * CELL, 0) & 0xffffff;
		if (pixel != 0 && pixel != 0xffffff)
			number = -1;
		else if (pixel != 0)
			number |= 1 << i;
	}
	XDestroyImage(image);
	return number;
}

int main(int argc, char **argv)
{
	Display *display = XOpenDisplay(NULL);

	if (argc != 4 || display == NULL) {
		fputs("usage: frame_counter X Y SECONDS (with a DISPLAY)\n", stderr);
		return 2;
	}
	int x = atoi(argv[1]), y = atoi(argv[2]);
	double begin = now(), end = begin + atof(argv[3]), last_at = begin, longest = 0, at;
	int32_t last = -1, first = -1;
	unsigned count = 0, reads = 0;
	for (; (at = now()) < end; reads++) {
		int32_t number = read_number(display, x, y);
		if (number > last) {
			if (first < 0)
				first = number;
			else if (at - last_at > longest)
				longest = at - last_at;
			last = number;
			last_at = at;
			count++;
		}
		nanosleep(&(struct timespec){ .tv_nsec = PERIOD_NS }, NULL);
	}
	XCloseDisplay(display);
	printf("%.1f frames a second (%u of the %d that the card drew in %.1f s; longest wait %.0f ms; %u looks)\n",
	       count / (end - begin), count, last - first + 1, end - begin, longest * 1000, reads);
	return count > 0 ? 0 : 1;
}
