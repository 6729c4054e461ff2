/* SPDX-License-Identifier: MIT */
/* Interrupt lines, clock, state streams, memory, loop. */
#include "fake_board.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/loop.h"

static void lines_on_one_gsi_are_ored(void **state)
{
	struct fake_board *f = fake_board_new();
	struct irq_line a = { .router = f->board.irq, .gsi = 5 }, b = a;

	(void)state;
	irq_line_set(&a, true);
	irq_line_set(&b, true);
	irq_line_set(&a, false);
	assert_true(f->irq_level[5]);
	assert_int_equal(f->irq_edges[5], 1);
	irq_line_set(&b, false);
	assert_false(f->irq_level[5]);
	fake_board_free(f);
}

static void a_raised_line_keeps_its_level_when_it_is_routed_elsewhere(void **state)
{
	struct fake_board *f = fake_board_new();
	struct irq_line a = { .router = f->board.irq, .gsi = 10 };

	(void)state;
	irq_line_set(&a, true);
	irq_line_route(&a, 11);
	assert_false(f->irq_level[10]);
	assert_true(f->irq_level[11]);
	irq_line_route(&a, IRQ_GSI_COUNT);
	assert_false(f->irq_level[11]);
	irq_line_set(&a, false);
	irq_line_route(&a, 10);
	assert_false(f->irq_level[10]);
	fake_board_free(f);
}

static void the_sinks_status_comes_back(void **state)
{
	struct fake_board *f = fake_board_new();
	struct irq_line a = { .router = f->board.irq, .gsi = 0 };

	(void)state;
	f->irq_status = 0;
	assert_int_equal(irq_line_set(&a, true), 0);
	fake_board_free(f);
}

struct ticker {
	struct device device;
	struct timer a, b;
	uint64_t fired_at[4];
	unsigned fired;
};

static void tick(struct device *d, struct timer *t)
{
	struct ticker *k = (struct ticker *)d;

	if (k->fired < ARRAY_SIZE(k->fired_at))
		k->fired_at[k->fired] = device_now(d);
	k->fired++;
	assert_int_equal(t->deadline, TIMER_OFF);
}

static int ticker_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct ticker *k = (struct ticker *)d;

	(void)config, (void)e;
	timer_init(&k->a, d, tick);
	timer_init(&k->b, d, tick);
	return 0;
}

static const struct device_class ticker_class = { .name = "ticker",
	                                          .size = sizeof(struct ticker),
	                                          .create = ticker_create };

static void timers_fire_in_order_at_their_own_moment(void **state)
{
	struct fake_board *f = fake_board_new();
	struct ticker *k = (struct ticker *)fake_board_create(f, &ticker_class, &(struct device_config){ .id = "t" });

	(void)state;
	timer_set(f->board.clock, &k->a, 200);
	timer_set(f->board.clock, &k->b, 100);
	clock_advance(f->board.clock, 99);
	assert_int_equal(k->fired, 0);
	clock_advance(f->board.clock, 1000);
	assert_int_equal(k->fired, 2);
	assert_int_equal(k->fired_at[0], 100);
	assert_int_equal(k->fired_at[1], 200);
	assert_int_equal(clock_now(f->board.clock), 1099);
	fake_board_free(f);
}

static void tick_again_at_once(struct device *d, struct timer *t)
{
	((struct ticker *)d)->fired++;
	timer_set(d->board->clock, t, 0);
}

static void a_timer_that_arms_itself_for_the_past_does_not_hang_the_loop(void **state)
{
	struct fake_board *f = fake_board_new();
	struct ticker *k = (struct ticker *)fake_board_create(f, &ticker_class, &(struct device_config){ .id = "t" });

	(void)state;
	k->a.fire = tick_again_at_once;
	timer_set(f->board.clock, &k->a, 0);
	clock_run(f->board.clock);
	assert_int_equal(k->fired, 1);
	clock_run(f->board.clock);
	assert_int_equal(k->fired, 2);
	fake_board_free(f);
}

