/* SPDX-License-Identifier: MIT */
#include "core/irq.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct irq_router {
	pthread_mutex_t lock;
	unsigned high[IRQ_GSI_COUNT]; /* how many lines say 1 */
	irq_sink sink;
	irq_message_sink messages;
	void *context;
};

struct irq_router *irq_router_new(irq_sink sink, irq_message_sink messages, void *context)
{
	struct irq_router *router = calloc(1, sizeof(*router));

	if (!router)
		return NULL;
	pthread_mutex_init(&router->lock, NULL);
	router->sink = sink;
	router->messages = messages;
	router->context = context;
	return router;
}

void irq_router_free(struct irq_router *router)
{
	if (!router)
		return;
	pthread_mutex_destroy(&router->lock);
	free(router);
}

/* Counts one line in or out; tells the sink when the ORed level changes. */
static int count_line(struct irq_router *router, unsigned gsi, bool level)
{
	if (gsi >= IRQ_GSI_COUNT)
		return 1;
	assert(level || router->high[gsi]);
	router->high[gsi] += level ? 1 : -1;
	if (router->high[gsi] != (level ? 1 : 0))
		return 1;
	return router->sink(router->context, gsi, level);
}

int irq_line_set(struct irq_line *line, bool level)
{
	int status = 1;

	if (!line->router || line->level == level)
		return 1;
	pthread_mutex_lock(&line->router->lock);
	line->level = level;
	status = count_line(line->router, line->gsi, level);
	pthread_mutex_unlock(&line->router->lock);
	return status;
}

void irq_line_route(struct irq_line *line, unsigned gsi)
{
	if (!line->router || line->gsi == gsi)
		return;
	pthread_mutex_lock(&line->router->lock);
	if (line->level)
		count_line(line->router, line->gsi, false);
	line->gsi = gsi;
	if (line->level)
		count_line(line->router, line->gsi, true);
	pthread_mutex_unlock(&line->router->lock);
}

void irq_router_resync(struct irq_router *router)
{
	pthread_mutex_lock(&router->lock);
	for (unsigned gsi = 0; gsi < IRQ_GSI_COUNT; gsi++)
		router->sink(router->context, gsi, router->high[gsi]);
	pthread_mutex_unlock(&router->lock);
}

bool irq_router_level(struct irq_router *router, unsigned gsi)
{
	bool level;

	pthread_mutex_lock(&router->lock);
	level = gsi < IRQ_GSI_COUNT && router->high[gsi];
	pthread_mutex_unlock(&router->lock);
	return level;
}

void irq_send_msi(struct irq_router *router, uint32_t address, uint32_t data)
{
	router->messages(router->context, address, data);
}
