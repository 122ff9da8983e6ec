/*
 * One descriptor that a program holds while its device goes, and the calls that
 * can be made on it. The operations have the names of docs/unplug-rows.tsv.
 */
#ifndef ROWS_H
#define ROWS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* What the program holds. */
struct held {
	const char *path;	/* of the node */
	const char *attribute;	/* of a file in /sys */
	int node;		/* the node's descriptor */
	int fd;			/* the one that calls are made on */
	int attribute_fd;
	unsigned long known;	/* an ioctl that it knows, one of its letter, ... */
	unsigned long unknown;
	unsigned long foreign;	/* ... and one of another subsystem's */
	void *mapping;		/* NULL if there is none */
	size_t map_length;	/* what a new mapping asks for */
	long map_offset;
};

/* A kind of descriptor: how it is got, and the calls that only it has. */
struct kind {
	const char *name;
	void (*begin)(struct held *held);
	/* Says the result and gives true, or gives false: not its operation. */
	bool (*call)(struct held *held, const char *operation);
};

extern const struct kind v4l2, cec, drm, iio_chrdev, iio_buffer, iio_event;

/* The calls that every descriptor has, and the ways to sleep on it. */
bool any_call(struct held *held, const char *operation);

/* The line that answers an operation. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A result of a system call: the number, or the error's name. */
void say_result(long result);
/* As say_result, but any success is 0. */
void say_ok(long result);
const char *error_name(int error);

/* Ends the program if a step of the preparation failed. */
void must(long result, const char *step);

/* Ends a call that sleeps for longer than the record watched one. */
void alarm_in(int milliseconds);

#endif
