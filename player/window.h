/* SPDX-License-Identifier: MIT */
/*
 * One window: empty, or one appliance and the core that plays it. window.c builds it and shows what the model says;
 * actions.c holds what the user can do. The struct lives as long as its GtkWindow; main thread.
 */
#ifndef VITRINE_PLAYER_WINDOW_H
#define VITRINE_PLAYER_WINDOW_H

#include <gtk/gtk.h>

#include "player/console.h"
#include "player/core_client.h"
#include "player/input.h"
#include "player/screen.h"
#include "player/sound.h"

/* What the window shows; each has its line in window.c's table of looks. */
enum view { VIEW_EMPTY, VIEW_STARTING, VIEW_RUNNING, VIEW_PAUSED, VIEW_OFF, VIEW_FAILED, VIEW_DIED, VIEW_COUNT };

/* What the info bar is about: decides what may replace it, and when it goes by itself. */
enum info_about { INFO_ACTION, INFO_CONSOLE, INFO_NOTICES, INFO_STATE, INFO_LOCKED_CD };

struct player_window {
	/* made once */
	GtkApplicationWindow *window;
	GtkHeaderBar *header;
	GtkStack *stack, *guest; /* the guest's: its screen and its serial console */
	GtkWidget *area, *run, *big_run, *cd, *menu, *info, *info_action, *spinner, *preparing, *cancel, *hint, *recent,
		*message_action, *message_other;
	GtkImage *run_icon, *message_icon;
	GtkProgressBar *progress;
	GtkLabel *preparing_label, *run_label, *cd_label, *info_label, *message_title, *message_text;
	GMenu *cd_menu, *port_menu;
	struct screen_view *screen;
	struct console *console;
	struct input *input;

	/* what is played; appliance NULL: the empty window */
	GFile *appliance;
	uint32_t flags;                  /* enum start_flags */
	struct core_client *client;      /* NULL: could not be started */
	struct sound *sound;             /* with client */
	bool alive;                      /* the core has not ended */
	bool ran;                        /* since the last start */
	char failure[MESSAGE_TEXT];      /* why it could not be started, or how it died */
	int fitted_width, fitted_height; /* the guest's size that the window took by itself */
	bool fit_pending;                /* and has asked for, but not got yet */

	/* what the user sees */
	enum view view;
	bool full_screen;
	guint hint_timer;
	enum info_about info_about;
	GString *notices; /* the core's, a line each, since the bar was last closed */
	unsigned notice_count;
	GtkWidget *dialog; /* the one open question; NULL: none */
};

/* Shows a new window. appliance NULL: the empty one. */
struct player_window *player_window_new(GtkApplication *application, GFile *appliance, uint32_t flags);
struct player_window *player_window_of(GtkWindow *window);

/* Opens an appliance here if the window is empty, else in a new one (or the one that plays it already). */
void player_window_open(struct player_window *w, GFile *appliance, uint32_t flags);
/* Starts the appliance from the beginning: first, after it went off, failed or died. */
void player_window_start(struct player_window *w);
/* Ends the core at once; the window then shows that it died. */
void player_window_end_core(struct player_window *w, const char *why);

/* The info bar: one sentence and at most one action (label and detailed action name; NULL: none). */
void player_window_say(struct player_window *w, enum info_about about, GtkMessageType type, const char *text,
                       const char *label, const char *action);
void player_window_hush(struct player_window *w);
/* Sends a command, and says so when the core does not listen. */
void player_window_command(struct player_window *w, enum command command);
const char *player_window_name(const struct player_window *w);
const struct model *player_window_model(const struct player_window *w); /* NULL: no core */

/* actions.c */
void actions_add(struct player_window *w);
void actions_enable(struct player_window *w); /* by what is shown */
void actions_turned(struct player_window *w); /* the console was, by whomever */
void actions_ask(struct player_window *w);    /* the core's question */
void actions_ask_close(struct player_window *w);
void actions_drop(struct player_window *w, GFile *file);

#endif
