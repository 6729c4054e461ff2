/* SPDX-License-Identifier: MIT */
/*
 * Real OVF texts (the option VITRINE_CORPUS names their folder) against tests/data/corpus_verdicts.tsv: what each is
 * expected to be, and why. Their disks are blank ones that this test makes.
 *
 * A line of the table: file, "plays" or "refused", then a summary of the machine or the words that the error must have,
 * and why that is right where a reader may wonder. A '#' begins a comment.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "same_appliance.h"
#include "test_files.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/vmx.h"

#define MAX_LINES 512
#define BLANK_SIZE (1u << 20)

/* ---- the table ---- */

struct verdict {
	char *file, *verdict, *summary, *words;
};

struct table {
	char *text;
	struct verdict lines[MAX_LINES];
	unsigned count;
};

static char *read_text(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "r");
	size_t length;
	char *text;

	if (!file)
		fail_msg("%s cannot be opened", path);
	text = malloc(1 << 20);
	length = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	text[length] = '\0';
	*ret_length = length;
	return text;
}

static void read_table(struct table *table)
{
	size_t length;
	char *rest = table->text = read_text(TEST_DATA "/corpus_verdicts.tsv", &length), *line;

	table->count = 0;
	while ((line = strsep(&rest, "\n"))) {
		struct verdict *v = &table->lines[table->count];

		if (!*line || *line == '#')
			continue;
		assert_true(table->count < MAX_LINES);
		v->file = strsep(&line, "\t");
		v->verdict = strsep(&line, "\t");
		v->summary = strsep(&line, "\t");
		v->words = strsep(&line, "\t");
		assert_non_null(v->summary);
		table->count++;
	}
}

/* ---- what a text is ---- */

static int open_blank(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const char *dot = strrchr(name, '.');
	int fd;

	(void)files;
	if (dot && !strcmp(dot, ".mf"))
		return error_set(e, -ENOENT, "%s: no such file", name);
	fd = memfd_create("blank", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, BLANK_SIZE), 0);
	return file_from_fd(fd, name, ret_file, e);
}

static const struct files blank_files = { .open = open_blank };

/* "2 CPU 2048 MB bios vmware | scsi0:0 scsi0:1 | ide1:0 | e1000 vmxnet3": disks, other drives, network cards. */
static void summarise(const struct appliance *a, char *to, size_t room)
{
	static const char *const origins[] = { "other", "vmware", "virtualbox" };
	FILE *out = fmemopen(to, room, "w");

	fprintf(out, "%u CPU %llu MB %s %s |", a->cpus, (unsigned long long)a->memory >> 20,
	        a->firmware == FIRMWARE_EFI ? "efi" : "bios", origins[a->origin]);
	for (int disks = 1; disks >= 0; disks--) {
		for (unsigned i = 0; i < a->drive_count; i++) {
			char name[32];

			appliance_drive_name(&a->drives[i], name);
			if ((a->drives[i].kind == DRIVE_DISK) == disks)
				fprintf(out, " %s%s", name, a->drives[i].backing == BACKING_BLANK ? "(blank)" : "");
		}
		fprintf(out, " |");
	}
	for (unsigned i = 0; i < a->nic_count; i++)
		fprintf(out, " %s", a->nics[i].model);
	fclose(out);
}

static void assert_same_after_round_trip(const struct appliance *a, const char *name)
{
	struct appliance *again = appliance_new();
	struct vmx_file *vmx = NULL;
	struct error e = { 0 };
	const char *difference;
	char *text = NULL;

	assert_int_equal(appliance_to_vmx(a, &text, &e), 0);
	assert_int_equal(vmx_parse(text, strlen(text), name, &vmx, &e), 0);
	assert_int_equal(vmx_to_appliance(vmx, again, &e), 0);
	difference = different_appliance(a, again);
	if (difference)
		fail_msg("%s: %s differs when read again from:\n%s", name, difference, text);
	vmx_free(vmx);
	appliance_free(again);
	free(text);
}

static void assert_disks_open(const struct appliance *a, const char *name)
{
	for (unsigned i = 0; i < a->drive_count; i++) {
		struct error e = { 0 };
		struct disk *disk;

		if (a->drives[i].kind != DRIVE_DISK)
			continue;
		if (appliance_open_disk(a, &a->drives[i], &disk, &e) < 0)
			fail_msg("%s: %s", name, e.text);
		disk_close(disk);
	}
}

static bool has_remark(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words) || strstr(a->remarks[i].subject, words))
			return true;
	return false;
}

/* Opens one text; prints and counts what is not as the table says. */
static unsigned check(const char *folder, const char *name, const struct verdict *v)
{
	char path[512], summary[4096] = "";
	size_t length;
	char *text;
	struct file file;
	struct appliance *a = NULL;
	struct error e = { 0 };
	bool plays, good;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	text = read_text(path, &length);
	file = test_file(name, text, length);
	free(text);
	plays = appliance_open(&file, &blank_files, &a, &e) == 0;
	if (plays) {
		summarise(a, summary, sizeof(summary));
		assert_disks_open(a, name);
		assert_same_after_round_trip(a, name);
		good = v && !strcmp(v->verdict, "plays") && !strcmp(v->summary, summary) &&
		       (!v->words || !*v->words || has_remark(a, v->words));
	} else {
		good = v && !strcmp(v->verdict, "refused") && strstr(e.text, v->summary) && *v->summary;
	}
	if (!good)
		print_error("%s\t%s\t%s\n", name, plays ? "plays" : "refused", plays ? summary : e.text);
	if (!good && plays)
		for (unsigned i = 0; i < a->remark_count; i++)
			print_error("#%u\t%s\t%s\n", a->remarks[i].line, a->remarks[i].subject, a->remarks[i].text);
	appliance_free(a);
	file_close(&file);
	return !good;
}

static const struct verdict *find_verdict(const struct table *table, const char *name)
{
	for (unsigned i = 0; i < table->count; i++)
		if (!strcmp(table->lines[i].file, name))
			return &table->lines[i];
	return NULL;
}

static void real_texts_are_what_the_table_says(void **state)
{
	static struct table table;
	char folder[256];
	struct dirent *entry;
	unsigned wrong = 0, seen = 0;
	DIR *dir;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/ovf", VITRINE_CORPUS);
	dir = *VITRINE_CORPUS ? opendir(folder) : NULL;
	if (!dir) {
		print_message("SKIPPED: the corpus is not here; configure with -DVITRINE_CORPUS=FOLDER\n");
		skip();
		return; /* gcc does not know that skip() does not come back */
	}
	read_table(&table);
	while ((entry = readdir(dir)))
		if (*entry->d_name != '.') {
			wrong += check(folder, entry->d_name, find_verdict(&table, entry->d_name));
			seen++;
		}
	closedir(dir);
	free(table.text);
	print_message("%u texts\n", seen);
	assert_int_equal(wrong, 0);
	assert_true(seen > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(real_texts_are_what_the_table_says) };

	return cmocka_run_group_tests_name("corpus", tests, NULL, NULL);
}
