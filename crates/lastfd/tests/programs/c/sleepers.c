/*
 * sleepers CAMERA CONVERTER [restart|once]: a thread each sleeps in DQBUF, poll,
 * select and epoll_wait on the camera, which streams without frames, and in read
 * on the converter, whose buffer is enabled.
 *
 * Says "asleep" before they are, and a line for each call that ended. For each line
 * of input every thread that still sleeps gets SIGUSR1, whose handler is set with
 * SA_RESTART or without it; the one in epoll_wait gets more of them until it is
 * awake, for nobody outside sees whether it sleeps. Ends with the last thread.
 *
 * A thread that is awake takes no more signals: without SA_RESTART one of them may end
 * the write of its line, which is looked at by the front end on its way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static int camera, converter;
static atomic_int handled;

static void must(int good, const char *step)
{
	if (good)
		return;
	printf("failed to %s: %s\n", step, strerror(errno));
	exit(1);
}

static void handle(int number)
{
	(void)number;
	handled++;
}

static int in_dqbuf(char *said)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};

	(void)said;
	return ioctl(camera, VIDIOC_DQBUF, &buffer);
}

static int in_poll(char *said)
{
	struct pollfd one = { .fd = camera, .events = POLLIN | POLLPRI };
	int found = poll(&one, 1, -1);

	sprintf(said, "%#x", one.revents);
	return found;
}

static int in_select(char *said)
{
	fd_set readable, exceptional;
	int found;

	FD_ZERO(&readable);
	FD_ZERO(&exceptional);
	FD_SET(camera, &readable);
	FD_SET(camera, &exceptional);
	found = select(camera + 1, &readable, NULL, &exceptional, NULL);
	sprintf(said, "%s%s", FD_ISSET(camera, &readable) ? "r" : "",
		FD_ISSET(camera, &exceptional) ? "x" : "");
	return found;
}

static int in_epoll(char *said)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI };
	int queue = epoll_create1(0), found;

	must(epoll_ctl(queue, EPOLL_CTL_ADD, camera, &event) == 0, "add to an epoll");
	event.events = 0;
	found = epoll_wait(queue, &event, 1, -1);
	sprintf(said, "%#x", event.events);
	close(queue);
	return found;
}

static int in_read(char *said)
{
	char sample[64];

	(void)said;
	return read(converter, sample, sizeof(sample));
}

static struct sleeper {
	const char *name;
	int (*sleep)(char *said);
	pthread_t thread;
	/* By its number it can be told apart from one that has ended. */
	atomic_int number;
	atomic_bool over;
} sleepers[] = {
	{ .name = "epoll", .sleep = in_epoll }, { .name = "DQBUF", .sleep = in_dqbuf },
	{ .name = "poll", .sleep = in_poll },	{ .name = "select", .sleep = in_select },
	{ .name = "read", .sleep = in_read },
};
enum { EPOLL, COUNT = sizeof(sleepers) / sizeof(sleepers[0]) };

static void *run(void *argument)
{
	struct sleeper *self = argument;
	char said[64] = "";
	sigset_t all;
	int result, error;

	self->number = gettid();
	result = self->sleep(said);
	error = errno;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	self->over = 1;
	if (result < 0)
		printf("%s: %s\n", self->name, strerrorname_np(error));
	else
		printf("%s: %d %s\n", self->name, result, said);
	fflush(stdout);
	return NULL;
}

static void prepare(void)
{
	struct v4l2_requestbuffers wanted = {
		.count = 2,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};

	must(ioctl(camera, VIDIOC_REQBUFS, &wanted) == 0, "request buffers");
	for (__u32 index = 0; index < wanted.count; index++) {
		struct v4l2_buffer given = {
			.index = index,
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_MMAP,
		};

		must(ioctl(camera, VIDIOC_QBUF, &given) == 0, "queue a buffer");
	}
	must(ioctl(camera, VIDIOC_STREAMON, &wanted.type) == 0, "start the stream");
}

static void *signals(void *argument)
{
	const struct timespec moment = { .tv_nsec = 1000 * 1000 };
	char line[16];

	(void)argument;
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < COUNT; i++)
			if (!sleepers[i].over)
				tgkill(getpid(), sleepers[i].number, SIGUSR1);
		while (!sleepers[EPOLL].over) {
			nanosleep(&moment, NULL);
			tgkill(getpid(), sleepers[EPOLL].number, SIGUSR1);
		}
	}
	return NULL;
}

int main(int count, char **arguments)
{
	struct sigaction action = { .sa_handler = handle };
	pthread_t signaller;

	if (count != 4)
		return 64;
	action.sa_flags = strcmp(arguments[3], "restart") ? 0 : SA_RESTART;
	must(sigaction(SIGUSR1, &action, NULL) == 0, "catch a signal");
	camera = open(arguments[1], O_RDWR);
	must(camera >= 0, "open the camera");
	converter = open(arguments[2], O_RDWR);
	must(converter >= 0, "open the converter");
	prepare();
	puts("asleep");
	fflush(stdout);
	for (int i = 0; i < COUNT; i++)
		must(!pthread_create(&sleepers[i].thread, NULL, run, &sleepers[i]),
		     "start a thread");
	must(!pthread_create(&signaller, NULL, signals, NULL), "start a thread");
	for (int i = 0; i < COUNT; i++)
		pthread_join(sleepers[i].thread, NULL);
	puts(handled < COUNT ? "few were handled" : "all were handled");
	return 0;
}
