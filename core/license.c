/* SPDX-License-Identifier: MIT */
#include "core/license.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/deployment.h"

#define DIGITS (2 * SHA256_DIGEST_SIZE)

static_assert(DEPLOYMENT_MAX_LICENSE <= LICENSE_MAX, "all of it can be shown");

static const char *text_of(const struct session *s)
{
	const struct deployment *d = s->appliance->deployment;

	return d ? d->license : "";
}

/* A line: digits, then the line's end. */
static void digest(const char *text, char ret_line[DIGITS + 2])
{
	uint8_t raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, strlen(text), (const uint8_t *)text);
	sha256_digest(&hash, sizeof(raw), raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		sprintf(ret_line + 2 * i, "%02x", raw[i]);
	strcpy(ret_line + DIGITS, "\n");
}

static int open_record(const struct session *s, int *ret_fd, struct error *e)
{
	return link_ask(s->link, OPEN_LICENSE, s->fingerprint, s->appliance->name, "", ret_fd, e);
}

int license_check(struct session *s, bool *ret_open, struct error *e)
{
	char line[DIGITS + 2], kept[DIGITS + 2] = "";
	int fd, err;

	*ret_open = false;
	if (!*text_of(s))
		return 0;
	err = open_record(s, &fd, e);
	if (err)
		return err;
	digest(text_of(s), line);
	*ret_open = pread(fd, kept, DIGITS + 1, 0) != DIGITS + 1 || memcmp(kept, line, DIGITS + 1);
	close(fd);
	return 0;
}

/* Whole characters in each message. */
static void send_text(const struct session *s)
{
	const char *at = text_of(s);

	while (*at) {
		union message m = { .license = { .last = 0 } };

		message_copy_text(m.license.text, sizeof(m.license.text), at);
		at += strlen(m.license.text); /* what may not be in it became as many '?' */
		m.license.last = !*at;
		link_send(s->link, &m, MESSAGE_LICENSE, 0);
	}
}

uint32_t license_ask(struct session *s)
{
	union message m = { .question = { .kind = QUESTION_LICENSE } };

	send_text(s);
	message_copy_text(m.question.text, sizeof(m.question.text),
	                  "Its maker asks you to accept a licence agreement.");
	message_copy_text(m.question.accept, sizeof(m.question.accept), "Accept");
	message_copy_text(m.question.reject, sizeof(m.question.reject), "Decline");
	link_send(s->link, &m, MESSAGE_QUESTION, 0);
	return m.header.serial;
}

void license_accepted(struct session *s)
{
	struct error e = { 0 };
	char line[DIGITS + 2];
	int fd;

	if (open_record(s, &fd, &e) < 0) {
		link_say_notice(s->link, NOTICE_WARNING, e.text);
		return;
	}
	digest(text_of(s), line);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, line, DIGITS + 1, 0) != DIGITS + 1)
		link_say_notice(s->link, NOTICE_WARNING,
		                "That the licence agreement was accepted cannot be kept: it will be asked for again");
	close(fd);
}
