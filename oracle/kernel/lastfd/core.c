// SPDX-License-Identifier: GPL-2.0
/* Devices, root devices, platform devices, buses, classes. */
#include "lastfd.h"

#include <linux/cdev.h>
#include <linux/notifier.h>
#include <linux/pm.h>

/* Its memory is the scenario's: a late use is wrong, but not of other memory. */
static void device_gone(struct device *dev) { }

static bool class_left(void *p)
{
	return *(void **)p;
}

static struct lf_out op_device(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	int id = l->arg[0].n;
	struct device *dev, *parent = NULL;
	struct bus_type *bus;
	struct class **class;
	dev_t *devt;
	char name[128];

	if (l->keyword[0].type == LF_TEXT)
		LF_TEXT_ARG(c, &l->keyword[0], name);
	else
		snprintf(name, sizeof(name), "lf-%s", lf->names[id].text);
	if (l->keyword[1].type != LF_NONE)
		LF_DEVICE_ARG(c, &l->keyword[1], parent);
	LF_GET_KEYWORD(c, 2, bus);
	LF_GET_KEYWORD(c, 3, class);
	LF_GET_KEYWORD(c, 4, devt);
	dev = lf_alloc(sizeof(*dev));
	device_initialize(dev);
	dev_set_name(dev, "%s", name);
	dev->parent = parent;
	dev->bus = bus;
	dev->class = class ? *class : NULL;
	dev->devt = devt ? *devt : 0;
	if (l->keyword[5].type == LF_NONE || strcmp(l->keyword[5].word, "none"))
		dev->type = &lf_type;
	dev->release = device_gone;
	lf_track(dev, lf->names[id].text);
	lf_set(id, lf_live(dev));
	return lf_done();
}

static struct lf_out op_platform_device(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	int id = l->arg[0].n, number = PLATFORM_DEVID_NONE;
	struct device *parent = NULL;
	struct platform_device *pdev;
	char name[128];

	LF_TEXT_ARG(c, &l->arg[1], name);
	if (l->arg[2].type == LF_INT)
		number = l->arg[2].n;
	else if (l->arg[2].type == LF_ANY)
		number = PLATFORM_DEVID_AUTO;
	if (l->keyword[0].type != LF_NONE)
		LF_DEVICE_ARG(c, &l->keyword[0], parent);
	pdev = platform_device_alloc(name, number);
	if (!pdev) {
		lf_unset(id);
		return (struct lf_out){ LF_NULL_POINTER };
	}
	pdev->dev.type = &lf_type;
	if (parent)
		pdev->dev.parent = parent;
	lf_track(&pdev->dev, lf->names[id].text);
	lf_set(id, lf_live(&pdev->dev));
	return lf_done();
}

/* Calls with a device alone. */
#define DEVICE_CALL(name, call)				\
static struct lf_out op_##name(struct lf_call *c)	\
{							\
	struct device *dev;				\
							\
	LF_DEV(c, 0, dev);				\
	return call;					\
}
#define DONE(call) ({ call; lf_done(); })

DEVICE_CALL(device_add, lf_rc(device_add(dev)))
DEVICE_CALL(device_del, DONE(device_del(dev)))
DEVICE_CALL(device_unregister, DONE(device_unregister(dev)))
DEVICE_CALL(get_device, DONE(get_device(dev)))
DEVICE_CALL(put_device, DONE(put_device(dev)))
DEVICE_CALL(root_device_unregister, DONE(root_device_unregister(dev)))
DEVICE_CALL(platform_device_add, lf_rc(platform_device_add(to_platform_device(dev))))
DEVICE_CALL(platform_device_put, DONE(platform_device_put(to_platform_device(dev))))
DEVICE_CALL(platform_device_unregister, DONE(platform_device_unregister(to_platform_device(dev))))

static struct lf_out op_dev_set_name(struct lf_call *c)
{
	struct device *dev;
	char name[128];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	return lf_rc(dev_set_name(dev, "%s", name));
}

static struct lf_out op_dev_set_drvdata(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	dev_set_drvdata(dev, strcmp(c->line->arg[1].word, "set") ? NULL : lf);
	return lf_done();
}

static int each(struct device *dev, void *body)
{
	return lf_body((long)body, dev);
}

static struct lf_out op_for_each_child(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(device_for_each_child(dev, (void *)c->line->arg[1].n, each));
}

static struct lf_out op_for_each_child_reverse(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(device_for_each_child_reverse(dev, (void *)c->line->arg[1].n, each));
}

static struct lf_out op_find_child(struct lf_call *c)
{
	struct device *dev, *child;
	char name[128];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	child = device_find_child_by_name(dev, name);
	return lf_or_null(child ? lf_live(child) : NULL);
}

static struct lf_out op_device_move(struct lf_call *c)
{
	struct device *dev, *parent = NULL;

	LF_DEV(c, 0, dev);
	if (c->line->arg[1].type != LF_NULL)
		LF_DEV(c, 1, parent);
	return lf_rc(device_move(dev, parent, DPM_ORDER_NONE));
}

static struct lf_out op_device_rename(struct lf_call *c)
{
	struct device *dev;
	char name[128];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	return lf_rc(device_rename(dev, name));
}

static struct lf_out op_root_device_register(struct lf_call *c)
{
	struct device *dev;
	char name[128];

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	dev = root_device_register(name);
	return lf_or_err(IS_ERR(dev) ? (void *)dev : lf_live(dev));
}

static struct lf_out op_class_create(struct lf_call *c)
{
	struct class **holder = lf_alloc(sizeof(*holder)), *class;
	char text[128], *name;

