/*
 * Logs the samples of the first converter until it goes: logger [--stubborn].
 *
 * With --stubborn it has a mistake that real programs have: an error of a read is tried
 * again, whatever it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NODE "/dev/iio:device0"
#define SETTINGS "/sys/bus/iio/devices/iio:device0/"

static int set_up(const char *path)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	return close(fd);
}

int main(int argc, char **argv)
{
	int stubborn = argc > 1 && strcmp(argv[1], "--stubborn") == 0;
	unsigned long samples = 0;
	char sample[2];
	int node;

	if (set_up(SETTINGS "scan_elements/in_voltage0_en") < 0 ||
	    set_up(SETTINGS "buffer/enable") < 0)
		return 1;
	node = open(NODE, O_RDONLY);
	if (node < 0) {
		fprintf(stderr, NODE ": %s\n", strerror(errno));
		return 1;
	}
	for (;;) {
		ssize_t n = read(node, sample, sizeof(sample));

		if (n >= 0) {
			samples += n / 2;
			continue;
		}
		if (!stubborn)
			break;
	}
	if (errno != ENODEV) {
		fprintf(stderr, NODE ": %s\n", strerror(errno));
		return 1;
	}
	printf("gone after %lu samples\n", samples);
	return close(node);
}
