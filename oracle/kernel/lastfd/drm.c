// SPDX-License-Identifier: GPL-2.0
/* DRM devices, and displays of two devices. */
#include "lastfd.h"

#include <drm/drm_bridge.h>
#include <drm/drm_connector.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_encoder.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_mode_config.h>

DEFINE_DRM_GEM_FOPS(gem_fops);

struct driver {
	struct drm_driver driver;
	struct drm_ioctl_desc ioctl_desc;
	int open, postclose, lastclose, unload, release, ioctl;
};

/* A drm_device; what the name stands for lives longer than it does. */
struct drm_value {
	struct drm_device *drm;
	bool gone, modes;
};
struct allocated {
	struct drm_device drm;
	struct drm_value *value;
};

static struct driver *driver_of(struct drm_device *drm)
{
	return container_of(drm->driver, struct driver, driver);
}

static int drm_open_hook(struct drm_device *drm, struct drm_file *file)
{
	return lf_call_hook(driver_of(drm)->open);
}

static void drm_postclose_hook(struct drm_device *drm, struct drm_file *file)
{
	lf_call_hook(driver_of(drm)->postclose);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static void drm_lastclose_hook(struct drm_device *drm)
{
	lf_call_hook(driver_of(drm)->lastclose);
}
#endif

static void drm_unload_hook(struct drm_device *drm)
{
	lf_call_hook(driver_of(drm)->unload);
}

static void drm_release_hook(struct drm_device *drm)
{
	lf_call_hook(driver_of(drm)->release);
}

static int drm_ioctl_hook(struct drm_device *drm, void *data, struct drm_file *file)
{
	return lf_call_hook(driver_of(drm)->ioctl);
}

static struct lf_out op_drm_driver(struct lf_call *c)
{
	static const struct drm_ioctl_desc ioctl = {
		.cmd = DRM_IO(DRM_COMMAND_BASE), .func = drm_ioctl_hook,
		.name = "DRM_COMMAND_BASE",
	};
	const struct lf_line *l = c->line;
	struct driver *driver = lf_alloc(sizeof(*driver));
	char name[64];

	LF_TEXT_ARG(c, &l->arg[1], name);
	driver->open = lf_hook(l, 0);
	driver->postclose = lf_hook(l, 1);
	driver->lastclose = lf_hook(l, 2);
	driver->unload = lf_hook(l, 3);
	driver->release = lf_hook(l, 4);
	driver->ioctl = lf_hook(l, 5);
	driver->driver.driver_features = DRIVER_GEM;
	driver->driver.fops = &gem_fops;
	driver->driver.name = driver->driver.desc = (char *)lf_word(name);
	driver->driver.major = 1;
	if (driver->open >= 0)
		driver->driver.open = drm_open_hook;
	if (driver->postclose >= 0)
		driver->driver.postclose = drm_postclose_hook;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	driver->driver.date = "20260101";
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	if (driver->lastclose >= 0)
		driver->driver.lastclose = drm_lastclose_hook;
#else
	if (driver->lastclose >= 0)
		lf->refused = "this kernel's drm_driver has no lastclose";
#endif
	if (driver->unload >= 0)
		driver->driver.unload = drm_unload_hook;
	if (driver->release >= 0)
		driver->driver.release = drm_release_hook;
	if (driver->ioctl >= 0) {
		driver->ioctl_desc = ioctl;
		driver->driver.ioctls = &driver->ioctl_desc;
		driver->driver.num_ioctls = 1;
	}
	lf_set(l->arg[0].n, driver);
	return lf_done();
}

static void drm_gone(struct drm_device *drm, void *value)
{
	((struct drm_value *)value)->gone = true;
}

static bool drm_left(void *p)
{
	return !((struct drm_value *)p)->gone;
}

static struct lf_out op_devm_drm_dev_alloc(struct lf_call *c)
{
	struct drm_value *value = lf_alloc(sizeof(*value));
	struct allocated *allocated;
	struct driver *driver;
	struct device *dev;
	unsigned int n;
	int rc;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, driver);
	allocated = devm_drm_dev_alloc(dev, &driver->driver, struct allocated, drm);
	if (IS_ERR(allocated))
		return lf_or_err(allocated);
	allocated->value = value;
	value->drm = &allocated->drm;
	/* the first of its actions, and so the last that runs */
	n = lf_fail_nth_pause();
	rc = drmm_add_action(value->drm, drm_gone, value);
	lf_fail_nth_resume(n);
	if (rc)
		pr_err("a DRM device whose end is not seen: %d\n", rc);
	lf_own("a DRM device", value, drm_left);
	return lf_ok(value);
}

