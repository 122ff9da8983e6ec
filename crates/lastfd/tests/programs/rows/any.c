/* The calls that every descriptor has, and the ways to sleep on it. */
#include "rows.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void say_mask(short mask)
{
	static const struct {
		short bit;
		const char *name;
	} BITS[] = {
		{ POLLIN, "IN" },   { POLLPRI, "PRI" }, { POLLOUT, "OUT" },
		{ POLLERR, "ERR" }, { POLLHUP, "HUP" }, { POLLNVAL, "NVAL" },
	};
	char text[64] = "";

	for (size_t i = 0; i < sizeof(BITS) / sizeof(BITS[0]); i++)
		if (mask & BITS[i].bit) {
			if (*text)
				strcat(text, "/");
			strcat(text, BITS[i].name);
		}
	say("%s", *text ? text : "0");
}

static void poll_for(int fd, short events, int timeout)
{
	struct pollfd one = { .fd = fd, .events = events };
	int found = poll(&one, 1, timeout);

	if (found < 0)
		say_result(found);
	else
		say_mask(one.revents);
}

static void epoll_for(int fd, unsigned int events, int timeout)
{
	struct epoll_event event = { .events = events };
	int queue = epoll_create1(EPOLL_CLOEXEC);
	int found = epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);

	if (found == 0) {
		event.events = 0;
		found = epoll_wait(queue, &event, 1, timeout);
	}
	if (found < 0)
		say_result(found);
	else
		/* The bits of epoll are those of poll. */
		say_mask(found ? (short)event.events : 0);
	close(queue);
}

static void select_for(int fd)
{
	fd_set readable, exceptional;
	int found;

	FD_ZERO(&readable);
	FD_ZERO(&exceptional);
	FD_SET(fd, &readable);
	FD_SET(fd, &exceptional);
	found = select(fd + 1, &readable, NULL, &exceptional, NULL);
	if (found < 0)
		say_result(found);
	else
		say("%s%s", FD_ISSET(fd, &readable) ? "readable" : "",
		    FD_ISSET(fd, &exceptional) ? "+exceptional" : "");
}

static void say_stat(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		say("%s", error_name(errno));
	else
		say("nlink %lu mode %o", (unsigned long)stat.st_nlink, stat.st_mode);
}

static void open_and_close(const char *path, int flags)
{
	int fd = open(path, flags);

	say_ok(fd);
	if (fd >= 0)
		close(fd);
}

static void ioctl_on(int fd, unsigned long command)
{
	char argument[512] = { 0 };

	say_ok(ioctl(fd, command, argument));
}

static void known_ioctl_on_a_dup(struct held *held)
{
	int copy = dup(held->fd);

	ioctl_on(copy, held->known);
	close(copy);
}

static void map_anew(struct held *held)
{
	void *start = mmap(NULL, held->map_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			   held->fd, held->map_offset);

	say_ok(start == MAP_FAILED ? -1 : 0);
	if (start != MAP_FAILED)
		munmap(start, held->map_length);
}

static void touch(struct held *held)
{
	volatile char *start = held->mapping;

	if (!start) {
		say("no mapping");
		return;
	}
	start[100] = 't';
	say(start[100] == 't' ? "read+write ok" : "something else was read");
}

/* A node of one's own for the held one's number. */
static void make_node(int fd)
{
	char path[64];
	struct stat stat;

	must(fstat(fd, &stat), "ask for its number");
	snprintf(path, sizeof(path), "/tmp/lastfd-rows-%d", getpid());
	if (mknod(path, S_IFCHR | 0600, stat.st_rdev) < 0) {
		say("%s", error_name(errno));
		return;
	}
	open_and_close(path, O_RDWR);
	unlink(path);
}

static void unmap(struct held *held)
{
	say_ok(munmap(held->mapping, held->map_length));
	held->mapping = NULL;
}

