// SPDX-License-Identifier: GPL-2.0
/*
 * lastfd_oracle - run lifetime scenarios of the Linux device model inside a
 * User Mode Linux kernel and print one line per observable event:
 *
 *   lastfd: <scenario> <step> <event>
 *
 *   "> expr"          a step starts (source text of the call)
 *   "< rc=.."         what it returned
 *   "    ..."         an event seen while that step ran
 *   "    ref X = n"   kref_read() of X's kobject at that point
 *
 * Enable with lastfd_oracle.run=1 ; limit with lastfd_oracle.only=a1,f (prefixes);
 * lastfd_oracle.pre66=1 for the rules before v6.6.
 */
#define pr_fmt(fmt) fmt
#include <linux/version.h>
#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/device/driver.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/kthread.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/errname.h>
#include <linux/fs.h>
#include <linux/file.h>
#include <linux/cdev.h>
#include <linux/poll.h>
#include <linux/workqueue.h>
#include <linux/init_syscalls.h>
#include <linux/initrd.h>
#include <linux/string.h>
#include <linux/iio/iio.h>
#include <linux/iio/buffer.h>
#include <linux/iio/kfifo_buf.h>
#include <linux/iio/consumer.h>
#include <linux/iio/machine.h>
#include <linux/iio/driver.h>
#include <drm/drm_bridge.h>
#include <drm/drm_connector.h>
#include <drm/drm_drv.h>
#include <drm/drm_device.h>
#include <drm/drm_encoder.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_mode_config.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/v4l2-ioctl.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-ctrls.h>
#include <media/cec.h>
#include <kunit/test.h>
#include <kunit/resource.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#include <kunit/device.h>
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define DRVC const
#else
#define DRVC
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define DEVC const
#else
#define DEVC
#endif

#pragma GCC diagnostic ignored "-Wunused-result"
int devres_release_all(struct device *dev); /* drivers/base/base.h; we are built in */

static bool run;
module_param(run, bool, 0);
/* read by a patched device_del(): see linux-6.12.diff beside this file */
bool lastfd_pre66;
module_param_named(pre66, lastfd_pre66, bool, 0);
static char *only = "";
module_param(only, charp, 0);

/* ------------------------------------------------------------------ */
/* trace helpers                                                       */
/* ------------------------------------------------------------------ */
static const char *SC = "-";
static int STEPN;

#define EV(fmt, ...) pr_info("lastfd: %s %02d " fmt "\n", SC, STEPN, ##__VA_ARGS__)

static const char *en(long rc)
{
	const char *n;

	if (rc >= 0)
		return "";
	if (rc == -EPROBE_DEFER)
		return " (-EPROBE_DEFER)";
	n = errname(rc);
	return n ? n : "";
}

#define NOTE(s) EV("    note: %s", s)
#define DO(stmt) do { STEPN++; EV("> %s", #stmt); stmt; EV("< done"); } while (0)
#define RC(expr) ({ long __r; STEPN++; EV("> %s", #expr); __r = (long)(expr); \
		    EV("< rc=%ld %s", __r, en(__r)); __r; })
#define PT(expr) ({ typeof(expr) __p; STEPN++; EV("> %s", #expr); __p = (expr); \
		    if (IS_ERR(__p)) { EV("< err %ld %s", PTR_ERR(__p), en(PTR_ERR(__p))); } \
		    else { EV("< %s", __p ? "ok" : "NULL"); } \
		    __p; })

/* tracked devices */
#define MAXT 64
static struct trk {
	struct device *dev;
	const char *tag;
	void (*orig)(struct device *dev);
	bool released;
} T[MAXT];
static int nT;

static struct trk *tfind(const struct device *dev)
{
	int i;

	for (i = nT - 1; i >= 0; i--)
		if (T[i].dev == dev && !T[i].released)
			return &T[i];
	return NULL;
}

static struct trk *ttag(const char *tag)
{
	int i;

	for (i = nT - 1; i >= 0; i--)
		if (!strcmp(T[i].tag, tag))
			return &T[i];
	return NULL;
}

static const char *tag_of(const struct device *dev)
{
	struct trk *t = tfind(dev);

	return t ? t->tag : (dev ? dev_name(dev) : "(null)");
}

static void trk_release(struct device *dev)
{
	struct trk *t = tfind(dev);

	EV("    RELEASE %s", tag_of(dev));
	if (!t) {
		EV("    BUG: release of untracked/already released device");
		return;
	}
	t->released = true;
	if (t->orig)
		t->orig(dev);
	else if (dev->type && dev->type->release)
		dev->type->release(dev);
	else if (dev->class && dev->class->dev_release)
		dev->class->dev_release(dev);
}

static struct device *track(struct device *dev, const char *tag)
{
	struct trk *t;

	if (IS_ERR_OR_NULL(dev))
		return dev;
	if (nT >= MAXT)
		panic("lastfd: too many tracked");
	t = &T[nT++];
	t->dev = dev;
	t->tag = tag;
	t->orig = dev->release;
	t->released = false;
	dev->release = trk_release;
	return dev;
}

static void REF(const char *tag)
{
	struct trk *t = ttag(tag);

	if (!t)
		EV("    ref %s = untracked", tag);
	else if (t->released)
		EV("    ref %s = released", tag);
	else
		EV("    ref %s = %u", tag, kref_read(&t->dev->kobj.kref));
}

static void BOUND(const char *tag)
{
	struct trk *t = ttag(tag);

	if (!t || t->released)
		EV("    bound %s = (released)", tag);
	else
		EV("    bound %s = %s drvdata=%s registered=%d", tag,
		   t->dev->driver ? t->dev->driver->name : "none",
		   dev_get_drvdata(t->dev) ? "set" : "NULL",
		   device_is_registered(t->dev));
}

static void settle(void)
{
	msleep(60);
	wait_for_device_probe();
	msleep(60);
}

/* uevents: a device_type whose uevent() hook logs */
static int lf_uevent(DEVC struct device *dev, struct kobj_uevent_env *env)
{
	EV("    uevent %s %s", tag_of(dev), env->envp_idx ? env->envp[0] : "?");
	return 0;
}
static const struct device_type lf_type = { .name = "lf", .uevent = lf_uevent };

/* bus notifier */
static int nb_call(struct notifier_block *nb, unsigned long a, void *data)
{
	struct device *dev = data;
	const char *s = "?";

	if (!tfind(dev))
		return 0;
	if (a == BUS_NOTIFY_ADD_DEVICE) s = "ADD_DEVICE";
	else if (a == BUS_NOTIFY_DEL_DEVICE) s = "DEL_DEVICE";
	else if (a == BUS_NOTIFY_REMOVED_DEVICE) s = "REMOVED_DEVICE";
	else if (a == BUS_NOTIFY_BIND_DRIVER) s = "BIND_DRIVER";
	else if (a == BUS_NOTIFY_BOUND_DRIVER) s = "BOUND_DRIVER";
	else if (a == BUS_NOTIFY_UNBIND_DRIVER) s = "UNBIND_DRIVER";
	else if (a == BUS_NOTIFY_UNBOUND_DRIVER) s = "UNBOUND_DRIVER";
	else if (a == BUS_NOTIFY_DRIVER_NOT_BOUND) s = "DRIVER_NOT_BOUND";
	EV("    notify %s %s", s, tag_of(dev));
	return 0;
}
static struct notifier_block plat_nb = { .notifier_call = nb_call };

/* devm actions */
static char A1[] = "A1", A2[] = "A2", A3[] = "A3", A4[] = "A4", A5[] = "A5", A6[] = "A6";
static void act(void *data) { EV("    devm-action %s", (char *)data); }
static void act_b(void *data) { EV("    devm-action(b) %s", (char *)data); }

static void act_state(void *data)
{
	struct device *dev = data;

	EV("    devm-action STATE(%s): dev->driver=%s drvdata=%s registered=%d ref=%u",
	   tag_of(dev), dev->driver ? dev->driver->name : "NULL",
	   dev_get_drvdata(dev) ? "set" : "NULL", device_is_registered(dev),
	   kref_read(&dev->kobj.kref));
}
static void act_put(void *data)
{
	struct device *dev = data;

	EV("    devm-action PUT(%s) enter ref=%u", tag_of(dev), kref_read(&dev->kobj.kref));
	put_device(dev);
	EV("    devm-action PUT leave");
}
static void act_unregister(void *data)
{
	struct device *dev = data;

	EV("    devm-action UNREGISTER(%s) enter", tag_of(dev));
	device_unregister(dev);
	EV("    devm-action UNREGISTER leave");
}

/* custom devres */
static void dr_rel(struct device *dev, void *res) { EV("    devres-release %s", *(char **)res); }
static void dr_rel2(struct device *dev, void *res) { EV("    devres-release2 %s", *(char **)res); }
static int dr_match(struct device *dev, void *res, void *data) { return *(char **)res == data; }
static void *mkdr(dr_release_t rel, char *name)
{
	char **p = devres_alloc(rel, sizeof(char *), GFP_KERNEL);

	*p = name;
	return p;
}
static void addr_(struct device *dev, dr_release_t rel, char *name) { devres_add(dev, mkdr(rel, name)); }

/* plain devices */
static void tdev_release(struct device *dev) { kfree(dev); }
static struct device *mkdev(const char *tag, struct device *parent, DRVC struct bus_type *bus)
{
	struct device *d = kzalloc(sizeof(*d), GFP_KERNEL);

	device_initialize(d);
	dev_set_name(d, "lf-%s", tag);
	d->parent = parent;
	d->bus = (void *)bus;
	d->type = &lf_type;
	d->release = tdev_release;
	return track(d, tag);
}

/* platform devices */
static struct platform_device *mkpdev(const char *tag, const char *name, int id)
{
	struct platform_device *p = platform_device_alloc(name, id);

	p->dev.type = &lf_type;
	track(&p->dev, tag);
	return p;
}

/* drivers */
struct drvctl {
	const char *tag;
	int rc;
	char *acts[4];
	bool set_drvdata;
	int (*hook)(struct device *dev, struct drvctl *c);
	void (*rhook)(struct device *dev, struct drvctl *c);
};
struct pdrv { struct platform_driver p; struct drvctl c; };
struct ldrv { struct device_driver d; struct drvctl c; };

static int common_probe(struct device *dev, struct drvctl *c)
{
	int i, rc = c->rc;

	EV("    probe enter dev=%s drv=%s", tag_of(dev), c->tag);
	if (c->set_drvdata)
		dev_set_drvdata(dev, c);
	for (i = 0; i < 4 && c->acts[i]; i++)
		devm_add_action(dev, act, c->acts[i]);
	if (c->hook) {
		int r = c->hook(dev, c);

		if (!rc)
			rc = r;
	}
	EV("    probe leave dev=%s drv=%s rc=%d %s", tag_of(dev), c->tag, rc, en(rc));
	return rc;
}
static void common_remove(struct device *dev, struct drvctl *c)
{
	EV("    remove enter dev=%s drv=%s dev->driver=%s drvdata=%s registered=%d", tag_of(dev), c->tag,
	   dev->driver ? "set" : "NULL", dev_get_drvdata(dev) ? "set" : "NULL", device_is_registered(dev));
	if (c->rhook)
		c->rhook(dev, c);
	EV("    remove leave dev=%s drv=%s", tag_of(dev), c->tag);
}
static int p_probe(struct platform_device *p)
{
	struct pdrv *d = container_of(to_platform_driver(p->dev.driver), struct pdrv, p);

	return common_probe(&p->dev, &d->c);
}
static void p_remove(struct platform_device *p)
{
	struct pdrv *d = container_of(to_platform_driver(p->dev.driver), struct pdrv, p);

	common_remove(&p->dev, &d->c);
}
static int l_probe(struct device *dev)
{
	return common_probe(dev, &container_of(dev->driver, struct ldrv, d)->c);
}
static int l_remove(struct device *dev)
{
	common_remove(dev, &container_of(dev->driver, struct ldrv, d)->c);
	return 0;
}
static void pdrv_init(struct pdrv *d, const char *name)
{
	memset(d, 0, sizeof(*d));
	d->p.driver.name = name;
	d->p.probe = p_probe;
	d->p.remove_new = p_remove;
	d->c.tag = name;
}
static struct pdrv PD1, PD2;

/* our bus: matches when driver name is a prefix of (device name past "lf-"), or "*" */
static int lf_match(struct device *dev, DRVC struct device_driver *drv)
{
	const char *n = dev_name(dev) + 3;
	int m = drv->name[0] == 'Z' || !strncmp(n, drv->name, strlen(drv->name));

	EV("    bus.match dev=%s drv=%s -> %d", tag_of(dev), drv->name, m);
	return m;
}
static struct bus_type lf_bus = { .name = "lfbus", .match = lf_match };
static struct notifier_block lf_nb = { .notifier_call = nb_call };
static struct ldrv LD1, LD2;
static void ldrv_init(struct ldrv *d, const char *name)
{
	memset(d, 0, sizeof(*d));
	d->d.name = name;
	d->d.bus = &lf_bus;
	d->d.probe = l_probe;
	d->d.remove = l_remove;
	d->c.tag = name;
}

