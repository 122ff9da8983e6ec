/*
 * watch NODE: says what inotify tells of a node and of the folder it is in, a line
 * each, until the folder has lost it.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static const char *name_of(unsigned int mask)
{
	switch (mask & IN_ALL_EVENTS) {
	case IN_ATTRIB:
		return "ATTRIB";
	case IN_CREATE:
		return "CREATE";
	case IN_DELETE:
		return "DELETE";
	case IN_DELETE_SELF:
		return "DELETE_SELF";
	default:
		return "another";
	}
}

int main(int count, char **arguments)
{
	char buffer[4096] __attribute__((aligned(8)));
	int queue = inotify_init1(IN_CLOEXEC), node, folder;
	char path[PATH_MAX], *place;
	const char *base;

	if (count != 2)
		return 64;
	snprintf(path, sizeof(path), "%s", arguments[1]);
	place = dirname(path);
	base = strrchr(arguments[1], '/') + 1;
	node = inotify_add_watch(queue, arguments[1], IN_ATTRIB);
	folder = inotify_add_watch(queue, place, IN_DELETE);
	if (node < 0 || folder < 0) {
		perror("watch");
		return 1;
	}
	puts("watching");
	fflush(stdout);
	for (;;) {
		long length = read(queue, buffer, sizeof(buffer));

		if (length <= 0) {
			perror("read");
			return 1;
		}
		for (char *at = buffer; at < buffer + length;) {
			struct inotify_event *event = (struct inotify_event *)at;
			const char *where = event->wd == node ? "the node" : event->name;
			int gone = event->wd == folder && !strcmp(event->name, base);

			at += sizeof(*event) + event->len;
			if (event->mask & IN_IGNORED)
				continue;
			if (event->wd == folder && !gone)
				continue;
			printf("%s: %s\n", where, name_of(event->mask));
			fflush(stdout);
			if (gone)
				return 0;
		}
	}
}
