/* SPDX-License-Identifier: MIT */
#include "core/cd_image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/sandbox.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/keep.h"

/* Of a gzip file's index, which is memory here: up to 32 KiB for each 2 MiB, so enough for 16 GB, twice the largest
 * DVD. A file that is made to do harm has an index of twice its own size. */
#define INDEX_ROOM (256u << 20)

struct cd_image {
	struct loop *loop;
	struct loop_work work;
	cd_image_ready ready;
	void *context;
	pthread_t thread;
	atomic_bool stop;

	/* the thread's, until the work is posted */
	struct file file;
	char name[256];
	int kept; /* a memfd: the index of a gzip file */
	struct keep keep;
	struct files files;
	struct disk *disk;
	struct error error;
};

/* ---- what vmformat asks for ---- */

static int open_kept(const struct keep *keep, const char *fingerprint, const char *title, const char *name, int *ret_fd,
                     struct error *e)
{
	const struct cd_image *image = keep->context;

	(void)fingerprint, (void)title;
	if (strcmp(name, KEEP_RECORD) != 0)
		return error_set(e, -ENOTSUP,
		                 "%s was packed so that it can be read only from its beginning to its end. Unpack it "
		                 "first, then insert what was in it.",
		                 image->name);
	*ret_fd = fcntl(image->kept, F_DUPFD_CLOEXEC, 0);
	return *ret_fd < 0 ? error_set(e, -errno, "%s: %s", image->name, strerror(errno)) : 0;
}

static int look_at_stop(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	const struct cd_image *image = keep->context;

	(void)what, (void)done, (void)total;
	return image->stop ? -ECANCELED : 0;
}

static int refuse_files(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	(void)files;
	(void)ret_file;
	return error_set(e, -EACCES, "The image needs a second file, %s; Vitrine plays CD images of one file (.iso)",
	                 name);
}

const struct files cd_image_files = { .open = refuse_files };

/* ---- the thread ---- */

static void tell(struct loop_work *work)
{
	struct cd_image *image = container_of(work, struct cd_image, work);
	struct disk *disk = image->disk;
	struct error error = image->error; /* the receiver may free the image */

	image->disk = NULL;
	image->ready(image->context, disk, &error);
}

static void *run(void *context)
{
	struct cd_image *image = context;

	if (sandbox_enter_role(SANDBOX_WORKER) < 0)
		abort(); /* a thread that cannot be narrowed must not read hostile bytes */
	if (appliance_open_medium(&image->file, &image->files, &image->disk, &image->error) < 0)
		image->disk = NULL;
	loop_post(image->loop, &image->work);
	return NULL;
}

int cd_image_open(struct file *file, struct loop *loop, cd_image_ready ready, void *context,
                  struct cd_image **ret_image, struct error *e)
{
	struct cd_image *image = calloc(1, sizeof(*image));
	int r;

	if (!image)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	image->loop = loop;
	image->work.run = tell;
	image->ready = ready;
	image->context = context;
	image->file = *file;
	image->keep =
		(struct keep){ .open = open_kept, .progress = look_at_stop, .context = image, .room = INDEX_ROOM };
	image->files = (struct files){ .open = refuse_files, .keep = &image->keep };
	snprintf(image->name, sizeof(image->name), "%s", file->name);
	image->kept = memfd_create("index", MFD_CLOEXEC); /* here: the thread may not */
	r = image->kept < 0 ? -errno : -pthread_create(&image->thread, NULL, run, image);
	if (r < 0) {
		if (image->kept >= 0)
			close(image->kept);
		free(image);
		return error_set(e, r, "%s cannot be opened: %s", file->name, strerror(-r));
	}
	*file = FILE_CLOSED;
	*ret_image = image;
	return 0;
}

void cd_image_free(struct cd_image *image)
{
	if (!image)
		return;
	image->stop = true;
	pthread_join(image->thread, NULL);
	loop_cancel(image->loop, &image->work);
	disk_close(image->disk); /* not told any more */
	file_close(&image->file);
	close(image->kept);
	free(image);
}
