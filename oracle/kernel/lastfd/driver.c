// SPDX-License-Identifier: GPL-2.0
/* Drivers, and what binds a device to one. */
#include "lastfd.h"

#include <linux/device/driver.h>

/* A driver of the scenario: of a bus of its own, or of the platform's. */
struct driver {
	union {
		struct device_driver plain;
		struct platform_driver platform;
	};
	struct device_driver *drv;
	int id, probe, remove;
	bool traced, is_platform, registered;
};

static struct driver *known(const struct device *dev)
{
	struct driver *driver;
	int i;

	for (i = 0; i < lf->count; i++) {
		driver = lf->names[i].value;
		if (lf->names[i].kind == LF_DRIVER && lf->names[i].there &&
		    driver->drv == dev->driver)
			return driver;
	}
	return NULL;
}

static int probe(struct device *dev)
{
	struct driver *driver = known(dev);
	const char *name = dev->driver->name;
	long rc = 0;

	if (!driver)
		return 0;
	if (driver->traced)
		lf_line("probe enter dev=%s drv=%s", lf_tag_of(dev), name);
	if (driver->probe >= 0)
		rc = lf_body(driver->probe, dev);
	if (lf->names[driver->id].probe_returns)
		rc = lf->names[driver->id].probe_returns;
	if (driver->traced)
		lf_line("probe leave dev=%s drv=%s rc=%ld %s", lf_tag_of(dev), name, rc,
			lf_errname(rc));
	return rc;
}

static void remove(struct device *dev)
{
	struct driver *driver = known(dev);
	const char *name = dev->driver ? dev->driver->name : "";

	if (!driver)
		return;
	if (driver->traced)
		lf_line("remove enter dev=%s drv=%s dev->driver=%s drvdata=%s registered=%d",
			lf_tag_of(dev), name, dev->driver ? "set" : "NULL",
			dev_get_drvdata(dev) ? "set" : "NULL", device_is_registered(dev));
	if (driver->remove >= 0)
		lf_body(driver->remove, dev);
	if (driver->traced)
		lf_line("remove leave dev=%s drv=%s", lf_tag_of(dev), name);
}

static int plain_remove(struct device *dev)
{
	remove(dev);
	return 0;
}

static int platform_probe(struct platform_device *pdev)
{
	return probe(&pdev->dev);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static void platform_remove(struct platform_device *pdev)
{
	remove(&pdev->dev);
}
#else
static int platform_remove(struct platform_device *pdev)
{
	remove(&pdev->dev);
	return 0;
}
#endif

static bool driver_left(void *p)
{
	return ((struct driver *)p)->registered;
}

static bool yes(const struct lf_arg *arg)
{
	return arg->type == LF_WORD && !strcmp(arg->word, "yes");
}

static struct lf_out op_driver(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct driver *driver = lf_alloc(sizeof(*driver));
	struct bus_type *bus;
	char name[128];

	LF_TEXT_ARG(c, &l->arg[1], name);
	LF_GET_KEYWORD(c, 0, bus);
	driver->drv = &driver->plain;
	driver->plain.name = lf_word(name);
	driver->plain.bus = bus;
	driver->id = l->arg[0].n;
	driver->probe = lf_hook(l, 1);
	driver->remove = lf_hook(l, 2);
	driver->traced = l->keyword[3].type == LF_NONE || strcmp(l->keyword[3].word, "no");
	driver->plain.suppress_bind_attrs = yes(&l->keyword[4]);
	if (driver->traced || driver->probe >= 0)
		driver->plain.probe = probe;
	if (driver->traced || driver->remove >= 0)
		driver->plain.remove = plain_remove;
	lf_own(driver->plain.name, driver, driver_left);
	lf_set(driver->id, driver);
	return lf_done();
}

static struct lf_out op_platform_driver(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct driver *driver = lf_alloc(sizeof(*driver));
	char name[128];

	LF_TEXT_ARG(c, &l->arg[1], name);
	driver->is_platform = true;
	driver->drv = &driver->platform.driver;
	driver->drv->name = lf_word(name);
	driver->drv->bus = &platform_bus_type;
	driver->id = l->arg[0].n;
	driver->probe = lf_hook(l, 0);
	driver->remove = lf_hook(l, 1);
	driver->traced = l->keyword[2].type == LF_NONE || strcmp(l->keyword[2].word, "no");
	driver->drv->suppress_bind_attrs = yes(&l->keyword[3]);
	if (driver->traced || driver->probe >= 0)
		driver->platform.probe = platform_probe;
	if (driver->traced || driver->remove >= 0)
		driver->platform.remove = platform_remove;
	lf_own(driver->drv->name, driver, driver_left);
	lf_set(driver->id, driver);
	return lf_done();
}

/* A driver that KUnit made, as a name of the scenario stands for one. */
void *lf_kunit_driver(struct device_driver *drv, int id)
{
	struct driver *driver = lf_alloc(sizeof(*driver));

	driver->drv = drv;
	driver->id = id;
	driver->probe = driver->remove = -1;
	return driver;
}

struct device_driver *lf_kunit_driver_of(void *value)
{
	return ((struct driver *)value)->drv;
}

void lf_kunit_driver_ops(void *value, int probe_, int remove_)
{
	struct driver *driver = value;

	driver->probe = probe_;
	driver->remove = remove_;
	if (probe_ >= 0)
		driver->drv->probe = probe;
	if (remove_ >= 0)
		driver->drv->remove = plain_remove;
}

static struct lf_out op_driver_register(struct lf_call *c)
{
	struct driver *driver;
	int rc;

	LF_GET(c, 0, driver);
	if (driver->is_platform)
		rc = platform_driver_register(&driver->platform);
	else
		rc = driver_register(driver->drv);
	if (!rc)
		driver->registered = true;
	return lf_rc(rc);
}

static struct lf_out op_driver_unregister(struct lf_call *c)
{
	struct driver *driver;

	LF_GET(c, 0, driver);
	if (driver->is_platform)
		platform_driver_unregister(&driver->platform);
	else
		driver_unregister(driver->drv);
	driver->registered = false;
	return lf_done();
}

static struct lf_out op_driver_attach(struct lf_call *c)
{
	struct driver *driver;

	LF_GET(c, 0, driver);
	return lf_rc(driver_attach(driver->drv));
}

static struct lf_out op_device_attach(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(device_attach(dev));
}

static struct lf_out op_device_driver_attach(struct lf_call *c)
{
	struct driver *driver;
	struct device *dev;

	LF_GET(c, 0, driver);
	LF_DEV(c, 1, dev);
	return lf_rc(device_driver_attach(driver->drv, dev));
}

static struct lf_out op_device_release_driver(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	device_release_driver(dev);
	return lf_done();
}

static struct lf_out op_device_reprobe(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(device_reprobe(dev));
}

const struct lf_op lf_driver_ops[] = {
	{ "driver", op_driver }, { "platform_driver", op_platform_driver },
	{ "driver_register", op_driver_register },
	{ "driver_unregister", op_driver_unregister },
	{ "platform_driver_register", op_driver_register },
	{ "platform_driver_unregister", op_driver_unregister },
	{ "driver_attach", op_driver_attach }, { "device_attach", op_device_attach },
	{ "device_driver_attach", op_device_driver_attach },
	{ "device_release_driver", op_device_release_driver },
	{ "device_reprobe", op_device_reprobe },
	{ }
};
