/* SPDX-License-Identifier: MIT */
#include "vmformat/disk_formats.h"

#include <errno.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/gz.h"
#include "vmformat/iso.h"
#include "vmformat/qcow2_image.h"
#include "vmformat/raw.h"
#include "vmformat/vdi.h"
#include "vmformat/vhd.h"
#include "vmformat/vhdx.h"
#include "vmformat/vmdk.h"
#include "vmformat/xz.h"

/* Asked in this order; raw takes everything and is therefore last. */
const struct disk_format *const disk_formats[] = {
	&vmdk_format, &qcow2_image_format, &vdi_format, &vhd_format, &vhdx_format,
	&xz_format,   &gz_format,          &iso_format, &raw_format, NULL,
};

#define CONVERT "Convert a copy of it: qemu-img convert -O vmdk FILE NEW.vmdk"
#define UNPACK "Unpack it first, then open what was in it."

/*
 * Taken for raw, these would show a guest a disk full of rubbish. Order does not matter: no signature is part
 * of another.
 */
static const struct {
	size_t offset, length;
	const char *signature;
	const char *what, *advice;
	int code;
} foreign[] = {
	{ 0, 4, "QED\0", "a QED disk, which Vitrine does not play", CONVERT, -ENOTSUP },
	{ 0, 16, "WithoutFreeSpace", "a Parallels disk, which Vitrine does not play", CONVERT, -ENOTSUP },
	{ 0, 16, "WithouFreSpacExt", "a Parallels disk, which Vitrine does not play", CONVERT, -ENOTSUP },
	{ 0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK, -ENOTSUP },
	{ 4, 6, "1AY&SY", "compressed with bzip2", UNPACK, -ENOTSUP },
	{ 0, 4, "PK\3\4", "a ZIP archive", UNPACK, -ENOTSUP },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK, -ENOTSUP },
	{ 0, 6, "Rar!\x1a\x07", "a RAR archive", UNPACK, -ENOTSUP },
	{ 0, 9, "<!DOCTYPE", "a web page, not a disk", "The download went wrong; download it again.", -EINVAL },
	{ 0, 5, "<html", "a web page, not a disk", "The download went wrong; download it again.", -EINVAL },
};

int disk_refuse_foreign(const struct file *file, const uint8_t *head, size_t head_length, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (range_within(foreign[i].offset, foreign[i].length, head_length) &&
		    memcmp(head + foreign[i].offset, foreign[i].signature, foreign[i].length) == 0)
			return error_set(e, foreign[i].code, "%s is %s. %s", file->name, foreign[i].what,
			                 foreign[i].advice);
	return 0;
}
