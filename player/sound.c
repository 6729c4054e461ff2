/* SPDX-License-Identifier: MIT */
#include "player/sound.h"

#include <SDL.h>
#include <glib.h>
#include <string.h>

#define POLL_MS 40         /* a quarter of the ring: nothing is lost before the device is open */
#define SILENT_POLLS 100   /* 4 s without a sample: let go of the device */
#define DEVICE_FRAMES 1024 /* 21 ms: what a desktop's sound server gives without stutter */

struct sound {
	struct sound_ring *ring;
	void (*trouble)(void *context, const char *text);
	void *context;
	guint timer;
	SDL_AudioDeviceID device; /* 0: not open */
	bool broken;              /* it could not be opened: do not try again */
	unsigned silent;          /* polls since the last sample */
	/* SDL's thread while the device is open, else the main thread */
	uint32_t read;
};

size_t sound_ring_waiting(const struct sound_ring *ring, uint32_t read)
{
	uint32_t waiting = atomic_load_explicit(&ring->written, memory_order_acquire) - read;

	return waiting > SOUND_FRAMES ? SOUND_FRAMES : waiting;
}

size_t sound_ring_take(struct sound_ring *ring, uint32_t *read, int16_t *samples, size_t frames)
{
	uint32_t written = atomic_load_explicit(&ring->written, memory_order_acquire);

	/* More than the ring holds: the core ran ahead (nobody listened) or lies. What is there now is the newest. */
	if (written - *read > SOUND_FRAMES)
		*read = written - SOUND_FRAMES;
	size_t taken = written - *read;
	if (taken > frames)
		taken = frames;

	size_t start = *read % SOUND_FRAMES;
	size_t first = taken < SOUND_FRAMES - start ? taken : SOUND_FRAMES - start;
	size_t frame_bytes = SOUND_CHANNELS * sizeof(int16_t);
	memcpy(samples, ring->samples + start * SOUND_CHANNELS, first * frame_bytes);
	memcpy(samples + first * SOUND_CHANNELS, ring->samples, (taken - first) * frame_bytes);
	memset(samples + taken * SOUND_CHANNELS, 0, (frames - taken) * frame_bytes);

	*read += (uint32_t)taken;
	atomic_store_explicit(&ring->read, *read, memory_order_release);
	return taken;
}

static void fill(void *context, Uint8 *stream, int bytes)
{
	struct sound *s = context;

	sound_ring_take(s->ring, &s->read, (int16_t *)(void *)stream,
	                (size_t)bytes / (SOUND_CHANNELS * sizeof(int16_t)));
}

static void close_device(struct sound *s)
{
	if (s->device == 0)
		return;
	SDL_CloseAudioDevice(s->device);
	SDL_QuitSubSystem(SDL_INIT_AUDIO);
	s->device = 0;
}

static void open_device(struct sound *s)
{
	const SDL_AudioSpec wanted = {
		.freq = SOUND_RATE,
		.format = AUDIO_S16SYS,
		.channels = SOUND_CHANNELS,
		.samples = DEVICE_FRAMES,
		.callback = fill,
		.userdata = s,
	};

	/* GTK's program handles its signals, and SDL must not keep the user's screen saver away by itself. */
	SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
	SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
	SDL_SetHint(SDL_HINT_AUDIO_DEVICE_APP_NAME, "Vitrine");
	if (SDL_InitSubSystem(SDL_INIT_AUDIO) == 0) {
		s->device = SDL_OpenAudioDevice(NULL, 0, &wanted, NULL, 0);
		if (s->device == 0)
			SDL_QuitSubSystem(SDL_INIT_AUDIO);
	}
	if (s->device != 0) {
		SDL_PauseAudioDevice(s->device, 0);
		return;
	}
	s->broken = true;
	g_autofree char *text =
		g_strdup_printf("This machine will be silent: no sound device could be opened (%s).", SDL_GetError());
	s->trouble(s->context, text);
}

/* The core has no way to call us, and sound is rare: a look at one shared word is cheaper than a message for each beep.
 */
static gboolean poll_ring(gpointer data)
{
	struct sound *s = data;
	uint32_t read = atomic_load_explicit(&s->ring->read, memory_order_relaxed);

	if (s->device == 0)
		read = s->read;
	if (sound_ring_waiting(s->ring, read) == 0) {
		if (++s->silent == SILENT_POLLS)
			close_device(s);
		return G_SOURCE_CONTINUE;
	}
	s->silent = 0;
	if (s->device == 0 && !s->broken)
		open_device(s);
	if (s->broken) /* as if it had been played, that the core does not find its ring full for ever */
		sound_ring_take(s->ring, &s->read, (int16_t[SOUND_FRAMES * SOUND_CHANNELS]){ 0 }, SOUND_FRAMES);
	return G_SOURCE_CONTINUE;
}

struct sound *sound_new(struct sound_ring *ring, void (*trouble)(void *context, const char *text), void *context)
{
	struct sound *s = g_new0(struct sound, 1);

	*s = (struct sound){ .ring = ring, .trouble = trouble, .context = context };
	return s;
}

void sound_set_running(struct sound *s, bool running)
{
	if (running && s->timer == 0)
		s->timer = g_timeout_add(POLL_MS, poll_ring, s);
	if (!running && s->timer != 0) {
		g_source_remove(s->timer);
		s->timer = 0;
		close_device(s);
	}
}

void sound_free(struct sound *s)
{
	if (s == NULL)
		return;
	sound_set_running(s, false);
	g_free(s);
}
