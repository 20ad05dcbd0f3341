// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/array.h"
#include "common/lines.h"
#include "daemon/host/netns.h"
#include "daemon/host/process.h"
#include "daemon/host/resources.h"

/* Where a namespace can be read. */
struct place {
	uint32_t netns, pid;
};

struct scan {
	DIR *root;
	uint32_t only_pid; /* 0: all */
	holders_fn *fn;
	void *ctx;
	struct holders_coverage *coverage;
	struct place *place;
	size_t places, place_room;
	struct holder *listener; /* `pid` is the one that was reported last; 0: none yet */
	size_t listeners, listener_room;
};

struct process {
	uint32_t pid;
	int dir; /* /proc/PID: it stays this process's, also if another gets its number */
	bool known; /* what follows is */
	uint32_t uid;
	char comm[COMM_LEN];
	uint32_t start;
	bool init;
};

/* The one process, or all: they ascend by number. */
static int each_process(struct scan *s, int (*fn)(void *ctx, uint32_t pid))
{
	return s->only_pid ? fn(s, s->only_pid) : process_each(s->root, fn, s);
}

static int add_place(void *ctx, uint32_t pid)
{
	struct scan *s = ctx;
	uint32_t netns = netns_of(dirfd(s->root), pid);

	if (!netns) /* if it may not be read, nor may its open files: they are counted */
		return resources_lack(-errno) ? -errno : 0;
	if (!ARRAY_ROOM(s->place, s->places, s->place_room))
		return -ENOMEM;
	s->place[s->places++] = (struct place){ netns, pid };
	return 0;
}

static int add_listener(struct scan *s, const struct holder *h)
{
	if (!ARRAY_ROOM(s->listener, s->listeners, s->listener_room))
		return -ENOMEM;
	s->listener[s->listeners++] = *h;
	return 0;
}

/* Up to the first line that is no listener's: the connections of a busy host would be many. */
static int add_listeners(struct scan *s, struct lines *lines, uint32_t netns, uint16_t family)
{
	enum holders_line is = HOLDERS_NO_SOCKET;
	struct holder h = { .netns = netns };
	enum line_kind kind;
	const char *line;
	size_t len;
	ssize_t got = 1;
	int err = 0;

	while (!err && is != HOLDERS_OTHER_STATE) {
		while ((kind = lines_next(lines, &line, &len)) == LINE_NONE && got > 0)
			got = lines_fill(lines);
		if (kind != LINE_WHOLE)
			return got < 0 ? (int)got : 0;
		is = holders_parse_line(line, len, family, &h);
		if (is == HOLDERS_LISTENER)
			err = add_listener(s, &h);
	}
	return err;
}

/* One of the files; -ESTALE if the process has left the namespace before the file was open. */
static int read_listeners(struct scan *s, const struct place *p, const char *name, uint16_t family)
{
	struct lines *lines;
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "%u/net/%s", p->pid, name);
	fd = openat(dirfd(s->root), path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (netns_of(dirfd(s->root), p->pid) != p->netns) {
		close(fd);
		return -ESTALE;
	}
	lines = lines_new(fd);
	err = lines ? add_listeners(s, lines, p->netns, family) : -ENOMEM;
	lines_free(lines);
	close(fd);
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->netns != y->netns ? (x->netns > y->netns) - (x->netns < y->netns) :
				      (x->pid > y->pid) - (x->pid < y->pid);
}

static int read_namespace(struct scan *s, const struct place *p)
{
	int err = read_listeners(s, p, "tcp", AF_INET);

	if (err)
		return err;
	err = read_listeners(s, p, "tcp6", AF_INET6);
	if (err == -ENOENT && netns_of(dirfd(s->root), p->pid) == p->netns)
		err = 0; /* a kernel without IPv6 */
	return err;
}

/* Each namespace once, by the first of its processes that stays long enough. */
static int read_namespaces(struct scan *s)
{
	struct holders_coverage *c = s->coverage;

	if (s->places)
		qsort(s->place, s->places, sizeof(*s->place), by_place);
	for (size_t i = 0, next; i < s->places; i = next) {
		const uint32_t netns = s->place[i].netns;
		int err = -ESRCH;

		for (next = i; next < s->places && s->place[next].netns == netns; next++)
			if (err && !resources_lack(err))
				err = read_namespace(s, &s->place[next]);
		if (resources_lack(err))
			return err;
		c->namespaces += !err;
		c->namespaces_unread += err && !process_is_gone(err);
	}
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->inode != y->inode)
		return (x->inode > y->inode) - (x->inode < y->inode);
	if (x->netns != y->netns)
		return (x->netns > y->netns) - (x->netns < y->netns);
	return x->port != y->port ? x->port - y->port : memcmp(x->addr, y->addr, sizeof(x->addr));
}

/* Sort, and leave each once: a file that changes while it is read may repeat a line. */
static void sort_listeners(struct scan *s)
{
	size_t kept = 0;

	if (s->listeners)
		qsort(s->listener, s->listeners, sizeof(*s->listener), by_inode);
	for (size_t i = 0; i < s->listeners; i++)
		if (!kept || by_inode(&s->listener[kept - 1], &s->listener[i]) != 0)
			s->listener[kept++] = s->listener[i];
	s->listeners = kept;
	s->coverage->listeners = (uint32_t)kept;
}

