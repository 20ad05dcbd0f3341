/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Interfaces of the calling thread's network namespace, by netlink and ioctl: nothing needs to be installed. */
#ifndef TCPSHAKE_LAB_LINK_H
#define TCPSHAKE_LAB_LINK_H

#include <stdint.h>

#define LAB_VETH "veth0" /* in both namespaces */

/* All: 0 or a negative errno. */

/* A veth pair: one end here, one in the namespace of a descriptor. */
int lab_link_pair(int other_fd);
int lab_link_up(const char *name);
/* Give it 10.0.0.HOST/24 and fd00::HOST/64. */
int lab_link_address(const char *name, uint8_t host);
/* What it sends is this much late. -ENOENT: the kernel has no netem. */
int lab_link_delay(const char *name, uint64_t ns);

#endif
