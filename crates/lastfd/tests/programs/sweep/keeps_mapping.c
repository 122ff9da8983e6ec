/* Keeps a mapping: it closes the node, and shows its last frame for ever. */
#include "camera.h"

int main(void)
{
	int fd = open("/dev/video0", O_RDWR);
	int failed = fd < 0 || set_up(fd) < 0;

	for (int i = 0; !failed && i < 4; i++)
		failed = frame(fd) < 0;
	close(fd);
	while (failed && mapped != MAP_FAILED)
		pause();
	return failed;
}
