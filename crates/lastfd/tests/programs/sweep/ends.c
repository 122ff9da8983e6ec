/* Ends well: what fails ends it, and it lets go of all it has. */
#include "camera.h"

int main(void)
{
	int fd = open("/dev/video0", O_RDWR);
	int status = fd < 0 || set_up(fd) < 0;

	for (int i = 0; !status && i < 4; i++)
		status = frame(fd) < 0;
	if (mapped != MAP_FAILED)
		munmap(mapped, buffer.length);
	close(fd);
	return status;
}
