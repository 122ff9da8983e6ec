// SPDX-License-Identifier: GPL-2.0
/* IIO devices, and consumers of their channels inside the kernel. */
#include "lastfd.h"

#include <linux/iio/buffer.h>
#include <linux/iio/consumer.h>
#include <linux/iio/driver.h>
#include <linux/iio/iio.h>
#include <linux/iio/kfifo_buf.h>
#include <linux/iio/machine.h>

struct iio {
	struct iio_dev *dev;
	struct lf_life *life;
};

struct device *lf_iio_device(void *value)
{
	struct iio *iio = value;

	return iio->life->released ? NULL : &iio->dev->dev;
}

static struct iio *live(int id)
{
	struct iio *iio = lf->names[id].there ? lf->names[id].value : NULL;

	return iio && !iio->life->released ? iio : NULL;
}

#define LF_IIO_ARG(c, at, into)						\
	do {								\
		struct iio *iio_ = live((c)->line->arg[at].n);		\
		if (!iio_)						\
			return lf_absent((c)->line->arg[at].n);		\
		(into) = iio_->dev;					\
	} while (0)

const char *lf_iio_info(int id)
{
	struct iio *iio = live(id);

	return !iio ? NULL : iio->dev->info ? "set" : "NULL";
}

static struct lf_out allocated(struct iio_dev *dev)
{
	struct iio *iio;

	if (!dev)
		return lf_or_null(NULL);
	iio = lf_alloc(sizeof(*iio));
	iio->dev = dev;
	iio->life = lf_live(&dev->dev);
	return lf_ok(iio);
}

static struct lf_out op_iio_device_alloc(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return allocated(iio_device_alloc(dev, 0));
}

static struct lf_out op_devm_iio_device_alloc(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return allocated(devm_iio_device_alloc(dev, 0));
}

static int read_raw(struct iio_dev *dev, struct iio_chan_spec const *chan, int *val, int *val2,
		    long mask)
{
	lf_line("iio read_raw called");
	*val = 42;
	return IIO_VAL_INT;
}
static const struct iio_info info = { .read_raw = read_raw };

static struct lf_out op_iio_info(struct lf_call *c)
{
	struct iio_dev *iio;
	char name[64];

	LF_IIO_ARG(c, 0, iio);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	iio->name = lf_word(name);
	iio->info = &info;
	iio->modes = INDIO_DIRECT_MODE;
	return lf_done();
}

static struct lf_out op_info(struct lf_call *c)
{
	int id = c->line->arg[0].n;
	struct iio *iio;

	LF_GET(c, 0, iio);
	if (!iio->life->released)
		lf_line("info=%s", lf_iio_info(id));
	return lf_done();
}

static long keyword(struct lf_call *c, int at, long or_else)
{
	return c->line->keyword[at].type == LF_INT ? c->line->keyword[at].n : or_else;
}

static struct lf_out op_iio_voltage_channel(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct iio_chan_spec *channels, *new;
	struct iio_dev *iio;
	char name[64];

	LF_IIO_ARG(c, 0, iio);
	channels = lf_alloc((iio->num_channels + 1) * sizeof(*channels));
	if (iio->num_channels)
		memcpy(channels, iio->channels, iio->num_channels * sizeof(*channels));
	new = &channels[iio->num_channels];
	new->type = IIO_VOLTAGE;
	new->indexed = 1;
	new->channel = l->arg[1].n;
	new->scan_index = keyword(c, 0, l->arg[1].n);
	new->info_mask_separate = BIT(IIO_CHAN_INFO_RAW);
	new->scan_type.realbits = keyword(c, 1, 16);
	new->scan_type.storagebits = keyword(c, 2, 16);
	new->scan_type.sign = l->keyword[3].type == LF_WORD ? *l->keyword[3].word : 'u';
	if (l->keyword[4].type == LF_TEXT) {
		LF_TEXT_ARG(c, &l->keyword[4], name);
		new->datasheet_name = lf_word(name);
	}
	iio->channels = channels;
	iio->num_channels++;
	return lf_done();
}

struct setup_ops {
	struct iio_buffer_setup_ops ops;
	int preenable, postenable, predisable, postdisable;
};

#define SETUP_HOOK(name)						\
static int name(struct iio_dev *dev)					\
{									\
	return lf_call_hook(container_of(dev->setup_ops, struct setup_ops, ops)->name); \
}
SETUP_HOOK(preenable)
SETUP_HOOK(postenable)
SETUP_HOOK(predisable)
SETUP_HOOK(postdisable)

static struct lf_out op_iio_buffer_setup_ops(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct setup_ops *ops = lf_alloc(sizeof(*ops));

	ops->preenable = lf_hook(l, 0);
	ops->postenable = lf_hook(l, 1);
	ops->predisable = lf_hook(l, 2);
	ops->postdisable = lf_hook(l, 3);
	ops->ops.preenable = ops->preenable >= 0 ? preenable : NULL;
	ops->ops.postenable = ops->postenable >= 0 ? postenable : NULL;
	ops->ops.predisable = ops->predisable >= 0 ? predisable : NULL;
	ops->ops.postdisable = ops->postdisable >= 0 ? postdisable : NULL;
	lf_set(l->arg[0].n, &ops->ops);
	return lf_done();
}

static struct lf_out op_devm_iio_kfifo_buffer_setup(struct lf_call *c)
{
	const struct iio_buffer_setup_ops *ops;
	struct iio_dev *iio;
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_IIO_ARG(c, 1, iio);
	LF_GET_KEYWORD(c, 0, ops);
	return lf_rc(devm_iio_kfifo_buffer_setup(dev, iio, ops));
}

