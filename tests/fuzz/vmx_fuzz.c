/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a .vmx: parsed, described, written, read again and compared; and one key set, which must change nothing
 * else. The first byte chooses what is set, the rest is the text. Seeds: the corpus' texts with a letter in front.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vmformat/same_appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/vmx.h"

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static struct appliance *describe(const struct vmx_file *vmx)
{
	struct appliance *a = appliance_new();
	struct error e = { 0 };

	if (!a || vmx_to_appliance(vmx, a, &e) < 0) {
		appliance_free(a);
		return NULL;
	}
	return a;
}

static void check_round_trip(const struct appliance *a)
{
	struct appliance *again;
	struct vmx_file *vmx;
	struct error e = { 0 };
	const char *difference;
	char *text;

	require(appliance_to_vmx(a, &text, &e) == 0, "to_vmx");
	require(vmx_parse(text, strlen(text), "written", &vmx, &e) == 0, e.text);
	again = describe(vmx);
	require(again, "the written text cannot be described");
	difference = different_appliance(a, again);
	if (difference)
		fprintf(stderr, "%s differs in:\n%s", difference, text);
	require(!difference, "round trip");
	appliance_free(again);
	vmx_free(vmx);
	free(text);
}

/* The new text must be the old one up to the value, and after it. */
static void check_set(struct vmx_file *vmx, uint8_t choice)
{
	static const char *const keys[] = { "memsize", "displayName", "new.key", "ide1:0.fileName" };
	static const char *const values[] = { "64", "a \"b\" | \n", "", "\xc3\xa4\xe6\x96\x87.iso" };
	const char *key = keys[choice % ARRAY_SIZE(keys)], *value = values[choice / 4 % ARRAY_SIZE(values)];
	size_t length, new_length, same = 0, same_end = 0;
	const char *text = vmx_text(vmx, &length), *now;
	char *before = malloc(length + 1);
	bool had_key = vmx_get(vmx, key) != NULL;
	struct error e = { 0 };

	memcpy(before, text, length);
	if (vmx_set(vmx, key, value, &e) == 0) {
		require(!strcmp(vmx_get(vmx, key), value), "the value that was set");
		now = vmx_text(vmx, &new_length);
		while (same < length && same < new_length && before[same] == now[same])
			same++;
		while (same_end < length - same && same_end < new_length - same &&
		       before[length - 1 - same_end] == now[new_length - 1 - same_end])
			same_end++;
		require(had_key || same == length, "appending changed what was there");
		require(!memchr(before + same, '\n', length - same - same_end), "more than one line was changed");
	}
	free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct appliance *a;
	struct vmx_file *vmx;
	struct error e = { 0 };

	if (size == 0)
		return 0;
	vmx_probe(data + 1, size - 1, "fuzz.vmx");
	if (vmx_parse((const char *)data + 1, size - 1, "fuzz.vmx", &vmx, &e) < 0) {
		require(e.code < 0 && *e.text, "an error without words");
		return 0;
	}
	a = describe(vmx);
	if (a)
		check_round_trip(a);
	appliance_free(a);
	check_set(vmx, data[0]);
	vmx_free(vmx);
	return 0;
}
