/* SPDX-License-Identifier: MIT */
/* Names and layouts are those of MMC-5 (T10/1675D). The commands are in the table at the end. */
#include "core/storage/atapi.h"

#include <errno.h>

/* More sectors than that have no MSF address (99:59:74): the medium is a DVD then. */
#define CD_MAX_SECTORS 449850u
#define MSF_LEAD_IN 150u /* LBA 0 is at 00:02:00 */
#define LEAD_OUT 0xaa
#define DATA_TRACK 0x14 /* Q sub-channel: ADR 1, control 4 */

#define SENSE(k, a, q) ((struct atapi_sense){ .key = (k), .asc = (a), .ascq = (q) })
#define NO_SENSE SENSE(0, 0, 0)
#define NO_MEDIUM_TRAY_CLOSED SENSE(2, 0x3a, 0x01)
#define NO_MEDIUM_TRAY_OPEN SENSE(2, 0x3a, 0x02)
#define UNRECOVERED_READ_ERROR SENSE(3, 0x11, 0x00)
#define PARAMETER_LIST_LENGTH SENSE(5, 0x1a, 0x00)
#define INVALID_OPCODE SENSE(5, 0x20, 0x00)
#define LBA_OUT_OF_RANGE SENSE(5, 0x21, 0x00)
#define INVALID_FIELD SENSE(5, 0x24, 0x00)
#define INVALID_PARAMETER SENSE(5, 0x26, 0x00)
#define SEQUENCE_ERROR SENSE(5, 0x2c, 0x00)
#define INCOMPATIBLE_FORMAT SENSE(5, 0x30, 0x02)
#define SAVING_NOT_SUPPORTED SENSE(5, 0x39, 0x00)
#define REMOVAL_PREVENTED SENSE(5, 0x53, 0x02)
#define ILLEGAL_MODE_FOR_TRACK SENSE(5, 0x64, 0x00)
#define MEDIUM_MAY_HAVE_CHANGED SENSE(6, 0x28, 0x00)
#define POWER_ON_OCCURRED SENSE(6, 0x29, 0x00)

enum media_event { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIA, EVENT_MEDIA_REMOVAL };

struct call { /* one command under way */
	struct atapi_drive *drive;
	const uint8_t *cdb;
	uint8_t *data;
	struct atapi_reply *reply;
};

static bool has_medium(const struct atapi_drive *c)
{
	return !c->tray_open && block_has_medium(c->block);
}

static uint32_t sectors(const struct atapi_drive *c)
{
	return has_medium(c) ? (uint32_t)MIN(block_capacity(c->block) / ATAPI_SECTOR, UINT32_MAX) : 0;
}

static bool is_dvd(const struct atapi_drive *c)
{
	return sectors(c) > CD_MAX_SECTORS;
}

static void fail(struct call *k, struct atapi_sense sense)
{
	k->drive->sense = sense;
	k->reply->action = ATAPI_FAILED;
}

/* Sends length bytes of k->data, or as many as the host has allocated for them. */
static void send(struct call *k, uint32_t length, uint32_t allocated)
{
	k->reply->length = MIN(length, allocated);
	k->reply->action = k->reply->length ? ATAPI_DATA_IN : ATAPI_DONE;
}

static void put_msf(uint8_t *at, uint32_t lba)
{
	uint32_t frames = lba + MSF_LEAD_IN;

	at[0] = (uint8_t)(frames / 75 / 60);
	at[1] = (uint8_t)(frames / 75 % 60);
	at[2] = (uint8_t)(frames % 75);
}

/* Four bytes, as a CD address comes in most answers. */
static void put_address(uint8_t *at, uint32_t lba, bool msf)
{
	be32_store(at, lba);
	if (msf) {
		at[0] = 0;
		put_msf(at + 1, lba);
	}
}

/* ---- about the drive ---- */

static void test_unit_ready(struct call *k)
{
	(void)k; /* the table asks for a medium: that is the test */
}

