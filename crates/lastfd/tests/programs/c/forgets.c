/*
 * Reads a converter until it goes, and then forgets what it had: uses what it freed, or with
 * an argument leaves it behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct reader {
	int fd;
	char bytes[64];
};

static struct reader *volatile reader;

/* On a stack of its own, so that nothing of the pointer is left on the other. */
static void *reads_until_it_goes(void *failed)
{
	reader = malloc(sizeof(*reader));
	reader->fd = open("/dev/iio:device0", O_RDONLY);
	if (reader->fd < 0)
		return failed;
	while (read(reader->fd, reader->bytes, sizeof(reader->bytes)) >= 0 || errno != ENODEV)
		;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *failed;

	if (pthread_create(&thread, NULL, reads_until_it_goes, argv) != 0)
		return 2;
	pthread_join(thread, &failed);
	if (failed)
		return 2;
	if (argc > 1) {
		reader = NULL;
		return 0;
	}
	free(reader);
	return close(reader->fd) < 0;
}
