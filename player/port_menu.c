/* SPDX-License-Identifier: MIT */
#include "player/port_menu.h"

/* Ports that speak TLS by custom; any other TCP port but ssh's is taken for a plain web page. */
static const uint16_t https_ports[] = { 443, 8443, 9443 };
#define SSH_PORT 22

static bool is_https(uint16_t guest_port)
{
	for (size_t i = 0; i < G_N_ELEMENTS(https_ports); i++)
		if (https_ports[i] == guest_port)
			return true;
	return false;
}

static enum port_use use_of(const struct nat_forward *f, char **ret_text)
{
	static const uint8_t every[4];
	const uint8_t *a = f->address;
	bool listens_everywhere = memcmp(a, every, sizeof(every)) == 0;
	g_autofree char *address =
		listens_everywhere ? g_strdup("127.0.0.1") : g_strdup_printf("%u.%u.%u.%u", a[0], a[1], a[2], a[3]);

	if (f->guest_port == SSH_PORT) {
		*ret_text = g_strdup_printf("ssh -p %u %s", f->host_port, address);
		return PORT_SHELL;
	}
	*ret_text = g_strdup_printf("%s://%s:%u/", is_https(f->guest_port) ? "https" : "http", address, f->host_port);
	return PORT_BROWSER;
}

enum port_use port_menu_use(const struct model *m, unsigned host_port, char **ret_text)
{
	*ret_text = NULL;
	for (unsigned i = 0; i < m->port_count; i++)
		if (m->ports[i].protocol == NAT_TCP && m->ports[i].host_port == host_port)
			return use_of(&m->ports[i], ret_text);
	return PORT_NONE;
}

void port_menu_fill(GMenu *menu, const struct model *m)
{
	g_menu_remove_all(menu);
	for (unsigned i = 0; i < m->port_count; i++) {
		g_autofree char *text = NULL;
		enum port_use use = port_menu_use(m, m->ports[i].host_port, &text);

		if (use == PORT_NONE)
			continue;
		g_autofree char *label = g_strdup_printf(use == PORT_SHELL ? "Copy “%s”" : "Open %s in Browser", text);
		g_autoptr(GMenuItem) item = g_menu_item_new(label, NULL);

		g_menu_item_set_action_and_target(item, "win.open-port", "u", (guint32)m->ports[i].host_port);
		g_menu_append_item(menu, item);
	}
}