static void request_sense(struct call *k)
{
	struct atapi_drive *c = k->drive;

	if (!c->sense.key && c->attention.key) {
		c->sense = c->attention;
		c->attention = NO_SENSE;
	}
	memset(k->data, 0, 18);
	k->data[0] = 0x70;
	k->data[2] = c->sense.key;
	k->data[7] = 10;
	k->data[12] = c->sense.asc;
	k->data[13] = c->sense.ascq;
	c->sense = NO_SENSE;
	send(k, 18, k->cdb[4]);
}

static void inquiry(struct call *k)
{
	static const char text[] = "VITRINE Vitrine CD-ROM  1.0 ";

	if (k->cdb[1] & 1 || k->cdb[2]) { /* no vital product data */
		fail(k, INVALID_FIELD);
		return;
	}
	memset(k->data, 0, 36);
	k->data[0] = 0x05; /* CD/DVD */
	k->data[1] = 0x80; /* removable */
	k->data[3] = 0x32; /* ATAPI, response format 2 */
	k->data[4] = 31;
	memcpy(k->data + 8, text, 28);
	send(k, 36, be16_load(k->cdb + 3));
}

static void start_stop_unit(struct call *k)
{
	struct atapi_drive *c = k->drive;
	uint8_t what = k->cdb[4] & 3; /* LoEj, Start */

	if (k->cdb[4] >> 4)
		return; /* power conditions: nothing spins here */
	if (what == 2 && c->locked && !c->tray_open) {
		fail(k, REMOVAL_PREVENTED);
	} else if (what == 2) {
		/* The tray is open for the guest at once; the medium follows when the I/O thread gets there. */
		c->tray_open = true;
		block_eject(c->block);
	} else if (what == 3 && c->tray_open) {
		c->tray_open = false;
		if (has_medium(c))
			c->attention = MEDIUM_MAY_HAVE_CHANGED;
	}
}

static void prevent_allow_medium_removal(struct call *k)
{
	k->drive->locked = k->cdb[4] & 1;
	block_set_locked(k->drive->block, k->drive->locked);
}

static void mechanism_status(struct call *k)
{
	memset(k->data, 0, 8);
	k->data[1] = k->drive->tray_open ? 0x10 : 0;
	send(k, 8, be16_load(k->cdb + 8));
}

/* Polled only; the media class is the only one that has events. */
static void get_event_status_notification(struct call *k)
{
	struct atapi_drive *c = k->drive;
	uint8_t *p = k->data;

	if (!(k->cdb[1] & 1)) {
		fail(k, INVALID_FIELD);
		return;
	}
	memset(p, 0, 8);
	p[3] = 0x10;
	if (!(k->cdb[4] & 0x10)) {
		be16_store(p, 2);
		p[2] = 0x80; /* no event available of what was asked for */
		send(k, 4, be16_load(k->cdb + 7));
		return;
	}
	be16_store(p, 6);
	p[2] = 4;
	p[4] = c->event;
	p[5] = (uint8_t)(c->tray_open | has_medium(c) << 1);
	send(k, 8, be16_load(k->cdb + 7));
	if (k->reply->length > 4)
		c->event = EVENT_NONE;
}

/* ---- features ---- */

enum feature_current { ALWAYS, WITH_MEDIUM, WITH_CD, WITH_DVD };

static const struct feature {
	uint16_t code;
	uint8_t version_persistent; /* bits 5-2 and 1 of byte 2 */
	uint8_t current;            /* enum feature_current */
	uint8_t length;
	uint8_t data[8];
} features[] = {
	{ 0x0001, 0x06, ALWAYS, 8, { 0, 0, 0, 2 /* ATAPI */ } },               /* core */
	{ 0x0003, 0x02, ALWAYS, 4, { 0x29 /* tray, eject, lock */ } },         /* removable medium */
	{ 0x0010, 0x00, WITH_MEDIUM, 8, { 0, 0, 8, 0 /* bytes */, 0, 1, 0 } }, /* random readable */
	{ 0x001e, 0x08, WITH_CD, 4, { 0 } },                                   /* CD read */
	{ 0x001f, 0x04, WITH_DVD, 4, { 0 } },                                  /* DVD read */
	{ 0x0100, 0x02, ALWAYS, 0, { 0 } },                                    /* power management */
	{ 0x0105, 0x06, ALWAYS, 4, { 0 } },                                    /* timeout */
};

