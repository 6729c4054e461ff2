/* SPDX-License-Identifier: MIT */
#include "player/console.h"

#include <string.h>
#include <vte/vte.h>

#include "player/console_rule.h"

#define SCROLLBACK 5000   /* lines: a boot's messages and more; VTE keeps them compressed, on disk */
#define QUEUE (256 << 10) /* bytes waiting for the terminal: more than a guest says in the time of a slow frame */
#define PORTION (32 << 10)
#define PORTION_MS 20 /* 1.6 MB/s: several times what a guest can write to a port, less than VTE takes in */
#define PAGE "console"

struct console {
	GtkWindow *window;
	GtkStack *stack;
	GtkWidget *screen, *page;
	VteTerminal *terminal;
	console_turned *turned;
	void *context;
	struct core_client *client;
	struct console_rule rule;
	guint rule_timer;
	bool spoken;

	uint8_t *queue;
	size_t first, waiting;
	uint64_t lost; /* bytes that the user has not been told of */
	guint feeder;
};

static int64_t now_ms(void)
{
	return g_get_monotonic_time() / 1000;
}

bool console_is_shown(const struct console *c)
{
	return gtk_stack_get_visible_child(c->stack) != c->screen;
}

bool console_has_spoken(const struct console *c)
{
	return c->spoken;
}

GtkWidget *console_terminal(struct console *c)
{
	return GTK_WIDGET(c->terminal);
}

/* ---- turning the page ---- */

static void turn(struct console *c, bool to_console, bool by_itself)
{
	if (to_console == console_is_shown(c))
		return;
	if (to_console)
		gtk_stack_set_visible_child_name(c->stack, PAGE);
	else
		gtk_stack_set_visible_child(c->stack, c->screen);
	c->turned(c->context, by_itself);
}

void console_turn(struct console *c, bool to_console)
{
	console_rule_chosen(&c->rule);
	turn(c, to_console, false);
}

static void ask_rule(struct console *c);

static gboolean ask_rule_again(gpointer data)
{
	struct console *c = data;

	c->rule_timer = 0;
	ask_rule(c);
	return G_SOURCE_REMOVE;
}

static void ask_rule(struct console *c)
{
	int wait;

	if (c->rule_timer != 0 || c->client == NULL) /* a page is not turned behind a paused machine's button */
		return;
	wait = console_rule_wait(&c->rule, now_ms());
	if (wait == 0)
		turn(c, true, true);
	else if (wait > 0)
		c->rule_timer = g_timeout_add((guint)wait, ask_rule_again, c);
}

static bool shows_something(const struct model *m, const uint32_t *pixels)
{
	size_t count = (size_t)m->width * m->height;

	for (size_t i = 1; pixels != NULL && i < count; i++)
		if ((pixels[i] ^ pixels[0]) & 0xffffff)
			return true;
	return false;
}

void console_see_screen(struct console *c, const struct model *m, const uint32_t *pixels)
{
	/* The pixels are looked through only while it matters: until then, most frames of most guests end at once. */
	if (console_rule_drawn(&c->rule, m->damage, m->width, m->height,
	                       c->rule.phase == CONSOLE_SETTLED || shows_something(m, pixels), now_ms()))
		turn(c, false, true);
}

/* ---- what the guest says ---- */

static size_t take_out(struct console *c, uint8_t *to, size_t room)
{
	size_t n = MIN(c->waiting, room), part = MIN(n, QUEUE - c->first);

	memcpy(to, c->queue + c->first, part);
	memcpy(to + part, c->queue, n - part);
	c->first = (c->first + n) % QUEUE;
	c->waiting -= n;
	return n;
}

static void put_in(struct console *c, const uint8_t *data, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c->waiting == QUEUE) {
			c->first = (c->first + 1) % QUEUE;
			c->waiting--;
			c->lost++;
		}
		c->queue[(c->first + c->waiting++) % QUEUE] = data[i];
	}
}

static void say_what_was_lost(struct console *c)
{
	char line[80];

	/* CAN ends an escape sequence whose rest was lost (ECMA-48; DEC STD 070) */
	int n = g_snprintf(line, sizeof(line), "\x18\r\n[%" G_GUINT64_FORMAT " bytes came too fast to be shown]\r\n",
	                   c->lost);

	vte_terminal_feed(c->terminal, line, n);
	c->lost = 0;
}

static gboolean feed(gpointer data)
{
	struct console *c = data;
	uint8_t portion[PORTION];
	size_t n;

	if (c->lost != 0)
		say_what_was_lost(c);
	n = take_out(c, portion, sizeof(portion));
	if (n == 0) {
		c->feeder = 0;
		return G_SOURCE_REMOVE;
	}
	vte_terminal_feed(c->terminal, (const char *)portion, (gssize)n);
	return G_SOURCE_CONTINUE;
}

void console_output(struct console *c, const uint8_t *data, size_t count)
{
	c->spoken = c->spoken || count != 0;
	put_in(c, data, count);
	if (c->feeder == 0) {
		c->feeder = g_timeout_add(PORTION_MS, feed, c);
		feed(c);
	}
	console_rule_said(&c->rule, count, now_ms());
	ask_rule(c);
}

/* ---- what the user types ---- */

/* Also VTE's answers to the guest's questions (where is the cursor?); they go to nobody but the guest. */
static void commit(VteTerminal *terminal, const char *text, guint size, gpointer data)
{
	struct console *c = data;

	(void)terminal;
	if (c->client != NULL)
		core_client_serial(c->client, (const uint8_t *)text, size);
}

