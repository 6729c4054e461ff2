/* SPDX-License-Identifier: MIT */
#include "core/screen_file.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmformat/bytes.h"

/* ---- PNG ---- */

static int write_png(FILE *f, const uint32_t *pixels, unsigned width, unsigned height, uint8_t *row)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		return -EIO;
	}
	png_init_io(png, f);
	png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
	             PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (unsigned y = 0; y < height; y++) {
		for (unsigned x = 0; x < width; x++) {
			uint32_t pixel = pixels[(size_t)y * width + x];

			row[x * 3] = (uint8_t)(pixel >> 16);
			row[x * 3 + 1] = (uint8_t)(pixel >> 8);
			row[x * 3 + 2] = (uint8_t)pixel;
		}
		png_write_row(png, row);
	}
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	return 0;
}

int screen_file_png(const char *path, const uint32_t *pixels, unsigned width, unsigned height)
{
	bool to_stdout = !strcmp(path, "-");
	uint8_t *row = malloc((size_t)width * 3);
	char *part = NULL;
	FILE *f = NULL;
	int err = -ENOMEM;

	if (row && asprintf(&part, "%s.part", path) < 0)
		part = NULL;
	if (part) {
		f = to_stdout ? stdout : fopen(part, "we");
		err = f ? write_png(f, pixels, width, height, row) : -errno;
	}
	if (f && (to_stdout ? fflush(f) : fclose(f)) != 0)
		err = -errno;
	/* Who waits for the file sees a whole one. */
	if (!err && !to_stdout && rename(part, path) < 0)
		err = -errno;
	if (err && f && !to_stdout)
		unlink(part);
	free(part);
	free(row);
	return err;
}

/* ---- text ---- */

/* Code page 437 as PC display adapters show it, control characters' pictures included (IBM, CDRA code page 437). */
static const uint16_t cp437_low[32] = {
	0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
	0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
	0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};
static const uint16_t cp437_high[128] = {
	0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee,
	0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6,
	0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa,
	0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502,
	0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514,
	0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
	0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c,
	0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
	0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320,
	0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

static char *put_cell(char *to, uint8_t cell)
{
	uint16_t c = cell < 32 ? cp437_low[cell] : cell == 127 ? 0x2302 : cell > 127 ? cp437_high[cell - 128] : cell;

	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

static bool is_blank(uint8_t cell)
{
	return cell == ' ' || cell == 0 || cell == 255;
}

static unsigned row_length(const uint8_t *row, unsigned columns)
{
	while (columns && is_blank(row[columns - 1]))
		columns--;
	return columns;
}

char *screen_file_utf8(const uint8_t *cells, unsigned columns, unsigned rows)
{
	char *text = malloc((size_t)rows * (columns * 3 + 1) + 1), *to = text;

	while (rows && row_length(cells + (size_t)(rows - 1) * columns, columns) == 0)
		rows--;
	for (unsigned y = 0; text && y < rows; y++) {
		const uint8_t *row = cells + (size_t)y * columns;
		unsigned used = row_length(row, columns);

		for (unsigned x = 0; x < used; x++)
			to = put_cell(to, row[x]);
		*to++ = '\n';
	}
	if (text)
		*to = 0;
	return text;
}

int screen_file_text(const char *path, const uint8_t *cells, unsigned columns, unsigned rows)
{
	bool to_stdout = !strcmp(path, "-");
	char *text = screen_file_utf8(cells, columns, rows);
	FILE *f = text ? (to_stdout ? stdout : fopen(path, "we")) : NULL;
	int err = f ? 0 : -errno;

	if (f && fputs(text, f) < 0)
		err = -EIO;
	if (f && (to_stdout ? fflush(f) : fclose(f)) != 0)
		err = -errno;
	free(text);
	return err;
}