static bool feature_is_current(const struct atapi_drive *c, uint8_t when)
{
	switch (when) {
	case ALWAYS:
		return true;
	case WITH_MEDIUM:
		return has_medium(c);
	default:
		return has_medium(c) && is_dvd(c) == (when == WITH_DVD);
	}
}

enum { PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };

static uint16_t current_profile(const struct atapi_drive *c)
{
	return !has_medium(c) ? 0 : is_dvd(c) ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

static uint32_t put_profile_list(const struct atapi_drive *c, uint8_t *at)
{
	static const uint16_t profiles[] = { PROFILE_DVD_ROM, PROFILE_CD_ROM };

	memcpy(at, (const uint8_t[]){ 0, 0, 0x03, 8 }, 4);
	for (unsigned i = 0; i < 2; i++) {
		be16_store(at + 4 + 4 * i, profiles[i]);
		at[6 + 4 * i] = current_profile(c) == profiles[i];
		at[7 + 4 * i] = 0;
	}
	return 12;
}

static uint32_t put_feature(const struct atapi_drive *c, uint8_t *at, const struct feature *f)
{
	be16_store(at, f->code);
	at[2] = f->version_persistent | feature_is_current(c, f->current);
	at[3] = f->length;
	memcpy(at + 4, f->data, f->length);
	return 4u + f->length;
}

static void get_configuration(struct call *k)
{
	uint8_t wanted = k->cdb[1] & 3; /* 0: all, 1: current ones, 2: one */
	uint16_t first = be16_load(k->cdb + 2);
	uint32_t length = 8;

	if (wanted == 3) {
		fail(k, INVALID_FIELD);
		return;
	}
	memset(k->data, 0, 8);
	if (first == 0)
		length += put_profile_list(k->drive, k->data + length);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		if (wanted == 2 ? f->code != first : f->code < first)
			continue;
		if (wanted == 1 && !feature_is_current(k->drive, f->current))
			continue;
		length += put_feature(k->drive, k->data + length, f);
	}
	be32_store(k->data, length - 4);
	be16_store(k->data + 6, current_profile(k->drive));
	send(k, length, be16_load(k->cdb + 7));
}

/* ---- mode pages ---- */

struct mode_page {
	uint8_t code, size, at; /* whole size; place in struct atapi_drive's mode */
	uint8_t defaults[16], changeable[16];
};

static const struct mode_page mode_pages[] = {
	{ 0x01, 12, 0, { 0x01, 10, 0x00, 0x05 }, { 0, 0, 0xff, 0xff } }, /* read error recovery */
	{ 0x0d, 8, 12, { 0x0d, 6, 0, 0x0d, 0, 60, 0, 75 }, { 0 } },      /* CD device parameters */
	{ 0x0e,
	  16,
	  20,
	  { 0x0e, 14, 0x04, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff }, /* CD audio control: volumes */
	  { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0xff } },
};

#define CAPABILITIES_PAGE 0x2a
#define CAPABILITIES_SIZE 22u
#define SPEED_KB 4234u /* 24 times CD speed */

