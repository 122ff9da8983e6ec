/*
 * crowd CAMERA CONVERTER SECONDS: 8 processes of 8 threads open, ask, copy, pass
 * on, fork and close, and are killed and replaced, while devices come and go.
 *
 * Ends with 0 if every answer was one that a kernel could give.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 8, THREADS = 8 };

static const char *camera, *converter;
/* Descriptors on their way from whoever to whoever. */
static int market[2];
static struct timespec end;

static void wrong(const char *call)
{
	printf("%s: %s\n", call, strerrorname_np(errno));
	fflush(stdout);
	_exit(1);
}

static int over(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end.tv_sec ||
	       (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

/* What a descriptor of a device, gone or not, answers. */
static void ask(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN | POLLPRI };
	struct v4l2_capability cap;

	/* A camera answers, a converter does not know it, and one that is gone neither. */
	if (ioctl(fd, VIDIOC_QUERYCAP, &cap) < 0 && errno != ENODEV)
		wrong("QUERYCAP");
	if (poll(&one, 1, 0) < 0)
		wrong("poll");
	if (fcntl(fd, F_GETFL) < 0)
		wrong("F_GETFL");
}

static void offer(int fd)
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
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
	if (sendmsg(market[0], &message, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
	    errno != ETOOMANYREFS)
		wrong("sendmsg");
}

static int take(void)
{
	char byte;
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
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(market[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

static void fork_and_ask(int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		wrong("fork");
	if (pid == 0) {
		struct v4l2_capability cap;

		/* Only what is allowed between fork and exec of many threads. */
		if (ioctl(fd, VIDIOC_QUERYCAP, &cap) < 0 && errno != ENODEV)
			_exit(2);
		_exit(0);
	}
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			wrong("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		wrong("QUERYCAP of a child");
}

static void one_round(unsigned int *seed)
{
	const char *path = rand_r(seed) % 4 ? camera : converter;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int copy;

	if (fd < 0) {
		/* Gone, going, or a converter that another has. */
		if (errno != ENOENT && errno != ENODEV && errno != ENXIO && errno != EBUSY)
			wrong("open");
		fd = take();
		if (fd < 0)
			return;
	}
	ask(fd);
	switch (rand_r(seed) % 8) {
	case 0:
		copy = dup(fd);
		if (copy < 0)
			wrong("dup");
		close(fd);
		fd = copy;
		ask(fd);
		break;
	case 1:
		offer(fd);
		break;
	case 2:
		copy = take();
		if (copy >= 0) {
			ask(copy);
			close(copy);
		}
		break;
	case 3:
		if (rand_r(seed) % 4 == 0)
			fork_and_ask(fd);
		break;
	default:
		break;
	}
	if (close(fd) < 0)
		wrong("close");
}

static void *thread(void *argument)
{
	unsigned int seed = (unsigned int)(size_t)argument;

	while (!over())
		one_round(&seed);
	return NULL;
}

static pid_t start(unsigned int seed)
{
	pid_t pid = fork();

	if (pid < 0)
		wrong("fork");
	if (pid > 0)
		return pid;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread,
				   (void *)(size_t)(seed * THREADS + i + 1)))
			wrong("pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

int main(int count, char **arguments)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
	pid_t processes[PROCESSES];
	unsigned int seed = PROCESSES, kills = 0;
	int status;

	if (count != 4)
		return 64;
	camera = arguments[1];
	converter = arguments[2];
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atol(arguments[3]);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, market) < 0)
		wrong("socketpair");
	for (int i = 0; i < PROCESSES; i++)
		processes[i] = start(i);
	puts("running");
	fflush(stdout);
	while (!over()) {
		int victim = (int)(seed % PROCESSES);

		nanosleep(&moment, NULL);
		if (waitpid(processes[victim], &status, WNOHANG) == processes[victim]) {
			if (!over() || !WIFEXITED(status) || WEXITSTATUS(status)) {
				printf("a process ended with %#x\n", status);
				return 1;
			}
			processes[victim] = -1;
			break;
		}
		kill(processes[victim], SIGKILL);
		waitpid(processes[victim], &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status)) {
			printf("a process ended with %#x\n", status);
			return 1;
		}
		processes[victim] = start(seed++);
		kills++;
	}
	for (int i = 0; i < PROCESSES; i++) {
		if (processes[i] < 0)
			continue;
		if (waitpid(processes[i], &status, 0) < 0)
			wrong("waitpid");
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			printf("a process ended with %#x\n", status);
			return 1;
		}
	}
	printf("%u were killed\n", kills);
	return 0;
}
