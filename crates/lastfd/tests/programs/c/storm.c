/*
 * storm CAMERA CALLS [restart|once]: streams from a camera that is as fast as it
 * is taken, while a timer's signal comes every 200 us.
 *
 * Every frame is taken once and in order. Without SA_RESTART a call may give EINTR,
 * and has then done nothing; of one that does not sleep this is a limit of the
 * supervisor's: the signal came before the call was looked at. No other error may
 * come. Ends with a line of figures.
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
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void fail(const char *what, long number)
{
	printf("%s: %ld, errno %s\n", what, number, strerrorname_np(errno));
	exit(1);
}

static void handle(int number)
{
	int error = errno;

	(void)number;
	handled++;
	errno = error;
}

static void storm(int on)
{
	struct itimerval timer = {
		.it_interval.tv_usec = on ? 200 : 0,
		.it_value.tv_usec = on ? 200 : 0,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static struct v4l2_buffer buffer(__u32 index)
{
	return (struct v4l2_buffer){
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
}

static long made, interrupted;
static int restart;

/* An ioctl until no signal ends it. */
static int call(int fd, unsigned long command, void *argument)
{
	int result;

	for (;;) {
		made++;
		result = ioctl(fd, command, argument);
		if (result == 0 || errno != EINTR || restart)
			return result;
		interrupted++;
	}
}

int main(int count, char **arguments)
{
	struct v4l2_requestbuffers wanted = {
		.count = 4,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	struct sigaction action = { .sa_handler = handle };
	long calls, frames = 0;
	int fd;

	if (count != 4)
		return 64;
	calls = atol(arguments[2]);
	restart = !strcmp(arguments[3], "restart");
	action.sa_flags = restart ? SA_RESTART : 0;
	sigaction(SIGALRM, &action, NULL);
	fd = open(arguments[1], O_RDWR);
	if (fd < 0 || ioctl(fd, VIDIOC_REQBUFS, &wanted) < 0)
		fail("prepare", fd);
	for (__u32 index = 0; index < wanted.count; index++) {
		struct v4l2_buffer given = buffer(index);

		if (ioctl(fd, VIDIOC_QBUF, &given) < 0)
			fail("QBUF", index);
	}
	if (ioctl(fd, VIDIOC_STREAMON, &wanted.type) < 0)
		fail("STREAMON", 0);
	storm(1);
	while (made < calls) {
		struct v4l2_capability cap;
		struct v4l2_buffer taken = buffer(0);

		if (call(fd, VIDIOC_QUERYCAP, &cap) < 0)
			fail("QUERYCAP", made);
		if (call(fd, VIDIOC_DQBUF, &taken) < 0)
			fail("DQBUF", made);
		if (taken.sequence != (__u32)frames)
			fail("a frame is missing", taken.sequence);
		frames++;
		if (call(fd, VIDIOC_QBUF, &taken) < 0)
			fail("QBUF", made);
	}
	storm(0);
	if (!handled) {
		printf("no signal came\n");
		return 1;
	}
	printf("%ld calls, %ld frames, %d signals, %ld interrupted\n", made, frames,
	       (int)handled, interrupted);
	return 0;
}