static uint32_t put_capabilities(const struct atapi_drive *c, uint8_t *at, bool changeable)
{
	memset(at, 0, CAPABILITIES_SIZE);
	at[0] = CAPABILITIES_PAGE;
	at[1] = CAPABILITIES_SIZE - 2;
	if (changeable)
		return CAPABILITIES_SIZE;
	at[2] = 0x0b;                             /* reads CD-R, CD-RW, DVD-ROM */
	at[4] = 0x70;                             /* mode 2 forms 1 and 2, multi-session */
	at[6] = (uint8_t)(0x29 | c->locked << 1); /* tray, eject, lock */
	be16_store(at + 8, SPEED_KB);
	be16_store(at + 12, 512); /* KiB of buffer */
	be16_store(at + 14, SPEED_KB);
	return CAPABILITIES_SIZE;
}

/* Adds those pages that were asked for; returns their size, 0: there is no such page. */
static uint32_t put_mode_pages(const struct atapi_drive *c, uint8_t *at, uint8_t page, uint8_t control)
{
	uint32_t length = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		const struct mode_page *m = &mode_pages[i];

		if (page != 0x3f && page != m->code)
			continue;
		memcpy(at + length,
		       control == 1   ? m->changeable
		       : control == 2 ? m->defaults
		                      : c->mode + m->at,
		       m->size);
		at[length] = m->code;
		at[length + 1] = m->size - 2;
		length += m->size;
	}
	if (page == 0x3f || page == CAPABILITIES_PAGE)
		length += put_capabilities(c, at + length, control == 1);
	return length;
}

static uint8_t medium_type(const struct atapi_drive *c)
{
	return c->tray_open ? 0x71 : has_medium(c) ? 0x01 : 0x70;
}

static bool is_ten(const struct call *k)
{
	return k->cdb[0] >= 0x20; /* the 6-byte commands are in group 0 */
}

static void mode_sense(struct call *k)
{
	uint32_t header = is_ten(k) ? 8 : 4, length;
	uint8_t control = k->cdb[2] >> 6;

	if (control == 3) {
		fail(k, SAVING_NOT_SUPPORTED);
		return;
	}
	memset(k->data, 0, header);
	length = put_mode_pages(k->drive, k->data + header, k->cdb[2] & 0x3f, control);
	if (!length || k->cdb[3]) {
		fail(k, INVALID_FIELD);
		return;
	}
	length += header;
	if (is_ten(k)) {
		be16_store(k->data, (uint16_t)(length - 2));
		k->data[2] = medium_type(k->drive);
		send(k, length, be16_load(k->cdb + 7));
	} else {
		k->data[0] = (uint8_t)(length - 1);
		k->data[1] = medium_type(k->drive);
		send(k, length, k->cdb[4]);
	}
}

static void mode_select(struct call *k)
{
	uint32_t length = is_ten(k) ? be16_load(k->cdb + 7) : k->cdb[4];

	if (k->cdb[1] & 1)
		fail(k, INVALID_FIELD); /* pages are not saved */
	else if (length > ATAPI_BUFFER_MIN)
		fail(k, PARAMETER_LIST_LENGTH);
	else if (length)
		*k->reply = (struct atapi_reply){ .action = ATAPI_DATA_OUT, .length = length };
}

/* Takes over one page; returns its size, 0: not a page of ours. */
static uint32_t take_mode_page(struct atapi_drive *c, const uint8_t *page, uint32_t length)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		const struct mode_page *m = &mode_pages[i];

		if ((page[0] & 0x3f) != m->code)
			continue;
		if (length < m->size || page[1] != m->size - 2)
			return 0;
		for (unsigned b = 2; b < m->size; b++) {
			uint8_t *now = &c->mode[m->at + b];

			*now = (uint8_t)((*now & ~m->changeable[b]) | (page[b] & m->changeable[b]));
		}
		return m->size;
	}
	return 0;
}