static void a_stopped_timer_does_not_fire(void **state)
{
	struct fake_board *f = fake_board_new();
	struct ticker *k = (struct ticker *)fake_board_create(f, &ticker_class, &(struct device_config){ .id = "t" });

	(void)state;
	timer_set(f->board.clock, &k->a, 100);
	timer_set(f->board.clock, &k->a, TIMER_OFF);
	clock_advance(f->board.clock, 1000);
	assert_int_equal(k->fired, 0);
	assert_int_equal(clock_next(f->board.clock), TIMER_OFF);
	fake_board_free(f);
}

static void time_stands_still_while_stopped(void **state)
{
	struct clock *c = clock_new(false);
	uint64_t before;

	(void)state;
	clock_start(c);
	while (!clock_now(c))
		;
	clock_stop(c);
	before = clock_now(c);
	for (volatile int i = 0; i < 100000; i++)
		;
	assert_int_equal(clock_now(c), before);
	clock_free(c);
}

static int fields(struct state *s, uint8_t *a, uint32_t *b, bool *c, char buffer[4])
{
	state_section(s, "thing", 3);
	state_u8(s, "a", a);
	state_u32(s, "b", b);
	state_bool(s, "c", c);
	state_bytes(s, "buffer", buffer, 4);
	return state_error(s);
}

static void *saved_fields(size_t *length)
{
	struct state *s = state_new_save();
	uint8_t a = 7;
	uint32_t b = 0xdeadbeef;
	bool c = true;
	char buffer[4] = "xyz";
	void *copy;

	assert_int_equal(fields(s, &a, &b, &c, buffer), 0);
	copy = malloc(*(state_data(s, length), length));
	memcpy(copy, state_data(s, length), *length);
	state_free(s);
	return copy;
}

static void what_is_saved_is_loaded(void **state)
{
	size_t length;
	void *data = saved_fields(&length);
	struct state *s = state_new_load(data, length);
	uint8_t a = 0;
	uint32_t b = 0;
	bool c = false;
	char buffer[4];

	(void)state;
	assert_int_equal(fields(s, &a, &b, &c, buffer), 0);
	assert_int_equal(a, 7);
	assert_int_equal(b, 0xdeadbeef);
	assert_true(c);
	assert_string_equal(buffer, "xyz");
	state_free(s);
	free(data);
}

static void a_damaged_stream_is_refused_at_every_byte_cut(void **state)
{
	size_t length;
	void *data = saved_fields(&length);

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		struct state *s = state_new_load(data, cut);
		uint8_t a = 0;
		uint32_t b = 0;
		bool c = false;
		char buffer[4] = "";

		assert_int_equal(fields(s, &a, &b, &c, buffer), -EINVAL);
		assert_non_null(strstr(state_error_text(s), "field"));
		state_free(s);
	}
	free(data);
}

static void another_name_or_version_is_refused(void **state)
{
	size_t length;
	void *data = saved_fields(&length);
	struct state *s = state_new_load(data, length);
	uint8_t a = 9;

	(void)state;
	state_section(s, "thing", 4);
	assert_int_equal(state_error(s), -EINVAL);
	state_free(s);
	s = state_new_load(data, length);
	state_section(s, "thing", 3);
	state_u8(s, "other", &a);
	assert_int_equal(state_error(s), -EINVAL);
	assert_int_equal(a, 9);
	state_free(s);
	free(data);
}

static void dma_reaches_ram_and_nothing_else(void **state)
{
	struct fake_board *f = fake_board_new();
	uint32_t value = 0x12345678, back = 0;
	struct iovec iov[2];

	(void)state;
	assert_int_equal(memory_write(f->board.memory, 0x1000, &value, 4), 0);
	assert_int_equal(memory_read(f->board.memory, 0x1000, &back, 4), 0);
	assert_int_equal(back, value);
	assert_int_equal(memory_write(f->board.memory, FAKE_RAM_SIZE - 2, &value, 4), -EFAULT);
	assert_int_equal(memory_read(f->board.memory, UINT64_MAX - 1, &back, 4), -EFAULT);
	assert_int_equal(*fake_ram(f, FAKE_RAM_SIZE - 2), 0);
	assert_int_equal(memory_iov(f->board.memory, 0, 0x2000, true, iov, 2), 1);
	assert_ptr_equal(iov[0].iov_base, f->ram.host);
	fake_board_free(f);
}

