/* SPDX-License-Identifier: MIT */
/*
 * A writer of ACPI Machine Language (ACPI 6.5, chapter 20) into a buffer of the caller's: terms in the order in which they
 * stand in the table. A construct with a length (a scope, a method, a package) is begun and ended; the length is put in at its
 * end. Bytes that do not fit are dropped and set `full`, which is looked at once when all is written. Integers are of 32 bits,
 * as revision 1 tables have them.
 */
#ifndef VITRINE_AML_H
#define VITRINE_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH 8 /* constructs in each other: scope, device, method, if, and what may come */

enum aml_op { /* ACPI 6.5, table 20.2; above 0xff: behind the extension prefix 0x5b */
	      AML_ZERO = 0x00,
	      AML_ONE = 0x01,
	      AML_NAME = 0x08,
	      AML_SCOPE = 0x10,
	      AML_BUFFER = 0x11,
	      AML_PACKAGE = 0x12,
	      AML_METHOD = 0x14,
	      AML_LOCAL0 = 0x60,
	      AML_ARG0 = 0x68,
	      AML_STORE = 0x70,
	      AML_AND = 0x7b,
	      AML_OR = 0x7d,
	      AML_DEREF_OF = 0x83,
	      AML_INDEX = 0x88,
	      AML_IF = 0xa0,
	      AML_RETURN = 0xa4,
	      AML_COND_REF_OF = 0x5b12,
	      AML_REGION = 0x5b80,
	      AML_FIELD = 0x5b81,
	      AML_DEVICE = 0x5b82,
};

struct aml {
	uint8_t *data;
	size_t size, used;
	bool full; /* something did not fit; what is there is useless */
	unsigned depth;
	struct {
		size_t at; /* where the content begins, and its length will be put in */
		bool resources;
	} open[AML_DEPTH];
};

void aml_bytes(struct aml *a, const void *bytes, size_t count);
void aml_byte(struct aml *a, uint8_t byte);
void aml_op(struct aml *a, enum aml_op op);
void aml_integer(struct aml *a, uint32_t value);
void aml_string(struct aml *a, const char *text);
/* "\\_SB.PCI0", "_STA", "LNK": each part is filled up to four characters. "": the null name, which a target may be. */
void aml_path(struct aml *a, const char *path);
void aml_eisa_id(struct aml *a, const char id[7]); /* "PNP0A03" */
void aml_field(struct aml *a, const char *name, unsigned bits);

void aml_begin(struct aml *a, enum aml_op op); /* of an op that is followed by a length */
void aml_end(struct aml *a);
void aml_begin_named(struct aml *a, enum aml_op op, const char *path); /* scope, device */
void aml_begin_method(struct aml *a, const char *name, unsigned arguments);
void aml_begin_package(struct aml *a, unsigned elements);

/* Name(name, ...) of an integer, an EISA id; the last two want the object next. */
void aml_name_integer(struct aml *a, const char *name, uint32_t value);
void aml_name_eisa_id(struct aml *a, const char *name, const char id[7]);
void aml_name(struct aml *a, const char *name);

/* A buffer with resource descriptors (ACPI 6.5, 6.4) in it; aml_end() adds the end tag. */
void aml_begin_resources(struct aml *a);
void aml_ports(struct aml *a, uint16_t base, uint8_t count);
void aml_isa_irq(struct aml *a, unsigned irq); /* edge, active high */
/* Level, active high, shared; consumer. */
void aml_interrupts(struct aml *a, const uint8_t *irqs, unsigned count);
/* What a host bridge hands down: bus numbers, ports, memory (below 4 GiB). */
enum aml_space { AML_SPACE_MEMORY, AML_SPACE_PORTS, AML_SPACE_BUSES };
void aml_window(struct aml *a, enum aml_space space, uint32_t first, uint32_t last, bool cacheable);

#endif
