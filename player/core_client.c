/* SPDX-License-Identifier: MIT */
#include "player/core_client.h"

#include <errno.h>
#include <glib-unix.h>
#include <gdk/gdk.h>
#include <string.h>
#include <sys/wait.h>

/* After input (0) and drawing (120): a core that floods its socket slows its own screen, not the window. */
#define PRIORITY (GDK_PRIORITY_REDRAW + 5)
#define PORTION 32          /* messages handled before the window has its turn again */
#define POWER_OFF_SECONDS 5 /* flushing a disk's last writes may take that long; then the core is ended */
#define LAST_WAIT_MS 200    /* from the socket's end to the process' end; the window stands still meanwhile */

struct core_client {
	struct broker *broker;
	guint source; /* 0: ended */
	struct model model;
	bool release_owed; /* a key could not be sent: the guest must not believe it held */
	/* NULL once closed: the client then lives on only to see its core off */
	const struct core_listener *listener;
	void *context;
	guint deadline;
};

static bool is_over(const struct model *m)
{
	return m->state == STATE_OFF || m->state == STATE_FAILED;
}

static void describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		g_snprintf(text, size, "The program that runs it was ended by signal %d (%s).", WTERMSIG(status),
		           g_strsignal(WTERMSIG(status)));
	else
		g_snprintf(text, size, "The program that runs it ended by itself, with exit code %d.",
		           WEXITSTATUS(status));
}

static void free_client(struct core_client *c)
{
	if (c->source != 0)
		g_source_remove(c->source);
	if (c->deadline != 0)
		g_source_remove(c->deadline);
	broker_free(c->broker);
	g_free(c);
	if (g_application_get_default() != NULL)
		g_application_release(g_application_get_default());
}

static void end(struct core_client *c, int error)
{
	char why[MESSAGE_TEXT], words[4096]; /* for who looks into it; the window speaks to its user */
	bool expected = error == -EPIPE && is_over(&c->model);
	int status = broker_wait(c->broker, LAST_WAIT_MS);

	if (!expected && broker_last_words(c->broker, words, sizeof(words)) > 0)
		g_printerr("vitrine-core: %s\n", words);
	if (error == -EPROTO)
		g_strlcpy(why, "The program that runs it sent something that makes no sense, and was ended.",
		          sizeof(why));
	else
		describe_end(status, why, sizeof(why));
	c->listener->ended(c->context, expected ? NULL : why);
}

/* One message. 0 or the error that ends the client. */
static int take(struct core_client *c)
{
	union message m;
	int r = broker_receive(c->broker, &m);

	if (r <= 0)
		return r;
	int changes = model_update(&c->model, &m);
	if (changes < 0)
		return changes;
	if (changes != 0 && c->listener != NULL)
		c->listener->changed(c->context, changes);
	return 0;
}

static gboolean socket_ready(gint fd, GIOCondition condition, gpointer data)
{
	struct core_client *c = data;
	guint source = c->source;

	(void)fd;
	(void)condition;
	for (unsigned i = 0; i < PORTION; i++) {
		int r = take(c);
		if (r == -EAGAIN)
			break;
		bool closing = c->listener == NULL; /* also when changed() closed us */
		if (r < 0)
			c->source = 0;
		if (closing && (r < 0 || is_over(&c->model))) {
			c->source = 0;
			free_client(c);
			return G_SOURCE_REMOVE;
		}
		if (r < 0) {
			end(c, r);
			return G_SOURCE_REMOVE;
		}
	}
	g_assert(c->source == source);
	return G_SOURCE_CONTINUE;
}

int core_client_start(const char *appliance, uint32_t flags, const struct core_listener *listener, void *context,
                      struct core_client **ret_client, char text[MESSAGE_TEXT])
{
	struct broker_options options = {
		.core_path = g_getenv("VITRINE_CORE"),
		.appliance = appliance,
		.mode = START_PLAY,
		.flags = flags,
		.output_fd = -1,
		.asks = true,
	};
	struct broker *broker;
	char sentence[MESSAGE_TEXT] = "";
	int r = broker_start(&options, &broker, sentence);

	model_copy_text(text, MESSAGE_TEXT, sentence);
	if (r < 0)
		return r;
	struct core_client *c = g_new0(struct core_client, 1);
	c->broker = broker;
	c->listener = listener;
	c->context = context;
	c->source = g_unix_fd_add_full(PRIORITY, broker_socket(broker), G_IO_IN | G_IO_HUP | G_IO_ERR, socket_ready, c,
	                               NULL);
	/* The process stays until the last machine is off, also after its window has closed. */
	if (g_application_get_default() != NULL)
		g_application_hold(g_application_get_default());
	*ret_client = c;
	return 0;
}

