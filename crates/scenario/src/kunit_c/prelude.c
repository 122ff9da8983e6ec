#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/device/driver.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define DRIVER_CONST const
#define PLATFORM_REMOVES void
#define PLATFORM_REMOVED
#else
#define DRIVER_CONST
#define PLATFORM_REMOVES int
#define PLATFORM_REMOVED return 0;
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define UEVENT_CONST const
#else
#define UEVENT_CONST
#endif

/* drivers/base/base.h has it: a case that calls it is built in, or beside that header */
int devres_release_all(struct device *dev);

/* What happens is held against what must happen, line by line. */
static struct kunit *running;
static const char *const *next_line;
static bool failed;
static int steps;

static void line(const char *before, const char *fmt, va_list args)
{
	char got[256];
	int n = scnprintf(got, sizeof(got), "%02d %s", steps, before);

	n += vscnprintf(got + n, sizeof(got) - n, fmt, args);
	while (n > 0 && got[n - 1] == ' ')
		got[--n] = 0;
	if (failed)
		return;
	if (*next_line && !strcmp(*next_line, got)) {
		next_line++;
		return;
	}
	failed = true;
	KUNIT_FAIL(running, "wanted: %s\n       got: %s\n", *next_line ?: "nothing more", got);
}

/* A line of the case's own. */
static __printf(1, 2) void own_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line("", fmt, args);
	va_end(args);
}

/* A line of what is seen meanwhile. */
static __printf(1, 2) void seen_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line("    ", fmt, args);
	va_end(args);
}

static __maybe_unused void step(const char *call)
{
	steps++;
	own_line("> %s", call);
}

static __maybe_unused void done(void) { own_line("< done"); }
static __maybe_unused void returned(long rc) { own_line("< rc=%ld", rc); }
static __maybe_unused void ignored(long rc) { }

static __maybe_unused void pointed(const void *p)
{
	if (IS_ERR(p))
		own_line("< err %ld", PTR_ERR(p));
	else
		own_line(p ? "< ok" : "< NULL");
}

static void settle(void)
{
	wait_for_device_probe();
	msleep(120);
}

/* Devices, and whether they are still there. */
struct seen {
	struct list_head list;		/* latest first */
	struct device *dev;
	const char *tag;		/* none until it is tracked */
	void (*release)(struct device *dev);
	bool released;
};
static LIST_HEAD(all_seen);

static struct seen *seen_of(const struct device *dev)
{
	struct seen *seen;

	list_for_each_entry(seen, &all_seen, list)
		if (seen->dev == dev && !seen->released)
			return seen;
	return NULL;
}

static struct seen *tagged(const char *tag)
{
	struct seen *seen;

	list_for_each_entry(seen, &all_seen, list)
		if (seen->tag && !strcmp(seen->tag, tag))
			return seen;
	return NULL;
}

static void released(struct device *dev)
{
	struct seen *seen = seen_of(dev);

	if (!seen)
		return;
	if (seen->tag)
		seen_line("RELEASE %s", seen->tag);
	seen->released = true;
	if (seen->release)
		seen->release(dev);
	else if (dev->type && dev->type->release)
		dev->type->release(dev);
	else if (dev->class && dev->class->dev_release)
		dev->class->dev_release(dev);
}

static struct seen *live(struct device *dev)
{
	struct seen *seen = seen_of(dev);

	if (seen)
		return seen;
	seen = kzalloc(sizeof(*seen), GFP_KERNEL | __GFP_NOFAIL);
	seen->dev = dev;
	seen->release = dev->release;
	list_add(&seen->list, &all_seen);
	dev->release = released;
	return seen;
}

static __maybe_unused struct seen *track(struct device *dev, const char *tag)
{
	struct seen *seen = live(dev);

	seen->tag = tag;
	return seen;
}

static __maybe_unused const char *tag_of(const struct device *dev)
{
	struct seen *seen = seen_of(dev);

	return seen && seen->tag ? seen->tag : dev_name(dev);
}

