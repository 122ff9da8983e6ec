// SPDX-License-Identifier: GPL-2.0
/* Device links. */
#include "lastfd.h"

#include <linux/list.h>

/* A link, and the consumer in whose list it is while it is there. */
struct link {
	struct device_link *link;
	struct lf_life *consumer;
};

static struct device_link *there(int id)
{
	struct link *value = lf->names[id].there ? lf->names[id].value : NULL;
	struct device_link *link;

	if (!value || value->consumer->released)
		return NULL;
	list_for_each_entry(link, &value->consumer->dev->links.suppliers, c_node)
		if (link == value->link)
			return link;
	return NULL;
}

static struct lf_out op_device_link_add(struct lf_call *c)
{
	struct device *consumer, *supplier;
	struct device_link *link;
	struct link *value;

	LF_DEV(c, 0, consumer);
	LF_DEV(c, 1, supplier);
	link = device_link_add(consumer, supplier, c->line->arg[2].n);
	if (!link)
		return lf_or_null(NULL);
	value = lf_alloc(sizeof(*value));
	value->link = link;
	value->consumer = lf_live(consumer);
	return lf_ok(value);
}

static struct lf_out op_device_link_del(struct lf_call *c)
{
	struct device_link *link = there(c->line->arg[0].n);

	if (!link)
		return lf_absent(c->line->arg[0].n);
	device_link_del(link);
	return lf_done();
}

static struct lf_out op_device_link_remove(struct lf_call *c)
{
	struct device *consumer, *supplier;

	LF_DEV(c, 0, consumer);
	LF_DEV(c, 1, supplier);
	device_link_remove(consumer, supplier);
	return lf_done();
}

static const char *state(const struct device_link *link)
{
	switch (link->status) {
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

/* What a placeholder asks of a link; NULL when it is absent. */
const char *lf_link_property(int id, const char *word, char *number, size_t size)
{
	const struct link *value = lf->names[id].value;
	struct device_link *link = there(id);
	int i, same = 0;

	if (!lf->names[id].there)
		return NULL;
	if (!strcmp(word, "state"))
		return link ? state(link) : "gone";
	if (!strcmp(word, "there"))
		return link ? "present" : "gone";
	if (!link)
		return NULL;
	for (i = 0; i < lf->count; i++)
		if (i != id && lf->names[i].kind == LF_LINK && lf->names[i].there)
			same |= ((struct link *)lf->names[i].value)->link == value->link;
	if (!strcmp(word, "flags"))
		snprintf(number, size, "0x%x", link->flags);
	else if (!strcmp(word, "kref"))
		snprintf(number, size, "%u", kref_read(&link->kref));
	else
		snprintf(number, size, "%d", same);
	return number;
}

const struct lf_op lf_link_ops[] = {
	{ "device_link_add", op_device_link_add },
	{ "device_link_del", op_device_link_del },
	{ "device_link_remove", op_device_link_remove },
	{ }
};
