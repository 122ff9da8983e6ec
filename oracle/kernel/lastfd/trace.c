// SPDX-License-Identifier: GPL-2.0
/*
 * The trace: lines of the scenario and of what it can see of the driver core, in a
 * buffer. Nothing here allocates: an allocation might be one that is to fail.
 */
#include "lastfd.h"

#include <linux/errname.h>
#include <linux/stdarg.h>

char *lf_trace;
size_t lf_trace_used;
bool lf_trace_full;

static void put(const char *fmt, va_list args)
{
	/* room for the last line's end */
	size_t room = LF_TRACE_SIZE - lf_trace_used - 2;
	int n = vsnprintf(lf_trace + lf_trace_used, room, fmt, args);

	if (n >= room) {
		lf_trace_full = true;
		return;
	}
	lf_trace_used += n;
}

static void put_fmt(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put(fmt, args);
	va_end(args);
}

#define PUT_LINE(fmt, first, ...)			\
	do {						\
		va_list args_;				\
		if (lf_trace_full || !lf)		\
			return;				\
		put_fmt(first, ##__VA_ARGS__);		\
		va_start(args_, fmt);			\
		put(fmt, args_);			\
		va_end(args_);				\
		put_fmt("\n");				\
	} while (0)

/* A line as it stands, in the current step. */
void lf_raw(const char *fmt, ...)
{
	PUT_LINE(fmt, "%02d ", lf->step);
}

/* An event that is seen while the step runs. */
void lf_line(const char *fmt, ...)
{
	PUT_LINE(fmt, "%02d     ", lf->step);
}

/* A line of the kernel's log. */
void lf_log(const char *fmt, ...)
{
	PUT_LINE(fmt, "kernel: ");
}

void lf_step(const char *text)
{
	lf->step++;
	lf_raw("> %s", text);
}

void lf_trace_start(void)
{
	lf_trace_used = 0;
	lf_trace_full = false;
}

/* What is printed after a number. */
const char *lf_errname(long rc)
{
	const char *name;

	if (rc >= 0)
		return "";
	/* not an error of user space, and errname() may not know it */
	if (rc == -517)
		return " (-EPROBE_DEFER)";
	name = errname(rc);
	return name ? name : "";
}

struct lf_life *lf_life_of(const struct device *dev)
{
	struct lf_life *life;

	for (life = lf ? lf->lives : NULL; life; life = life->next)
		if (life->dev == dev && !life->released)
			return life;
	return NULL;
}

struct lf_life *lf_tagged(const char *tag)
{
	struct lf_life *life;

	for (life = lf->lives; life; life = life->next)
		if (life->tag && !strcmp(life->tag, tag))
			return life;
	return NULL;
}

static void release(struct device *dev)
{
	struct lf_life *life = lf_life_of(dev);

	if (!life) {
		pr_err("a device of an earlier scenario is released\n");
		return;
	}
	if (life->tag)
		lf_line("RELEASE %s", life->tag);
	life->released = true;
	if (life->release)
		life->release(dev);
	else if (dev->type && dev->type->release)
		dev->type->release(dev);
	else if (dev->class && dev->class->dev_release)
		dev->class->dev_release(dev);
}

/* From here on it is known whether the device is still there. */
struct lf_life *lf_live(struct device *dev)
{
	struct lf_life *life = lf_life_of(dev);

	if (life)
		return life;
	life = lf_alloc(sizeof(*life));
	life->dev = dev;
	life->release = dev->release;
	life->next = lf->lives;
	lf->lives = life;
	dev->release = release;
	return life;
}

/* From here on the trace sees it. */
void lf_track(struct device *dev, const char *tag)
{
	lf_live(dev)->tag = tag;
}

const char *lf_tag_of(const struct device *dev)
{
	struct lf_life *life = lf_life_of(dev);

	return life && life->tag ? life->tag : dev_name(dev);
}

static void leftover(struct lf_life *life)
{
	/* in the order in which they were tracked */
	if (!life)
		return;
	leftover(life->next);
	if (life->tag && !life->released)
		lf_line("LEFTOVER %s ref=%u", life->tag, kref_read(&life->dev->kobj.kref));
}

void lf_leftovers(void)
{
	leftover(lf->lives);
}

/* Uevents: a device type whose callback prints. */
static int uevent(LF_UEVENT_CONST struct device *dev, struct kobj_uevent_env *env)
{
	struct lf_life *life = lf_life_of(dev);

	if (life && life->tag)
		lf_line("uevent %s %s", life->tag, env->envp_idx ? env->envp[0] : "?");
	return 0;
}
const struct device_type lf_type = { .name = "lf", .uevent = uevent };

int lf_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	static const struct { unsigned long action; const char *name; } names[] = {
		{ BUS_NOTIFY_ADD_DEVICE, "ADD_DEVICE" },
		{ BUS_NOTIFY_DEL_DEVICE, "DEL_DEVICE" },
		{ BUS_NOTIFY_REMOVED_DEVICE, "REMOVED_DEVICE" },
		{ BUS_NOTIFY_BIND_DRIVER, "BIND_DRIVER" },
		{ BUS_NOTIFY_BOUND_DRIVER, "BOUND_DRIVER" },
		{ BUS_NOTIFY_UNBIND_DRIVER, "UNBIND_DRIVER" },
		{ BUS_NOTIFY_UNBOUND_DRIVER, "UNBOUND_DRIVER" },
		{ BUS_NOTIFY_DRIVER_NOT_BOUND, "DRIVER_NOT_BOUND" },
	};
	struct lf_life *life = lf_life_of(data);
	int i;

	if (!life || !life->tag)
		return 0;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].action == action)
			lf_line("notify %s %s", names[i].name, life->tag);
	return 0;
}

void lf_own(const char *what, void *p, bool (*left)(void *p))
{
	struct lf_owned *owned = lf_alloc(sizeof(*owned));

	*owned = (struct lf_owned){ lf->owned, what, p, left };
	lf->owned = owned;
}

/* The first thing that a scenario that is over has left, or NULL. */
const char *lf_left_behind(void)
{
	struct lf_life *life;
	struct lf_owned *owned;

	for (life = lf->lives; life; life = life->next)
		if (!life->released)
			return life->tag ? life->tag : dev_name(life->dev);
	for (owned = lf->owned; owned; owned = owned->next)
		if (owned->left(owned->p))
			return owned->what;
	return NULL;
}
