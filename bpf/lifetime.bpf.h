/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept of connections until they end: only if records of that are asked for, and histograms only with --metrics; else each map has one entry. */
#ifndef TCPSHAKE_LIFETIME_BPF_H
#define TCPSHAKE_LIFETIME_BPF_H

#include "compat.bpf.h"
#include "latency.h"
#include "maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64); /* the socket's address */
	__type(value, struct lifetime);
} lifetimes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLOSE_TIME_SLOTS);
	__type(key, __u32);
	__type(value, struct latency);
} close_times SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATENCY_SLOTS);
	__type(key, __u32);
	__type(value, struct close_port);
} close_ports SEC(".maps") __weak;

#endif