static void a_range_over_two_slots_is_two_pieces_and_rom_is_not_written(void **state)
{
	struct fake_board *f = fake_board_new();
	struct slot rom = {
		.name = "rom", .size = 4096, .host = memory_allocate(f->board.memory, 4096), .flags = SLOT_READONLY
	};
	struct iovec iov[2];

	(void)state;
	assert_true(memory_map(f->board.memory, &rom, FAKE_RAM_SIZE));
	assert_int_equal(memory_iov(f->board.memory, FAKE_RAM_SIZE - 16, 32, false, iov, 2), 2);
	assert_int_equal(memory_iov(f->board.memory, FAKE_RAM_SIZE - 16, 32, false, iov, 1), -E2BIG);
	assert_int_equal(memory_iov(f->board.memory, FAKE_RAM_SIZE - 16, 32, true, iov, 2), -EFAULT);
	memory_unmap(f->board.memory, &rom);
	assert_int_equal(memory_iov(f->board.memory, FAKE_RAM_SIZE - 16, 32, false, iov, 2), -EFAULT);
	fake_board_free(f);
}

static void a_slot_on_top_of_ram_is_not_mapped(void **state)
{
	struct fake_board *f = fake_board_new();
	struct slot s = { .name = "window", .size = 8192, .host = memory_allocate(f->board.memory, 8192) };

	(void)state;
	assert_false(memory_map(f->board.memory, &s, 0x3000));
	assert_false(s.mapped);
	assert_false(memory_map(f->board.memory, &s, UINT64_MAX - 4095));
	assert_true(memory_map(f->board.memory, &s, FAKE_RAM_SIZE));
	memory_unmap(f->board.memory, &s);
	fake_board_free(f);
}

/* KVM_SET_USER_MEMORY_REGION fails there, or breaks what KVM keeps: a BAR must not get so far. */
static void a_slot_on_top_of_kvms_own_pages_is_not_mapped(void **state)
{
	static const uint64_t bases[] = { 0xfee00000, 0xfedff000, 0xfffbb000, 0xfffbf000 };
	struct fake_board *f = fake_board_new();
	struct slot s = { .name = "window", .size = 8192, .host = memory_allocate(f->board.memory, 8192) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		assert_false(memory_map(f->board.memory, &s, bases[i]));
		assert_false(s.mapped);
	}
	assert_true(memory_map(f->board.memory, &s, 0xfee01000));
	assert_true(memory_map(f->board.memory, &s, 0xfffc0000));
	fake_board_free(f);
}

struct job {
	struct loop_work work;
	struct loop *loop;
	unsigned runs;
};

static void run_job(struct loop_work *work)
{
	struct job *job = container_of(work, struct job, work);

	job->runs++;
	if (job->runs == 2)
		loop_quit(job->loop);
	else
		loop_post(job->loop, work);
}

static void posted_work_runs_once_each_post(void **state)
{
	struct job job = { .work.run = run_job, .loop = loop_new(NULL) };

	(void)state;
	loop_post(job.loop, &job.work);
	loop_post(job.loop, &job.work);
	loop_run(job.loop);
	assert_int_equal(job.runs, 2);
	loop_post(job.loop, &job.work);
	loop_cancel(job.loop, &job.work);
	loop_run_once(job.loop, 0);
	assert_int_equal(job.runs, 2);
	loop_free(job.loop);
}

static void run_for_ever(struct loop_work *work)
{
	struct job *job = container_of(work, struct job, work);

	assert_true(++job->runs < 100);
	loop_post(job->loop, work);
}