	LF_TEXT_ARG(c, &c->line->arg[0], text);
	name = (char *)lf_word(text);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	class = class_create(name);
#else
	class = class_create(THIS_MODULE, name);
#endif
	if (IS_ERR(class))
		return lf_or_err(class);
	*holder = class;
	lf_own(name, holder, class_left);
	return lf_ok(holder);
}

static struct lf_out op_class_destroy(struct lf_call *c)
{
	struct class **holder;

	LF_GET(c, 0, holder);
	class_destroy(*holder);
	*holder = NULL;
	return lf_done();
}

/* A bus of the scenario's own. */
struct bus {
	struct bus_type type;
	const char *rule;
	bool traced, registered;
};

static struct notifier {
	struct notifier *next;
	struct notifier_block nb;
	LF_DRIVER_CONST struct bus_type *bus;
} *notifiers;

static int match(struct device *dev, LF_DRIVER_CONST struct device_driver *drv)
{
	const struct bus *bus = container_of(drv->bus, struct bus, type);
	const char *name = dev_name(dev);
	int fits;

	if (!strcmp(bus->rule, "prefix"))
		fits = drv->name[0] == 'Z' || (strlen(name) >= 3 &&
		       !strncmp(name + 3, drv->name, strlen(drv->name)));
	else if (!strcmp(bus->rule, "name"))
		fits = !strcmp(name, drv->name);
	else
		fits = !strcmp(bus->rule, "any");
	if (bus->traced)
		lf_line("bus.match dev=%s drv=%s -> %d", lf_tag_of(dev), drv->name, fits);
	return fits;
}

static bool bus_left(void *p)
{
	return ((struct bus *)p)->registered;
}

static struct lf_out op_bus(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct bus *bus = lf_alloc(sizeof(*bus));
	char name[128];

	LF_TEXT_ARG(c, &l->arg[1], name);
	bus->type.name = lf_word(name);
	bus->type.match = match;
	bus->rule = l->keyword[0].word;
	bus->traced = l->keyword[1].type == LF_NONE || strcmp(l->keyword[1].word, "no");
	lf_own(bus->type.name, bus, bus_left);
	lf_set(l->arg[0].n, &bus->type);
	return lf_done();
}

static struct lf_out op_bus_register(struct lf_call *c)
{
	struct bus_type *bus;
	int rc;

	LF_GET(c, 0, bus);
	rc = bus_register(bus);
	if (!rc)
		container_of(bus, struct bus, type)->registered = true;
	return lf_rc(rc);
}

static struct lf_out op_bus_unregister(struct lf_call *c)
{
	struct bus_type *bus;

	LF_GET(c, 0, bus);
	bus_unregister(bus);
	container_of(bus, struct bus, type)->registered = false;
	return lf_done();
}

static struct lf_out op_bus_rescan_devices(struct lf_call *c)
{
	struct bus_type *bus;

	LF_GET(c, 0, bus);
	return lf_rc(bus_rescan_devices(bus));
}

static struct lf_out op_bus_register_notifier(struct lf_call *c)
{
	struct notifier *notifier = lf_alloc(sizeof(*notifier));
	int rc;

	LF_GET(c, 0, notifier->bus);
	notifier->nb.notifier_call = lf_notify;
	rc = bus_register_notifier(notifier->bus, &notifier->nb);
	if (!rc) {
		notifier->next = notifiers;
		notifiers = notifier;
	}
	return lf_rc(rc);
}

static struct lf_out op_bus_unregister_notifier(struct lf_call *c)
{
	static struct notifier_block unknown;
	LF_DRIVER_CONST struct bus_type *bus;
	struct notifier **at;

	LF_GET(c, 0, bus);
	for (at = &notifiers; *at; at = &(*at)->next) {
		struct notifier *notifier = *at;

		if (notifier->bus != bus)
			continue;
		*at = notifier->next;
		return lf_rc(bus_unregister_notifier(bus, &notifier->nb));
	}
	return lf_rc(bus_unregister_notifier(bus, &unknown));
}

/* A scenario need not take its notifier from a bus that outlives it. */
void lf_forget_notifiers(void)
{
	for (; notifiers; notifiers = notifiers->next)
		bus_unregister_notifier(notifiers->bus, &notifiers->nb);
}

const struct lf_op lf_core_ops[] = {
	{ "device", op_device }, { "platform_device", op_platform_device },
	{ "device_add", op_device_add }, { "device_del", op_device_del },
	{ "device_unregister", op_device_unregister },
	{ "get_device", op_get_device }, { "put_device", op_put_device },
	{ "root_device_register", op_root_device_register },
	{ "root_device_unregister", op_root_device_unregister },
	{ "platform_device_add", op_platform_device_add },
	{ "platform_device_put", op_platform_device_put },
	{ "platform_device_unregister", op_platform_device_unregister },
	{ "dev_set_name", op_dev_set_name }, { "dev_set_drvdata", op_dev_set_drvdata },
	{ "device_for_each_child", op_for_each_child },
	{ "device_for_each_child_reverse", op_for_each_child_reverse },
	{ "device_find_child_by_name", op_find_child },
	{ "device_move", op_device_move }, { "device_rename", op_device_rename },
	{ "class_create", op_class_create }, { "class_destroy", op_class_destroy },
	{ "bus", op_bus }, { "bus_register", op_bus_register },
	{ "bus_unregister", op_bus_unregister },
	{ "bus_rescan_devices", op_bus_rescan_devices },
	{ "bus_register_notifier", op_bus_register_notifier },
	{ "bus_unregister_notifier", op_bus_unregister_notifier },
	{ }
};