static __maybe_unused const char *parent_of(const struct device *dev)
{
	return dev->parent ? dev_name(dev->parent) : "NULL";
}

static __maybe_unused const char *driver_of(const struct device *dev, const char *none)
{
	return dev->driver ? dev->driver->name : none;
}

static __maybe_unused const char *set_or_null(const void *p)
{
	return p ? "set" : "NULL";
}

static __maybe_unused void tell_ref(const char *tag)
{
	struct seen *seen = tagged(tag);

	if (!seen)
		seen_line("ref %s = untracked", tag);
	else if (seen->released)
		seen_line("ref %s = released", tag);
	else
		seen_line("ref %s = %u", tag, kref_read(&seen->dev->kobj.kref));
}

static __maybe_unused void tell_bound(const char *tag)
{
	struct seen *seen = tagged(tag);

	if (!seen || seen->released)
		seen_line("bound %s = (released)", tag);
	else
		seen_line("bound %s = %s drvdata=%s registered=%d", tag,
			  driver_of(seen->dev, "none"), set_or_null(dev_get_drvdata(seen->dev)),
			  device_is_registered(seen->dev));
}

/* Uevents and notifications of the devices that are tracked. */
static int uevent(UEVENT_CONST struct device *dev, struct kobj_uevent_env *env)
{
	struct seen *seen = seen_of(dev);

	if (seen && seen->tag)
		seen_line("uevent %s %s", seen->tag, env->envp_idx ? env->envp[0] : "?");
	return 0;
}
static const struct device_type with_uevents = { .name = "lf", .uevent = uevent };

static int notified(struct notifier_block *nb, unsigned long action, void *data)
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
	struct seen *seen = seen_of(data);
	int i;

	for (i = 0; seen && seen->tag && i < ARRAY_SIZE(names); i++)
		if (names[i].action == action)
			seen_line("notify %s %s", names[i].name, seen->tag);
	return 0;
}
static struct notifier_block platform_nb = { .notifier_call = notified };

static void freed(struct device *dev) { kfree(dev); }

static __maybe_unused struct seen *new_device(const char *tag)
{
	struct device *dev = kzalloc(sizeof(*dev), GFP_KERNEL | __GFP_NOFAIL);

	device_initialize(dev);
	dev->type = &with_uevents;
	dev->release = freed;
	return track(dev, tag);
}

static __maybe_unused struct seen *new_platform(const char *tag, const char *name, int id,
						struct device *parent)
{
	struct platform_device *pdev = platform_device_alloc(name, id);

	if (!pdev)
		return NULL;
	pdev->dev.type = &with_uevents;
	if (parent)
		pdev->dev.parent = parent;
	return track(&pdev->dev, tag);
}

