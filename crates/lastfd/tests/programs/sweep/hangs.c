/* Hangs: it waits for samples without a limit, whatever was wrong before. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define DEVICE "/sys/bus/iio/devices/iio:device0/"

static void set(const char *attribute, const char *value)
{
	int fd = open(attribute, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		value = NULL;
	close(fd);
}

int main(void)
{
	char sample[64];
	int fd = open("/dev/iio:device0", O_RDONLY | O_NONBLOCK);
	int got = 0;

	if (fd < 0)
		return 1;
	set(DEVICE "scan_elements/in_voltage0_en", "1");
	set(DEVICE "buffer/enable", "1");
	while (got < 4) {
		struct pollfd one = { .fd = fd, .events = POLLIN };

		poll(&one, 1, -1);
		if (read(fd, sample, 2) > 0)
			got++;
	}
	set(DEVICE "buffer/enable", "0");
	close(fd);
	return 0;
}
