// Streams from a camera until it has gone: `frame /dev/video0 N` expects at least N frames,
// then ENODEV.
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: frame NODE FRAMES\n");
		return 2;
	}
	int fd = open(argv[1], O_RDWR);
	if (fd < 0)
		return fail(argv[1]);
	struct v4l2_requestbuffers request = {
		.count = 4, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP,
	};
	if (ioctl(fd, VIDIOC_REQBUFS, &request))
		return fail("VIDIOC_REQBUFS");
	for (unsigned i = 0; i < request.count; i++) {
		struct v4l2_buffer buffer = {
			.index = i, .type = request.type, .memory = request.memory,
		};
		if (ioctl(fd, VIDIOC_QUERYBUF, &buffer))
			return fail("VIDIOC_QUERYBUF");
		void *frame = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, fd, buffer.m.offset);
		if (frame == MAP_FAILED)
			return fail("mmap");
		if (ioctl(fd, VIDIOC_QBUF, &buffer))
			return fail("VIDIOC_QBUF");
	}
	int type = request.type, frames = 0;
	if (ioctl(fd, VIDIOC_STREAMON, &type))
		return fail("VIDIOC_STREAMON");
	for (;;) {
		struct v4l2_buffer buffer = { .type = request.type, .memory = request.memory };
		if (ioctl(fd, VIDIOC_DQBUF, &buffer))
			break;
		frames++;
		if (ioctl(fd, VIDIOC_QBUF, &buffer))
			break;
	}
	printf("%d frames, then %s\n", frames, strerror(errno));
	return frames >= atoi(argv[2]) && errno == ENODEV ? 0 : 1;
}
