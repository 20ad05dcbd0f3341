// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/causes.h"

#include <string.h>

#include "common/names.h"

/*
 * Weights: nothing explains it; something did not come, or it may be the other side's doing; it
 * is known which segment, error or owner; a queue was seen to refuse.
 */
enum { SAW_NOTHING, SAW_ABSENCE, SAW_SEGMENT, SAW_REFUSAL };

#define SYSCTL(name, why) { LOOK_SYSCTL, name, why }
#define LIMIT(why) { LOOK_LIMIT, "listen() backlog", why }
#define PLAIN(name, why) { LOOK_PLAIN, name, why }

#define SOMAXCONN SYSCTL("net.core.somaxconn", "listen() clamps its backlog to it")
#define SYN_RETRIES                                                                           \
	{ LOOK_CLIENT, "net.ipv4.tcp_syn_retries", "how often a SYN is sent again" }
#define SYNACK_RETRIES                                                                        \
	{ LOOK_SERVER, "net.ipv4.tcp_synack_retries", "how often a SYN-ACK is sent again" }
#define SYNCOOKIES \
	SYSCTL("net.ipv4.tcp_syncookies", "0 drops what the SYN queue has no room for, 1 answers " \
	       "with cookies")
#define DROPS PLAIN("ip -s link; tc -s qdisc", "drops on an interface or in a queue of this host")

const char *const cause_by_names[CAUSE_BY_ROLE] = {
	[CAUSE_BY_LISTENER] = "listener",
	[CAUSE_BY_DESTINATION] = "destination",
	[CAUSE_BY_SOURCE] = "source",
};