/* files */
static long wfile(const char *path, const char *s)
{
	struct file *f = filp_open(path, O_WRONLY, 0);
	loff_t pos = 0;
	long n;

	if (IS_ERR(f)) {
		EV("    open(%s) = %ld %s", path, PTR_ERR(f), en(PTR_ERR(f)));
		return PTR_ERR(f);
	}
	n = kernel_write(f, s, strlen(s), &pos);
	__fput_sync(f);
	return n;
}
static long rfile(const char *path)
{
	struct file *f = filp_open(path, O_RDONLY, 0);
	char buf[80];
	loff_t pos = 0;
	long n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	n = kernel_read(f, buf, sizeof(buf) - 1, &pos);
	if (n >= 0) {
		buf[n] = 0;
		strim(buf);
		EV("    %s reads \"%s\"", path, buf);
	}
	__fput_sync(f);
	return n;
}
static struct file *fo(const char *path, int flags)
{
	return filp_open(path, flags, 0);
}
static void fc(struct file *f)
{
	if (!IS_ERR_OR_NULL(f))
		__fput_sync(f);
}
static long fread_(struct file *f)
{
	loff_t pos = 0;

	if (!f->f_op->read)
		return -ENOSYS;
	return f->f_op->read(f, (char __user *)(-4096L), 16, &pos);
}
static long fpoll_(struct file *f)
{
	return f->f_op->poll ? (long)(__force unsigned int)f->f_op->poll(f, NULL) : -ENOSYS;
}
static long fioctl_(struct file *f, unsigned int cmd)
{
	return f->f_op->unlocked_ioctl(f, cmd, (unsigned long)-4096L);
}

/* ================================================================== */
/* a. root device                                                      */
/* ================================================================== */
static void a1(void)
{
	struct device *r = PT(root_device_register("lf-root"));

	track(r, "root"); REF("root");
	RC(devm_add_action(r, act, A1));
	RC(devm_add_action(r, act, A2));
	devm_add_action(r, act_state, r);
	REF("root");
	DO(root_device_unregister(r));
	REF("root");
}
static void a2(void)
{
	struct device *r = PT(root_device_register("lf-root"));

	track(r, "root");
	devm_add_action(r, act, A1);
	devm_add_action(r, act, A2);
	DO(get_device(r)); REF("root");
	DO(root_device_unregister(r)); REF("root");
	DO(put_device(r)); REF("root");
}
static void a4(void)
{
	struct device *r = PT(root_device_register("lf-root"));

	track(r, "root");
	NOTE("a devm action owns a reference on its own device");
	devm_add_action(r, act, A1);
	DO(get_device(r));
	RC(devm_add_action(r, act_put, r));
	devm_add_action(r, act, A2);
	REF("root");
	DO(root_device_unregister(r)); REF("root");
}
static void a5(void)
{
	struct device *r, *r2;

	r = PT(root_device_register("lf-root")); track(r, "root");
	NOTE("same name twice");
	r2 = PT(root_device_register("lf-root"));
	if (!IS_ERR(r2))
		root_device_unregister(r2);
	DO(root_device_unregister(r)); REF("root");
}