#define LF_DRM_ARG(c, at, into)						\
	do {								\
		struct drm_value *value_;				\
		LF_GET(c, at, value_);					\
		if (value_->gone)					\
			return lf_absent((c)->line->arg[at].n);		\
		(into) = value_->drm;					\
	} while (0)

/* Whether the name is a DRM device, and its count. */
bool lf_drm_count(int id, unsigned int *count)
{
	struct drm_value *value = lf->names[id].value;

	if (lf->names[id].kind != LF_DRM || !lf->names[id].there)
		return false;
	*count = value->gone ? 0 : kref_read(&value->drm->ref);
	return true;
}

static struct lf_out op_drm_dev_enter(struct lf_call *c)
{
	unsigned int count;
	struct drm_value *value;
	int section;

	LF_GET(c, 0, value);
	if (!lf_drm_count(c->line->arg[0].n, &count) || value->gone)
		return lf_done();
	if (drm_dev_enter(value->drm, &section)) {
		lf_line("drm_dev_enter = true");
		drm_dev_exit(section);
	} else {
		lf_line("drm_dev_enter = false");
	}
	return lf_done();
}

static struct lf_out op_drm_primary_kdev(struct lf_call *c)
{
	struct drm_device *drm;

	LF_DRM_ARG(c, 0, drm);
	return lf_or_null(drm->primary ? lf_live(drm->primary->kdev) : NULL);
}

/*
 * An action of a DRM device is called with the device, too: for each function that
 * lf_action() may give there is one that calls it.
 */
#define DRM_TRAMPOLINES 56
static void (*drm_actions[DRM_TRAMPOLINES])(void *);
#define TRAMPOLINE(n) \
static void drmm_##n(struct drm_device *drm, void *data) { drm_actions[0##n](data); }
#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define ALL(X) EIGHT(X, 0) EIGHT(X, 1) EIGHT(X, 2) EIGHT(X, 3) EIGHT(X, 4) EIGHT(X, 5) EIGHT(X, 6)
ALL(TRAMPOLINE)
#define ENTRY(n) drmm_##n,
static const drmres_release_t drmm_functions[DRM_TRAMPOLINES] = { ALL(ENTRY) };

static drmres_release_t drmm_function(void (*act)(void *))
{
	int i;

	for (i = 0; i < DRM_TRAMPOLINES; i++) {
		if (!drm_actions[i])
			drm_actions[i] = act;
		if (drm_actions[i] == act)
			return drmm_functions[i];
	}
	return NULL;
}

#define DRMM_CALL(name, call)						\
static struct lf_out op_##name(struct lf_call *c)			\
{									\
	struct drm_device *drm;						\
	drmres_release_t function;					\
	void (*act)(void *);						\
	struct lf_out out;						\
	void *data;							\
									\
	LF_DRM_ARG(c, 0, drm);						\
	out = lf_action(c, 1, &act, &data);				\
	if (out.flow != LF_DONE)					\
		return out;						\
	function = drmm_function(act);					\
	if (!function)							\
		return lf_absent(c->line->arg[0].n);			\
	return call;							\
}
#define DONE(call) ({ call; lf_done(); })
DRMM_CALL(drmm_add_action, lf_rc(drmm_add_action(drm, function, data)))
DRMM_CALL(drmm_add_action_or_reset, lf_rc(drmm_add_action_or_reset(drm, function, data)))
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
DRMM_CALL(drmm_release_action, DONE(drmm_release_action(drm, function, data)))
#endif

static struct lf_out op_drmm_kzalloc(struct lf_call *c)
{
	struct drm_device *drm;

	LF_DRM_ARG(c, 0, drm);
	if (!drmm_kzalloc(drm, c->line->arg[1].n, GFP_KERNEL))
		return lf_or_null(NULL);
	return (struct lf_out){ LF_OK_UNNAMED };
}

#define DRM_CALL(name, call)				\
static struct lf_out op_##name(struct lf_call *c)	\
{							\
	struct drm_device *drm;				\
							\
	LF_DRM_ARG(c, 0, drm);				\
	return call;					\
}
DRM_CALL(drm_dev_register, lf_rc(drm_dev_register(drm, 0)))
DRM_CALL(drm_dev_unregister, DONE(drm_dev_unregister(drm)))
DRM_CALL(drm_dev_unplug, DONE(drm_dev_unplug(drm)))
DRM_CALL(drm_dev_get, DONE(drm_dev_get(drm)))
DRM_CALL(drm_dev_put, DONE(drm_dev_put(drm)))