static const struct cause_row rows[CAUSE_CODES] = {
	[CAUSE_ACCEPT_QUEUE_FULL] = { "the accept queue was full", PAINT_BAD, CAUSE_BY_LISTENER, SAW_REFUSAL,
	  { LIMIT("the limit in force; the accept queue holds one more"), SOMAXCONN,
	    SYSCTL("net.ipv4.tcp_abort_on_overflow",
		   "0 drops the final ACK, 1 answers it with a RST"),
	    PLAIN("accept() loop", "nothing but accept() makes room in this queue") },
	  "Only accept() empties this queue." },
	[CAUSE_SYN_QUEUE_FULL] = { "the SYN queue was full", PAINT_BAD, CAUSE_BY_LISTENER, SAW_REFUSAL,
	  { LIMIT("it limits the SYN queue, too"), SOMAXCONN, SYNCOOKIES,
	    SYNACK_RETRIES },
	  "A request keeps its place until its final ACK comes or the retries are used up: many that "
	  "never complete are a flood or clients that our SYN-ACKs do not reach. A larger backlog "
	  "helps against bursts only." },
	[CAUSE_SYN_QUEUE_THREE_QUARTERS] = { "the SYN queue was three quarters full", PAINT_BAD,
	  CAUSE_BY_LISTENER, SAW_REFUSAL,
	  { SYSCTL("net.ipv4.tcp_max_syn_backlog",
		   "without cookies its last quarter is kept for peers that are proven"),
	    SYNCOOKIES, SYNACK_RETRIES },
	  "Without SYN cookies the last quarter of tcp_max_syn_backlog is for peers that the kernel "
	  "knows already: raise it, or turn SYN cookies on." },
	[CAUSE_SYN_LOST] = { "a SYN was lost", PAINT_WARN, CAUSE_BY_ROLE, SAW_SEGMENT,
	  { SYN_RETRIES, DROPS,
	    PLAIN("nft list ruleset", "a rule of this host that drops output looks like loss") },
	  "No queue was seen to refuse it: look at the path, with captures at both ends." },
	[CAUSE_SYNACK_LOST] = { "a SYN-ACK was lost", PAINT_WARN, CAUSE_BY_ROLE, SAW_SEGMENT,
	  { SYNACK_RETRIES, DROPS,
	    PLAIN("net.ipv4.conf.*.rp_filter", "of the client: it may drop what comes back by "
		  "another way") },
	  "The SYN came and its answer did not get back: look at the way from server to client, "
	  "which may be another than that of the SYN." },
	[CAUSE_ACK_LOST] = { "a final ACK was lost", PAINT_WARN, CAUSE_BY_ROLE, SAW_SEGMENT,
	  { SYNACK_RETRIES, DROPS },
	  "The client got the SYN-ACK and its ACK did not complete the handshake: look at the way from "
	  "client to server, and at firewalls that keep state." },
	[CAUSE_SEGMENT_LOST] = { "a segment or its answer did not get through", PAINT_WARN, CAUSE_BY_ROLE,
	  SAW_ABSENCE,
	  { SYN_RETRIES, SYNACK_RETRIES, DROPS },
	  "This side does not show which of the two was lost: capture at the other end, too." },
	[CAUSE_NO_ANSWER] = { "no answer at all", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_ABSENCE,
	  { SYN_RETRIES, PLAIN("ip route get DESTINATION", "the way that the SYNs take"),
	    PLAIN("nft list ruleset", "here and there: a rule that drops says nothing") },
	  "Neither a RST nor an ICMP error ended it: a firewall drops the segments or their answers, the "
	  "path loses them, the host is down, or its queues are full. More retries and longer time-outs only make it "
	  "take longer." },
	[CAUSE_PORT_CLOSED] = { "the connection was refused", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("ss -ltn", "at the destination: which ports have a listener") },
	  "Nobody listens there, or, where it is only probable, a firewall refused it: start the "
	  "service, correct the address or the port, or look for a rule that rejects." },
	[CAUSE_FILTERED] = { "rejected on the way", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("nft list ruleset", "a reject with tcp reset, here or on the way") },
	  "A RST came that no kernel watched here was seen to send: look for a firewall that rejects." },
	[CAUSE_ICMP_UNREACHABLE] = { "an ICMP error ended it", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("ip route get DESTINATION", "the way that the SYNs take"),
	    PLAIN("tcpdump icmp or icmp6", "who sends the error, and its code"),
	    PLAIN("ip neigh show", "the next hop: if it does not answer, the error is the same") },
	  "A router or the host itself says that it cannot be reached: what sent the ICMP error "
	  "knows why. Where it is only probable, the next hop may not have answered instead." },
	[CAUSE_NEIGHBOUR_FAILED] = { "the next hop did not answer", PAINT_BAD, CAUSE_BY_DESTINATION,
	  SAW_SEGMENT,
	  { PLAIN("ip neigh show", "the next hop, FAILED or INCOMPLETE"),
	    SYSCTL("net.ipv4.neigh.default.gc_thresh3", "above so many entries none is added"),
	    SYSCTL("net.ipv4.neigh.default.mcast_solicit", "questions asked before it gives up") },
	  "ARP or neighbour discovery got no answer: the next hop is down, or not in this network. Where it is only "
	  "probable, an interface of this host may hold the SYN back instead." },
	[CAUSE_APPLICATION_CANCELLED] = { "its owner gave up", PAINT_WARN, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("connect() timeout", "of the application: it closed the socket"), SYN_RETRIES },
	  "The application closed the socket before its SYN was due to be sent again, or when another address had "
	  "answered: a longer timeout helps only if answers do come later, and shows why none came." },
	[CAUSE_PORTS_EXHAUSTED] = { "no local port was left", PAINT_BAD, CAUSE_BY_SOURCE, SAW_SEGMENT,
	  { SYSCTL("net.ipv4.ip_local_port_range", "ports to choose from, for each destination"),
	    SYSCTL("net.ipv4.tcp_tw_reuse", "1 reuses ports in TIME_WAIT, 2 on loopback only"),
	    SYSCTL("net.ipv4.ip_local_reserved_ports", "ports that are never chosen"),
	    PLAIN("bind() before connect()", "without IP_BIND_ADDRESS_NO_PORT it takes a port for "
		  "all destinations") },
	  "Keep connections open and reuse them; else a wider range or a further source address "
	  "gives more ports." },
	[CAUSE_DEFERRED_ACCEPT] = { "TCP_DEFER_ACCEPT waited for data", PAINT_WARN, CAUSE_BY_LISTENER,
	  SAW_SEGMENT,
	  { PLAIN("setsockopt(TCP_DEFER_ACCEPT)", "of the listener: a final ACK without data is not "
		  "enough"), SYNACK_RETRIES },
	  "With this option the client's ACK has to bring data: for clients that do not speak first it only "
	  "adds waiting." },
	[CAUSE_CLIENT_RESET] = { "the client gave up", PAINT_WARN, CAUSE_BY_ROLE, SAW_ABSENCE,
	  { PLAIN("connect() timeout", "of the client"),
	    PLAIN("tcpshake listeners", "whether its queues are full, where they can be looked at") },
	  "The client sent a RST instead of its final ACK, or, where it is only probable, went silent: a "
	  "port scan, a health check, or a client that would not wait." },
	[CAUSE_PEER_RESET] = { "the peer sent a RST", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("tcp_abort_on_overflow", "of the peer: a full accept queue answers with a RST") },
	  "A RST came before the handshake was complete: look at the peer's log, and at middleboxes that "
	  "keep state." },
	[CAUSE_SLOW_PATH] = { "the round trip was slow", PAINT_WARN, CAUSE_BY_ROLE, SAW_ABSENCE,
	  { PLAIN("ping, mtr", "whether the path is as slow without TCP"), DROPS },
	  "Nothing is known to have been lost: distance, a full queue on the way, or a host too busy to answer. Keeping "
	  "connections open saves the handshake." },
	[CAUSE_NO_ROUTE_BACK] = { "there was no route back to the client", PAINT_WARN, CAUSE_BY_LISTENER, SAW_SEGMENT,
	  { PLAIN("ip route get CLIENT", "at the server, in the listener's namespace: the way that its SYN-ACK would take"),
	    SYSCTL("net.ipv4.conf.all.rp_filter", "1 or 2 (of all or of the interface) drops what has no route back before a "
		   "listener gets it") },
	  "The SYN-ACK had no route to the address that the SYN came from. If that address is a client's, give the "
	  "server a route to it; if addresses are forged, filter them where they come in." },
	[CAUSE_LOCAL_DROP] = { "this host dropped a segment of it itself", PAINT_BAD, CAUSE_BY_ROLE, SAW_SEGMENT,
	  { PLAIN("tcpshake tail --events drop", "each segment, with the kernel's reason for it and the namespace") },
	  "The kernel's reason says who decided it: the sentence has it, and each `drop` record." },
	[CAUSE_DESCRIPTORS_EXHAUSTED] = { "the accept queue was full, and its owner had no descriptor left", PAINT_BAD,
	  CAUSE_BY_LISTENER, SAW_REFUSAL,
	  { PLAIN("prlimit --nofile --pid PID", "of the listener's owner: its limit (ulimit -n, LimitNOFILE= of systemd)"),
	    PLAIN("ls -l /proc/PID/fd", "what it has open"),
	    PLAIN("ss -tnp state close-wait", "connections that it does not close, though their peers have: a leak") },
	  "accept() fails (EMFILE) while no descriptor is left: look for descriptors that the owner does not close, or raise its "
	  "limit. A larger backlog does not help." },
	[CAUSE_LISTENER_CLOSED] = { "the listener was closed before it was complete", PAINT_BAD, CAUSE_BY_ROLE, SAW_REFUSAL,
	  { PLAIN("tcpshake tail --events listener", "when listeners open and close, and who owns them"),
	    SYSCTL("net.ipv4.tcp_migrate_req", "1 hands requests on to another listener of the port (SO_REUSEPORT)") },
	  "The service was stopped or restarted, or it died: its log says why. Open the new listener before the old one is "
	  "closed (socket activation, SO_REUSEPORT), and accept what waits first." },
	[CAUSE_PORT_REUSED] = { "an older connection between the same ports was in the way", PAINT_WARN, CAUSE_BY_DESTINATION,
	  SAW_SEGMENT,
	  { PLAIN("ss -tan dst CLIENT", "at the server: a connection that its client does not have any more"),
	    SYSCTL("net.ipv4.ip_local_port_range", "the fewer ports there are, the sooner one is used again"),
	    SYSCTL("net.ipv4.tcp_tw_reuse", "1 reuses ports in TIME_WAIT, 2 on loopback only") },
	  "The server still had a connection of the same addresses and ports, which the client had not: a client that was "
	  "restarted, or NAT that forgot it. Keepalive at the server ends such connections." },
	[CAUSE_UNKNOWN] = { "no rule explains it", PAINT_BOLD, CAUSE_BY_ROLE, SAW_NOTHING,
	  { PLAIN("tcpshake tail --json", "the records with their errno") },
	  "No rule explains what was seen: the evidence is all there is." },
	[CAUSE_SEND_FAILED] = { "no SYN left this host", PAINT_BAD, CAUSE_BY_SOURCE, SAW_SEGMENT,
	  { PLAIN("ip rule; ip route get DESTINATION ipproto tcp sport PORT", "rules about ports: the route is looked for "
		  "again once there is one"),
	    PLAIN("the errno of connect() or send()", "which is more exact than the record") },
	  "The kernel gave the attempt up before it sent anything: look at this host's routes, rules, keys and "
	  "security modules, not at the network." },
	[CAUSE_NO_ROUTE] = { "this host has no route to it", PAINT_BAD, CAUSE_BY_DESTINATION, SAW_SEGMENT,
	  { PLAIN("ip route get DESTINATION", "in the client's namespace: the route it has, or the error"),
	    PLAIN("ip rule; ip -6 rule", "rules that choose another table, or say unreachable") },
	  "connect() failed at once, and no SYN left: give this host a route to that address. Interfaces that are down, and "
	  "addresses that are gone, take their routes along." },
	[CAUSE_DENIED] = { "this host does not allow it", PAINT_BAD, CAUSE_BY_SOURCE, SAW_SEGMENT,
	  { PLAIN("bpftool cgroup tree", "programs of cgroups (connect4, connect6), such as of IPAddressDeny= and of containers"),
	    PLAIN("ip rule; ip route get DESTINATION", "rules and routes of type prohibit"),
	    PLAIN("journalctl -k --grep 'avc|apparmor'", "denials of a security module") },
	  "connect() failed at once, and no SYN left: the policy of this host forbids that process or that destination. The "
	  "sentence says whose policy, where the kernel shows it." },
};

const struct cause_row *cause_find(const char *code)
{
	int number = name_index(cause_names, CAUSE_CODES, code, strlen(code));

	return number < 0 || !rows[number].meaning ? NULL : &rows[number];
}
