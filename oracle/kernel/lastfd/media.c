// SPDX-License-Identifier: GPL-2.0
/* V4L2 and video devices, CEC adapters. */
#include "lastfd.h"

#include <media/cec.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-ioctl.h>

struct v4l2 {
	struct v4l2_device dev;
	int release;
};

static void v4l2_release(struct v4l2_device *dev)
{
	lf_call_hook(container_of(dev, struct v4l2, dev)->release);
}

static struct lf_out op_v4l2_device(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct v4l2 *v4l2 = lf_alloc(sizeof(*v4l2));
	char name[64];

	if (l->keyword[0].type == LF_TEXT) {
		LF_TEXT_ARG(c, &l->keyword[0], name);
		strscpy(v4l2->dev.name, name, sizeof(v4l2->dev.name));
	}
	v4l2->release = lf_hook(l, 1);
	if (v4l2->release >= 0)
		v4l2->dev.release = v4l2_release;
	lf_set(l->arg[0].n, v4l2);
	return lf_done();
}

/* Whether the name is a V4L2 device, and its count. */
bool lf_v4l2_count(int id, unsigned int *count)
{
	struct v4l2 *v4l2 = lf->names[id].value;

	if (lf->names[id].kind != LF_V4L2 || !lf->names[id].there)
		return false;
	*count = kref_read(&v4l2->dev.ref);
	return true;
}

static struct lf_out op_v4l2_device_register(struct lf_call *c)
{
	struct device *dev;
	struct v4l2 *v4l2;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, v4l2);
	return lf_rc(v4l2_device_register(dev, &v4l2->dev));
}

#define V4L2_CALL(name, call)				\
static struct lf_out op_##name(struct lf_call *c)	\
{							\
	struct v4l2 *v4l2;				\
							\
	LF_GET(c, 0, v4l2);				\
	return call;					\
}
#define DONE(call) ({ call; lf_done(); })
V4L2_CALL(v4l2_device_get, DONE(v4l2_device_get(&v4l2->dev)))
V4L2_CALL(v4l2_device_put, lf_rc(v4l2_device_put(&v4l2->dev)))
V4L2_CALL(v4l2_device_disconnect, DONE(v4l2_device_disconnect(&v4l2->dev)))
V4L2_CALL(v4l2_device_unregister, DONE(v4l2_device_unregister(&v4l2->dev)))

/* A video device, in memory of the scenario's; its device is there once registered. */
struct video {
	struct video_device vdev;
	struct lf_life *life;
	int open, close, release;
};

struct device *lf_video_device(void *value)
{
	struct video *video = value;

	return video->life && !video->life->released ? &video->vdev.dev : NULL;
}

static struct video *video_of(struct file *file)
{
	return container_of(video_devdata(file), struct video, vdev);
}

static int video_open(struct file *file)
{
	long rc = lf_call_hook(video_of(file)->open);

	return rc ? rc : v4l2_fh_open(file);
}

static int video_close(struct file *file)
{
	lf_call_hook(video_of(file)->close);
	return v4l2_fh_release(file);
}

static int video_querycap(struct file *file, void *fh, struct v4l2_capability *cap)
{
	return 0;
}

static void video_released(struct video_device *vdev)
{
	lf_call_hook(container_of(vdev, struct video, vdev)->release);
}

static const struct v4l2_file_operations video_fops = {
	.owner = THIS_MODULE, .open = video_open, .release = video_close,
	.unlocked_ioctl = video_ioctl2, .poll = v4l2_ctrl_poll,
};
static const struct v4l2_ioctl_ops video_ioctls = { .vidioc_querycap = video_querycap };

static struct lf_out op_video_device(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct video *video = lf_alloc(sizeof(*video));
	struct v4l2 *v4l2;

	LF_GET(c, 1, v4l2);
	video->vdev.v4l2_dev = &v4l2->dev;
	video->vdev.fops = &video_fops;
	video->vdev.ioctl_ops = &video_ioctls;
	video->vdev.release = video_released;
	video->vdev.device_caps = V4L2_CAP_VIDEO_CAPTURE;
	strscpy(video->vdev.name, lf->names[l->arg[0].n].text, sizeof(video->vdev.name));
	video->open = lf_hook(l, 0);
	video->close = lf_hook(l, 1);
	video->release = lf_hook(l, 2);
	lf_set(l->arg[0].n, video);
	return lf_done();
}

static struct lf_out op_video_register_device(struct lf_call *c)
{
	struct video *video;
	int rc;

	LF_GET(c, 0, video);
	rc = video_register_device(&video->vdev, VFL_TYPE_VIDEO, -1);
	if (!rc)
		video->life = lf_live(&video->vdev.dev);
	return lf_rc(rc);
}

static struct lf_out op_video_unregister_device(struct lf_call *c)
{
	struct video *video;

	LF_GET(c, 0, video);
	video_unregister_device(&video->vdev);
	return lf_done();
}

struct ops {
	struct cec_adap_ops ops;
	int adap_enable, adap_log_addr, adap_transmit, adap_free;
};

