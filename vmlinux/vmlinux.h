/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types the BPF programs use, and only the fields they use, written by hand: see
 * README.md. Every access is a CO-RE relocation, so offsets, sizes and the nesting of anonymous
 * members are those of the running kernel; only names and kinds must agree with it.
 */
#ifndef TCPSHAKE_VMLINUX_H
#define TCPSHAKE_VMLINUX_H

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL ((void *)0)

/* include/uapi/linux/bpf.h: what the helpers' declarations and the maps need. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
	BPF_RB_NO_WAKEUP = 1 << 0,
	BPF_RB_FORCE_WAKEUP = 1 << 1,
	BPF_RB_AVAIL_DATA = 0,
};

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

/* include/uapi/linux/in.h, include/linux/socket.h */
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
enum { AF_INET = 2, AF_INET6 = 10 };
enum sock_flags { SOCK_DEAD, SOCK_DONE, SOCK_LINGER = 4 }; /* bit numbers in sock.skc_flags */

/* include/uapi/linux/neighbour.h */
enum { NUD_FAILED = 0x20 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

typedef struct {
	atomic64_t refcnt;
} file_ref_t;

struct ns_common {
	unsigned int inum;
};

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct hlist_nulls_node {
	struct hlist_nulls_node *next;
};

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
};

struct inet_timewait_death_row {
	refcount_t tw_refcount;
	struct inet_hashinfo *hashinfo;
	int sysctl_max_tw_buckets;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
	__u8 sysctl_tcp_abort_on_overflow;
	__u8 sysctl_tcp_syncookies;
	__u8 sysctl_tcp_synack_retries;
	int sysctl_max_syn_backlog;
};

struct linux_mib; /* include/net/snmp.h: counters of type long, by enum LINUX_MIB_… */
struct tcp_mib;
struct ipstats_mib; /* the same, of type __u64, by IPSTATS_MIB_… */

struct netns_mib {
	struct linux_mib *net_statistics; /* per CPU */
	struct tcp_mib *tcp_statistics; /* the same, by TCP_MIB_… */
	struct ipstats_mib *ip_statistics;
	struct ipstats_mib *ipv6_statistics;
};

struct netns_core {
	int sysctl_somaxconn;
};

