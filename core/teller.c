/* SPDX-License-Identifier: MIT */
#include "core/teller.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/loop.h"
#include "vmformat/bytes.h"

#define PACE_NS 10000000 /* between two messages of one kind: nobody sees or types faster */
#define PORTS 5          /* COM1 to COM4 and the debug console */

struct teller {
	struct loop *loop;
	void (*send)(void *context, union message *m, enum message_type type);
	void *context;
	struct loop_work work;   /* tells what one round of the loop brought: guests print byte by byte */
	struct loop_source pace; /* a timerfd, one shot */
	bool waits;              /* for it */
	union message outputs[PORTS], cds[MESSAGE_MAX_CDS];
	bool cd_changed[MESSAGE_MAX_CDS];
};

static bool tell_output(struct teller *t, union message *m)
{
	if (!m->serial.count)
		return false;
	t->send(t->context, m, MESSAGE_SERIAL_OUTPUT);
	m->serial.count = 0;
	return true;
}

/* false: there was nothing to tell. */
static bool tell(struct teller *t)
{
	bool told = false;

	for (unsigned i = 0; i < PORTS; i++)
		told |= tell_output(t, &t->outputs[i]);
	for (unsigned i = 0; i < MESSAGE_MAX_CDS; i++) {
		if (!t->cd_changed[i])
			continue;
		t->cd_changed[i] = false;
		t->send(t->context, &t->cds[i], MESSAGE_CD);
		told = true;
	}
	return told;
}

static void tell_and_wait(struct teller *t)
{
	struct itimerspec spec = { .it_value.tv_nsec = PACE_NS };

	if (t->waits || !tell(t))
		return;
	t->waits = timerfd_settime(t->pace.fd, 0, &spec, NULL) == 0;
}

static void round_is_over(struct loop_work *work)
{
	tell_and_wait(container_of(work, struct teller, work));
}

static void pace_is_over(void *context, uint32_t events)
{
	struct teller *t = context;
	uint64_t count;

	(void)events;
	if (read(t->pace.fd, &count, sizeof(count)) < 0)
		return;
	t->waits = false;
	tell_and_wait(t);
}

/* The port's own message, or an empty one. A board has no more ports than messages, but the number is a caller's. */
static union message *output_of(struct teller *t, unsigned port)
{
	union message *m = NULL;

	for (unsigned i = 0; i < PORTS; i++) {
		if (t->outputs[i].serial.count && t->outputs[i].serial.port == port)
			return &t->outputs[i];
		if (!t->outputs[i].serial.count)
			m = &t->outputs[i];
	}
	if (!m) {
		m = &t->outputs[0];
		tell_output(t, m);
	}
	m->serial.port = port;
	return m;
}

void teller_serial(struct teller *t, unsigned port, const uint8_t *data, size_t count)
{
	while (count) {
		union message *own = output_of(t, port);
		struct message_serial *m = &own->serial;
		size_t n = MIN(count, sizeof(m->data) - m->count);

		memcpy(m->data + m->count, data, n);
		m->count += (uint32_t)n;
		data += n;
		count -= n;
		if (m->count == sizeof(m->data))
			tell_output(t, own);
	}
	loop_post(t->loop, &t->work);
}

void teller_cd(struct teller *t, const struct message_cd *cd)
{
	t->cds[cd->drive].cd = *cd;
	t->cd_changed[cd->drive] = true;
	loop_post(t->loop, &t->work);
}

void teller_flush(struct teller *t)
{
	tell(t);
}

struct teller *teller_new(struct loop *loop, void (*send)(void *context, union message *m, enum message_type type),
                          void *context)
{
	struct teller *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->loop = loop;
	t->send = send;
	t->context = context;
	t->work.run = round_is_over;
	t->pace = (struct loop_source){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), EPOLLIN,
		                        pace_is_over, t };
	if (t->pace.fd < 0 || loop_add(loop, &t->pace) < 0) {
		teller_free(t);
		return NULL;
	}
	return t;
}

void teller_free(struct teller *t)
{
	if (!t)
		return;
	loop_cancel(t->loop, &t->work);
	loop_remove(t->loop, &t->pace);
	if (t->pace.fd >= 0)
		close(t->pace.fd);
	free(t);
}