static void read_with(int fd, size_t bytes)
{
	char buffer[4096];
	long result;

	alarm_in(300);
	result = read(fd, buffer, bytes);
	if (result < 0 && errno == EINTR)
		say("blocks");
	else
		say_result(result);
	alarm_in(0);
}

static void read_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	read_with(fd, 64);
	fcntl(fd, F_SETFL, flags);
}

static void read_at(int fd)
{
	char buffer[4096];
	long result;

	alarm_in(300);
	result = pread(fd, buffer, 64, 0);
	if (result < 0 && errno == EINTR)
		say("blocks");
	else
		say_result(result);
	alarm_in(0);
}

static void seek(int fd, int whence)
{
	say_result(lseek(fd, 0, whence));
}

static void through_proc(struct held *held)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", held->node);
	open_and_close(path, O_RDWR);
}

bool any_call(struct held *held, const char *operation)
{
	const short all = POLLIN | POLLPRI | POLLOUT;
	char buffer[4096] = { 0 };
	struct stat stat_of;
	int fd = held->fd;

#define IS(name) (!strcmp(operation, name))
	if (IS("fstat"))
		say_stat(held->node);
	else if (IS("stat(path)"))
		say_ok(stat(held->path, &stat_of));
	else if (IS("lseek SET 0"))
		seek(fd, SEEK_SET);
	else if (IS("lseek CUR"))
		seek(fd, SEEK_CUR);
	else if (IS("lseek END"))
		seek(fd, SEEK_END);
	else if (IS("poll IN/PRI/OUT"))
		poll_for(fd, all, 0);
	else if (IS("poll events=0"))
		poll_for(fd, 0, 0);
	else if (IS("epoll add+wait"))
		epoll_for(fd, EPOLLIN | EPOLLPRI | EPOLLOUT, 0);
	else if (IS("fcntl F_GETFL"))
		say_result(fcntl(fd, F_GETFL));
	else if (IS("ioctl FIONREAD"))
		ioctl_on(fd, FIONREAD);
	else if (IS("ioctl FIONBIO"))
		ioctl_on(fd, FIONBIO);
	else if (IS("ioctl foreign magic"))
		ioctl_on(fd, held->foreign);
	else if (IS("ioctl unknown nr"))
		ioctl_on(fd, held->unknown);
	else if (IS("ioctl known"))
		ioctl_on(fd, held->known);
	else if (IS("dup+ioctl known"))
		known_ioctl_on_a_dup(held);
	else if (IS("mmap new"))
		map_anew(held);
	else if (IS("unmap"))
		unmap(held);
	else if (IS("touch held mapping"))
		touch(held);
	else if (IS("fresh open(path)"))
		open_and_close(held->path, O_RDWR);
	else if (IS("open /proc/self/fd/N"))
		through_proc(held);
	else if (IS("mknod same rdev + open"))
		make_node(held->node);
	else if (IS("sysfs attr held fd pread"))
		say_result(pread(held->attribute_fd, buffer, sizeof(buffer), 0));
	else if (IS("sysfs attr open(path)"))
		open_and_close(held->attribute, O_RDONLY);
	else if (IS("read nonblock"))
		read_nonblocking(fd);
	else if (IS("read blocking"))
		read_with(fd, 64);
	else if (IS("read 0 bytes"))
		read_with(fd, 0);
	else if (IS("pread"))
		read_at(fd);
	else if (IS("write") || IS("write (2)"))
		say_result(write(fd, buffer, 16));
	else if (IS("sleep in read"))
		say_result(read(fd, buffer, 64));
	else if (IS("sleep in poll"))
		poll_for(fd, POLLIN | POLLPRI, -1);
	else if (IS("sleep in select"))
		select_for(fd);
	else if (IS("sleep in epoll ET"))
		/* Not for OUT: a CEC adapter can always be written to. */
		epoll_for(fd, EPOLLIN | EPOLLPRI | EPOLLET, -1);
	else
		return false;
	return true;
}
