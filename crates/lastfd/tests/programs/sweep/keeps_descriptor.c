/* Keeps a descriptor: it waits for somebody to press a key, with the node open. */
#include "camera.h"

int main(void)
{
	int fd = open("/dev/video0", O_RDWR);
	int failed = fd < 0 || set_up(fd) < 0;

	for (int i = 0; !failed && i < 4; i++)
		failed = frame(fd) < 0;
	if (mapped != MAP_FAILED)
		munmap(mapped, buffer.length);
	while (failed && fd >= 0)
		pause();
	close(fd);
	return failed;
}