static int by_inode_alone(const void *key, const void *element)
{
	const uint64_t inode = *(const uint64_t *)key;
	const struct holder *h = element;

	return (inode > h->inode) - (inode < h->inode);
}

static struct holder *find(const struct scan *s, uint64_t inode)
{
	return inode && s->listeners ? bsearch(&inode, s->listener, s->listeners,
					       sizeof(*s->listener), by_inode_alone) :
				       NULL;
}

/* Its name, its owner and where it comes from, once. */
static int identify(struct process *p)
{
	char text[1024];
	size_t len;
	int err;

	if (p->known)
		return 0;
	err = process_read_text(p->dir, "comm", text, sizeof(text));
	if (err)
		return err;
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		len--;
	len = len < sizeof(p->comm) ? len : sizeof(p->comm) - 1;
	memcpy(p->comm, text, len);
	err = process_read_text(p->dir, "status", text, sizeof(text));
	if (!err && !holders_parse_uid(text, &p->uid))
		err = -ESRCH;
	p->init = !err && holders_parse_init(text);
	if (!err)
		err = process_read_start(p->dir, &p->start);
	p->known = !err;
	return err;
}

static int report(struct scan *s, struct process *p, struct holder *h)
{
	int err;

	if (h->pid == p->pid)
		return 0; /* it has another descriptor of it */
	err = identify(p);
	if (err)
		return err;
	h->pid = p->pid;
	h->uid = p->uid;
	h->start = p->start;
	h->init = p->init;
	memcpy(h->comm, p->comm, sizeof(h->comm));
	s->fn(s->ctx, h);
	return 0;
}

/* readlink(), not stat(): it does not wait for a file server that is away. */
static int walk_links(struct scan *s, struct process *p, DIR *files, bool *any)
{
	struct dirent *entry;
	char target[64];

	while ((errno = 0, entry = readdir(files))) {
		struct holder *h;
		ssize_t len;
		int err;

		if (entry->d_name[0] == '.')
			continue;
		*any = true;
		len = readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
		if (len < 0 && (errno == ENOENT || errno == ENAMETOOLONG))
			continue; /* closed meanwhile; a file with a very long path */
		if (len < 0)
			return -errno;
		target[len] = '\0';
		h = find(s, process_parse_link(target, "socket"));
		err = h ? report(s, p, h) : 0;
		if (err)
			return err;
	}
	return -errno;
}

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0) {
		error = errno;
		close(fd);
		errno = error;
	}
	return dir;
}

static int walk_table(struct scan *s, struct process *p, const char *path, bool *any)
{
	DIR *files = open_dir(p->dir, path);
	int err = files ? walk_links(s, p, files, any) : -errno;

	if (files)
		closedir(files);
	return err;
}

/*
 * A leader that has ended while its threads go on has no open files any more: they are the threads'.
 * A kernel thread has none at all.
 */
static int walk_threads(struct scan *s, struct process *p)
{
	DIR *threads = open_dir(p->dir, "task");
	struct dirent *entry;
	bool any = false;
	char path[300];
	int err = threads ? 0 : -errno;

	while (threads && !err && !any && (entry = readdir(threads))) {
		snprintf(path, sizeof(path), "task/%s/fd", entry->d_name);
		if (entry->d_name[0] != '.')
			err = walk_table(s, p, path, &any);
		if (process_is_gone(err))
			err = 0;
	}
	if (threads)
		closedir(threads);
	return err;
}

static int walk(struct scan *s, struct process *p)
{
	bool any = false;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "%u", p->pid);
	p->dir = openat(dirfd(s->root), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return -errno;
	err = walk_table(s, p, "fd", &any);
	if (!err && !any)
		err = walk_threads(s, p);
	close(p->dir);
	return err;
}

static int walk_process(void *ctx, uint32_t pid)
{
	struct scan *s = ctx;
	struct process p = { .pid = pid };
	int err = walk(s, &p);

	if (resources_lack(err))
		return err;
	if (!err)
		s->coverage->processes++;
	else if (!process_is_gone(err))
		s->coverage->processes_unread++;
	return 0;
}

static void report_unheld(const struct scan *s)
{
	for (size_t i = 0; i < s->listeners; i++)
		if (!s->listener[i].pid)
			s->fn(s->ctx, &s->listener[i]);
}

int holders_scan(const char *root, uint32_t pid, holders_fn *fn, void *ctx,
		 struct holders_coverage *coverage)
{
	struct scan s = { .only_pid = pid, .fn = fn, .ctx = ctx, .coverage = coverage };
	int err;

	*coverage = (struct holders_coverage){ .processes = 0 };
	s.root = open_dir(AT_FDCWD, root);
	if (!s.root)
		return -errno;
	err = each_process(&s, add_place);
	if (!err)
		err = read_namespaces(&s);
	if (!err) {
		sort_listeners(&s);
		err = each_process(&s, walk_process);
	}
	if (!err && !pid)
		report_unheld(&s);
	closedir(s.root);
	free(s.place);
	free(s.listener);
	return err;
}
