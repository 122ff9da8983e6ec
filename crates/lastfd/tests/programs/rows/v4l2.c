/* A camera, with a stream as asked for. */
#include "rows.h"

#include <linux/cec.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const __u32 CAPTURE = V4L2_BUF_TYPE_VIDEO_CAPTURE;

static struct v4l2_buffer buffer(__u32 index)
{
	return (struct v4l2_buffer){
		.index = index,
		.type = CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
}

static int request(int fd, __u32 count)
{
	struct v4l2_requestbuffers request = {
		.count = count,
		.type = CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};

	return ioctl(fd, VIDIOC_REQBUFS, &request);
}

static int queue(int fd, __u32 index)
{
	struct v4l2_buffer given = buffer(index);

	return ioctl(fd, VIDIOC_QBUF, &given);
}

static int dequeue(int fd, __u32 *index)
{
	struct v4l2_buffer taken = buffer(0);
	int result = ioctl(fd, VIDIOC_DQBUF, &taken);

	*index = taken.index;
	return result;
}

static int stream(int fd, bool on)
{
	return ioctl(fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &CAPTURE);
}

static int subscribe(int fd)
{
	struct v4l2_event_subscription wanted = {
		.type = V4L2_EVENT_CTRL,
		.id = V4L2_CID_BRIGHTNESS,
	};

	return ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &wanted);
}

/* Tells of its own changes, too, and makes one. */
static int bring_about(int fd)
{
	struct v4l2_event_subscription wanted = {
		.type = V4L2_EVENT_CTRL,
		.id = V4L2_CID_BRIGHTNESS,
		.flags = V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK,
	};
	struct v4l2_control control = { .id = V4L2_CID_BRIGHTNESS, .value = 1 };
	int result = ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &wanted);

	return result < 0 ? result : ioctl(fd, VIDIOC_S_CTRL, &control);
}

static void read_one(int fd)
{
	char frame[8192];

	say_result(read(fd, frame, sizeof(frame)));
}

static void begin(struct held *held)
{
	held->known = VIDIOC_QUERYCAP;
	held->unknown = _IO('V', 191);
	held->foreign = CEC_ADAP_G_CAPS;
}

/* A stream with buffers, all or none of them queued, the first mapped. */
static void start(struct held *held, __u32 queued)
{
	struct v4l2_buffer first = buffer(0);

	must(request(held->fd, 3), "request buffers");
	must(ioctl(held->fd, VIDIOC_QUERYBUF, &first), "query a buffer");
	held->map_length = first.length;
	held->map_offset = first.m.offset;
	held->mapping = mmap(NULL, held->map_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			     held->fd, held->map_offset);
	must(held->mapping == MAP_FAILED ? -1 : 0, "map a buffer");
	for (__u32 index = 0; index < queued; index++)
		must(queue(held->fd, index), "queue a buffer");
	must(stream(held->fd, true), "start the stream");
	say("0");
}

/* Takes and gives frames until something fails. */
static void capture(int fd)
{
	__u32 index;

	for (;;) {
		if (dequeue(fd, &index) < 0) {
			say("%s from DQBUF", error_name(errno));
			return;
		}
		if (queue(fd, index) < 0) {
			say("%s from QBUF", error_name(errno));
			return;
		}
	}
}

static void read_all(int fd)
{
	static char frame[1 << 20];
	long result;

	do
		result = read(fd, frame, sizeof(frame));
	while (result > 0);
	say_result(result);
}

static bool call(struct held *held, const char *operation)
{
	struct v4l2_format format = { .type = CAPTURE };
	struct v4l2_control control = { .id = V4L2_CID_BRIGHTNESS, .value = 9 };
	struct v4l2_exportbuffer export = { .type = CAPTURE };
	struct v4l2_event event;
	int fd = held->fd;
	__u32 index;

#define IS(name) (!strcmp(operation, name))
	if (IS("begin a stream"))
		start(held, 3);
	else if (IS("begin a dry stream"))
		start(held, 0);
	else if (IS("bring an event about"))
		say_ok(bring_about(fd));
	else if (IS("read a frame"))
		read_one(fd);
	else if (IS("G_FMT"))
		say_ok(ioctl(fd, VIDIOC_G_FMT, &format));
	else if (IS("G_CTRL"))
		say_ok(ioctl(fd, VIDIOC_G_CTRL, &control));
	else if (IS("S_CTRL"))
		say_ok(ioctl(fd, VIDIOC_S_CTRL, &control));
	else if (IS("SUBSCRIBE_EVENT"))
		say_ok(subscribe(fd));
	else if (IS("EXPBUF")) {
		int result = ioctl(fd, VIDIOC_EXPBUF, &export);

		say_ok(result);
		if (result == 0)
			close(export.fd);
	} else if (IS("QBUF 0"))
		say_ok(queue(fd, 0));
	else if (IS("DQBUF") || IS("sleep in DQBUF"))
		say_ok(dequeue(fd, &index));
	else if (IS("DQEVENT") || IS("sleep in DQEVENT"))
		say_ok(ioctl(fd, VIDIOC_DQEVENT, &event));
	else if (IS("STREAMOFF") || IS("STREAMOFF 2"))
		say_ok(stream(fd, false));
	else if (IS("STREAMON"))
		say_ok(stream(fd, true));
	else if (IS("REQBUFS 0"))
		say_ok(request(fd, 0));
	else if (IS("loop of DQBUF and QBUF"))
		capture(fd);
	else if (IS("loop of read()"))
		read_all(fd);
	else
		return false;
	return true;
}

const struct kind v4l2 = { "v4l2", begin, call };
