/*
 * holders WAY NODE: holds the last reference on an open file in some way.
 *
 * Says "held" when only that reference is left, and lets go of it after a line of
 * input; says "closed" then, and ends after another.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int good, const char *step)
{
	if (good)
		return;
	printf("failed to %s: %s\n", step, strerror(errno));
	exit(1);
}

static void say_and_wait(const char *word)
{
	char line[16];

	puts(word);
	fflush(stdout);
	must(fgets(line, sizeof(line), stdin) != NULL, "get a line");
}

/* A child that has the descriptor, until it reads the end of its input. */
static pid_t child(int fd, int close_on_exec, int *end)
{
	int pipes[2];
	pid_t pid;

	must(pipe2(pipes, O_CLOEXEC) == 0, "make a pipe");
	must(fcntl(fd, F_SETFD, close_on_exec ? FD_CLOEXEC : 0) == 0, "set a flag");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		char byte;

		close(pipes[1]);
		if (!close_on_exec) {
			/* cat, with the descriptor as it is. */
			dup2(pipes[0], 0);
			execlp("cat", "cat", (char *)NULL);
			_exit(1);
		}
		while (read(pipes[0], &byte, 1) > 0)
			;
		_exit(0);
	}
	close(pipes[0]);
	*end = pipes[1];
	return pid;
}

static void in_a_child(int fd, int exec, int killed)
{
	int end;
	pid_t pid = child(fd, !exec, &end);

	close(fd);
	say_and_wait("held");
	if (killed)
		kill(pid, SIGKILL);
	close(end);
	must(waitpid(pid, NULL, 0) == pid, "wait for the child");
}

static void send_it(int socket, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	must(sendmsg(socket, &message, 0) == 1, "send the descriptor");
}

static void in_flight(int fd)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "make sockets");
	send_it(pair[0], fd);
	close(fd);
	close(pair[0]);
	say_and_wait("held");
	/* With it goes what nobody took out. */
	close(pair[1]);
}

/* Of a camera's first buffer. */
static void mapped(int fd)
{
	struct v4l2_requestbuffers wanted = {
		.count = 2,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	void *start;

	must(ioctl(fd, VIDIOC_REQBUFS, &wanted) == 0, "request buffers");
	start = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	must(start != MAP_FAILED, "map it");
	close(fd);
	say_and_wait("held");
	munmap(start, 4096);
}

int main(int count, char **arguments)
{
	const char *way;
	int fd, copy;

	if (count != 3)
		return 64;
	way = arguments[1];
	fd = open(arguments[2], O_RDWR | O_CLOEXEC);
	must(fd >= 0, "open the node");
	if (!strcmp(way, "close")) {
		say_and_wait("held");
		close(fd);
	} else if (!strcmp(way, "dup")) {
		copy = dup(fd);
		close(fd);
		say_and_wait("held");
		close(copy);
	} else if (!strcmp(way, "dup2")) {
		copy = dup2(fd, 200);
		must(copy == 200, "dup2");
		close(fd);
		say_and_wait("held");
		/* Another takes its place. */
		must(dup2(1, copy) == copy, "dup2 over it");
	} else if (!strcmp(way, "fork"))
		in_a_child(fd, 0, 0);
	else if (!strcmp(way, "exec"))
		in_a_child(fd, 1, 0);
	else if (!strcmp(way, "kill"))
		in_a_child(fd, 0, 1);
	else if (!strcmp(way, "flight"))
		in_flight(fd);
	else if (!strcmp(way, "mapping"))
		mapped(fd);
	else if (!strcmp(way, "close_range")) {
		say_and_wait("held");
		must(close_range(3, ~0U, 0) == 0, "close a range");
	} else
		return 64;
	say_and_wait("closed");
	return 0;
}