static __maybe_unused struct class *new_class(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/* Probes and removes. */
static __maybe_unused void tell_probe(struct device *dev)
{
	seen_line("probe enter dev=%s drv=%s", tag_of(dev), dev->driver->name);
}

static __maybe_unused void tell_probed(struct device *dev, int rc)
{
	seen_line("probe leave dev=%s drv=%s rc=%d", tag_of(dev), dev->driver->name, rc);
}

static __maybe_unused void tell_remove(struct device *dev)
{
	seen_line("remove enter dev=%s drv=%s dev->driver=%s drvdata=%s registered=%d",
		  tag_of(dev), driver_of(dev, ""), set_or_null(dev->driver),
		  set_or_null(dev_get_drvdata(dev)), device_is_registered(dev));
}

static __maybe_unused void tell_removed(struct device *dev)
{
	seen_line("remove leave dev=%s drv=%s", tag_of(dev), driver_of(dev, ""));
}

#define PLATFORM_CALLBACKS(name)						\
static int __maybe_unused name##_probe_platform(struct platform_device *pdev)	\
{										\
	return name##_probe(&pdev->dev);					\
}										\
static PLATFORM_REMOVES __maybe_unused name##_remove_platform(struct platform_device *pdev) \
{										\
	name##_remove(&pdev->dev);						\
	PLATFORM_REMOVED							\
}

/* Actions, by what they are called with. */
static __maybe_unused void act(void *word) { seen_line("devm-action %s", word ? (char *)word : "(null)"); }
static __maybe_unused void act_b(void *word) { seen_line("devm-action(b) %s", word ? (char *)word : "(null)"); }

static __maybe_unused void act_state(void *data)
{
	struct device *dev = data;

	seen_line("devm-action STATE(%s): dev->driver=%s drvdata=%s registered=%d ref=%u",
		  tag_of(dev), driver_of(dev, "NULL"), set_or_null(dev_get_drvdata(dev)),
		  device_is_registered(dev), kref_read(&dev->kobj.kref));
}

static __maybe_unused void act_put(void *data)
{
	struct device *dev = data;

	seen_line("devm-action PUT(%s) enter ref=%u", tag_of(dev), kref_read(&dev->kobj.kref));
	put_device(dev);
	seen_line("devm-action PUT leave");
}

static __maybe_unused void act_unregister(void *data)
{
	struct device *dev = data;

	seen_line("devm-action UNREGISTER(%s) enter", tag_of(dev));
	device_unregister(dev);
	seen_line("devm-action UNREGISTER leave");
}

/* A devres carries a word. */
static void dr_rel(struct device *dev, void *res)
{
	seen_line("devres-release %s", *(char **)res);
}

static void dr_rel2(struct device *dev, void *res)
{
	seen_line("devres-release2 %s", *(char **)res);
}

static __maybe_unused void *new_dr_rel(const char *word)
{
	const char **res = devres_alloc(dr_rel, sizeof(*res), GFP_KERNEL);

	if (res)
		*res = word;
	return res;
}

static __maybe_unused void *new_dr_rel2(const char *word)
{
	const char **res = devres_alloc(dr_rel2, sizeof(*res), GFP_KERNEL);

	if (res)
		*res = word;
	return res;
}

static __maybe_unused int carries(struct device *dev, void *res, void *word)
{
	return *(char **)res == word;
}

struct found {
	const char *word;
	bool added;
};

/* A link is there as long as its consumer has it. */
struct link {
	struct device_link *link;
	struct seen *consumer;
};

static __maybe_unused struct device_link *link_there(const struct link *link)
{
	struct device_link *other;

	if (!link->consumer || link->consumer->released)
		return NULL;
	list_for_each_entry(other, &link->consumer->dev->links.suppliers, c_node)
		if (other == link->link)
			return other;
	return NULL;
}

static __maybe_unused const char *link_state(const struct link *link)
{
	struct device_link *there = link_there(link);

	if (!there)
		return "gone";
	switch (there->status) {
	case DL_STATE_NONE:
		return "NONE";
	case DL_STATE_DORMANT:
		return "DORMANT";
	case DL_STATE_AVAILABLE:
		return "AVAILABLE";
	case DL_STATE_CONSUMER_PROBE:
		return "CONSUMER_PROBE";
	case DL_STATE_ACTIVE:
		return "ACTIVE";
	case DL_STATE_SUPPLIER_UNBIND:
		return "SUPPLIER_UNBIND";
	}
	return "?";
}

static void begin(struct kunit *test, const char *const *expected)
{
	running = test;
	next_line = expected;
	failed = false;
	steps = 0;
	bus_register_notifier(&platform_bus_type, &platform_nb);
	own_line("BEGIN");
}

static void end(void)
{
	struct seen *seen, *next;

	settle();
	own_line("END");
	if (!failed && *next_line)
		KUNIT_FAIL(running, "wanted: %s\n       got: nothing more\n", *next_line);
	bus_unregister_notifier(&platform_bus_type, &platform_nb);
	list_for_each_entry_safe(seen, next, &all_seen, list) {
		/* what is still there calls released() when it goes: it is kept */
		if (!seen->released)
			continue;
		list_del(&seen->list);
		kfree(seen);
	}
	running = NULL;
}
