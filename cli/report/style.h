/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TCPSHAKE_REPORT_STYLE_H
#define TCPSHAKE_REPORT_STYLE_H

/* How the page looks: light or dark as the reader's system is, on a telephone, and on paper. */
extern const char report_style[];

#endif
