/* SPDX-License-Identifier: MIT */
#include "player/screen.h"

#define BEHIND_MS \
	250     /* between two frames of a screen behind the serial console: only whether it draws is of interest */
#define DIM 0.6 /* of black over a paused screen: still to be read, plainly not running */

struct screen_view {
	GtkWidget *area;
	void (*ready)(void *context);
	void *context;

	const uint32_t *pixels; /* NULL: nothing to show */
	int width, height;
	cairo_surface_t *surface; /* over pixels; NULL: nothing to show */
	bool dim;

	/* A message was received whose pixels have not reached the window yet */
	bool ready_owed;
	GdkFrameClock *clock; /* not NULL: after-paint is connected */
	guint behind;         /* a timer, for frames that are not painted */
};

static struct placement place(struct screen_view *v)
{
	int factor = gtk_widget_get_scale_factor(v->area);

	return geometry_place(v->width, v->height, gtk_widget_get_allocated_width(v->area) * factor,
	                      gtk_widget_get_allocated_height(v->area) * factor);
}

static void draw_pixels(struct screen_view *v, cairo_t *cr, const struct placement *p)
{
	cairo_save(cr);
	cairo_rectangle(cr, p->area.x, p->area.y, p->area.width, p->area.height);
	cairo_clip(cr);
	cairo_translate(cr, p->area.x, p->area.y);
	cairo_scale(cr, (double)p->area.width / v->width, (double)p->area.height / v->height);
	cairo_surface_mark_dirty(v->surface); /* the core wrote behind cairo's back */
	cairo_set_source_surface(cr, v->surface, 0, 0);
	cairo_pattern_set_filter(cairo_get_source(cr), p->crisp ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
	/* The edge pixels are repeated outwards, or the filter would mix black into the border. */
	cairo_pattern_set_extend(cairo_get_source(cr), p->crisp ? CAIRO_EXTEND_NONE : CAIRO_EXTEND_PAD);
	cairo_set_operator(cr, CAIRO_OPERATOR_SOURCE);
	cairo_paint(cr);
	cairo_restore(cr);
}

static gboolean draw(GtkWidget *area, cairo_t *cr, gpointer data)
{
	struct screen_view *v = data;
	double factor = gtk_widget_get_scale_factor(area);

	cairo_scale(cr, 1 / factor, 1 / factor); /* device pixels from here on */
	struct placement p = place(v);
	bool covered = v->surface != NULL && p.area.width == (int)(gtk_widget_get_allocated_width(area) * factor) &&
	               p.area.height == (int)(gtk_widget_get_allocated_height(area) * factor);
	if (!covered) {
		cairo_set_source_rgb(cr, 0, 0, 0);
		cairo_paint(cr);
	}
	if (v->surface != NULL)
		draw_pixels(v, cr, &p);
	if (v->dim) {
		cairo_set_source_rgba(cr, 0, 0, 0, DIM);
		cairo_paint(cr);
	}
	return TRUE;
}

static void after_paint(GdkFrameClock *clock, gpointer data)
{
	struct screen_view *v = data;

	(void)clock;
	if (!v->ready_owed)
		return;
	v->ready_owed = false;
	v->ready(v->context);
}

static gboolean frame_behind(gpointer data)
{
	struct screen_view *v = data;

	v->behind = 0;
	after_paint(NULL, v);
	return G_SOURCE_REMOVE;
}

/* A window without a frame clock shows nothing: its core is told nothing, and so draws nothing, until it is shown
 * again. */
static void realized(GtkWidget *area, gpointer data)
{
	struct screen_view *v = data;

	v->clock = g_object_ref(gtk_widget_get_frame_clock(area));
	g_signal_connect(v->clock, "after-paint", G_CALLBACK(after_paint), v);
}

static void unrealized(GtkWidget *area, gpointer data)
{
	struct screen_view *v = data;

	(void)area;
	if (v->clock == NULL)
		return;
	g_signal_handlers_disconnect_by_data(v->clock, v);
	g_clear_object(&v->clock);
}

static void destroyed(GtkWidget *area, gpointer data)
{
	struct screen_view *v = data;

	unrealized(area, v);
	screen_view_detach(v);
	g_free(v);
}

struct screen_view *screen_view_new(GtkDrawingArea *area, void (*ready)(void *context), void *context)
{
	struct screen_view *v = g_new0(struct screen_view, 1);

	*v = (struct screen_view){ .area = GTK_WIDGET(area), .ready = ready, .context = context };
	g_signal_connect(area, "draw", G_CALLBACK(draw), v);
	g_signal_connect(area, "realize", G_CALLBACK(realized), v);
	g_signal_connect(area, "unrealize", G_CALLBACK(unrealized), v);
	g_signal_connect(area, "destroy", G_CALLBACK(destroyed), v);
	return v;
}

void screen_view_attach(struct screen_view *v, const uint32_t *pixels)
{
	screen_view_detach(v);
	v->pixels = pixels;
}

void screen_view_detach(struct screen_view *v)
{
	g_clear_pointer(&v->surface, cairo_surface_destroy);
	v->pixels = NULL;
	v->width = v->height = 0;
	v->ready_owed = false;
	if (v->behind != 0)
		g_source_remove(v->behind);
	v->behind = 0;
}

static void resize(struct screen_view *v, int width, int height)
{
	g_clear_pointer(&v->surface, cairo_surface_destroy);
	v->width = width;
	v->height = height;
	if (v->pixels == NULL || width == 0 || height == 0)
		return;
	/* cairo asks for writable memory but only reads a source. The rows are `width` pixels apart, which is cairo's
	 * own stride for 32-bit formats; one that it refuses gives a surface in error, which draws nothing. */
	v->surface = cairo_image_surface_create_for_data((unsigned char *)v->pixels, CAIRO_FORMAT_RGB24, width, height,
	                                                 width * 4);
}

void screen_view_update(struct screen_view *v, unsigned width, unsigned height, struct rectangle damage)
{
	v->ready_owed = true;
	if (v->clock != NULL && !gtk_widget_get_mapped(v->area) && v->behind == 0)
		v->behind = g_timeout_add(BEHIND_MS, frame_behind, v);
	if ((int)width != v->width || (int)height != v->height) {
		resize(v, (int)width, (int)height);
		gtk_widget_queue_draw(v->area);
		return;
	}
	struct placement p = place(v);
	struct rectangle r = geometry_damage(&p, damage, gtk_widget_get_scale_factor(v->area));
	if (r.width > 0 && r.height > 0)
		gtk_widget_queue_draw_area(v->area, r.x, r.y, r.width, r.height);
	else if (v->clock != NULL) /* nothing to draw: answer at the next frame all the same */
		gdk_frame_clock_request_phase(v->clock, GDK_FRAME_CLOCK_PHASE_AFTER_PAINT);
}

bool screen_view_position(struct screen_view *v, double x, double y, unsigned range, unsigned *ret_x, unsigned *ret_y)
{
	int factor = gtk_widget_get_scale_factor(v->area);
	struct placement p = place(v);

	return geometry_position(&p, x * factor, y * factor, range, ret_x, ret_y);
}

void screen_view_dim(struct screen_view *v, bool dim)
{
	if (v->dim != dim)
		gtk_widget_queue_draw(v->area);
	v->dim = dim;
}
