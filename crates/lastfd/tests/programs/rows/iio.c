/* A converter whose buffer is enabled: its node, its buffer, its events. */
#include "rows.h"

#include <linux/iio/buffer.h>
#include <linux/iio/events.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void begin_node(struct held *held)
{
	held->known = IIO_GET_EVENT_FD_IOCTL;
	held->unknown = _IO('i', 0xff);
	held->foreign = VIDIOC_QUERYCAP;
}

static void begin_buffer(struct held *held)
{
	int number = 0;

	begin_node(held);
	must(ioctl(held->node, IIO_BUFFER_GET_FD_IOCTL, &number), "get the buffer");
	held->fd = number;
}

static void begin_event(struct held *held)
{
	begin_node(held);
	must(ioctl(held->node, IIO_GET_EVENT_FD_IOCTL, &held->fd), "get the events");
}

/* The ioctls that give descriptors, on either; what they gave is closed. */
static int get(int fd, unsigned long command)
{
	int number = 0;
	int result = ioctl(fd, command, &number);

	if (result == 0)
		close(number);
	return result;
}

static bool call(struct held *held, const char *operation)
{
	int copy;

#define IS(name) (!strcmp(operation, name))
	if (IS("IIO_BUFFER_GET_FD"))
		/* Always made on the node. */
		say_ok(get(held->node, IIO_BUFFER_GET_FD_IOCTL));
	else if (IS("ioctl known"))
		say_ok(get(held->fd, held->known));
	else if (IS("dup+ioctl known")) {
		copy = dup(held->fd);
		say_ok(get(copy, held->known));
		close(copy);
	} else
		return false;
	return true;
}

const struct kind iio_chrdev = { "iio-chrdev", begin_node, call };
const struct kind iio_buffer = { "iio-buffer", begin_buffer, call };
const struct kind iio_event = { "iio-event", begin_event, call };
