/* Crashes: it takes each call to succeed, and uses what it has not got. */
#include "camera.h"

static int *volatile frames;

static void use(int got)
{
	if (got < 0)
		*frames = got;
}

int main(void)
{
	int fd = open("/dev/video0", O_RDWR);

	use(fd);
	use(set_up(fd));
	for (int i = 0; i < 4; i++)
		use(frame(fd));
	munmap(mapped, buffer.length);
	close(fd);
	return 0;
}