/* As a guest's that prints without end: timers and messages have their turn between two runs. */
static void work_that_posts_itself_does_not_hold_the_loop(void **state)
{
	struct job job = { .work.run = run_for_ever, .loop = loop_new(NULL) };

	(void)state;
	loop_post(job.loop, &job.work);
	loop_run_once(job.loop, -1);
	assert_int_equal(job.runs, 1);
	loop_run_once(job.loop, -1); /* does not wait: there is work */
	assert_int_equal(job.runs, 2);
	loop_cancel(job.loop, &job.work);
	loop_run_once(job.loop, 0);
	assert_int_equal(job.runs, 2);
	loop_free(job.loop);
}

struct alarm {
	struct loop_work work;
	struct clock *clock;
	struct ticker *ticker;
	struct loop *loop;
};

static void ring(struct device *d, struct timer *t)
{
	(void)t;
	((struct ticker *)d)->fired++;
}

static void set_alarm(struct loop_work *work)
{
	struct alarm *alarm = container_of(work, struct alarm, work);

	timer_set(alarm->clock, &alarm->ticker->a, clock_now(alarm->clock) + 20 * NS_PER_MS);
}

static void *set_alarm_elsewhere(void *context)
{
	struct alarm *alarm = context;

	usleep(20000); /* the loop waits by then */
	set_alarm(&alarm->work);
	return NULL;
}

/* One that the loop's own round has set costs no second wake-up; one of another thread must wake it. */
static void a_timer_is_waited_for_whoever_sets_it(void **state)
{
	struct fake_board *f = fake_board_new();
	struct alarm alarm = { .work.run = set_alarm, .clock = clock_new(false) };
	pthread_t thread;

	(void)state;
	alarm.ticker = (struct ticker *)fake_board_create(f, &ticker_class, &(struct device_config){ .id = "t" });
	alarm.ticker->a.fire = ring;
	alarm.loop = loop_new(alarm.clock);
	clock_start(alarm.clock);
	loop_run_once(alarm.loop, 0);
	loop_post(alarm.loop, &alarm.work);
	loop_run_once(alarm.loop, -1);
	loop_run_once(alarm.loop, -1);
	assert_int_equal(alarm.ticker->fired, 1);
	assert_int_equal(pthread_create(&thread, NULL, set_alarm_elsewhere, &alarm), 0);
	while (alarm.ticker->fired < 2)
		loop_run_once(alarm.loop, -1);
	pthread_join(thread, NULL);
	loop_free(alarm.loop);
	clock_free(alarm.clock);
	fake_board_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_on_one_gsi_are_ored),
		cmocka_unit_test(a_raised_line_keeps_its_level_when_it_is_routed_elsewhere),
		cmocka_unit_test(the_sinks_status_comes_back),
		cmocka_unit_test(timers_fire_in_order_at_their_own_moment),
		cmocka_unit_test(a_timer_that_arms_itself_for_the_past_does_not_hang_the_loop),
		cmocka_unit_test(a_stopped_timer_does_not_fire),
		cmocka_unit_test(time_stands_still_while_stopped),
		cmocka_unit_test(what_is_saved_is_loaded),
		cmocka_unit_test(a_damaged_stream_is_refused_at_every_byte_cut),
		cmocka_unit_test(another_name_or_version_is_refused),
		cmocka_unit_test(dma_reaches_ram_and_nothing_else),
		cmocka_unit_test(a_range_over_two_slots_is_two_pieces_and_rom_is_not_written),
		cmocka_unit_test(a_slot_on_top_of_ram_is_not_mapped),
		cmocka_unit_test(a_slot_on_top_of_kvms_own_pages_is_not_mapped),
		cmocka_unit_test(posted_work_runs_once_each_post),
		cmocka_unit_test(work_that_posts_itself_does_not_hold_the_loop),
		cmocka_unit_test(a_timer_is_waited_for_whoever_sets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
