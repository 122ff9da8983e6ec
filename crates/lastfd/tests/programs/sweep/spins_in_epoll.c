/* Spins where nobody sees its calls: epoll tells it of an error, which it does not look at. */
#include <sys/epoll.h>

#include "camera.h"

int main(void)
{
	int fd = open("/dev/video0", O_RDWR), set = epoll_create1(0);
	struct epoll_event wanted = { .events = EPOLLIN }, told;

	if (fd < 0)
		return 1;
	if (set_up(fd) < 0 || ioctl(fd, VIDIOC_QBUF, &buffer) < 0)
		return 1;
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted) < 0)
		return 1;
	for (int frames = 0; frames < 4;) {
		epoll_wait(set, &told, 1, -1);
		if (!(told.events & EPOLLIN) || ioctl(fd, VIDIOC_DQBUF, &buffer) < 0)
			continue;
		ioctl(fd, VIDIOC_QBUF, &buffer);
		frames++;
	}
	munmap(mapped, buffer.length);
	close(fd);
	return 0;
}
