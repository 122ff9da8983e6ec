/* A camera, one call a line: each gives less than 0 where it fails. */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct v4l2_buffer buffer;
static void *mapped = MAP_FAILED;

static int set_up(int fd)
{
	struct v4l2_requestbuffers wanted = {
		.count = 1,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};

	if (ioctl(fd, VIDIOC_REQBUFS, &wanted) < 0)
		return -1;
	memset(&buffer, 0, sizeof(buffer));
	buffer.type = wanted.type;
	buffer.memory = wanted.memory;
	if (ioctl(fd, VIDIOC_QUERYBUF, &buffer) < 0)
		return -1;
	mapped = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, fd, buffer.m.offset);
	if (mapped == MAP_FAILED)
		return -1;
	return ioctl(fd, VIDIOC_STREAMON, &wanted.type);
}

static inline int frame(int fd)
{
	if (ioctl(fd, VIDIOC_QBUF, &buffer) < 0)
		return -1;
	return ioctl(fd, VIDIOC_DQBUF, &buffer);
}