bool atapi_data_out(struct atapi_drive *c, const uint8_t *cdb, const uint8_t *data, uint32_t length)
{
	bool ten = cdb[0] >= 0x20;
	uint32_t at = ten ? 8 : 4;

	if (length >= at)
		at += ten ? be16_load(data + 6) : data[3]; /* block descriptors say nothing to a CD drive */
	if (length < at) {
		c->sense = PARAMETER_LIST_LENGTH;
		return false;
	}
	while (at < length) {
		uint32_t size = length - at < 2 ? 0 : take_mode_page(c, data + at, length - at);

		if (!size) {
			c->sense = INVALID_PARAMETER;
			return false;
		}
		at += size;
	}
	return true;
}

/* ---- about the medium ---- */

static void read_capacity(struct call *k)
{
	be32_store(k->data, sectors(k->drive) - 1);
	be32_store(k->data + 4, ATAPI_SECTOR);
	send(k, 8, 8);
}

static uint8_t *put_toc_track(uint8_t *at, uint8_t track, uint32_t lba, bool msf)
{
	at[0] = at[3] = 0;
	at[1] = DATA_TRACK;
	at[2] = track;
	put_address(at + 4, lba, msf);
	return at + 8;
}

/* An entry of the lead-in's Q sub-channel. */
static uint8_t *put_raw_toc(uint8_t *at, uint8_t point, uint8_t m, uint8_t s, uint8_t f)
{
	memcpy(at, (const uint8_t[]){ 1, DATA_TRACK, 0, point, 0, 0, 0, 0, m, s, f }, 11);
	return at + 11;
}

/* One session with one track: all that an image of a data disc has. */
static void read_toc(struct call *k)
{
	uint8_t format = k->cdb[2] & 0x0f, track = k->cdb[6], *p = k->data + 4, msf_end[3];
	bool msf = k->cdb[1] & 2;

	if (!format)
		format = k->cdb[9] >> 6; /* where SFF-8020 had it */
	if (format > 2 || (format == 0 && track > 1 && track != LEAD_OUT)) {
		fail(k, INVALID_FIELD);
		return;
	}
	k->data[2] = k->data[3] = 1; /* first and last track, or session */
	put_msf(msf_end, MIN(sectors(k->drive), CD_MAX_SECTORS - 1));
	if (format == 2) {
		p = put_raw_toc(p, 0xa0, 1, 0, 0);
		p = put_raw_toc(p, 0xa1, 1, 0, 0);
		p = put_raw_toc(p, 0xa2, msf_end[0], msf_end[1], msf_end[2]);
		p = put_raw_toc(p, 1, 0, 2, 0);
	} else {
		if (format == 1 || track <= 1)
			p = put_toc_track(p, 1, 0, msf);
		if (format == 0)
			p = put_toc_track(p, LEAD_OUT, sectors(k->drive), msf);
	}
	be16_store(k->data, (uint16_t)(p - k->data - 2));
	send(k, (uint32_t)(p - k->data), be16_load(k->cdb + 7));
}

static void read_disc_information(struct call *k)
{
	if (k->cdb[1] & 7) { /* only the standard information */
		fail(k, INVALID_FIELD);
		return;
	}
	memset(k->data, 0, 34);
	be16_store(k->data, 32);
	k->data[2] = 0x0e;                                     /* last session complete, disc finalized */
	k->data[3] = k->data[4] = k->data[5] = k->data[6] = 1; /* tracks and sessions */
	k->data[7] = 0x20;                                     /* unrestricted use */
	memset(k->data + 16, 0xff, 8);                         /* no lead-in or lead-out to be written */
	send(k, 34, be16_load(k->cdb + 7));
}

static void read_track_information(struct call *k)
{
	uint32_t number = be32_load(k->cdb + 2);
	uint8_t by = k->cdb[1] & 3; /* 0: address, 1: track, 2: session */

	if (by == 0 ? number >= sectors(k->drive) : number != 1 || by == 3) {
		fail(k, INVALID_FIELD);
		return;
	}
	memset(k->data, 0, 36);
	be16_store(k->data, 34);
	k->data[2] = k->data[3] = 1;
	k->data[5] = 4; /* data track */
	k->data[6] = 1; /* mode 1 */
	be32_store(k->data + 24, sectors(k->drive));
	send(k, 36, be16_load(k->cdb + 7));
}

