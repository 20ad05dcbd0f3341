/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of incidents (cli/record/incident.h), and the room that they take of the ring. */
#ifndef TCPSHAKE_INCIDENT_FILES_H
#define TCPSHAKE_INCIDENT_FILES_H

#include "cli/record/ring_store.h"

#define INCIDENT_NAME_SIZE 96

struct incident_files;

/* Those that are there count. NULL if that cannot be read, or memory is out. */
struct incident_files *incident_files_open(struct ring_store *store);
void incident_files_close(struct incident_files *f);

/* 0 or a negative errno. */
int incident_files_begin(struct incident_files *f, const char *name);
/* All, or nothing. 0 or a negative errno; -EFBIG: incidents would take more than half of the ring. */
int incident_files_append(struct incident_files *f, const struct buf *frame);
/* Its path, which holds until the next one begins. */
const char *incident_files_end(struct incident_files *f);

#endif