/* ================================================================== */
/* b. platform device, no driver                                       */
/* ================================================================== */
static void b1(void)
{
	struct platform_device *p = mkpdev("pdev", "lf-b", 1);

	REF("pdev");
	RC(platform_device_add(p)); REF("pdev");
	devm_add_action(&p->dev, act, A1);
	devm_add_action(&p->dev, act, A2);
	DO(platform_device_unregister(p)); REF("pdev");
}
static void b2(void)
{
	struct platform_device *p = mkpdev("pdev", "lf-b", 2);

	RC(platform_device_add(p));
	devm_add_action(&p->dev, act, A1);
	devm_add_action(&p->dev, act, A2);
	DO(get_device(&p->dev)); REF("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(put_device(&p->dev)); REF("pdev");
}
static void b3(void)
{
	struct platform_device *p = mkpdev("pdev", "lf-b", 3);

	NOTE("never added");
	devm_add_action(&p->dev, act, A1);
	devm_add_action(&p->dev, act, A2);
	DO(platform_device_put(p)); REF("pdev");
}
static void b5(void)
{
	struct platform_device *p = mkpdev("pdev", "lf-b", 5);

	RC(platform_device_add(p));
	NOTE("a devm action owns a reference on its own device");
	DO(get_device(&p->dev));
	devm_add_action(&p->dev, act_put, &p->dev);
	devm_add_action(&p->dev, act, A1);
	DO(platform_device_unregister(p)); REF("pdev");
}

/* ================================================================== */
/* c. platform device with driver                                      */
/* ================================================================== */
static int hook_state(struct device *dev, struct drvctl *c)
{
	EV("    in-probe: dev->driver=%s registered=%d ref=%u", dev->driver ? "set" : "NULL",
	   device_is_registered(dev), kref_read(&dev->kobj.kref));
	return devm_add_action(dev, act_state, dev);
}
static void c_setup(const char *name)
{
	pdrv_init(&PD1, name);
	PD1.c.acts[0] = A1;
	PD1.c.acts[1] = A2;
	PD1.c.set_drvdata = true;
	PD1.c.hook = hook_state;
}
static void c1(void)
{
	struct platform_device *p;

	c_setup("lf-c");
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-c", 1);
	RC(platform_device_add(p)); REF("pdev"); BOUND("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void c2(void)
{
	struct platform_device *p;

	c_setup("lf-c");
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-c", 2);
	RC(platform_device_add(p));
	DO(get_device(&p->dev)); REF("pdev");
	DO(platform_device_unregister(p)); REF("pdev"); BOUND("pdev");
	DO(put_device(&p->dev)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void c3(void)
{
	struct platform_device *p;

	c_setup("lf-c");
	p = mkpdev("pdev", "lf-c", 3);
	RC(platform_device_add(p)); BOUND("pdev");
	RC(platform_driver_register(&PD1.p)); BOUND("pdev"); REF("pdev");
	DO(platform_driver_unregister(&PD1.p)); BOUND("pdev"); REF("pdev");
	RC(devm_add_action(&p->dev, act, A3));
	DO(platform_device_unregister(p)); REF("pdev");
}
static int hook_put(struct device *dev, struct drvctl *c)
{
	get_device(dev);
	return devm_add_action(dev, act_put, dev);
}

/* ================================================================== */
/* d. unbind / rebind                                                  */
/* ================================================================== */
static void d1(void)
{
	struct platform_device *p;

	c_setup("lf-d");
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-d", 1);
	RC(platform_device_add(p)); REF("pdev"); BOUND("pdev");
	DO(device_release_driver(&p->dev)); REF("pdev"); BOUND("pdev");
	NOTE("a second release_driver is a no-op");
	DO(device_release_driver(&p->dev));
	RC(device_attach(&p->dev)); BOUND("pdev");
	NOTE("attach when already bound");
	RC(device_attach(&p->dev));
	DO(device_release_driver(&p->dev));
	RC(driver_attach(&PD1.p.driver)); BOUND("pdev");
	RC(device_reprobe(&p->dev)); BOUND("pdev");
	DO(device_release_driver(&p->dev));
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void d2(void)
{
	struct platform_device *p;

	c_setup("lf-d");
	p = mkpdev("pdev", "lf-d", 2);
	RC(platform_device_add(p)); BOUND("pdev");
	NOTE("devm action while unbound, then a driver arrives");
	RC(devm_add_action(&p->dev, act, A4));
	RC(platform_driver_register(&PD1.p)); BOUND("pdev");
	RC(device_attach(&p->dev)); BOUND("pdev");
	RC(driver_attach(&PD1.p.driver)); BOUND("pdev");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 13, 0)
	RC(device_driver_attach(&PD1.p.driver, &p->dev)); BOUND("pdev");
#endif
	DO(devm_remove_action(&p->dev, act, A4));
	RC(device_attach(&p->dev)); BOUND("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void d5(void)
{
	struct platform_device *p;

	c_setup("lf-d");
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-d", 5);
	RC(platform_device_add(p));
	NOTE("devm action added from outside while bound goes with the binding");
	RC(devm_add_action(&p->dev, act, A5));
	DO(device_release_driver(&p->dev)); BOUND("pdev");
	DO(get_device(&p->dev));
	DO(platform_device_unregister(p)); REF("pdev");
	NOTE("attach a driver to an unregistered device");
	RC(device_attach(&p->dev)); BOUND("pdev");
	DO(put_device(&p->dev)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}

/* ================================================================== */
/* e. failing probes                                                   */
/* ================================================================== */
static void e_one(int rc, int id)
{
	struct platform_device *p;

	c_setup("lf-e");
	PD1.c.rc = rc;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-e", id);
	RC(platform_device_add(p)); REF("pdev"); BOUND("pdev");
	RC(device_attach(&p->dev)); BOUND("pdev");
	RC(driver_attach(&PD1.p.driver));
	RC(device_driver_attach(&PD1.p.driver, &p->dev));
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void e1(void) { e_one(-ENODEV, 1); }
static void e2(void) { e_one(-EINVAL, 2); }
static void e3(void)
{
	struct platform_device *p, *s;

	NOTE("consumer defers until supplier is bound");
	c_setup("lf-e3c");
	PD1.c.rc = -EPROBE_DEFER;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("cons", "lf-e3c", 1);
	RC(platform_device_add(p)); settle(); REF("cons"); BOUND("cons");
	NOTE("explicit attach while deferred");
	RC(device_attach(&p->dev));
	RC(device_driver_attach(&PD1.p.driver, &p->dev)); settle();
	pdrv_init(&PD2, "lf-e3s");
	RC(platform_driver_register(&PD2.p));
	s = mkpdev("supp", "lf-e3s", 1);
	NOTE("from here the consumer's probe would succeed");
	PD1.c.rc = 0;
	RC(platform_device_add(s));
	DO(settle());
	BOUND("supp"); BOUND("cons"); REF("cons");
	DO(platform_device_unregister(p));
	DO(platform_device_unregister(s));
	DO(platform_driver_unregister(&PD1.p));
	DO(platform_driver_unregister(&PD2.p));
}
static int e4_left;
static int hook_e4(struct device *dev, struct drvctl *c) { return e4_left-- > 0 ? -EPROBE_DEFER : 0; }
static void e5(void)
{
	struct platform_device *p;

	c_setup("lf-e5");
	PD1.c.rc = -EPROBE_DEFER;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("cons", "lf-e5", 1);
	RC(platform_device_add(p)); settle(); REF("cons");
	DO(platform_device_unregister(p)); settle(); REF("cons");
	DO(platform_driver_unregister(&PD1.p));
}

/* ================================================================== */
/* f. devres                                                           */
/* ================================================================== */
static struct device *f_dev(void)
{
	return track(root_device_register("lf-f"), "dev");
}
static char G1[] = "G1", G2[] = "G2", G3[] = "G3";
static char D1[] = "D1", D2[] = "D2", D3[] = "D3";

static void f1(void)
{
	struct device *d = f_dev();
	void *k;

	NOTE("LIFO across kinds (kzalloc/kstrdup frees visible only with devres.log=1)");
	DO(devm_add_action(d, act, A1));
	DO(k = devm_kzalloc(d, 16, GFP_KERNEL));
	DO(addr_(d, dr_rel, D1));
	DO(devm_add_action(d, act_b, A2));
	DO(devm_kstrdup(d, "hello", GFP_KERNEL));
	DO(devm_add_action(d, act, A3));
	DO(addr_(d, dr_rel2, D2));
	DO(root_device_unregister(d)); REF("dev");
}
static void f2(void)
{
	struct device *d = f_dev();

	NOTE("one closed group in the middle");
	devm_add_action(d, act, A1);
	PT((char *)devres_open_group(d, G1, GFP_KERNEL));
	devm_add_action(d, act, A2);
	devm_add_action(d, act, A3);
	DO(devres_close_group(d, G1));
	devm_add_action(d, act, A4);
	RC(devres_release_group(d, G1));
	DO(root_device_unregister(d));
}
static void f3(void)
{
	struct device *d = f_dev();

	NOTE("nested, release outer");
	devm_add_action(d, act, A1);
	devres_open_group(d, G1, GFP_KERNEL);
	devm_add_action(d, act, A2);
	devres_open_group(d, G2, GFP_KERNEL);
	devm_add_action(d, act, A3);
	devres_close_group(d, G2);
	devm_add_action(d, act, A4);
	devres_close_group(d, G1);
	devm_add_action(d, act, A5);
	RC(devres_release_group(d, G1));
	DO(root_device_unregister(d));
}
static void f5(void)
{
	struct device *d = f_dev();

	NOTE("remove_group keeps the resources");
	devm_add_action(d, act, A1);
	devres_open_group(d, G1, GFP_KERNEL);
	devm_add_action(d, act, A2);
	devm_add_action(d, act, A3);
	devres_close_group(d, G1);
	DO(devres_remove_group(d, G1));
	devm_add_action(d, act, A4);
	DO(root_device_unregister(d));
}
static void f6(void)
{
	struct device *d = f_dev();

	NOTE("open (unclosed) group: release takes everything after the open, id NULL = latest open");
	devm_add_action(d, act, A1);
	devres_open_group(d, G1, GFP_KERNEL);
	devm_add_action(d, act, A2);
	devm_add_action(d, act, A3);
	RC(devres_release_group(d, NULL));
	NOTE("group left open at unregister");
	devres_open_group(d, G2, GFP_KERNEL);
	devm_add_action(d, act, A4);
	DO(root_device_unregister(d));
}
static void f8(void)
{
	struct device *d = f_dev();
	void *id;

	NOTE("NULL id -> address of the group is the id; nested NULL closes pick the latest open");
	id = PT((char *)devres_open_group(d, NULL, GFP_KERNEL));
	devm_add_action(d, act, A1);
	devres_open_group(d, G2, GFP_KERNEL);
	devm_add_action(d, act, A2);
	DO(devres_close_group(d, NULL));
	devm_add_action(d, act, A3);
	DO(devres_close_group(d, NULL));
	devm_add_action(d, act, A4);
	RC(devres_release_group(d, id));
	DO(root_device_unregister(d));
}
static void f10(void)
{
	struct device *d = f_dev();
	void *r;

	NOTE("individual devres calls");
	addr_(d, dr_rel, D1);
	addr_(d, dr_rel, D2);
	addr_(d, dr_rel, D3);
	addr_(d, dr_rel2, D1);
	EV("    find D2 -> %s", devres_find(d, dr_rel, dr_match, D2) ? "found" : "NULL");
	EV("    find dr_rel,no match -> latest = %s", *(char **)devres_find(d, dr_rel, NULL, NULL));
	RC(devres_destroy(d, dr_rel, dr_match, D1));
	RC(devres_destroy(d, dr_rel, dr_match, D1));
	RC(devres_release(d, dr_rel, dr_match, D2));
	RC(devres_release(d, dr_rel, dr_match, D2));
	r = PT((char *)devres_remove(d, dr_rel, dr_match, D3));
	DO(devres_free(r));
	PT((char *)devres_remove(d, dr_rel, dr_match, D3));
	NOTE("devres_get finds the existing one and frees the new one");
	r = mkdr(dr_rel2, D1);
	EV("    devres_get returned %s", devres_get(d, r, dr_match, D1) == r ? "new" : "existing");
	r = mkdr(dr_rel2, D2);
	EV("    devres_get returned %s", devres_get(d, r, dr_match, D2) == r ? "new" : "existing");
	DO(root_device_unregister(d));
}
static void f11(void)
{
	struct device *d = f_dev();

	NOTE("remove/release action; duplicates");
	devm_add_action(d, act, A1);
	devm_add_action(d, act, A2);
	devm_add_action(d, act, A1);
	devm_add_action(d, act_b, A1);
	devm_add_action(d, act, A3);
	DO(devm_release_action(d, act, A2));
	NOTE("duplicate A1: which copy goes is seen from what is left");
	DO(devm_remove_action(d, act, A1));
	DO(root_device_unregister(d));
}
static void f12(void)
{
	struct device *d = f_dev();

	NOTE("allocation failure injected (current->fail_nth=1, failslab)");
	devm_add_action(d, act, A1);
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = 1;
	RC(devm_add_action(d, act, A2));
	EV("    fail_nth after = %u", current->fail_nth); current->fail_nth = 0;
	current->fail_nth = 1;
	RC(devm_add_action_or_reset(d, act, A3));
	EV("    fail_nth after = %u", current->fail_nth); current->fail_nth = 0;
	current->fail_nth = 1;
	PT((char *)devm_kzalloc(d, 16, GFP_KERNEL)); current->fail_nth = 0;
	current->fail_nth = 1;
	PT((char *)devres_open_group(d, G1, GFP_KERNEL)); current->fail_nth = 0;
#endif
	RC(devm_add_action_or_reset(d, act, A4));
	DO(root_device_unregister(d));
}
static struct device *f13d;
static void act_relgrp(void *data)
{
	EV("    devm-action RELGRP enter");
	EV("    devres_release_group(G1) from action -> %d", devres_release_group(f13d, G1));
	EV("    devm-action RELGRP leave");
}
static void f14(void)
{
	struct device *d = f_dev();
	void *k, *k2;

	NOTE("devm_kfree / krealloc keep or move the position?");
	devm_add_action(d, act, A1);
	DO(k = devm_kzalloc(d, 16, GFP_KERNEL));
	devm_add_action(d, act, A2);
	DO(k2 = devm_krealloc(d, k, 4096, GFP_KERNEL));
	DO(devm_kfree(d, k2));
	DO(root_device_unregister(d));
}
static void f15(void)
{
	struct device *d = f_dev();

	NOTE("misuse: WARN cases");
	devm_add_action(d, act, A1);
	DO(devm_remove_action(d, act, A2));
	DO(devm_release_action(d, act, A2));
	RC(devres_release_group(d, G3));
	DO(devres_close_group(d, G3));
	DO(devres_remove_group(d, G3));
	DO(root_device_unregister(d));
}
static void f16(void)
{
	struct device *d = f_dev();

	NOTE("devres_release_all called by hand, then unregister");
	f13d = d;
	devm_add_action(d, act, A1);
	devm_add_action(d, act, A2);
	RC(devres_release_all(d) ? 1 : 0);
	devm_add_action(d, act, A3);
	DO(root_device_unregister(d));
}

/* ================================================================== */
/* g. parents and children                                             */
/* ================================================================== */
static int each_print(struct device *dev, void *data)
{
	EV("    child %s", tag_of(dev));
	return 0;
}
static int each_stop(struct device *dev, void *data)
{
	EV("    child %s -> stop with 7", tag_of(dev));
	return 7;
}
static int each_unreg(struct device *dev, void *data)
{
	EV("    each: unregister %s", tag_of(dev));
	device_unregister(dev);
	return 0;
}
static void g1(void)
{
	struct device *P = mkdev("P", NULL, NULL), *c1 = mkdev("C1", P, NULL), *c2 = mkdev("C2", P, NULL);

	RC(device_add(P)); REF("P");
	RC(device_add(c1)); REF("P"); REF("C1");
	RC(device_add(c2)); REF("P");
	RC(device_for_each_child(P, NULL, each_print));
	RC(device_for_each_child_reverse(P, NULL, each_print));
	RC(device_for_each_child(P, NULL, each_stop));
	devm_add_action(P, act, A1);
	devm_add_action(c1, act, A2);
	devm_add_action(c2, act, A3);
	NOTE("children first, in order");
	DO(device_unregister(c1)); REF("C1"); REF("P");
	DO(device_unregister(c2)); REF("P");
	DO(device_unregister(P)); REF("P");
}
static void g2(void)
{
	struct device *P = mkdev("P", NULL, NULL), *c1 = mkdev("C1", P, NULL), *c2 = mkdev("C2", P, NULL);

	device_add(P); device_add(c1); device_add(c2);
	devm_add_action(P, act, A1);
	devm_add_action(c1, act, A2);
	devm_add_action(c2, act, A3);
	NOTE("parent first");
	DO(device_unregister(P)); REF("P"); REF("C1"); REF("C2");
	EV("    C1 registered=%d C1.kobj.sd=%d P.kobj.sd=%d", device_is_registered(c1), !!c1->kobj.sd, !!P->kobj.sd);
	RC(device_for_each_child(P, NULL, each_print));
	DO(device_unregister(c1)); REF("P");
	DO(device_unregister(c2)); REF("C2"); REF("P");
}
static void g4(void)
{
	struct device *P = mkdev("P", NULL, NULL), *c;

	device_add(P);
	get_device(P);
	DO(device_unregister(P)); REF("P");
	NOTE("register a child below an unregistered parent");
	c = mkdev("C", P, NULL);
	RC(device_add(c)); REF("C"); REF("P");
	DO(put_device(c)); REF("C"); REF("P");
	DO(put_device(P)); REF("P");
}
static int hook_child(struct device *dev, struct drvctl *c)
{
	struct device *k = mkdev("K", dev, NULL);
	int rc;

	rc = device_add(k);
	EV("    child K added rc=%d", rc);
	devm_add_action(k, act, A5);
	devm_add_action(dev, act_unregister, k);
	devm_add_action(dev, act, A3);
	return rc;
}
static void g5(void)
{
	struct platform_device *p;

	NOTE("devm-managed child, parent unregistered");
	c_setup("lf-g");
	PD1.c.hook = hook_child;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-g", 5);
	RC(platform_device_add(p)); REF("pdev"); REF("K");
	DO(platform_device_unregister(p)); REF("K"); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void g7(void)
{
	struct platform_device *p, *c;

	NOTE("bound child of a bound parent; parent unregistered first");
	c_setup("lf-gp");
	pdrv_init(&PD2, "lf-gc"); PD2.c.acts[0] = A3; PD2.c.acts[1] = A4;
	RC(platform_driver_register(&PD1.p));
	RC(platform_driver_register(&PD2.p));
	p = mkpdev("P", "lf-gp", 7); platform_device_add(p);
	c = mkpdev("C", "lf-gc", 7); c->dev.parent = &p->dev; platform_device_add(c);
	REF("P"); REF("C");
	DO(platform_device_unregister(p)); REF("P"); BOUND("C");
	DO(platform_device_unregister(c)); REF("C"); REF("P");
	DO(platform_driver_unregister(&PD1.p));
	DO(platform_driver_unregister(&PD2.p));
}
static void g9(void)
{
	struct device *P = mkdev("P", NULL, NULL), *N = mkdev("N", NULL, NULL), *c = mkdev("C", P, NULL);

	device_add(P); device_add(N); device_add(c);
	NOTE("device_move; device_rename; device_find_child");
	REF("P"); REF("N");
	RC(device_move(c, N, DPM_ORDER_NONE)); REF("P"); REF("N");
	RC(device_rename(c, "lf-renamed"));
	EV("    name now %s", dev_name(c));
	{
		struct device *f = device_find_child_by_name(N, "lf-renamed");

		EV("    found %s", f ? tag_of(f) : "NULL"); REF("C");
		put_device(f);
	}
	DO(device_unregister(P)); REF("P");
	DO(device_unregister(c)); REF("N");
	DO(device_unregister(N)); REF("N");
}

/* ================================================================== */
/* h. reentrancy                                                       */
/* ================================================================== */
static struct device *hdev, *hother;
static void act_adds(void *data)
{
	int rc;

	EV("    devm-action ADDS(%s) enter", (char *)data);
	rc = devm_add_action(hdev, act, A6);
	EV("    devm_add_action(A6) from action -> %d", rc);
	EV("    devm-action ADDS leave");
}
static int hook_adds(struct device *dev, struct drvctl *c)
{
	hdev = dev;
	devm_add_action(dev, act_adds, "x");
	devm_add_action(dev, act, A3);
	return 0;
}
static void h1(void)
{
	struct device *d = f_dev();

	NOTE("action adds an action while the (unbound) device is unregistered");
	hdev = d;
	devm_add_action(d, act, A1);
	devm_add_action(d, act_adds, "x");
	devm_add_action(d, act, A2);
	DO(get_device(d));
	DO(root_device_unregister(d)); REF("dev");
	DO(put_device(d)); REF("dev");
}
static void rhook_add(struct device *dev, struct drvctl *c)
{
	EV("    devm_add_action(A4) in remove -> %d", devm_add_action(dev, act, A4));
}
static void h3(void)
{
	struct platform_device *p;

	NOTE("devm action added in remove()");
	c_setup("lf-h");
	PD1.c.rhook = rhook_add;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-h", 3);
	RC(platform_device_add(p));
	DO(device_release_driver(&p->dev)); BOUND("pdev");
	RC(device_attach(&p->dev)); BOUND("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static int hook_bind_other(struct device *dev, struct drvctl *c)
{
	devm_add_action(dev, act_unregister, hother);
	devm_add_action(dev, act, A3);
	return 0;
}
static void h5(void)
{
	struct platform_device *p, *o;

	NOTE("driver-bound device's action unregisters another bound device");
	c_setup("lf-h5o");
	pdrv_init(&PD2, "lf-h5");
	PD2.c.acts[0] = A4; PD2.c.hook = hook_bind_other;
	RC(platform_driver_register(&PD1.p));
	RC(platform_driver_register(&PD2.p));
	o = mkpdev("other", "lf-h5o", 1); platform_device_add(o);
	hother = &o->dev;
	p = mkpdev("pdev", "lf-h5", 1); platform_device_add(p);
	DO(device_release_driver(&p->dev)); REF("other"); REF("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
	DO(platform_driver_unregister(&PD2.p));
}
static int hook_adds_probe_fail(struct device *dev, struct drvctl *c)
{
	hook_adds(dev, c);
	return -EINVAL;
}
static void act_relother(void *data)
{
	EV("    devm-action RELOTHER enter");
	devm_release_action(hdev, act, A1);
	EV("    devm-action RELOTHER leave");
}
static void h7(void)
{
	struct device *d = f_dev();

	NOTE("explicit release of an action that itself releases an earlier one");
	hdev = d;
	devm_add_action(d, act, A1);
	devm_add_action(d, act_relother, NULL);
	devm_add_action(d, act, A2);
	DO(devm_release_action(d, act_relother, NULL));
	DO(root_device_unregister(d)); REF("dev");
}

/* ================================================================== */
/* i. bus/driver registration order                                    */
/* ================================================================== */
static void i_up(void)
{
	STEPN++;
	EV("> bus_register(&lf_bus)");
	EV("< rc=%d", bus_register(&lf_bus));
	bus_register_notifier(&lf_bus, &lf_nb);
}
static void i_down(void)
{
	bus_unregister_notifier(&lf_bus, &lf_nb);
	DO(bus_unregister(&lf_bus));
}
static void i1(void)
{
	struct device *x1, *x2, *x3;

	NOTE("devices first, then driver");
	i_up();
	x1 = mkdev("x1", NULL, &lf_bus); RC(device_add(x1)); REF("x1");
	x2 = mkdev("x2", NULL, &lf_bus); RC(device_add(x2));
	x3 = mkdev("x3", NULL, &lf_bus); RC(device_add(x3));
	ldrv_init(&LD1, "x"); LD1.c.acts[0] = A1; LD1.c.acts[1] = A2;
	RC(driver_register(&LD1.d)); REF("x1"); BOUND("x1");
	DO(driver_unregister(&LD1.d)); REF("x1"); BOUND("x1");
	DO(device_unregister(x2)); REF("x2");
	DO(device_unregister(x1));
	DO(device_unregister(x3));
	i_down();
}
static void i3(void)
{
	struct device *x1;

	NOTE("unbound device on a bus with notifier; with extra ref");
	i_up();
	x1 = mkdev("x1", NULL, &lf_bus); RC(device_add(x1));
	devm_add_action(x1, act, A1);
	DO(get_device(x1));
	DO(device_unregister(x1)); REF("x1");
	DO(put_device(x1)); REF("x1");
	i_down();
}
static int i4_n;
static int hook_i4(struct device *dev, struct drvctl *c) { return ++i4_n == 2 ? -EINVAL : 0; }
static void i4(void)
{
	struct device *x[4];
	static const char *const n[] = { "x0", "x1", "x2", "x3" };
	int k;

	NOTE("the second probe fails; driver_register result and the others");
	i_up();
	for (k = 0; k < 4; k++) { x[k] = mkdev(n[k], NULL, &lf_bus); device_add(x[k]); }
	ldrv_init(&LD1, "x"); LD1.c.acts[0] = A1; LD1.c.hook = hook_i4; i4_n = 0;
	RC(driver_register(&LD1.d));
	for (k = 0; k < 4; k++) BOUND(n[k]);
	NOTE("rescan retries the unbound one");
	RC(bus_rescan_devices(&lf_bus)); BOUND("x1");
	NOTE("second driver of the same name is refused");
	ldrv_init(&LD2, "x");
	RC(driver_register(&LD2.d));
	for (k = 0; k < 4; k++) DO(device_unregister(x[k]));
	DO(driver_unregister(&LD1.d));
	i_down();
}
static void i6(void)
{
	struct device *x1, *y1;

	NOTE("driver_register before bus_register");
	ldrv_init(&LD1, "x");
	RC(driver_register(&LD1.d));
	i_up();
	NOTE("duplicate device name");
	x1 = mkdev("x1", NULL, &lf_bus);
	RC(device_add(x1));
	y1 = mkdev("y", NULL, &lf_bus); dev_set_name(y1, "lf-x1");
	RC(device_add(y1)); REF("y");
	DO(put_device(y1)); REF("y");
	DO(device_unregister(x1));
	i_down();
}

/* z1 is only run when asked for by name: it oopses on 6.1 */
static void z1(void)
{
	struct device *x1;

	NOTE("device_add on a bus that was never registered");
	x1 = mkdev("x1", NULL, &lf_bus);
	RC(device_add(x1)); REF("x1");
	DO(put_device(x1)); REF("x1");
}

/* ================================================================== */
/* j. sysfs bind/unbind                                                */
/* ================================================================== */
#define DP "/sys/bus/platform/drivers/"
static void j1(void)
{
	struct platform_device *p;

	c_setup("lf-j");
	PD1.c.hook = NULL;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-j", 1);
	RC(platform_device_add(p)); BOUND("pdev");
	RC(wfile(DP "lf-j/unbind", "lf-j.1")); BOUND("pdev"); REF("pdev");
	RC(wfile(DP "lf-j/unbind", "lf-j.1"));
	RC(wfile(DP "lf-j/bind", "lf-j.1\n")); BOUND("pdev");
	RC(wfile(DP "lf-j/bind", "lf-j.1"));
	RC(wfile(DP "lf-j/bind", "no-such-device"));
	RC(wfile(DP "lf-j/unbind", "no-such-device"));
	RC(wfile(DP "lf-j/unbind", "lf-j.1\n"));
	PD1.c.rc = -EINVAL;
	RC(wfile(DP "lf-j/bind", "lf-j.1"));
	PD1.c.rc = -ENODEV;
	RC(wfile(DP "lf-j/bind", "lf-j.1"));
	PD1.c.rc = -EPROBE_DEFER;
	RC(wfile(DP "lf-j/bind", "lf-j.1")); settle();
	PD1.c.rc = 0;
	NOTE("devres present while unbound");
	devm_add_action(&p->dev, act, A4);
	RC(wfile(DP "lf-j/bind", "lf-j.1")); BOUND("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void j2(void)
{
	struct platform_device *p;
	#define PDV "/sys/bus/platform/devices/lf-jx.2/driver_override"

	NOTE("driver_override");
	pdrv_init(&PD1, "lf-jx"); PD1.c.acts[0] = A1;
	pdrv_init(&PD2, "lf-jy"); PD2.c.acts[0] = A2;
	RC(platform_driver_register(&PD1.p));
	RC(platform_driver_register(&PD2.p));
	p = mkpdev("pdev", "lf-jx", 2);
	RC(platform_device_add(p)); BOUND("pdev");
	RC(rfile(PDV));
	NOTE("override while bound changes nothing by itself");
	RC(wfile(PDV, "lf-jy\n")); BOUND("pdev"); RC(rfile(PDV));
	RC(wfile(DP "lf-jx/unbind", "lf-jx.2"));
	NOTE("native name driver no longer matches");
	RC(wfile(DP "lf-jx/bind", "lf-jx.2")); BOUND("pdev");
	RC(wfile(DP "lf-jy/bind", "lf-jx.2")); BOUND("pdev");
	RC(wfile(DP "lf-jy/unbind", "lf-jx.2"));
	RC(device_attach(&p->dev)); BOUND("pdev");
	DO(device_release_driver(&p->dev));
	RC(wfile(PDV, "nobody")); RC(device_attach(&p->dev)); BOUND("pdev");
	NOTE("empty line clears");
	RC(wfile(PDV, "\n")); RC(rfile(PDV)); RC(device_attach(&p->dev)); BOUND("pdev");
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
	DO(platform_driver_unregister(&PD2.p));
}
static void j3(void)
{
	struct platform_device *p;

	NOTE("suppress_bind_attrs");
	pdrv_init(&PD1, "lf-js"); PD1.p.driver.suppress_bind_attrs = true;
	RC(platform_driver_register(&PD1.p));
	p = mkpdev("pdev", "lf-js", 3);
	RC(platform_device_add(p)); BOUND("pdev");
	RC(wfile(DP "lf-js/unbind", "lf-js.3")); BOUND("pdev");
	RC(wfile(DP "lf-js/bind", "lf-js.3"));
	RC(wfile(DP "lf-js/uevent", "add"));
	DO(platform_device_unregister(p)); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}

/* ================================================================== */
/* k. device links                                                     */
/* ================================================================== */
static const char *lstate(struct device_link *l)
{
	switch (l->status) {
	case DL_STATE_NONE: return "NONE";
	case DL_STATE_DORMANT: return "DORMANT";
	case DL_STATE_AVAILABLE: return "AVAILABLE";
	case DL_STATE_CONSUMER_PROBE: return "CONSUMER_PROBE";
	case DL_STATE_ACTIVE: return "ACTIVE";
	case DL_STATE_SUPPLIER_UNBIND: return "SUPPLIER_UNBIND";
	}
	return "?";
}
static struct platform_device *kS, *kC;
static u32 kflags;
static struct device_link *klink;
static int hook_link(struct device *dev, struct drvctl *c)
{
	klink = device_link_add(dev, &kS->dev, kflags);
	EV("    device_link_add in probe -> %s state=%s flags=0x%x", klink ? "ok" : "NULL",
	   klink ? lstate(klink) : "-", klink ? klink->flags : 0);
	return 0;
}
static void k_init(void)
{
	pdrv_init(&PD1, "lf-ks"); PD1.c.acts[0] = A1;
	pdrv_init(&PD2, "lf-kc"); PD2.c.acts[0] = A2;
	platform_driver_register(&PD1.p);
	platform_driver_register(&PD2.p);
	kS = mkpdev("supp", "lf-ks", 1);
	kC = mkpdev("cons", "lf-kc", 1);
}
static void k_fini(void)
{
	platform_driver_unregister(&PD1.p);
	platform_driver_unregister(&PD2.p);
}
static void k_refs(void) { REF("supp"); REF("cons"); BOUND("supp"); BOUND("cons"); }
static bool k_haslink(void)
{
	return !list_empty(&kC->dev.links.suppliers);
}
#define LINKST() EV("    link %s", k_haslink() ? lstate(klink) : "gone")

static void k1(void)
{
	NOTE("stateless link: no ordering of unbinds");
	k_init();
	RC(platform_device_add(kS)); RC(platform_device_add(kC));
	klink = PT(device_link_add(&kC->dev, &kS->dev, DL_FLAG_STATELESS)); k_refs(); LINKST();
	DO(device_release_driver(&kS->dev)); k_refs(); LINKST();
	RC(device_attach(&kS->dev));
	DO(device_link_del(klink)); DO(settle()); k_refs();
	DO(platform_device_unregister(kS)); DO(platform_device_unregister(kC)); settle(); REF("supp"); REF("cons");
	k_fini();
}
static void k3(void)
{
	NOTE("managed AUTOREMOVE_SUPPLIER link");
	k_init();
	kflags = DL_FLAG_AUTOREMOVE_SUPPLIER; PD2.c.hook = hook_link;
	RC(platform_device_add(kS)); RC(platform_device_add(kC)); LINKST();
	NOTE("consumer unbinds: link stays");
	DO(device_release_driver(&kC->dev)); DO(settle()); LINKST();
	PD2.c.hook = NULL;
	RC(device_attach(&kC->dev)); LINKST();
	DO(device_release_driver(&kS->dev)); DO(settle()); k_refs(); LINKST();
	DO(platform_device_unregister(kC));
	DO(platform_device_unregister(kS)); settle(); REF("supp"); REF("cons");
	k_fini();
}
static void k4(void)
{
	NOTE("managed link (flags 0) made before either is bound: consumer waits");
	k_init();
	platform_driver_unregister(&PD1.p);
	RC(platform_device_add(kS));
	platform_driver_unregister(&PD2.p);
	RC(platform_device_add(kC));
	klink = PT(device_link_add(&kC->dev, &kS->dev, 0)); LINKST();
	RC(platform_driver_register(&PD2.p)); DO(settle()); k_refs(); LINKST();
	NOTE("now the supplier's driver arrives");
	RC(platform_driver_register(&PD1.p)); DO(settle()); k_refs(); LINKST();
	DO(device_release_driver(&kS->dev)); DO(settle()); k_refs(); LINKST();
	RC(device_attach(&kS->dev)); DO(settle()); k_refs(); LINKST();
	RC(device_attach(&kC->dev)); LINKST();
	NOTE("unregister the supplier device while the consumer is bound");
	DO(platform_device_unregister(kS)); DO(settle()); REF("supp"); REF("cons"); BOUND("cons");
	EV("    link %s", k_haslink() ? "present" : "gone");
	DO(platform_device_unregister(kC)); settle(); REF("cons");
	k_fini();
}
static void k6(void)
{
	struct device_link *l1, *l2;

	NOTE("adding the same link twice; cyclic link refused; link del on a managed link");
	k_init();
	RC(platform_device_add(kS)); RC(platform_device_add(kC));
	l1 = PT(device_link_add(&kC->dev, &kS->dev, DL_FLAG_STATELESS));
	l2 = PT(device_link_add(&kC->dev, &kS->dev, DL_FLAG_STATELESS));
	EV("    same=%d kref=%u", l1 == l2, kref_read(&l1->kref));
	PT(device_link_add(&kS->dev, &kC->dev, DL_FLAG_STATELESS));
	DO(device_link_del(l1)); EV("    link %s", k_haslink() ? "present" : "gone");
	DO(device_link_del(l2)); DO(settle()); EV("    link %s", k_haslink() ? "present" : "gone");
	NOTE("consumer's driver_unregister with three way order: unregister the supplier's driver");
	klink = PT(device_link_add(&kC->dev, &kS->dev, DL_FLAG_AUTOPROBE_CONSUMER)); LINKST();
	DO(platform_driver_unregister(&PD1.p)); DO(settle()); k_refs(); LINKST();
	DO(platform_device_unregister(kS)); DO(platform_device_unregister(kC)); settle(); REF("supp"); REF("cons");
	platform_driver_unregister(&PD2.p);
}

/* ================================================================== */
/* l. IIO                                                              */
/* ================================================================== */
static int l_read_raw(struct iio_dev *d, struct iio_chan_spec const *ch, int *v, int *v2, long m)
{
	EV("    iio read_raw called");
	*v = 42;
	return IIO_VAL_INT;
}
static const struct iio_info l_info = { .read_raw = l_read_raw };
static const struct iio_chan_spec l_ch[] = { {
	.type = IIO_VOLTAGE, .indexed = 1, .channel = 0, .scan_index = 0,
	.info_mask_separate = BIT(IIO_CHAN_INFO_RAW), .datasheet_name = "ds0",
	.scan_type = { .sign = 'u', .realbits = 16, .storagebits = 16 },
} };
static struct iio_dev *liio;
static bool l_buffer;
static void l_fill(struct iio_dev *i)
{
	i->name = "lfiio";
	i->info = &l_info;
	i->channels = l_ch;
	i->num_channels = 1;
	i->modes = INDIO_DIRECT_MODE;
}
static int hook_iio_devm(struct device *dev, struct drvctl *c)
{
	int rc;

	liio = devm_iio_device_alloc(dev, 0);
	track(&liio->dev, "iio");
	devm_add_action(dev, act, A3);
	l_fill(liio);
	if (l_buffer) {
		rc = devm_iio_kfifo_buffer_setup(dev, liio, NULL);
		EV("    kfifo_buffer_setup rc=%d", rc);
	}
	rc = devm_iio_device_register(dev, liio);
	EV("    devm_iio_device_register rc=%d name=%s", rc, dev_name(&liio->dev));
	REF("iio"); REF("pdev");
	devm_add_action(dev, act, A4);
	return rc;
}
static int hook_iio_plain(struct device *dev, struct drvctl *c)
{
	int rc;

	liio = iio_device_alloc(dev, 0);
	track(&liio->dev, "iio");
	l_fill(liio);
	rc = iio_device_register(liio);
	EV("    iio_device_register rc=%d", rc);
	REF("iio");
	return rc;
}
static void rhook_iio_plain(struct device *dev, struct drvctl *c)
{
	EV("    iio_device_unregister ..."); iio_device_unregister(liio);
	EV("    ... done, info=%s", liio->info ? "set" : "NULL"); REF("iio");
	EV("    iio_device_free ..."); iio_device_free(liio); REF("iio");
}
static void l_init(const char *name)
{
	pdrv_init(&PD1, name);
	PD1.c.acts[0] = A1; PD1.c.acts[1] = A2;
	PD1.c.hook = hook_iio_devm;
	l_buffer = false;
	platform_driver_register(&PD1.p);
}
static void l1(void)
{
	struct platform_device *p;

	NOTE("devm alloc + devm register; parent unregistered, nobody holds it");
	l_init("lf-l");
	p = mkpdev("pdev", "lf-l", 1);
	RC(platform_device_add(p)); REF("pdev"); REF("iio");
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void l2(void)
{
	struct platform_device *p;

	NOTE("same, iio device kept by an extra reference");
	l_init("lf-l");
	p = mkpdev("pdev", "lf-l", 2);
	RC(platform_device_add(p));
	DO(iio_device_get(liio)); REF("iio"); REF("pdev");
	EV("    info=%s", liio->info ? "set" : "NULL");
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	EV("    info=%s registered=%d", liio->info ? "set" : "NULL", device_is_registered(&liio->dev));
	DO(iio_device_put(liio)); REF("iio"); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void l3(void)
{
	struct platform_device *p;

	NOTE("non-devm alloc/register/unregister/free in probe/remove");
	l_init("lf-l");
	PD1.c.hook = hook_iio_plain; PD1.c.rhook = rhook_iio_plain;
	p = mkpdev("pdev", "lf-l", 3);
	RC(platform_device_add(p)); REF("pdev");
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void l4(void)
{
	struct platform_device *p;
	struct file *f;
	char path[40];

	NOTE("chardev open across the parent's unregister");
	l_init("lf-l");
	l_buffer = true;
	p = mkpdev("pdev", "lf-l", 4);
	RC(platform_device_add(p)); settle();
	snprintf(path, sizeof(path), "/dev/%s", dev_name(&liio->dev));
	EV("    path %s", path); REF("iio");
	f = PT(fo(path, O_RDONLY | O_NONBLOCK)); REF("iio"); REF("pdev");
	if (IS_ERR(f)) goto out;
	PT(fo(path, O_RDONLY));
	RC(fread_(f)); RC(fpoll_(f)); RC(fioctl_(f, 0x1234));
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	EV("    info=%s", liio->info ? "set" : "NULL");
	RC(fread_(f)); RC(fpoll_(f)); RC(fioctl_(f, 0x1234));
	PT(fo(path, O_RDONLY));
	DO(fc(f)); REF("iio"); REF("pdev");
out:
	DO(platform_driver_unregister(&PD1.p));
}
static struct iio_map l_map[] = {
	{ .adc_channel_label = "ds0", .consumer_dev_name = "lf-consumer", .consumer_channel = "cc" }, { }
};
static struct device *lcons;
static int hook_iio_map(struct device *dev, struct drvctl *c)
{
	int rc;

	liio = devm_iio_device_alloc(dev, 0);
	track(&liio->dev, "iio");
	l_fill(liio);
	rc = devm_iio_map_array_register(dev, liio, l_map);
	EV("    devm_iio_map_array_register rc=%d", rc);
	rc = devm_iio_device_register(dev, liio);
	EV("    devm_iio_device_register rc=%d", rc);
	return rc;
}
static void l6(void)
{
	struct platform_device *p;
	struct iio_channel *ch;
	int v = 0;

	NOTE("in-kernel consumer outlives the provider");
	l_init("lf-l");
	PD1.c.hook = hook_iio_map;
	lcons = mkdev("lcons", NULL, NULL); dev_set_name(lcons, "lf-consumer"); device_add(lcons);
	PT(iio_channel_get(lcons, "cc"));
	p = mkpdev("pdev", "lf-l", 6);
	RC(platform_device_add(p)); REF("iio");
	ch = PT(iio_channel_get(lcons, "cc")); REF("iio");
	if (IS_ERR(ch)) goto out;
	RC(iio_read_channel_raw(ch, &v));
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	RC(iio_read_channel_raw(ch, &v));
	PT(iio_channel_get(lcons, "cc"));
	DO(iio_channel_release(ch)); REF("iio"); REF("pdev");
out:
	DO(device_unregister(lcons));
	DO(platform_driver_unregister(&PD1.p));
}

static int l8_pre(struct iio_dev *i) { EV("    iio preenable"); return 0; }
static int l8_poste(struct iio_dev *i) { EV("    iio postenable"); return 0; }
static int l8_pred(struct iio_dev *i) { EV("    iio predisable info=%s", i->info ? "set" : "NULL"); return 0; }
static int l8_postd(struct iio_dev *i) { EV("    iio postdisable info=%s", i->info ? "set" : "NULL"); return 0; }
static const struct iio_buffer_setup_ops l8_ops = { .preenable = l8_pre, .postenable = l8_poste, .predisable = l8_pred, .postdisable = l8_postd };
static int hook_iio_buf(struct device *dev, struct drvctl *c)
{
	int rc;

	liio = devm_iio_device_alloc(dev, 0);
	track(&liio->dev, "iio");
	l_fill(liio);
	rc = devm_iio_kfifo_buffer_setup(dev, liio, &l8_ops);
	if (!rc)
		rc = devm_iio_device_register(dev, liio);
	EV("    setup+register rc=%d", rc);
	return rc;
}
static struct completion l8_done;
static int l8_reader(void *data)
{
	struct file *f = data;
	loff_t pos = 0;
	long rc;

	EV("    reader thread: read() starts");
	rc = f->f_op->read(f, (char __user *)(-4096L), 2, &pos);
	EV("    reader thread: read() returned %ld %s", rc, en(rc));
	complete(&l8_done);
	return 0;
}
static void l8(void)
{
	struct platform_device *p;
	struct file *f;
	char b[90];

	NOTE("buffer enabled and a reader blocked while the parent is unregistered");
	l_init("lf-l");
	PD1.c.hook = hook_iio_buf;
	p = mkpdev("pdev", "lf-l", 8);
	RC(platform_device_add(p)); settle();
	snprintf(b, sizeof(b), "/sys/bus/iio/devices/%s/buffer0/in_voltage0_en", dev_name(&liio->dev));
	RC(wfile(b, "1"));
	snprintf(b, sizeof(b), "/sys/bus/iio/devices/%s/buffer0/enable", dev_name(&liio->dev));
	RC(wfile(b, "1"));
	snprintf(b, sizeof(b), "/dev/%s", dev_name(&liio->dev));
	f = PT(fo(b, O_RDONLY));
	if (IS_ERR(f)) goto out;
	init_completion(&l8_done);
	DO(kthread_run(l8_reader, f, "lf-reader"); msleep(100));
	DO(platform_device_unregister(p)); REF("iio"); REF("pdev");
	RC(wait_for_completion_timeout(&l8_done, HZ) ? 1 : 0);
	DO(fc(f)); REF("iio"); REF("pdev");
out:
	DO(platform_driver_unregister(&PD1.p));
}

/* ================================================================== */
/* m. DRM                                                              */
/* ================================================================== */
struct ldrm { struct drm_device drm; int x; };
static void m_release(struct drm_device *d) { EV("    drm_driver.release"); }
static int m_open(struct drm_device *d, struct drm_file *f) { EV("    drm_driver.open"); return 0; }
static void m_postclose(struct drm_device *d, struct drm_file *f) { EV("    drm_driver.postclose"); }
static void m_unload(struct drm_device *d) { EV("    drm_driver.unload"); }
DEFINE_DRM_GEM_FOPS(m_fops);
static const struct drm_driver m_drv = {
	.driver_features = DRIVER_GEM,
	.release = m_release, .open = m_open, .postclose = m_postclose, .unload = m_unload,
	.fops = &m_fops, .name = "lfdrm", .desc = "lf", .date = "20260101", .major = 1,
};
static void dact(struct drm_device *d, void *data) { EV("    drmm-action %s", (char *)data); }
static struct drm_device *mdrm;
static bool m_gone;
static void dact_last(struct drm_device *d, void *data) { EV("    drmm-action %s", (char *)data); m_gone = true; }
static void DREF(void)
{
	if (m_gone)
		EV("    ref drm = released");
	else
		EV("    ref drm = %u", kref_read(&mdrm->ref));
}
static void DENTER(void)
{
	int idx;

	if (drm_dev_enter(mdrm, &idx)) {
		EV("    drm_dev_enter = true");
		drm_dev_exit(idx);
	} else {
		EV("    drm_dev_enter = false");
	}
}
static int hook_drm(struct device *dev, struct drvctl *c)
{
	struct ldrm *l;
	int rc;

	m_gone = false;
	l = devm_drm_dev_alloc(dev, &m_drv, struct ldrm, drm);
	if (IS_ERR(l)) {
		EV("    devm_drm_dev_alloc -> %ld", PTR_ERR(l));
		return PTR_ERR(l);
	}
	mdrm = &l->drm;
	DREF(); REF("pdev");
	rc = drmm_add_action(mdrm, dact_last, "DM1"); EV("    drmm_add_action DM1 rc=%d", rc);
	devm_add_action(dev, act, A3);
	rc = drmm_add_action(mdrm, dact, "DM2"); EV("    drmm_add_action DM2 rc=%d", rc);
	if (drmm_kzalloc(mdrm, 8, GFP_KERNEL))
		EV("    drmm_kzalloc ok");
	track(mdrm->primary->kdev, "kdev");
	rc = drm_dev_register(mdrm, 0); EV("    drm_dev_register rc=%d", rc);
	DREF(); REF("kdev"); REF("pdev");
	devm_add_action(dev, act, A4);
	return rc;
}
static void rhook_unplug(struct device *dev, struct drvctl *c)
{
	DENTER();
	EV("    drm_dev_unplug ..."); drm_dev_unplug(mdrm); EV("    ... done");
	DENTER(); DREF();
}
static void rhook_unreg(struct device *dev, struct drvctl *c)
{
	EV("    drm_dev_unregister ..."); drm_dev_unregister(mdrm); EV("    ... done");
	DENTER(); DREF();
}
static void m_init(const char *name)
{
	pdrv_init(&PD1, name);
	PD1.c.acts[0] = A1; PD1.c.acts[1] = A2;
	PD1.c.hook = hook_drm;
	PD1.c.rhook = rhook_unplug;
	platform_driver_register(&PD1.p);
}
static void m1(void)
{
	struct platform_device *p;

	NOTE("devm_drm_dev_alloc + register; remove() unplugs; nobody holds it");
	m_init("lf-m");
	p = mkpdev("pdev", "lf-m", 1);
	RC(platform_device_add(p)); DREF(); REF("pdev"); REF("kdev");
	DO(platform_device_unregister(p)); DREF(); REF("pdev"); REF("kdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void m2(void)
{
	struct platform_device *p;

	NOTE("extra drm_dev_get held across");
	m_init("lf-m");
	p = mkpdev("pdev", "lf-m", 2);
	RC(platform_device_add(p));
	DO(drm_dev_get(mdrm)); DREF();
	DO(platform_device_unregister(p)); DREF(); REF("pdev"); REF("kdev"); DENTER();
	RC(drmm_add_action(mdrm, dact, "DM3"));
	DO(drm_dev_put(mdrm)); DREF(); REF("pdev"); REF("kdev");
	DO(platform_driver_unregister(&PD1.p));
}
static void m4(void)
{
	struct platform_device *p;
	struct file *f;

	NOTE("fd on /dev/dri/card0 open across unplug");
	m_init("lf-m");
	p = mkpdev("pdev", "lf-m", 4);
	RC(platform_device_add(p)); settle();
	EV("    minor %s", dev_name(mdrm->primary->kdev));
	f = PT(fo("/dev/dri/card0", O_RDWR)); DREF(); REF("pdev"); REF("kdev");
	if (IS_ERR(f)) goto out;
	RC(fioctl_(f, DRM_IOCTL_DROP_MASTER));
	RC(fpoll_(f));
	DO(platform_device_unregister(p)); DREF(); REF("pdev"); REF("kdev");
	RC(fioctl_(f, DRM_IOCTL_DROP_MASTER));
	RC(fpoll_(f));
	PT(fo("/dev/dri/card0", O_RDWR));
	DO(fc(f)); DREF(); REF("pdev"); REF("kdev");
out:
	DO(platform_driver_unregister(&PD1.p));
}
static void m6(void)
{
	struct platform_device *p;

	NOTE("driver bug: remove() neither unplugs nor unregisters");
	m_init("lf-m");
	PD1.c.hook = hook_drm;
	PD1.c.rhook = NULL;
	p = mkpdev("pdev", "lf-m", 6);
	RC(platform_device_add(p)); settle();
	DO(drm_dev_get(mdrm));
	DO(platform_device_unregister(p)); DREF(); REF("pdev"); DENTER();
	DO(drm_dev_unplug(mdrm)); DENTER();
	DO(drm_dev_put(mdrm)); DREF(); REF("pdev");
	DO(platform_driver_unregister(&PD1.p));
}

/* ================================================================== */
/* o. V4L2                                                             */
/* ================================================================== */
static struct v4l2_device *ov;
static struct video_device *ovd;
static bool ov_gone;
static void o_vrel(struct video_device *v) { EV("    video_device.release"); kfree(v); }
static void o_v4l2rel(struct v4l2_device *v) { EV("    v4l2_device.release"); v4l2_device_unregister(v); ov_gone = true; kfree(v); }
static int o_open(struct file *f) { EV("    v4l2 fops.open"); return v4l2_fh_open(f); }
static int o_close(struct file *f) { EV("    v4l2 fops.release"); return v4l2_fh_release(f); }
static const struct v4l2_file_operations o_fops = {
	.owner = THIS_MODULE, .open = o_open, .release = o_close, .unlocked_ioctl = video_ioctl2, .poll = v4l2_ctrl_poll,
};
static int o_querycap(struct file *f, void *p, struct v4l2_capability *c) { return 0; }
static const struct v4l2_ioctl_ops o_ioctl = { .vidioc_querycap = o_querycap };
static void OREF(void)
{
	if (ov_gone)
		EV("    ref v4l2_device = released");
	else
		EV("    ref v4l2_device = %u", kref_read(&ov->ref));
}
static int hook_v4l2(struct device *dev, struct drvctl *c)
{
	int rc;

	ov_gone = false;
	ov = kzalloc(sizeof(*ov), GFP_KERNEL);
	rc = v4l2_device_register(dev, ov); EV("    v4l2_device_register rc=%d", rc);
	ov->release = o_v4l2rel;
	OREF(); REF("pdev");
	ovd = video_device_alloc();
	ovd->v4l2_dev = ov; ovd->fops = &o_fops; ovd->ioctl_ops = &o_ioctl; ovd->release = o_vrel;
	ovd->device_caps = V4L2_CAP_VIDEO_CAPTURE;
	strscpy(ovd->name, "lfv", sizeof(ovd->name));
	rc = video_register_device(ovd, VFL_TYPE_VIDEO, -1); EV("    video_register_device rc=%d %s", rc, dev_name(&ovd->dev));
	track(&ovd->dev, "vdev"); REF("vdev"); OREF(); REF("pdev");
	return rc;
}
static void rhook_v4l2(struct device *dev, struct drvctl *c)
{
	EV("    video_unregister_device ..."); video_unregister_device(ovd); EV("    ... done"); OREF(); REF("vdev");
	EV("    v4l2_device_disconnect/put ..."); v4l2_device_disconnect(ov); v4l2_device_put(ov); EV("    ... done"); OREF();
}
static void o_run(bool fd)
{
	struct platform_device *p;
	struct file *f = NULL;
	char path[40];

	pdrv_init(&PD1, "lf-o"); PD1.c.acts[0] = A1; PD1.c.hook = hook_v4l2; PD1.c.rhook = rhook_v4l2;
	platform_driver_register(&PD1.p);
	p = mkpdev("pdev", "lf-o", fd);
	RC(platform_device_add(p)); settle(); REF("pdev");
	if (fd) {
		snprintf(path, sizeof(path), "/dev/%s", dev_name(&ovd->dev));
		f = PT(fo(path, O_RDWR)); REF("vdev"); OREF();
		RC(fioctl_(f, VIDIOC_LOG_STATUS)); RC(fpoll_(f));
	}
	DO(platform_device_unregister(p)); REF("vdev"); OREF(); REF("pdev");
	if (fd) {
		RC(fioctl_(f, VIDIOC_LOG_STATUS)); RC(fpoll_(f));
		PT(fo(path, O_RDWR));
		DO(fc(f)); REF("vdev"); OREF(); REF("pdev");
	}
	DO(platform_driver_unregister(&PD1.p));
}
static void o1(void) { NOTE("V4L2, no fd open"); o_run(false); }
static void o2(void) { NOTE("V4L2, fd open across removal"); o_run(true); }

/* ================================================================== */
/* p. CEC                                                              */
/* ================================================================== */
static int p_enable(struct cec_adapter *a, bool e) { EV("    cec adap_enable(%d)", e); return 0; }
static int p_la(struct cec_adapter *a, u8 la) { EV("    cec adap_log_addr(%u)", la); return 0; }
static int p_tx(struct cec_adapter *a, u8 at, u32 s, struct cec_msg *m) { EV("    cec adap_transmit"); return 0; }
static void p_free(struct cec_adapter *a) { EV("    cec adap_free"); }
static const struct cec_adap_ops p_ops = { .adap_enable = p_enable, .adap_log_addr = p_la, .adap_transmit = p_tx, .adap_free = p_free };
static struct cec_adapter *padap;
static int hook_cec(struct device *dev, struct drvctl *c)
{
	int rc;

	padap = cec_allocate_adapter(&p_ops, NULL, "lfcec", CEC_CAP_DEFAULTS, 1);
	if (IS_ERR(padap))
		return PTR_ERR(padap);
	rc = cec_register_adapter(padap, dev); EV("    cec_register_adapter rc=%d %s", rc, dev_name(&padap->devnode.dev));
	track(&padap->devnode.dev, "cecdev"); REF("cecdev"); REF("pdev");
	return rc;
}
static void rhook_cec(struct device *dev, struct drvctl *c)
{
	EV("    cec_unregister_adapter ..."); cec_unregister_adapter(padap); EV("    ... done"); REF("cecdev");
}
static void p_run(bool fd)
{
	struct platform_device *p;
	struct file *f = NULL;
	char path[40];

	pdrv_init(&PD1, "lf-p"); PD1.c.acts[0] = A1; PD1.c.hook = hook_cec; PD1.c.rhook = rhook_cec;
	platform_driver_register(&PD1.p);
	p = mkpdev("pdev", "lf-p", fd);
	RC(platform_device_add(p)); settle(); REF("pdev");
	if (fd) {
		snprintf(path, sizeof(path), "/dev/%s", dev_name(&padap->devnode.dev));
		f = PT(fo(path, O_RDWR)); REF("cecdev");
		RC(fpoll_(f)); RC(fioctl_(f, 0x1234));
	}
	DO(platform_device_unregister(p)); REF("cecdev"); REF("pdev");
	if (fd) {
		RC(fpoll_(f)); RC(fioctl_(f, 0x1234));
		PT(fo(path, O_RDWR));
		DO(fc(f)); REF("cecdev"); REF("pdev");
	}
	DO(platform_driver_unregister(&PD1.p));
}
static void p1(void) { NOTE("CEC, no fd open"); p_run(false); }
static void p2(void) { NOTE("CEC, fd open across removal"); p_run(true); }

/* ================================================================== */
/* q. plain cdev                                                       */
/* ================================================================== */
static struct class *qcls;
struct qd { struct device dev; struct cdev cdev; };
static int q_open(struct inode *i, struct file *f) { EV("    q fops.open"); return 0; }
static int q_rel(struct inode *i, struct file *f) { EV("    q fops.release"); REF("q"); return 0; }
static ssize_t q_read(struct file *f, char __user *b, size_t n, loff_t *o) { EV("    q fops.read"); return 0; }
static const struct file_operations q_fops = { .owner = THIS_MODULE, .open = q_open, .release = q_rel, .read = q_read };
static void q_free(struct device *d) { kfree(container_of(d, struct qd, dev)); }
static void q1(void)
{
	struct qd *q = kzalloc(sizeof(*q), GFP_KERNEL);
	struct platform_device *p = mkpdev("pdev", "lf-q", 1);
	dev_t dt;
	struct file *f;

	NOTE("cdev_device_add, fd open across cdev_device_del + put");
	platform_device_add(p);
	alloc_chrdev_region(&dt, 0, 1, "lfq");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	qcls = class_create("lfq");
#else
	qcls = class_create(THIS_MODULE, "lfq");
#endif
	device_initialize(&q->dev);
	q->dev.class = qcls; q->dev.parent = &p->dev; q->dev.devt = dt; q->dev.release = q_free;
	dev_set_name(&q->dev, "lfq0");
	track(&q->dev, "q");
	cdev_init(&q->cdev, &q_fops);
	RC(cdev_device_add(&q->cdev, &q->dev)); REF("q"); REF("pdev"); settle();
	devm_add_action(&q->dev, act, A1);
	f = PT(fo("/dev/lfq0", O_RDWR)); REF("q");
	RC(fread_(f));
	DO(cdev_device_del(&q->cdev, &q->dev)); REF("q");
	DO(put_device(&q->dev)); REF("q");
	DO(platform_device_unregister(p)); REF("pdev");
	RC(fread_(f));
	PT(fo("/dev/lfq0", O_RDWR));
	devm_add_action(&q->dev, act, A2);
	DO(fc(f)); REF("q"); REF("pdev");
	class_destroy(qcls);
	unregister_chrdev_region(dt, 1);
}

/* ================================================================== */
/* r. the matrix: a framework on every kind of parent                  */
/* ================================================================== */
/*
 * r<kind>_<parent>_<refs>[_fd]
 *   kind    n nothing, i IIO, d DRM, v V4L2, c CEC
 *   parent  root, unbound (platform, no driver), bound (platform, made in probe)
 *   refs    plain; get: get + action + put; act: get + an action that does the put
 *   _fd     the node is opened before the removal and closed at the very end
 *
 * r_make() is the same code for all three parents: probe() runs it on the bound
 * one, the scenario itself on the others. What no managed resource undoes, remove()
 * undoes on the bound one, and the scenario's own steps on the others.
 */
enum { R_root, R_unbound, R_bound };
enum { R_plain, R_get, R_act };
static struct { char kind; int parent, refs; bool fd, noname; } R;
static const char *RTAG;

static int r_iio(struct device *dev)
{
	int rc = 0;

	liio = devm_iio_device_alloc(dev, 0);
	if (!liio) {
		EV("    devm_iio_device_alloc -> NULL");
		return -ENOMEM;
	}
	track(&liio->dev, "iio");
	l_fill(liio);
	if (R.fd) {
		rc = devm_iio_kfifo_buffer_setup(dev, liio, NULL);
		EV("    devm_iio_kfifo_buffer_setup rc=%d", rc);
	}
	rc = devm_iio_device_register(dev, liio);
	EV("    devm_iio_device_register rc=%d name=%s", rc, dev_name(&liio->dev));
	return rc;
}
static int r_drm(struct device *dev)
{
	struct ldrm *l;
	int rc;

	m_gone = false;
	l = devm_drm_dev_alloc(dev, &m_drv, struct ldrm, drm);
	if (IS_ERR(l)) {
		EV("    devm_drm_dev_alloc -> %ld", PTR_ERR(l));
		return PTR_ERR(l);
	}
	mdrm = &l->drm;
	rc = drmm_add_action(mdrm, dact_last, "DM1"); EV("    drmm_add_action DM1 rc=%d", rc);
	track(mdrm->primary->kdev, "kdev");
	rc = drm_dev_register(mdrm, 0); EV("    drm_dev_register rc=%d", rc);
	return rc;
}
static int r_v4l2(struct device *dev)
{
	int rc;

	ov_gone = false;
	ov = kzalloc(sizeof(*ov), GFP_KERNEL);
	if (R.parent != R_bound && !R.noname) {
		NOTE("v4l2_dev->name is filled in first: else v4l2_device_register() reads dev->driver->name");
		strscpy(ov->name, "lfv4l2", sizeof(ov->name));
	}
	rc = v4l2_device_register(dev, ov); EV("    v4l2_device_register rc=%d", rc);
	ov->release = o_v4l2rel;
	ovd = video_device_alloc();
	ovd->v4l2_dev = ov; ovd->fops = &o_fops; ovd->ioctl_ops = &o_ioctl; ovd->release = o_vrel;
	ovd->device_caps = V4L2_CAP_VIDEO_CAPTURE;
	strscpy(ovd->name, "lfv", sizeof(ovd->name));
	rc = video_register_device(ovd, VFL_TYPE_VIDEO, -1);
	EV("    video_register_device rc=%d %s", rc, dev_name(&ovd->dev));
	track(&ovd->dev, "vdev");
	return rc;
}
static int r_cec(struct device *dev)
{
	int rc;

	padap = cec_allocate_adapter(&p_ops, NULL, "lfcec", CEC_CAP_DEFAULTS, 1);
	if (IS_ERR(padap))
		return PTR_ERR(padap);
	rc = cec_register_adapter(padap, dev);
	EV("    cec_register_adapter rc=%d %s", rc, dev_name(&padap->devnode.dev));
	track(&padap->devnode.dev, "cecdev");
	return rc;
}
static void r_refs(void)
{
	REF(RTAG);
	switch (R.kind) {
	case 'i':
		REF("iio");
		if (!ttag("iio")->released)
			EV("    info=%s", liio->info ? "set" : "NULL");
		break;
	case 'd':
		DREF(); REF("kdev");
		if (!m_gone)
			DENTER();
		break;
	case 'v':
		OREF(); REF("vdev");
		break;
	case 'c':
		REF("cecdev");
		break;
	}
}
static int r_make(struct device *dev)
{
	int rc = 0;

	devm_add_action(dev, act, A1);
	if (R.refs != R_plain)
		get_device(dev);
	if (R.refs == R_act)
		devm_add_action(dev, act_put, dev);
	switch (R.kind) {
	case 'i': rc = r_iio(dev); break;
	case 'd': rc = r_drm(dev); break;
	case 'v': rc = r_v4l2(dev); break;
	case 'c': rc = r_cec(dev); break;
	}
	devm_add_action(dev, act, A2);
	return rc;
}
static int hook_r(struct device *dev, struct drvctl *c) { return r_make(dev); }
static void r_calls(struct file *f)
{
	switch (R.kind) {
	case 'i': RC(fread_(f)); RC(fpoll_(f)); RC(fioctl_(f, 0x1234)); break;
	case 'd': RC(fioctl_(f, DRM_IOCTL_DROP_MASTER)); RC(fpoll_(f)); break;
	case 'v': RC(fioctl_(f, VIDIOC_LOG_STATUS)); RC(fpoll_(f)); break;
	case 'c': RC(fpoll_(f)); RC(fioctl_(f, 0x1234)); break;
	}
}
static const char *r_node(void)
{
	switch (R.kind) {
	case 'i': return dev_name(&liio->dev);
	case 'd': return "dri/card0";
	case 'v': return dev_name(&ovd->dev);
	case 'c': return dev_name(&padap->devnode.dev);
	}
	return "?";
}
static void r_cell(void)
{
	static const char *const parents[] = { "root device", "platform device without a driver", "bound platform device" };
	static const char *const refs[] = { "nobody else holds it", "get, action, put", "get, and an action that does the put" };
	struct platform_device *p = NULL;
	struct device *r = NULL, *dev;
	struct file *f = NULL;
	char path[40];

	EV("    note: %s on a %s; %s%s",
	   R.kind == 'i' ? "IIO" : R.kind == 'd' ? "DRM" : R.kind == 'v' ? "V4L2" : R.kind == 'c' ? "CEC" : "nothing",
	   parents[R.parent], refs[R.refs], R.fd ? "; a file is held until after removal" : "");
	RTAG = R.parent == R_root ? "root" : "pdev";
	if (R.parent == R_bound) {
		pdrv_init(&PD1, "lf-r");
		PD1.c.hook = hook_r;
		PD1.c.rhook = R.kind == 'd' ? rhook_unplug : R.kind == 'v' ? rhook_v4l2 : R.kind == 'c' ? rhook_cec : NULL;
		platform_driver_register(&PD1.p);
	}
	if (R.parent == R_root) {
		r = PT(root_device_register("lf-root"));
		dev = track(r, "root");
	} else {
		p = mkpdev("pdev", "lf-r", 1);
		RC(platform_device_add(p));
		dev = &p->dev;
	}
	if (R.parent != R_bound)
		r_make(dev);
	settle();
	r_refs();

	if (R.fd) {
		snprintf(path, sizeof(path), "/dev/%s", r_node());
		f = R.kind == 'i' ? PT(fo(path, O_RDONLY | O_NONBLOCK)) : PT(fo(path, O_RDWR));
		if (IS_ERR(f))
			R.fd = false;
		r_refs();
	}
	if (R.fd)
		r_calls(f);

	if (R.parent != R_bound) {
		switch (R.kind) {
		case 'd':
			DO(drm_dev_unplug(mdrm)); r_refs();
			break;
		case 'v':
			DO(video_unregister_device(ovd)); r_refs();
			DO(v4l2_device_disconnect(ov)); r_refs();
			DO(v4l2_device_put(ov)); r_refs();
			break;
		case 'c':
			DO(cec_unregister_adapter(padap)); r_refs();
			break;
		}
	}
	if (R.parent == R_root)
		DO(root_device_unregister(r));
	else
		DO(platform_device_unregister(p));
	r_refs();

	if (R.fd) {
		r_calls(f);
		if (R.kind == 'i')
			PT(fo(path, O_RDONLY));
		else
			PT(fo(path, O_RDWR));
	}
	if (R.refs == R_get) {
		DO(put_device(dev)); r_refs();
	}
	if (R.fd) {
		DO(fc(f)); r_refs();
	}
	if (R.parent == R_bound)
		DO(platform_driver_unregister(&PD1.p));
}
/* behind END: a circle of references is broken by hand, so that the next cell starts clean */
static void r_clean(void)
{
	struct trk *t = RTAG ? ttag(RTAG) : NULL;
	struct device *dev = t ? t->dev : NULL;

	if (!t || t->released)
		return;
	get_device(dev);
	devres_release_all(dev);
	put_device(dev);
	settle();
	if (!t->released)
		pr_info("lastfd: - %s still there\n", RTAG);
	RTAG = NULL;
}

#define R_FD(X, k, p, refs)	X(k, p, refs, , false) X(k, p, refs, _fd, true)
#define R_REFS(X, k, p)		R_FD(X, k, p, plain) R_FD(X, k, p, get) R_FD(X, k, p, act)
#define R_PARENTS(X, k)		R_REFS(X, k, root) R_REFS(X, k, unbound) R_REFS(X, k, bound)
/* CEC reads parent->driver->owner: only a bound parent will do, see zc_ below */
#define R_CELLS(X)		X(n, bound, get, , false) X(n, bound, act, , false) \
				R_PARENTS(X, i) R_PARENTS(X, d) R_PARENTS(X, v) R_REFS(X, c, bound)
#define R_FN(k, p, refs_, suffix, file)					\
static void r##k##_##p##_##refs_##suffix(void)				\
{									\
	R.kind = #k[0]; R.parent = R_##p; R.refs = R_##refs_; R.fd = file; R.noname = false; \
	r_cell();							\
}
R_CELLS(R_FN)
#define R_ENTRY(k, p, refs, suffix, file)	S(r##k##_##p##_##refs##suffix),

/* only run when asked for by name: these four panic a User Mode Linux */
static void z_cell(char kind, int parent)
{
	R.kind = kind; R.parent = parent; R.refs = R_plain; R.fd = false; R.noname = true;
	r_cell();
}
static void zc_root(void) { z_cell('c', R_root); }
static void zc_unbound(void) { z_cell('c', R_unbound); }
static void zv_root(void) { z_cell('v', R_root); }
static void zv_unbound(void) { z_cell('v', R_unbound); }

/* ================================================================== */
/* two. a display of two devices: a card, and a bridge of its own      */
/* ================================================================== */
/*
 * two_free: no link; two_link: the card's probe links itself to the bridge. The
 * bridge is unbound first, then goes, then the card. two_card: no link, and the card
 * goes first.
 *
 * A real bridge lives in memory its own device manages. Here it is static, so that a
 * use after that memory's release can be printed instead of being undefined.
 */
static struct { struct drm_bridge b; bool freed; } TB;
static struct platform_device *tbp, *tcp;
static bool t_link;
static struct device_link *t_dl;
struct tdrm { struct drm_device drm; struct drm_encoder enc; };

static const char *t_late(void) { return TB.freed ? " (its memory is already freed)" : ""; }
static int tb_attach(struct drm_bridge *b, enum drm_bridge_attach_flags fl) { EV("    bridge.attach%s", t_late()); return 0; }
static void tb_detach(struct drm_bridge *b) { EV("    bridge.detach%s", t_late()); }
static enum drm_connector_status tb_detect(struct drm_bridge *b) { EV("    bridge.detect%s", t_late()); return connector_status_connected; }
static const struct drm_bridge_funcs tb_funcs = { .attach = tb_attach, .detach = tb_detach, .detect = tb_detect };
static void act_bfree(void *data) { EV("    devm-action BRIDGE-MEMORY"); TB.freed = true; }
static int hook_tb(struct device *dev, struct drvctl *c)
{
	int rc;

	memset(&TB, 0, sizeof(TB));
	TB.b.funcs = &tb_funcs;
	TB.b.ops = DRM_BRIDGE_OP_DETECT;
	devm_add_action(dev, act_bfree, NULL);
	rc = devm_drm_bridge_add(dev, &TB.b);
	EV("    devm_drm_bridge_add rc=%d", rc);
	return rc;
}

static int t_detect(struct drm_device *d, void *data, struct drm_file *f)
{
	return drm_bridge_detect(&TB.b);
}
#define DRM_IOCTL_LF_DETECT DRM_IO(DRM_COMMAND_BASE)
static const struct drm_ioctl_desc t_ioctls[] = { DRM_IOCTL_DEF_DRV(LF_DETECT, t_detect, 0) };
static const struct drm_driver t_drv = {
	.driver_features = DRIVER_GEM,
	.release = m_release, .open = m_open, .postclose = m_postclose,
	.ioctls = t_ioctls, .num_ioctls = ARRAY_SIZE(t_ioctls),
	.fops = &m_fops, .name = "lftwo", .desc = "lf", .date = "20260101", .major = 1,
};
static int hook_tc(struct device *dev, struct drvctl *c)
{
	struct tdrm *l;
	int rc;

	if (t_link) {
		t_dl = device_link_add(dev, &tbp->dev, DL_FLAG_AUTOREMOVE_CONSUMER);
		EV("    device_link_add AUTOREMOVE_CONSUMER -> %s state=%s", t_dl ? "ok" : "NULL", t_dl ? lstate(t_dl) : "-");
	}
	m_gone = false;
	l = devm_drm_dev_alloc(dev, &t_drv, struct tdrm, drm);
	if (IS_ERR(l)) {
		EV("    devm_drm_dev_alloc -> %ld", PTR_ERR(l));
		return PTR_ERR(l);
	}
	mdrm = &l->drm;
	rc = drmm_add_action(mdrm, dact_last, "DM1"); EV("    drmm_add_action DM1 rc=%d", rc);
	rc = drmm_mode_config_init(mdrm); EV("    drmm_mode_config_init rc=%d", rc);
	rc = drmm_encoder_init(mdrm, &l->enc, NULL, DRM_MODE_ENCODER_NONE, NULL); EV("    drmm_encoder_init rc=%d", rc);
	rc = drm_bridge_attach(&l->enc, &TB.b, NULL, 0); EV("    drm_bridge_attach rc=%d", rc);
	track(mdrm->primary->kdev, "kdev");
	rc = drm_dev_register(mdrm, 0); EV("    drm_dev_register rc=%d", rc);
	devm_add_action(dev, act, A2);
	return rc;
}
static void t_refs(void)
{
	settle();
	REF("bridge"); REF("card"); DREF(); REF("kdev");
	if (!m_gone)
		DENTER();
}
static void t_calls(struct file *f)
{
	if (!f)
		return;
	RC(fioctl_(f, DRM_IOCTL_LF_DETECT)); RC(fpoll_(f));
}
static void t_bridge_goes(struct file *f)
{
	DO(device_release_driver(&tbp->dev)); t_refs(); BOUND("bridge"); BOUND("card");
	t_calls(f);
	if (f) {
		struct file *g = PT(fo("/dev/dri/card0", O_RDWR));

		fc(g);
	}
	DO(platform_device_unregister(tbp)); t_refs(); BOUND("card");
	t_calls(f);
}
static void t_card_goes(struct file *f)
{
	DO(platform_device_unregister(tcp)); t_refs();
	t_calls(f);
}
static void t_run(bool link, bool card_first, bool fd)
{
	struct file *f = NULL;

	t_link = link;
	EV("    note: a card and its bridge, %s; the %s goes first%s", link ? "linked" : "not linked",
	   card_first ? "card" : "bridge", fd ? "; a file is held until after both" : "");
	pdrv_init(&PD1, "lf-tb"); PD1.c.acts[0] = A3; PD1.c.hook = hook_tb;
	pdrv_init(&PD2, "lf-tc"); PD2.c.acts[0] = A1; PD2.c.hook = hook_tc; PD2.c.rhook = rhook_unplug;
	platform_driver_register(&PD1.p);
	platform_driver_register(&PD2.p);
	tbp = mkpdev("bridge", "lf-tb", 1);
	tcp = mkpdev("card", "lf-tc", 1);
	RC(platform_device_add(tbp)); REF("bridge"); REF("card");
	RC(platform_device_add(tcp)); t_refs();
	if (fd) {
		f = PT(fo("/dev/dri/card0", O_RDWR)); t_refs();
		t_calls(f);
	}
	if (card_first) {
		t_card_goes(f);
		t_bridge_goes(f);
	} else {
		t_bridge_goes(f);
		t_card_goes(f);
	}
	if (f) {
		DO(fc(f)); t_refs();
	}
	DO(platform_driver_unregister(&PD2.p));
	DO(platform_driver_unregister(&PD1.p));
}
static void two_free(void) { t_run(false, false, false); }
static void two_free_fd(void) { t_run(false, false, true); }
static void two_link(void) { t_run(true, false, false); }
static void two_link_fd(void) { t_run(true, false, true); }
static void two_card(void) { t_run(false, true, false); }
static void two_card_fd(void) { t_run(false, true, true); }

/* ================================================================== */
/* table                                                               */
/* ================================================================== */
#define S(n) { #n, n }
static const struct { const char *name; void (*fn)(void); } SCN[] = {
	S(a1), S(a2), S(a4), S(a5),
	S(b1), S(b2), S(b3), S(b5),
	S(c1), S(c2), S(c3), S(d1), S(d2), S(d5),
	S(e1), S(e2), S(e3), S(e5), S(f1), S(f2), S(f3), S(f5), S(f6), S(f8), S(f10), S(f11), S(f12), S(f14), S(f15), S(f16),
	S(g1), S(g2), S(g4), S(g5), S(g7), S(g9),
	S(h1), S(h3), S(h5), S(h7), S(i1), S(i3), S(i4), S(i6),
	S(j1), S(j2), S(j3), S(k1), S(k3), S(k4), S(k6),
	S(l1), S(l2), S(l3), S(l4), S(l6), S(l8),
	S(m1), S(m2), S(m4), S(m6), S(o1), S(o2), S(p1), S(p2), S(q1),
	R_CELLS(R_ENTRY)
	S(two_free), S(two_free_fd), S(two_link), S(two_link_fd), S(two_card), S(two_card_fd),
	S(z1), S(zc_root), S(zc_unbound), S(zv_root), S(zv_unbound),
};

static bool wanted(const char *n)
{
	const char *s = only;

	if (!*s)
		return n[0] != 'z';
	while (*s) {
		size_t l = strcspn(s, ",");

		if (l && !strncmp(n, s, l))
			return true;
		s += l;
		if (*s)
			s++;
	}
	return false;
}

static int runner(void *done)
{
	int i, k;

	bus_register_notifier(&platform_bus_type, &plat_nb);
	for (i = 0; i < ARRAY_SIZE(SCN); i++) {
		if (!wanted(SCN[i].name))
			continue;
		nT = 0;
		memset(T, 0, sizeof(T));
		SC = SCN[i].name;
		STEPN = 0;
		EV("BEGIN");
		SCN[i].fn();
		settle();
		for (k = 0; k < nT; k++)
			if (!T[k].released)
				EV("    LEFTOVER %s ref=%u", T[k].tag, kref_read(&T[k].dev->kobj.kref));
		EV("END");
		SC = "-";
		r_clean();
	}
	bus_unregister_notifier(&platform_bus_type, &plat_nb);
	SC = "-";
	complete(done);
	return 0;
}

static int __init lastfd_oracle_init(void)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct task_struct *t;

	if (!run)
		return 0;
	wait_for_initramfs();
	init_mkdir("/dev", 0755);
	init_mkdir("/sys", 0755);
	init_mkdir("/dbg", 0755);
	pr_info("lastfd: mount devtmpfs=%d sysfs=%d debugfs=%d\n",
		init_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL),
		init_mount("sysfs", "/sys", "sysfs", 0, NULL),
		init_mount("debugfs", "/dbg", "debugfs", 0, NULL));
	t = kthread_run(runner, &done, "lastfd");
	if (IS_ERR(t))
		return PTR_ERR(t);
	wait_for_completion(&done);
	return 0;
}
late_initcall_sync(lastfd_oracle_init);

/* ================================================================== */
/* n. KUnit resources (run as a KUnit suite)                           */
/* ================================================================== */
static void __maybe_unused kact(void *data) { EV("    kunit-action %s", (char *)data); }
static void kfree_res(struct kunit_resource *r) { EV("    kunit-resource-free %s", (char *)r->data); }

static int n_init(struct kunit *t) { SC = t->name; STEPN = 0; nT = 0; memset(T, 0, sizeof(T)); EV("BEGIN suite.init"); return 0; }
static void n_exit(struct kunit *t) { STEPN++; EV("> suite.exit called"); }
static int n_suite_init(struct kunit_suite *s) { SC = "n"; EV("suite_init"); return 0; }
static void n_suite_exit(struct kunit_suite *s)
{
	int k;

	SC = "n";
	for (k = 0; k < nT; k++)
		EV("    %s %s", T[k].tag, T[k].released ? "released" : "NOT released");
	EV("suite_exit");
}

static struct kunit_resource nr1, nr2, nr3;
static void n1_resources(struct kunit *t)
{
	RC(kunit_add_resource(t, NULL, kfree_res, &nr1, "R1"));
	RC(kunit_add_resource(t, NULL, kfree_res, &nr2, "R2"));
	RC(kunit_add_named_resource(t, NULL, kfree_res, &nr3, "r3", "R3"));
	RC(kunit_destroy_named_resource(t, "r3"));
	RC(kunit_add_resource(t, NULL, kfree_res, &nr3, "R3b"));
	EV("    end of test body");
}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
static char K1[] = "K1", K2[] = "K2", K3[] = "K3", K4[] = "K4";
static void n2_actions(struct kunit *t)
{
	RC(kunit_add_action(t, kact, K1));
	PT((char *)kunit_kzalloc(t, 8, GFP_KERNEL));
	RC(kunit_add_action(t, kact, K2));
	RC(kunit_add_resource(t, NULL, kfree_res, &nr1, "R1"));
	RC(kunit_add_action_or_reset(t, kact, K3));
	RC(kunit_add_action(t, kact, K4));
	RC(kunit_add_action(t, kact, K1));
	DO(kunit_release_action(t, kact, K3));
	DO(kunit_remove_action(t, kact, K4));
	NOTE("K1 was added twice: release one");
	DO(kunit_release_action(t, kact, K1));
	NOTE("releasing an unknown action");
	DO(kunit_release_action(t, kact, K4));
	EV("    end of test body");
}
static struct notifier_block kn_nb = { .notifier_call = nb_call };
static void n3_device(struct kunit *t)
{
	struct device *d;

	RC(kunit_add_action(t, kact, K1));
	d = PT(kunit_device_register(t, "kd"));
	track(d, "kd");
	bus_register_notifier(d->bus, &kn_nb);
	REF("kd"); BOUND("kd");
	EV("    name %s parent %s", dev_name(d), dev_name(d->parent));
	RC(devm_add_action(d, act, A1));
	RC(devm_add_action(d, act, A2));
	RC(kunit_add_action(t, kact, K2));
	EV("    end of test body");
}
static int n5_probe(struct device *dev)
{
	EV("    n5 probe"); devm_add_action(dev, act, A3); return 0;
}
static int n5_remove(struct device *dev) { EV("    n5 remove"); return 0; }
static void n5_with_driver(struct kunit *t)
{
	struct device_driver *drv;
	struct device *d;

	drv = PT(kunit_driver_create(t, "kdrv"));
	drv->probe = n5_probe;
	drv->remove = n5_remove;
	d = PT(kunit_device_register_with_driver(t, "kd5", drv));
	track(d, "kd5"); REF("kd5"); BOUND("kd5");
	RC(kunit_add_action(t, kact, K1));
	RC(devm_add_action(d, act, A1));
	EV("    end of test body");
}
static void n7_two_devices(struct kunit *t)
{
	struct device *d1, *d2;

	d1 = PT(kunit_device_register(t, "one")); track(d1, "one");
	devm_add_action(d1, act, A1);
	d2 = PT(kunit_device_register(t, "two")); track(d2, "two");
	devm_add_action(d2, act, A2);
	BOUND("one"); BOUND("two");
	EV("    end of test body");
}
static void n8_assert_fails(struct kunit *t)
{
	struct device *d;

	RC(kunit_add_action(t, kact, K1));
	d = PT(kunit_device_register(t, "kd8")); track(d, "kd8");
	devm_add_action(d, act, A1);
	RC(kunit_add_action(t, kact, K2));
	EV("    failing an assertion on purpose");
	KUNIT_ASSERT_EQ(t, 1, 2);
	EV("    not reached");
}
static void kact_adds(void *data)
{
	struct kunit *t = data;

	EV("    kunit-action ADDS enter");
	EV("    add from action -> %d", kunit_add_action(t, kact, K4));
	EV("    kunit-action ADDS leave");
}
#endif
static struct kunit_case n_cases[] = {
	KUNIT_CASE(n1_resources),
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	KUNIT_CASE(n2_actions),
	KUNIT_CASE(n3_device),
	KUNIT_CASE(n5_with_driver),
	KUNIT_CASE(n7_two_devices),
	KUNIT_CASE(n8_assert_fails),
#endif
	{}
};
static struct kunit_suite n_suite = {
	.name = "lastfd_n", .init = n_init, .exit = n_exit,
	.suite_init = n_suite_init, .suite_exit = n_suite_exit, .test_cases = n_cases,
};
kunit_test_suite(n_suite);
MODULE_LICENSE("GPL");
