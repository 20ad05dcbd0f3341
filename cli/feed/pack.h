/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines, compressed: a gzip member or a zstd frame of its own for each call, so that a file of them is whole after each. */
#ifndef TCPSHAKE_PACK_H
#define TCPSHAKE_PACK_H

#include "common/buf.h"
#include "common/clock.h"

/* Larger ones compress hardly better, and would take longer to write. */
#define PACK_BYTES (1024 * 1024)
/* What is written less often would be missing after a kill -9. */
#define PACK_AFTER_NS NSEC_PER_SEC

/* Append to `out`. 0, -ENOMEM or -EIO. */
int pack_gzip(const struct buf *lines, struct buf *out);
int pack_zstd(const struct buf *lines, struct buf *out);

#endif
