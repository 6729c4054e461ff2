/* SPDX-License-Identifier: MIT */
#include "core/core_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "core/dump.h"
#include "core/link.h"
#include "core/machine.h"
#include "core/network.h"
#include "core/sandbox.h"
#include "core/session.h"
#include "vmformat/bytes.h"
#include "vmformat/ovf.h"
#include "vmformat/sevenzip.h"
#include "vmformat/vmx.h"

/* ---- START_DESCRIBE ---- */

static int send_text(struct link *l, const char *text)
{
	size_t left = strlen(text);
	int err = 0;

	do {
		union message m = { .output = { .count = (uint32_t)MIN(left, MESSAGE_CHUNK) } };

		memcpy(m.output.data, text, m.output.count);
		text += m.output.count;
		left -= m.output.count;
		m.output.last = left == 0;
		err = link_send(l, &m, MESSAGE_OUTPUT, 0);
	} while (left && !err);
	return err;
}

static int describe(struct session *s, struct error *e)
{
	char *text;
	int err = session_open_appliance(s, e);

	if (!err)
		err = appliance_to_vmx(s->appliance, &text, e);
	if (err)
		return err;
	err = send_text(s->link, text);
	free(text);
	machine_review(s->appliance, NULL); /* described all the same */
	network_review(s->appliance);
	for (unsigned i = 0; i < s->appliance->remark_count && !err; i++) {
		char line[MESSAGE_TEXT];

		snprintf(line, sizeof(line), "%s: %s", s->appliance->remarks[i].subject, s->appliance->remarks[i].text);
		link_say_notice(s->link, NOTICE_INFO, line);
	}
	return err;
}

/* ---- modes ---- */

static int run_tool(struct session *s, int (*tool)(struct session *s, struct error *e))
{
	struct error e = { 0 };
	int err = tool(s, &e);

	if (err)
		error_set(&e, err, "%s: %s", s->start.name, strerror(-err));
	session_free(s);
	link_say_state(s->link, err ? STATE_FAILED : STATE_OFF, err ? OFF_ERROR : OFF_NONE, e.text);
	return err ? 1 : 0;
}

static int work(struct session *s)
{
	switch (s->start.mode) {
	case START_DESCRIBE:
		return run_tool(s, describe);
	case START_DUMP:
		return run_tool(s, dump_drive);
	default:
		return control_play(s);
	}
}

/* ---- the door ---- */

static int receive_start(int socket, struct message_start *ret_start, int ret_fds[START_FDS])
{
	int fds[MESSAGE_MAX_FDS];
	union message m;
	unsigned nfds;
	int err = message_receive(socket, &m, FROM_BROKER, fds, &nfds);

	if (!err && m.header.type != MESSAGE_START)
		err = -EPROTO;
	if (err)
		return err;
	*ret_start = m.start;
	for (unsigned i = 0; i < START_FDS; i++)
		ret_fds[i] = i < nfds ? fds[i] : -1;
	return 0;
}

/* From here on the process opens nothing by itself. What libraries open late is opened before. */
static int shut_door(struct link *l)
{
	union message hello = { .hello = { .version = PROTOCOL_VERSION } };
	int err;

	ovf_warm_parser();
	sevenzip_warm_locale();
	vmx_warm_encodings(); /* a missing one shows as '?' in a name: no reason not to play */
	err = sandbox_shut(&hello.hello.landlock_abi);
	if (!err)
		err = sandbox_enter_role(SANDBOX_IO);
	return err ? err : link_send(l, &hello, MESSAGE_HELLO, 0);
}

int core_process(int socket)
{
	int fds[START_FDS], err, status;
	struct message_start start;
	struct session *session;
	struct link *l;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left to show it to */
	signal(SIGPIPE, SIG_IGN);         /* --dump into a pipe that closes is an error with words */
	fcntl(socket, F_SETFD, FD_CLOEXEC);
	err = receive_start(socket, &start, fds);
	l = err ? NULL : link_new(socket);
	session = l ? malloc(sizeof(*session)) : NULL;
	if (!session) {
		fprintf(stderr, "vitrine-core: no START on descriptor %d: %s\n", socket, strerror(err ? -err : ENOMEM));
		return 1;
	}
	err = shut_door(l);
	if (err) {
		fprintf(stderr, "vitrine-core: the sandbox cannot be shut: %s\n", strerror(-err));
		return 1;
	}
	session_init(session, l, &start, fds);
	status = work(session);
	free(session);
	link_free(l);
	/* Not exit(): what libraries do there at leisure (leak checkers fork) is not in the sandbox's tables. */
	_exit(status);
}