static struct lf_out op_devm_iio_device_register(struct lf_call *c)
{
	struct iio_dev *iio;
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_IIO_ARG(c, 1, iio);
	return lf_rc(devm_iio_device_register(dev, iio));
}

#define IIO_CALL(name, call)				\
static struct lf_out op_##name(struct lf_call *c)	\
{							\
	struct iio_dev *iio;				\
							\
	LF_IIO_ARG(c, 0, iio);				\
	return call;					\
}
#define DONE(call) ({ call; lf_done(); })
IIO_CALL(iio_device_register, lf_rc(iio_device_register(iio)))
IIO_CALL(iio_device_unregister, DONE(iio_device_unregister(iio)))
IIO_CALL(iio_device_free, DONE(iio_device_free(iio)))
IIO_CALL(iio_device_get, DONE(iio_device_get(iio)))
IIO_CALL(iio_device_put, DONE(iio_device_put(iio)))

static struct lf_out op_devm_iio_map_array_register(struct lf_call *c)
{
	struct iio_map *map = lf_alloc(2 * sizeof(*map));
	char channel[64], consumer[64], name[64];
	struct iio_dev *iio;
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_IIO_ARG(c, 1, iio);
	LF_TEXT_ARG(c, &c->line->arg[2], channel);
	LF_TEXT_ARG(c, &c->line->arg[3], consumer);
	LF_TEXT_ARG(c, &c->line->arg[4], name);
	map->adc_channel_label = lf_word(channel);
	map->consumer_dev_name = lf_word(consumer);
	map->consumer_channel = lf_word(name);
	return lf_rc(devm_iio_map_array_register(dev, iio, map));
}

struct channel {
	struct iio_channel *channel;
	bool managed;
};

static bool channel_left(void *p)
{
	return ((struct channel *)p)->channel;
}

static struct lf_out got(struct iio_channel *channel, bool managed)
{
	struct channel *value;

	if (IS_ERR(channel))
		return lf_or_err(channel);
	value = lf_alloc(sizeof(*value));
	value->channel = channel;
	value->managed = managed;
	if (!managed)
		lf_own("an IIO channel", value, channel_left);
	return lf_ok(value);
}

static struct lf_out op_iio_channel_get(struct lf_call *c)
{
	struct device *dev;
	char name[64];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	return got(iio_channel_get(dev, name), false);
}

static struct lf_out op_devm_iio_channel_get(struct lf_call *c)
{
	struct device *dev;
	char name[64];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	return got(devm_iio_channel_get(dev, name), true);
}

#define CHANNEL(c, into)					\
	do {							\
		LF_GET(c, 0, into);				\
		if (!(into)->channel)				\
			return lf_absent((c)->line->arg[0].n);	\
	} while (0)

static struct lf_out op_iio_channel_release(struct lf_call *c)
{
	struct channel *channel;

	CHANNEL(c, channel);
	iio_channel_release(channel->channel);
	channel->channel = NULL;
	return lf_done();
}

static struct lf_out op_iio_read_channel_raw(struct lf_call *c)
{
	struct channel *channel;
	int val = 0;

	CHANNEL(c, channel);
	return lf_rc(iio_read_channel_raw(channel->channel, &val));
}

static struct lf_out op_iio_read_channel_processed(struct lf_call *c)
{
	struct channel *channel;
	int val = 0;

	CHANNEL(c, channel);
	return lf_rc(iio_read_channel_processed(channel->channel, &val));
}

static struct lf_out op_iio_read_channel_scale(struct lf_call *c)
{
	struct channel *channel;
	int val = 0, val2 = 0;

	CHANNEL(c, channel);
	return lf_rc(iio_read_channel_scale(channel->channel, &val, &val2));
}

static struct lf_out op_iio_write_channel_raw(struct lf_call *c)
{
	struct channel *channel;

	CHANNEL(c, channel);
	return lf_rc(iio_write_channel_raw(channel->channel, c->line->arg[1].n));
}

const struct lf_op lf_iio_ops[] = {
	{ "iio_device_alloc", op_iio_device_alloc },
	{ "devm_iio_device_alloc", op_devm_iio_device_alloc },
	{ "iio_info", op_iio_info }, { "info", op_info },
	{ "iio_voltage_channel", op_iio_voltage_channel },
	{ "iio_buffer_setup_ops", op_iio_buffer_setup_ops },
	{ "devm_iio_kfifo_buffer_setup", op_devm_iio_kfifo_buffer_setup },
	{ "devm_iio_device_register", op_devm_iio_device_register },
	{ "iio_device_register", op_iio_device_register },
	{ "iio_device_unregister", op_iio_device_unregister },
	{ "iio_device_free", op_iio_device_free },
	{ "iio_device_get", op_iio_device_get }, { "iio_device_put", op_iio_device_put },
	{ "devm_iio_map_array_register", op_devm_iio_map_array_register },
	{ "iio_channel_get", op_iio_channel_get },
	{ "devm_iio_channel_get", op_devm_iio_channel_get },
	{ "iio_channel_release", op_iio_channel_release },
	{ "iio_read_channel_raw", op_iio_read_channel_raw },
	{ "iio_read_channel_processed", op_iio_read_channel_processed },
	{ "iio_read_channel_scale", op_iio_read_channel_scale },
	{ "iio_write_channel_raw", op_iio_write_channel_raw },
	{ }
};
