/* SPDX-License-Identifier: MIT */
/* vitrine-net: the network of one machine, in a process that can do nothing else. Started by the broker. */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/nat/calls.h"
#include "core/net/nat/door.h"
#include "core/net/nat/nat.h"

static const char help[] =
	"Usage: vitrine-net\n"
	"The network of one virtual machine. vitrine and vitrine-core start it; it is of no use alone.\n"
	"      --help, --version   this text; the version\n";

static bool is_frame_socket(int fd)
{
	int type, domain;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return false;
	length = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && type == SOCK_SEQPACKET &&
	       domain == AF_UNIX;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "vitrine-net: %s: %s\n", what, strerror(-err));
	return 1;
}

/* libslirp logs what guests provoke; nobody reads that, and a flood of it would cost more than the frames. */
static void drop_log(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
	(void)domain, (void)level, (void)message, (void)data;
}

/* Networks and forwards are made of what the broker says; then the door is shut; then guests are heard. */
static int begin(struct nat **ret_nat, struct nat_report *ret_report)
{
	union nat_message m;
	int err = nat_receive(NAT_CONTROL_FD, &m, FROM_NAT_BROKER);

	if (!err && m.header.type != NAT_START)
		err = -EPROTO;
	if (err)
		return complain("no start message", err);
	for (unsigned i = 0; i < m.start.nic_count; i++)
		if (!is_frame_socket(NAT_FRAME_FD + (int)i))
			return complain("a frame socket is missing", -EBADF);
	calls_set_servers(&m.start.servers);
	*ret_nat = nat_new(&m.start, ret_report->forward_errors);
	if (!*ret_nat)
		return complain("no network can be made", -ENOMEM);
	calls_close_host(m.start.flags & NAT_HOST_LOOPBACK);
	err = door_shut(&ret_report->landlock_abi);
	return err ? complain("the sandbox cannot be shut", err) : 0;
}

/* False: the broker has gone, or talks nonsense. */
static bool take_message(void)
{
	union nat_message m;

	if (nat_receive(NAT_CONTROL_FD, &m, FROM_NAT_BROKER) < 0 || m.header.type != NAT_NAMESERVERS)
		return false;
	calls_set_servers(&m.nameservers.servers);
	return true;
}

int main(int argc, char **argv)
{
	union nat_message report = { .report = { .landlock_abi = 0 } };
	struct nat *nat = NULL;

	if (argc == 2 && !strcmp(argv[1], "--version"))
		return printf("vitrine-net %s\n", VITRINE_VERSION) < 0;
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(help, stdout) < 0;
	if (argc != 1 || !is_frame_socket(NAT_CONTROL_FD)) {
		fputs(help, stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	g_log_set_default_handler(drop_log, NULL);
	if (begin(&nat, &report.report) || nat_send(NAT_CONTROL_FD, &report, NAT_REPORT) < 0)
		_exit(1);
	while (nat_run(nat, NAT_CONTROL_FD) && take_message())
		;
	_exit(0); /* what libraries do at exit is not in the sandbox's table */
}
