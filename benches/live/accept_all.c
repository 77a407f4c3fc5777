/* The yardstick in C: what libnetfilter_queue's own example does, on queue 0, until it is killed. One packet a call, one verdict a call. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <linux/netfilter.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

static char buffer[65536 + 4096] __attribute__((aligned));

static int accept_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet, void *data)
{
	struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(packet);

	(void)message;
	(void)data;
	return header ? nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, 0, NULL) : 0;
}

int main(void)
{
	struct nfq_handle *handle = nfq_open();
	struct nfq_q_handle *queue = handle ? nfq_create_queue(handle, 0, accept_packet, NULL) : NULL;

	if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, 65531) < 0 || nfq_set_queue_maxlen(queue, 65536) < 0) {
		perror("queue 0");
		return EXIT_FAILURE;
	}
	nfnl_rcvbufsiz(nfq_nfnlh(handle), 64 << 20);
	puts("ready");
	fflush(stdout);
	for (;;) {
		ssize_t length = recv(nfq_fd(handle), buffer, sizeof buffer, 0);
		/* A full socket buffer (ENOBUFS) is no reason to end. */
		if (length > 0)
			nfq_handle_packet(handle, buffer, (int)length);
	}
}
