/* SPDX-License-Identifier: MIT */
/* content_type name|content FILE: what GIO takes FILE for, by its name alone or by its first 64 KiB alone. */
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#define SNIFFED 65536

int main(int argc, char **argv)
{
	g_autofree char *type = NULL;
	static guchar data[SNIFFED];
	FILE *file;

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "name") == 0) {
		type = g_content_type_guess(argv[2], NULL, 0, NULL);
	} else {
		file = fopen(argv[2], "rb");
		if (file == NULL)
			return 1;
		type = g_content_type_guess(NULL, data, fread(data, 1, sizeof(data), file), NULL);
		fclose(file);
	}
	return puts(type) < 0;
}