static const struct ops *ops_of(struct cec_adapter *adapter)
{
	return container_of(adapter->ops, struct ops, ops);
}

static int adap_enable(struct cec_adapter *adapter, bool enable)
{
	return lf_call_hook(ops_of(adapter)->adap_enable);
}

static int adap_log_addr(struct cec_adapter *adapter, u8 address)
{
	return lf_call_hook(ops_of(adapter)->adap_log_addr);
}

static int adap_transmit(struct cec_adapter *adapter, u8 attempts, u32 free_time,
			 struct cec_msg *msg)
{
	return lf_call_hook(ops_of(adapter)->adap_transmit);
}

static void adap_free(struct cec_adapter *adapter)
{
	lf_call_hook(ops_of(adapter)->adap_free);
}

static struct lf_out op_cec_adap_ops(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct ops *ops = lf_alloc(sizeof(*ops));

	ops->adap_enable = lf_hook(l, 0);
	ops->adap_log_addr = lf_hook(l, 1);
	ops->adap_transmit = lf_hook(l, 2);
	ops->adap_free = lf_hook(l, 3);
	ops->ops.adap_enable = ops->adap_enable >= 0 ? adap_enable : NULL;
	ops->ops.adap_log_addr = ops->adap_log_addr >= 0 ? adap_log_addr : NULL;
	ops->ops.adap_transmit = ops->adap_transmit >= 0 ? adap_transmit : NULL;
	ops->ops.adap_free = ops->adap_free >= 0 ? adap_free : NULL;
	lf_set(l->arg[0].n, ops);
	return lf_done();
}

struct adapter {
	struct cec_adapter *adapter;
	struct lf_life *life;		/* once it is registered */
	bool deleted;
};

static struct adapter *live(int id)
{
	struct adapter *adapter = lf->names[id].there ? lf->names[id].value : NULL;

	if (!adapter || adapter->deleted || (adapter->life && adapter->life->released))
		return NULL;
	return adapter;
}

struct device *lf_cec_device(void *value)
{
	struct adapter *adapter = value;

	return adapter->life && !adapter->life->released ? adapter->life->dev : NULL;
}

static bool adapter_left(void *p)
{
	struct adapter *adapter = p;

	return !adapter->deleted && !(adapter->life && adapter->life->released);
}

static struct lf_out op_cec_allocate_adapter(struct lf_call *c)
{
	struct cec_adapter *allocated;
	struct adapter *adapter;
	struct ops *ops;
	char name[64];

	LF_GET(c, 0, ops);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	allocated = cec_allocate_adapter(&ops->ops, NULL, name, CEC_CAP_DEFAULTS, 1);
	if (IS_ERR(allocated))
		return lf_or_err(allocated);
	adapter = lf_alloc(sizeof(*adapter));
	adapter->adapter = allocated;
	lf_own("a CEC adapter", adapter, adapter_left);
	return lf_ok(adapter);
}

#define LF_CEC_ARG(c, into)						\
	do {								\
		(into) = live((c)->line->arg[0].n);			\
		if (!(into))						\
			return lf_absent((c)->line->arg[0].n);		\
	} while (0)

static struct lf_out op_cec_register_adapter(struct lf_call *c)
{
	struct adapter *adapter;
	struct device *dev;
	int rc;

	LF_CEC_ARG(c, adapter);
	LF_DEV(c, 1, dev);
	rc = cec_register_adapter(adapter->adapter, dev);
	if (!rc)
		adapter->life = lf_live(&adapter->adapter->devnode.dev);
	return lf_rc(rc);
}

static struct lf_out op_cec_unregister_adapter(struct lf_call *c)
{
	struct adapter *adapter;

	LF_CEC_ARG(c, adapter);
	cec_unregister_adapter(adapter->adapter);
	return lf_done();
}

static struct lf_out op_cec_delete_adapter(struct lf_call *c)
{
	struct adapter *adapter;

	LF_CEC_ARG(c, adapter);
	adapter->deleted = true;
	cec_delete_adapter(adapter->adapter);
	return lf_done();
}

const struct lf_op lf_media_ops[] = {
	{ "v4l2_device", op_v4l2_device },
	{ "v4l2_device_register", op_v4l2_device_register },
	{ "v4l2_device_get", op_v4l2_device_get }, { "v4l2_device_put", op_v4l2_device_put },
	{ "v4l2_device_disconnect", op_v4l2_device_disconnect },
	{ "v4l2_device_unregister", op_v4l2_device_unregister },
	{ "video_device", op_video_device },
	{ "video_register_device", op_video_register_device },
	{ "video_unregister_device", op_video_unregister_device },
	{ "cec_adap_ops", op_cec_adap_ops },
	{ "cec_allocate_adapter", op_cec_allocate_adapter },
	{ "cec_register_adapter", op_cec_register_adapter },
	{ "cec_unregister_adapter", op_cec_unregister_adapter },
	{ "cec_delete_adapter", op_cec_delete_adapter },
	{ }
};