/* A bridge that stays when its memory should be gone, so that a use can be printed. */
struct bridge {
	struct drm_bridge bridge;
	int attach, detach, detect;
	bool freed;
};

static int bridge_attach(struct drm_bridge *b, enum drm_bridge_attach_flags flags)
{
	return lf_call_hook(container_of(b, struct bridge, bridge)->attach);
}

static void bridge_detach(struct drm_bridge *b)
{
	lf_call_hook(container_of(b, struct bridge, bridge)->detach);
}

static enum drm_connector_status bridge_detect(struct drm_bridge *b)
{
	lf_call_hook(container_of(b, struct bridge, bridge)->detect);
	return connector_status_connected;
}
static const struct drm_bridge_funcs bridge_funcs = {
	.attach = bridge_attach, .detach = bridge_detach, .detect = bridge_detect,
};

static void bridge_memory(void *data)
{
	lf_line("devm-action BRIDGE-MEMORY");
	((struct bridge *)data)->freed = true;
}

const char *lf_bridge_late(int id)
{
	struct bridge *bridge = lf->names[id].value;

	if (!lf->names[id].there)
		return NULL;
	return bridge->freed ? " (its memory is already freed)" : "";
}

static struct lf_out op_drm_bridge(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct bridge *bridge = lf_alloc(sizeof(*bridge));
	struct device *dev;

	LF_DEV(c, 1, dev);
	bridge->attach = lf_hook(l, 0);
	bridge->detach = lf_hook(l, 1);
	bridge->detect = lf_hook(l, 2);
	bridge->bridge.funcs = &bridge_funcs;
	if (bridge->detect >= 0)
		bridge->bridge.ops = DRM_BRIDGE_OP_DETECT;
	devm_add_action(dev, bridge_memory, bridge);
	lf_set(l->arg[0].n, bridge);
	return lf_done();
}

static struct lf_out op_devm_drm_bridge_add(struct lf_call *c)
{
	struct bridge *bridge;
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, bridge);
	return lf_rc(devm_drm_bridge_add(dev, &bridge->bridge));
}

static struct lf_out op_drmm_encoder_init(struct lf_call *c)
{
	struct drm_encoder *encoder = lf_alloc(sizeof(*encoder));
	struct drm_device *drm;
	struct drm_value *value;
	unsigned int n;
	int rc;

	LF_DRM_ARG(c, 1, drm);
	LF_GET(c, 1, value);
	if (!value->modes) {
		/* an encoder needs it, and nothing of it can be seen */
		n = lf_fail_nth_pause();
		value->modes = !drmm_mode_config_init(drm);
		lf_fail_nth_resume(n);
	}
	rc = drmm_encoder_init(drm, encoder, NULL, DRM_MODE_ENCODER_NONE, NULL);
	if (!rc)
		lf_set(c->line->arg[0].n, encoder);
	return lf_rc(rc);
}

static struct lf_out op_drm_bridge_attach(struct lf_call *c)
{
	struct drm_encoder *encoder;
	struct bridge *bridge;

	LF_GET(c, 0, encoder);
	LF_GET(c, 1, bridge);
	return lf_rc(drm_bridge_attach(encoder, &bridge->bridge, NULL, 0));
}

static struct lf_out op_drm_bridge_detect(struct lf_call *c)
{
	struct bridge *bridge;

	LF_GET(c, 0, bridge);
	return lf_rc(drm_bridge_detect(&bridge->bridge));
}

const struct lf_op lf_drm_ops[] = {
	{ "drm_driver", op_drm_driver }, { "devm_drm_dev_alloc", op_devm_drm_dev_alloc },
	{ "drm_dev_enter", op_drm_dev_enter }, { "drm_primary_kdev", op_drm_primary_kdev },
	{ "drmm_add_action", op_drmm_add_action },
	{ "drmm_add_action_or_reset", op_drmm_add_action_or_reset },
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	{ "drmm_release_action", op_drmm_release_action },
#endif
	{ "drmm_kzalloc", op_drmm_kzalloc },
	{ "drm_dev_register", op_drm_dev_register },
	{ "drm_dev_unregister", op_drm_dev_unregister },
	{ "drm_dev_unplug", op_drm_dev_unplug },
	{ "drm_dev_get", op_drm_dev_get }, { "drm_dev_put", op_drm_dev_put },
	{ "drm_bridge", op_drm_bridge }, { "devm_drm_bridge_add", op_devm_drm_bridge_add },
	{ "drmm_encoder_init", op_drmm_encoder_init },
	{ "drm_bridge_attach", op_drm_bridge_attach },
	{ "drm_bridge_detect", op_drm_bridge_detect },
	{ }
};