/* Physical format (0) and copyright information (1) of a single layer DVD-ROM. */
static void read_dvd_structure(struct call *k)
{
	uint8_t format = k->cdb[7], *p = k->data + 4;
	uint32_t length = format == 0 ? 2052 : 8, first = 0x30000;

	if (!is_dvd(k->drive)) {
		fail(k, INCOMPATIBLE_FORMAT);
		return;
	}
	if (k->cdb[1] & 0x0f || k->cdb[6] || format > 1) {
		fail(k, INVALID_FIELD);
		return;
	}
	memset(k->data, 0, length);
	be16_store(k->data, (uint16_t)(length - 2));
	if (format == 0) {
		p[0] = 0x01; /* DVD-ROM, version 1 */
		p[1] = 0x02; /* 120 mm, 10.08 Mbit/s */
		p[2] = 0x01; /* one layer, read only */
		be32_store(p + 4, first);
		be32_store(p + 8, first + sectors(k->drive) - 1);
	}
	send(k, length, be16_load(k->cdb + 8));
}

static void read_sub_channel(struct call *k)
{
	uint8_t format = k->cdb[3], *p = k->data;
	uint32_t length = !(k->cdb[2] & 0x40) ? 4 : format == 1 ? 16 : 24;

	if (length > 4 && (format < 1 || format > 3)) {
		fail(k, INVALID_FIELD);
		return;
	}
	memset(p, 0, 24);
	p[1] = 0x15; /* no audio status */
	be16_store(p + 2, (uint16_t)(length - 4));
	if (length > 4) {
		p[4] = format;
		p[5] = DATA_TRACK;
		p[6] = p[7] = format == 1; /* track and index */
		if (format == 1) {
			put_address(p + 8, 0, k->cdb[1] & 2);
			put_address(p + 12, 0, false);
		}
	}
	send(k, length, be16_load(k->cdb + 7));
}

/* ---- reading ---- */

static void read_sectors(struct call *k, uint32_t lba, uint32_t count, uint8_t parts)
{
	if (!range_within(lba, count, sectors(k->drive)))
		fail(k, LBA_OUT_OF_RANGE);
	else if (count && atapi_sector_size(parts))
		*k->reply = (struct atapi_reply){ .action = ATAPI_READ, .lba = lba, .sectors = count, .parts = parts };
}

static void read_10(struct call *k)
{
	read_sectors(k, be32_load(k->cdb + 2), be16_load(k->cdb + 7), ATAPI_USER_DATA);
}

static void read_12(struct call *k)
{
	read_sectors(k, be32_load(k->cdb + 2), be32_load(k->cdb + 6), ATAPI_USER_DATA);
}

/* What READ CD and READ CD MSF have in common: type of sector, parts, no C2 errors, no sub-channels. */
static void read_cd_range(struct call *k, uint32_t lba, uint32_t count)
{
	uint8_t type = k->cdb[1] >> 2 & 7, parts = k->cdb[9] & ATAPI_ALL_PARTS & ~ATAPI_SUBHEADER;

	if (type > 2 || type == 1) /* 0: any, 2: mode 1, which all sectors are; such have no subheader */
		fail(k, ILLEGAL_MODE_FOR_TRACK);
	else if (k->cdb[9] & 0x06 || k->cdb[10] & 0x07)
		fail(k, INVALID_FIELD);
	else
		read_sectors(k, lba, count, parts);
}

static void read_cd(struct call *k)
{
	read_cd_range(k, be32_load(k->cdb + 2), be32_load(k->cdb + 5) & 0xffffff);
}

static bool take_msf(const uint8_t *at, uint32_t *ret_lba)
{
	uint32_t frames = (at[0] * 60u + at[1]) * 75u + at[2];

	*ret_lba = frames - MSF_LEAD_IN;
	return at[1] < 60 && at[2] < 75 && frames >= MSF_LEAD_IN;
}

