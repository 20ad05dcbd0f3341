/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file that records are appended to, opened so that nobody else chooses which. */
#ifndef TCPSHAKE_OUTPUT_FILE_H
#define TCPSHAKE_OUTPUT_FILE_H

/*
 * open() for appending, with these further flags. The last part of the path may be a link: one that root or this user
 * made is followed, as an administrator may move a log so. Another's is not: a directory for logs is often writable to a
 * group or a service, whose link would have the daemon write into any file of the host. What an owner of the directory
 * may do to the directories above is theirs. A descriptor or a negative errno: -ELOOP for such a link.
 */
int output_file_open(const char *path, int flags);

#endif
