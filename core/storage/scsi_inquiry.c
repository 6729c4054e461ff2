/* SPDX-License-Identifier: MIT */
/* What a target says of itself: INQUIRY with its vital product data, REPORT LUNS (SPC-4 6.4, 6.21, 7.8; SBC-3 6.5). */
#include <stdio.h>

#include "core/storage/scsi.h"

#define VENDOR "VITRINE "
#define STANDARD_LENGTH 36u

enum { PERIPHERAL_DISK = 0x00, PERIPHERAL_CD = 0x05, NO_SUCH_UNIT = 0x7f };

/* As long as a transfer may be, in sectors, so that no driver has to cut it: READ (10)'s longest. */
#define OPTIMAL_TRANSFER 0xffffu
#define MAX_UNMAP_DESCRIPTORS ((SCSI_BUFFER - 8) / 16)

static uint8_t peripheral(const struct scsi_request *q)
{
	return q->wrong_lun ? NO_SUCH_UNIT : q->target->cdrom ? PERIPHERAL_CD : PERIPHERAL_DISK;
}

/* ---- vital product data: each fills from byte 4 on and returns its length ---- */

static uint16_t supported_pages(const struct scsi_target *t, uint8_t *at);

static uint16_t put_serial(const struct scsi_target *t, uint8_t *at)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "VT%09llx", (unsigned long long)scsi_target_number(t));

	memcpy(at, text, (size_t)n);
	return (uint16_t)n;
}

/* Two names: vendor with serial, and NAA 3, which anybody may assign locally (SPC-4 7.8.6.6.4). */
static uint16_t device_identification(const struct scsi_target *t, uint8_t *at)
{
	uint16_t n;

	memcpy(at, (const uint8_t[]){ 0x02, 0x01, 0 }, 3); /* ASCII, T10 vendor identification */
	memcpy(at + 4, VENDOR, 8);
	n = (uint16_t)(8 + put_serial(t, at + 12));
	at[3] = (uint8_t)n;
	at += 4 + n;
	memcpy(at, (const uint8_t[]){ 0x01, 0x03, 0, 8 }, 4); /* binary, NAA */
	be64_store(at + 4, 3ull << 60 | scsi_target_number(t));
	return (uint16_t)(4 + n + 12);
}

static uint16_t block_limits(const struct scsi_target *t, uint8_t *at)
{
	uint8_t *page = at - 4; /* the standard counts from the page's beginning */

	(void)t;
	page[4] = 1; /* WSNZ: a WRITE SAME of "all the rest" is refused */
	be32_store(page + 12, OPTIMAL_TRANSFER);
	be32_store(page + 20, BLOCK_MAX_LENGTH / SCSI_SECTOR * 2048); /* of one UNMAP, in ranges: 64 GiB */
	be32_store(page + 24, MAX_UNMAP_DESCRIPTORS);
	be32_store(page + 28, 1);
	be64_store(page + 36, SCSI_MAX_SAME);
	return 0x3c;
}

static uint16_t device_characteristics(const struct scsi_target *t, uint8_t *at)
{
	(void)t;
	be16_store(at, 1); /* nothing rotates */
	return 0x3c;
}

static uint16_t logical_block_provisioning(const struct scsi_target *t, uint8_t *at)
{
	(void)t;
	at[1] = 0xe4; /* UNMAP, WRITE SAME (16) and (10) unmap; zeros are read then */
	at[2] = 0x02; /* thin */
	return 4;
}

static const struct vital_page {
	uint8_t code;
	bool disk_only;
	uint16_t (*fill)(const struct scsi_target *t, uint8_t *at);
} vital_pages[] = {
	{ 0x00, false, supported_pages },       { 0x80, false, put_serial },
	{ 0x83, false, device_identification }, { 0xb0, true, block_limits },
	{ 0xb1, true, device_characteristics }, { 0xb2, true, logical_block_provisioning },
};

static uint16_t supported_pages(const struct scsi_target *t, uint8_t *at)
{
	uint16_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(vital_pages); i++)
		if (!t->cdrom || !vital_pages[i].disk_only)
			at[n++] = vital_pages[i].code;
	return n;
}

static void send_vital_page(struct scsi_request *q)
{
	for (size_t i = 0; i < ARRAY_SIZE(vital_pages); i++) {
		const struct vital_page *page = &vital_pages[i];
		uint16_t length;

		if (page->code != q->cdb[2] || (page->disk_only && q->target->cdrom))
			continue;
		length = page->fill(q->target, q->buffer + 4);
		q->buffer[0] = peripheral(q);
		q->buffer[1] = page->code;
		be16_store(q->buffer + 2, length);
		scsi_send(q, 4u + length, be16_load(q->cdb + 3));
		return;
	}
	scsi_fail(q, SCSI_INVALID_FIELD);
}

/* ---- the commands ---- */

void scsi_inquiry(struct scsi_request *q)
{
	bool vital = q->cdb[1] & 1;
	uint8_t *p = q->buffer;

	memset(p, 0, SCSI_BUFFER);
	if (vital && !q->wrong_lun) {
		send_vital_page(q);
		return;
	}
	if (vital || q->cdb[2]) {
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	p[0] = peripheral(q);
	p[1] = q->target->cdrom ? 0x80 : 0; /* removable */
	p[2] = 0x06;                        /* SPC-4 */
	p[3] = 0x02;                        /* response format */
	p[4] = STANDARD_LENGTH - 5;
	p[7] = 0x02; /* commands are queued */
	memcpy(p + 8, VENDOR, 8);
	memcpy(p + 16, q->target->cdrom ? "Vitrine CD-ROM  " : "Vitrine disk    ", 16);
	memcpy(p + 32, "1.0 ", 4);
	scsi_send(q, STANDARD_LENGTH, be16_load(q->cdb + 3));
}

/* Unit 0 is all there is; 1 asks for well known units, of which there are none. */
void scsi_report_luns(struct scsi_request *q)
{
	uint32_t allocated = be32_load(q->cdb + 6), units = q->cdb[2] == 1 ? 0 : 1;

	if (q->cdb[2] > 2 || allocated < 4) {
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	memset(q->buffer, 0, 16);
	be32_store(q->buffer, units * 8);
	scsi_send(q, 8 + units * 8, allocated);
}