static void read_cd_msf(struct call *k)
{
	uint32_t first, end;

	if (take_msf(k->cdb + 3, &first) && take_msf(k->cdb + 6, &end) && first <= end)
		read_cd_range(k, first, end - first);
	else
		fail(k, INVALID_FIELD);
}

static void seek_10(struct call *k)
{
	if (be32_load(k->cdb + 2) >= sectors(k->drive))
		fail(k, LBA_OUT_OF_RANGE);
}

static void play_audio(struct call *k)
{
	fail(k, ILLEGAL_MODE_FOR_TRACK); /* there are only data tracks */
}

static void pause_resume(struct call *k)
{
	fail(k, SEQUENCE_ERROR); /* nothing plays */
}

static void accept(struct call *k)
{
	(void)k;
}

uint32_t atapi_sector_size(uint8_t parts)
{
	return (parts & ATAPI_SYNC ? 12u : 0) + (parts & ATAPI_HEADER ? 4u : 0) +
	       (parts & ATAPI_USER_DATA ? ATAPI_SECTOR : 0) + (parts & ATAPI_EDC ? 288u : 0);
}

/* The error codes read as zeros: a drive has used them up, and no image has them. */
static uint8_t *put_sector(uint8_t *to, const uint8_t *user_data, uint32_t lba, uint8_t parts)
{
	uint8_t data[ATAPI_SECTOR]; /* from and to may overlap */

	memcpy(data, user_data, ATAPI_SECTOR);
	if (parts & ATAPI_SYNC) {
		memset(to, 0xff, 12);
		to[0] = to[11] = 0;
		to += 12;
	}
	if (parts & ATAPI_HEADER) {
		put_msf(to, lba);
		for (unsigned i = 0; i < 3; i++)
			to[i] = (uint8_t)((to[i] / 10 % 10) << 4 | to[i] % 10);
		to[3] = 1; /* mode */
		to += 4;
	}
	if (parts & ATAPI_USER_DATA) {
		memcpy(to, data, ATAPI_SECTOR);
		to += ATAPI_SECTOR;
	}
	if (parts & ATAPI_EDC) {
		memset(to, 0, 288);
		to += 288;
	}
	return to;
}

uint32_t atapi_spread(uint8_t *to, const uint8_t *from, uint32_t lba, uint32_t count, uint8_t parts)
{
	uint8_t *at = to;

	for (uint32_t i = 0; i < count; i++)
		at = put_sector(at, from + (size_t)i * ATAPI_SECTOR, lba + i, parts);
	return (uint32_t)(at - to);
}

void atapi_read_failed(struct atapi_drive *c, int result)
{
	c->sense = result == -ENOMEDIUM ? NO_MEDIUM_TRAY_OPEN : UNRECOVERED_READ_ERROR;
}

/* ---- the table ---- */

enum command_flags {
	MEDIUM = 1, /* needs one */
	QUIET = 2,  /* answered even when a unit attention waits to be told (SPC-3) */
};