/* On the window, before its own handler: all keys but ours are the guest's here, too, Alt+S and F10 included. */
static gboolean window_key(GtkWidget *window, GdkEventKey *event, gpointer data)
{
	const GdkModifierType ours = GDK_CONTROL_MASK | GDK_MOD1_MASK;
	struct console *c = data;

	if (!console_is_shown(c))
		console_rule_touched(&c->rule, now_ms());
	if (!gtk_widget_is_focus(GTK_WIDGET(c->terminal)))
		return FALSE;
	console_rule_chosen(&c->rule);
	if ((event->state & ours) == ours)
		return FALSE;
	gtk_window_propagate_key_event(GTK_WINDOW(window), event);
	return TRUE;
}

static gboolean screen_clicked(GtkWidget *screen, GdkEventButton *event, gpointer data)
{
	struct console *c = data;

	(void)screen;
	(void)event;
	console_rule_touched(&c->rule, now_ms());
	return FALSE;
}

void console_set_client(struct console *c, struct core_client *client)
{
	c->client = client;
	vte_terminal_set_input_enabled(c->terminal, client != NULL);
	gtk_widget_set_opacity(GTK_WIDGET(c->terminal), client != NULL ? 1 : 0.4);
	ask_rule(c);
}

/* ---- beginning and end ---- */

static void forget_output(struct console *c)
{
	if (c->feeder != 0)
		g_source_remove(c->feeder);
	if (c->rule_timer != 0)
		g_source_remove(c->rule_timer);
	c->feeder = c->rule_timer = 0;
	c->first = c->waiting = 0;
	c->lost = 0;
}

void console_start(struct console *c)
{
	forget_output(c);
	console_rule_start(&c->rule, now_ms());
	c->spoken = false;
	vte_terminal_reset(c->terminal, TRUE, TRUE);
	turn(c, false, true);
}

/* Also while the screen is shown, which GTK would leave the terminal a few columns wide for: what the guest says
 * meanwhile is laid out for the room that it will be seen in. */
static void allocated(GtkWidget *stack, GdkRectangle *allocation, gpointer data)
{
	struct console *c = data;
	GtkRequisition least;

	(void)stack;
	if (console_is_shown(c))
		return;
	gtk_widget_get_preferred_size(c->page, &least, NULL);
	gtk_widget_size_allocate(c->page, allocation);
}

static void destroyed(GtkWidget *stack, gpointer data)
{
	struct console *c = data;

	(void)stack;
	/* A terminal that goes may still have an answer for its guest: that it lost the focus. */
	g_signal_handlers_disconnect_by_data(c->terminal, c);
	g_signal_handlers_disconnect_by_data(c->screen, c);
	g_signal_handlers_disconnect_by_data(c->window, c);
	forget_output(c);
	g_free(c->queue);
	g_free(c);
}

/* Signals by which a guest would move, resize, name or minimise the window are not connected; VTE 0.70 knows no
 * sequence that reads or writes the clipboard. The user's own selection and paste work as in any terminal. */
static VteTerminal *make_terminal(void)
{
	static const GdkRGBA black = { 0, 0, 0, 1 }, grey = { 0.83, 0.84, 0.81, 1 };
	VteTerminal *t = VTE_TERMINAL(vte_terminal_new());

	vte_terminal_set_allow_hyperlink(t, FALSE);
	vte_terminal_set_enable_sixel(t, FALSE);
	vte_terminal_set_enable_bidi(t, FALSE); /* a log's letters stay in the order in which they came */
	vte_terminal_set_audible_bell(t, FALSE);
	vte_terminal_set_scrollback_lines(t, SCROLLBACK);
	vte_terminal_set_scroll_on_output(t, FALSE);
	vte_terminal_set_scroll_on_keystroke(t, TRUE);
	vte_terminal_set_cursor_blink_mode(t, VTE_CURSOR_BLINK_OFF);
	vte_terminal_set_colors(t, &grey, &black, NULL, 0);
	vte_terminal_set_input_enabled(t, FALSE);
	gtk_widget_set_name(GTK_WIDGET(t), PAGE);
	atk_object_set_name(gtk_widget_get_accessible(GTK_WIDGET(t)), "The machine’s serial console");
	return t;
}

struct console *console_new(GtkWindow *window, GtkStack *stack, GtkWidget *screen, console_turned *turned,
                            void *context)
{
	struct console *c = g_new0(struct console, 1);
	GtkWidget *bar;

	*c = (struct console){
		.window = window, .stack = stack, .screen = screen, .turned = turned, .context = context
	};
	c->queue = g_malloc(QUEUE);
	c->terminal = make_terminal();
	c->page = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 0);
	console_rule_start(&c->rule, now_ms());
	bar = gtk_scrollbar_new(GTK_ORIENTATION_VERTICAL, gtk_scrollable_get_vadjustment(GTK_SCROLLABLE(c->terminal)));
	gtk_box_pack_start(GTK_BOX(c->page), GTK_WIDGET(c->terminal), TRUE, TRUE, 0);
	gtk_box_pack_start(GTK_BOX(c->page), bar, FALSE, FALSE, 0);
	gtk_widget_show_all(c->page);
	gtk_stack_add_named(stack, c->page, PAGE);
	g_signal_connect(c->terminal, "commit", G_CALLBACK(commit), c);
	g_signal_connect(window, "key-press-event", G_CALLBACK(window_key), c);
	g_signal_connect(screen, "button-press-event", G_CALLBACK(screen_clicked), c);
	g_signal_connect_after(stack, "size-allocate", G_CALLBACK(allocated), c);
	g_signal_connect(stack, "destroy", G_CALLBACK(destroyed), c);
	return c;
}
