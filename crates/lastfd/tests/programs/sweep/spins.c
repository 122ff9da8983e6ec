/* Spins: it asks again at once, whatever the error. */
#include "camera.h"

int main(void)
{
	int fd = open("/dev/video0", O_RDWR);

	if (fd < 0)
		return 1;
	while (set_up(fd) < 0)
		;
	for (int i = 0; i < 4; i++)
		while (frame(fd) < 0)
			;
	munmap(mapped, buffer.length);
	close(fd);
	return 0;
}