static const struct command {
	void (*run)(struct call *k);
	uint8_t flags;
} commands[256] = {
	[0x00] = { test_unit_ready, MEDIUM },
	[0x03] = { request_sense, QUIET },
	[0x12] = { inquiry, QUIET },
	[0x15] = { mode_select, 0 },
	[0x1a] = { mode_sense, 0 },
	[0x1b] = { start_stop_unit, 0 },
	[0x1e] = { prevent_allow_medium_removal, 0 },
	[0x25] = { read_capacity, MEDIUM },
	[0x28] = { read_10, MEDIUM },
	[0x2b] = { seek_10, MEDIUM },
	[0x42] = { read_sub_channel, MEDIUM },
	[0x43] = { read_toc, MEDIUM },
	[0x45] = { play_audio, MEDIUM }, /* PLAY AUDIO (10) */
	[0x46] = { get_configuration, QUIET },
	[0x47] = { play_audio, MEDIUM }, /* PLAY AUDIO MSF */
	[0x4a] = { get_event_status_notification, QUIET },
	[0x4b] = { pause_resume, MEDIUM },
	[0x4e] = { accept, MEDIUM }, /* STOP PLAY/SCAN */
	[0x51] = { read_disc_information, MEDIUM },
	[0x52] = { read_track_information, MEDIUM },
	[0x55] = { mode_select, 0 },
	[0x5a] = { mode_sense, 0 },
	[0xa5] = { play_audio, MEDIUM }, /* PLAY AUDIO (12) */
	[0xa8] = { read_12, MEDIUM },
	[0xad] = { read_dvd_structure, MEDIUM },
	[0xb9] = { read_cd_msf, MEDIUM },
	[0xbb] = { accept, 0 }, /* SET CD SPEED: as fast as it gets */
	[0xbd] = { mechanism_status, 0 },
	[0xbe] = { read_cd, MEDIUM },
};

void atapi_execute(struct atapi_drive *c, const uint8_t *cdb, uint8_t *buffer, struct atapi_reply *ret_reply)
{
	const struct command *command = &commands[cdb[0]];
	struct call k = { .drive = c, .cdb = cdb, .data = buffer, .reply = ret_reply };

	*ret_reply = (struct atapi_reply){ .action = ATAPI_DONE };
	if (command->run != request_sense)
		c->sense = NO_SENSE;
	if (!command->run) {
		fail(&k, INVALID_OPCODE);
	} else if (c->attention.key && !(command->flags & QUIET)) {
		fail(&k, c->attention);
		c->attention = NO_SENSE;
	} else if (command->flags & MEDIUM && !sectors(c)) {
		fail(&k, c->tray_open ? NO_MEDIUM_TRAY_OPEN : NO_MEDIUM_TRAY_CLOSED);
	} else {
		command->run(&k);
	}
}

/* ---- the person at the drive, and power ---- */

void atapi_medium_changed(struct atapi_drive *c)
{
	c->tray_open = !block_has_medium(c->block);
	c->locked = block_locked(c->block); /* a forced change breaks the lock */
	if (!c->tray_open)
		c->attention = MEDIUM_MAY_HAVE_CHANGED;
	else if (c->attention.asc == 0x28)
		c->attention = NO_SENSE; /* it has gone before the host heard of it */
	c->event = c->tray_open ? EVENT_MEDIA_REMOVAL : EVENT_NEW_MEDIA;
}

void atapi_eject_request(struct atapi_drive *c)
{
	c->event = EVENT_EJECT_REQUEST;
}

void atapi_power_on(struct atapi_drive *c)
{
	c->sense = NO_SENSE;
	c->attention = POWER_ON_OCCURRED;
	c->event = EVENT_NONE;
	c->tray_open = c->locked = false;
	for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++)
		memcpy(c->mode + mode_pages[i].at, mode_pages[i].defaults, mode_pages[i].size);
	block_set_locked(c->block, false);
}

static void sense_state(struct state *s, const char *name, struct atapi_sense *sense)
{
	uint8_t raw[3] = { sense->key, sense->asc, sense->ascq };

	state_bytes(s, name, raw, sizeof(raw));
	*sense = SENSE(raw[0] & 0x0f, raw[1], raw[2]);
}

void atapi_state(struct atapi_drive *c, struct state *s)
{
	sense_state(s, "sense", &c->sense);
	sense_state(s, "attention", &c->attention);
	state_u8(s, "media_event", &c->event);
	state_bool(s, "tray_open", &c->tray_open);
	state_bool(s, "locked", &c->locked);
	state_bytes(s, "mode_pages", c->mode, sizeof(c->mode));
	if (state_loading(s) && !state_error(s))
		block_set_locked(c->block, c->locked);
}
