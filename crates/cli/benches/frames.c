/*
 * frames COUNT: takes so many frames of /dev/video0 through four mapped buffers, copies
 * as many, and says how many a second each was.
 */
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 100, fd = open("/dev/video0", O_RDWR);
	__u32 type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	struct v4l2_requestbuffers request = {
		.count = 4, .type = type, .memory = V4L2_MEMORY_MMAP,
	};
	struct v4l2_buffer buffer = { .type = type, .memory = V4L2_MEMORY_MMAP };
	char *mapped = NULL, *copy;
	double begun, taken, copied;

	if (fd < 0 || ioctl(fd, VIDIOC_REQBUFS, &request) < 0)
		return 1;
	for (__u32 i = 0; i < request.count; i++) {
		buffer.index = i;
		if (ioctl(fd, VIDIOC_QUERYBUF, &buffer) < 0)
			return 1;
		mapped = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      buffer.m.offset);
		if (mapped == MAP_FAILED || ioctl(fd, VIDIOC_QBUF, &buffer) < 0)
			return 1;
	}
	if (ioctl(fd, VIDIOC_STREAMON, &type) < 0)
		return 1;
	begun = now();
	for (int i = 0; i < count; i++)
		if (ioctl(fd, VIDIOC_DQBUF, &buffer) < 0 || ioctl(fd, VIDIOC_QBUF, &buffer) < 0)
			return 1;
	taken = count / (now() - begun);
	copy = malloc(buffer.length);
	memset(copy, 1, buffer.length);
	begun = now();
	for (int i = 0; i < count; i++) {
		memcpy(copy, mapped, buffer.length);
		__asm__ volatile("" : : "r"(copy) : "memory");
	}
	copied = count / (now() - begun);
	printf("%.0f frames/s, memcpy of the same bytes %.0f/s: %.2fx\n", taken, copied,
	       copied / taken);
	return 0;
}
