/*
 * rows KIND PATH ATTRIBUTE: answers the operations on its input, a line each.
 *
 * It holds a node and an attribute; whoever runs it takes the device away between
 * two lines. SIGUSR1 ends a call that sleeps, with EINTR.
 */
#include "rows.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const struct kind *const KINDS[] = {
	&v4l2, &cec, &drm, &iio_chrdev, &iio_buffer, &iio_event,
};

static const struct {
	int number;
	const char *name;
} ERRORS[] = {
	{ EACCES, "EACCES" }, { EAGAIN, "EAGAIN" }, { EBADF, "EBADF" },
	{ EBUSY, "EBUSY" }, { EFAULT, "EFAULT" }, { EINTR, "EINTR" },
	{ EINVAL, "EINVAL" }, { EIO, "EIO" }, { ENODEV, "ENODEV" },
	{ ENOENT, "ENOENT" }, { ENOSYS, "ENOSYS" }, { ENOTTY, "ENOTTY" },
	{ ENXIO, "ENXIO" }, { EPERM, "EPERM" }, { EPIPE, "EPIPE" },
	{ ESPIPE, "ESPIPE" }, { ETIMEDOUT, "ETIMEDOUT" },
};

const char *error_name(int error)
{
	static char number[32];

	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++)
		if (ERRORS[i].number == error)
			return ERRORS[i].name;
	snprintf(number, sizeof(number), "errno %d", error);
	return number;
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
}

void say_result(long result)
{
	if (result < 0)
		say("%s", error_name(errno));
	else
		say("%ld", result);
}

void say_ok(long result)
{
	say_result(result < 0 ? result : 0);
}

void must(long result, const char *step)
{
	if (result >= 0)
		return;
	say("failed to %s: %s", step, error_name(errno));
	exit(1);
}

void alarm_in(int milliseconds)
{
	struct itimerval timer = {
		.it_value = {
			.tv_sec = milliseconds / 1000,
			.tv_usec = milliseconds % 1000 * 1000,
		},
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupt(int number)
{
	(void)number;
}

static void interrupt_at(int number)
{
	/* Without SA_RESTART. */
	struct sigaction action = { .sa_handler = interrupt };

	must(sigaction(number, &action, NULL), "catch a signal");
}

int main(int count, char **arguments)
{
	const struct kind *kind = NULL;
	struct held held = { .map_length = 4096 };
	char line[256];

	if (count != 4) {
		fprintf(stderr, "usage: rows KIND PATH ATTRIBUTE\n");
		return 64;
	}
	for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
		if (!strcmp(KINDS[i]->name, arguments[1]))
			kind = KINDS[i];
	if (!kind) {
		fprintf(stderr, "rows: there is no kind '%s'\n", arguments[1]);
		return 64;
	}
	interrupt_at(SIGUSR1);
	interrupt_at(SIGALRM);
	held.path = arguments[2];
	held.attribute = arguments[3];
	held.node = open(held.path, O_RDWR);
	must(held.node, "open the node");
	held.fd = held.node;
	held.attribute_fd = open(held.attribute, O_RDONLY);
	must(held.attribute_fd, "open the attribute");
	kind->begin(&held);
	say("ready");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!kind->call(&held, line) && !any_call(&held, line))
			say("no such operation");
	}
	return 0;
}