struct net {
	__u64 net_cookie;
	struct ns_common ns;
	struct netns_core core;
	struct netns_mib mib;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	unsigned int skc_hash;
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	unsigned long skc_flags;
	struct sock *skc_listener; /* of a request, in place of its flags */
	possible_net_t skc_net;
	struct hlist_nulls_node skc_nulls_node;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	refcount_t skc_refcnt;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[0];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct inode {
	unsigned short i_mode;
	long unsigned int i_ino;
};

struct file {
	struct inode *f_inode;
	void *private_data;
	atomic_long_t f_count;
};

struct socket;

typedef struct {
	int owned;
} socket_lock_t;

struct sk_buff_head {
	struct sk_buff *prev;
	__u32 qlen;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_error_queue;
	socket_lock_t sk_lock;
	int sk_err;
	int sk_err_soft;
	__u32 sk_txhash;
	unsigned long sk_lingertime;
	__u8 sk_shutdown;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	__u16 sk_protocol;
	atomic_t sk_drops;
	struct socket *sk_socket;
	struct dst_entry *sk_dst_cache;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	unsigned char tw_substate;
};

typedef enum { SS_FREE, SS_UNCONNECTED } socket_state;

struct socket {
	socket_state state;
	struct file *file;
	struct sock *sk;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct request_sock;

struct request_sock_queue {
	__u8 rskq_defer_accept;
	atomic_t qlen;
	atomic_t young;
	struct request_sock *rskq_accept_head;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	void *icsk_ulp_data;
	__u8 icsk_syn_retries;
	__u8 icsk_retransmits;
	struct request_sock_queue icsk_accept_queue;
};

/* net/mptcp/protocol.h: what an application holds, and what its subflows know of it. */
struct mptcp_sock {
	struct inet_connection_sock sk;
	struct sock *first;
};

struct mptcp_subflow_context {
	struct sock *conn;
};

struct tcp_options_received {
	__u32 rcv_tsecr;
	__u16 saw_tstamp : 1;
	__u16 sack_ok : 3;
	__u16 wscale_ok : 1;
	__u16 snd_wscale : 4;
};

struct list_head {
	struct list_head *next;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 segs_out;
	__u32 data_segs_out;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 write_seq;
	__u32 retrans_stamp;
	__u32 rcv_nxt;
	__u32 srtt_us;
	__u64 tcp_clock_cache;
	__u64 tcp_mstamp;
	__u32 total_retrans;
	__u64 tcp_wstamp_ns;
	__u64 bytes_acked;
	__u64 bytes_received;
	struct tcp_options_received rx_opt;
	struct list_head tsorted_sent_queue;
	__u8 fastopen_connect : 1;
	__u8 syn_data : 1;
	__u8 syn_data_acked : 1;
	int linger2;
	__u8 repair : 1;
	bool is_mptcp; /* CONFIG_MPTCP */
	__u8 tcp_usec_ts : 1;
};

struct bpf_raw_tp_link {
	__u64 cookie;
};

struct net_device {
	possible_net_t nd_net;
};

struct dst_entry {
	struct net_device *dev;
};

struct rtable {
	struct dst_entry dst;
	__u8 rt_gw_family;
	union {
		__be32 rt_gw4;
		struct in6_addr rt_gw6;
	};
};

struct rt6_info {
	struct dst_entry dst;
	struct in6_addr rt6i_gateway;
};

struct neigh_table {
	int family;
};

struct neighbour {
	struct neigh_table *tbl;
	__u8 nud_state;
	struct net_device *dev;
	__u8 primary_key[];
};

typedef unsigned int sk_buff_data_t; /* an offset from head where pointers have 64 bits */

struct skb_shared_info {
	unsigned short gso_segs;
};

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	unsigned long _skb_refdst;
	int skb_iif;
	char cb[48];
	sk_buff_data_t end;
	unsigned char *head;
	unsigned char *data;
	__u16 transport_header;
	__u16 network_header;
};

/* What a message of a socket's error queue holds in its cb. */
struct sock_extended_err {
	__u32 ee_errno;
	__u8 ee_origin;
};

struct sock_exterr_skb {
	struct sock_extended_err ee;
};

struct request_sock_ops {
	int family;
};

struct request_sock {
	struct sock_common __req_common;
	__u8 num_retrans;
	__u8 num_timeout : 7;
	struct sock *sk;
};

struct inet_request_sock {
	struct request_sock req;
	__u16 acked : 1;
};

struct tcp_request_sock {
	struct inet_request_sock req;
	__u64 snt_synack;
	__u32 rcv_isn;
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* include/net/sock.h, from 6.10 (92ef0fd55ac8 "net: change proto and proto_ops accept type") */
struct proto_accept_arg {
	int flags;
};

struct pt_regs {
	unsigned long ax;
	unsigned long di;
	unsigned long si;
	unsigned long orig_ax;
};

struct thread_info {
	__u32 status;
};

struct signal_struct {
	unsigned int flags;
};

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	unsigned int flags;
	struct signal_struct *signal;
	__u64 start_boottime;
	struct files_struct *files;
	struct css_set *cgroups;
	int tgid;
	struct task_struct *group_leader;
	const struct cred *cred;
	char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_map;

/* include/linux/bpf.h: what an array map is to the kernel. */
struct bpf_array {
	void *pptrs[1]; /* per CPU, of each element */
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

/* include/net/rstreason.h, from 6.10; the values are the running kernel's. */
enum sk_rst_reason {
	SK_RST_REASON_INVALID_SYN = 99,
	SK_RST_REASON_TCP_ABORT_ON_CLOSE = 100,
};

/* The record of the classic tracepoint. */
struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
};

/* include/net/dropreason-core.h; the values are the running kernel's. */
enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED = 2,
	SKB_DROP_REASON_NO_SOCKET = 3,
	SKB_DROP_REASON_TCP_LISTEN_OVERFLOW = 40,
	SKB_DROP_REASON_CPU_BACKLOG = 71,
};

#pragma clang attribute pop

#endif