static gboolean deadline_passed(gpointer data)
{
	struct core_client *c = data;

	c->deadline = 0;
	free_client(c);
	return G_SOURCE_REMOVE;
}

void core_client_close(struct core_client *c)
{
	if (c == NULL)
		return;
	c->listener = NULL;
	if (c->source == 0 || is_over(&c->model) || core_client_command(c, COMMAND_POWER_OFF) < 0) {
		/* Not from within our own socket_ready(): it still looks at us. */
		c->deadline = g_idle_add(deadline_passed, c);
		return;
	}
	c->deadline = g_timeout_add_seconds(POWER_OFF_SECONDS, deadline_passed, c);
}

void core_client_kill(struct core_client *c)
{
	if (c->source == 0)
		return;
	g_source_remove(c->source);
	c->source = 0;
	broker_wait(c->broker, 0); /* which ends a core that has not ended by itself */
}

const struct model *core_client_model(const struct core_client *c)
{
	return &c->model;
}

const uint32_t *core_client_pixels(const struct core_client *c)
{
	return broker_screen(c->broker);
}

struct sound_ring *core_client_sound(const struct core_client *c)
{
	return broker_sound(c->broker);
}

const char *core_client_configuration(const struct core_client *c)
{
	return broker_configuration(c->broker);
}

/* The broker's sends block while the socket is full, and the window must not wait for a core that sleeps or sulks. A
 * writable SOCK_SEQPACKET socket takes at least one message of ours. */
static int listening(struct core_client *c)
{
	if (c->source == 0)
		return -EPIPE;
	return broker_listens(c->broker) ? 0 : -EAGAIN;
}

static int send_message(struct core_client *c, union message *m, enum message_type type, uint32_t serial)
{
	int r = listening(c);

	return r < 0 ? r : broker_send(c->broker, m, type, serial);
}

int core_client_command(struct core_client *c, enum command command)
{
	int r = listening(c);

	if (r == 0)
		r = broker_command(c->broker, command);
	if (command == COMMAND_RELEASE_KEYS)
		c->release_owed = r == -EAGAIN;
	return r;
}

int core_client_key(struct core_client *c, unsigned code, bool down)
{
	union message m = { .key = { .code = (uint16_t)code, .down = down } };

	if (c->release_owed)
		core_client_command(c, COMMAND_RELEASE_KEYS);
	int r = send_message(c, &m, MESSAGE_KEY, 0);
	c->release_owed = c->release_owed || r == -EAGAIN;
	return r;
}

static int32_t limited(int value)
{
	return CLAMP(value, -4096, 4096); /* more than a screen's width in one motion is no motion of a hand */
}

int core_client_pointer(struct core_client *c, int dx, int dy, int dz, unsigned buttons)
{
	union message m = {
		.pointer = { .dx = limited(dx), .dy = limited(dy), .dz = limited(dz), .buttons = buttons },
	};

	return send_message(c, &m, MESSAGE_POINTER, 0);
}

int core_client_position(struct core_client *c, unsigned x, unsigned y, int dz, unsigned buttons)
{
	union message m = {
		.pointer_absolute = { .x = x, .y = y, .dz = limited(dz), .buttons = buttons },
	};

	return send_message(c, &m, MESSAGE_POINTER_ABSOLUTE, 0);
}

int core_client_serial(struct core_client *c, const uint8_t *data, size_t count)
{
	int r = 0;

	while (count > 0 && r == 0) {
		union message m = { .serial = { .port = 0, .count = (uint32_t)MIN(count, MESSAGE_CHUNK) } };

		memcpy(m.serial.data, data, m.serial.count);
		data += m.serial.count;
		count -= m.serial.count;
		r = send_message(c, &m, MESSAGE_SERIAL_INPUT, 0);
	}
	return r;
}

int core_client_answer(struct core_client *c, bool accept)
{
	union message m = { .answer = { .accept = accept } };
	int r = send_message(c, &m, MESSAGE_ANSWER, c->model.question_serial);

	if (r == 0)
		model_answered(&c->model);
	return r;
}

int core_client_insert_cd(struct core_client *c, unsigned drive, const char *path, bool force, char text[MESSAGE_TEXT])
{
	char sentence[MESSAGE_TEXT] = "";
	int r = listening(c);

	if (r == 0)
		r = broker_insert_cd(c->broker, drive, path, force, sentence);
	else
		g_strlcpy(sentence, "The machine does not answer.", sizeof(sentence));
	model_copy_text(text, MESSAGE_TEXT, sentence);
	return r;
}
