// SPDX-License-Identifier: GPL-2.0
/* Managed resources. */
#include "lastfd.h"

int devres_release_all(struct device *dev); /* drivers/base/base.h; this is built in */

static struct lf_out op_add_action(struct lf_call *c)
{
	void (*act)(void *);
	struct device *dev;
	struct lf_out out;
	void *data;

	LF_DEV(c, 0, dev);
	out = lf_action(c, 1, &act, &data);
	return out.flow == LF_DONE ? lf_rc(devm_add_action(dev, act, data)) : out;
}

static struct lf_out op_add_action_or_reset(struct lf_call *c)
{
	void (*act)(void *);
	struct device *dev;
	struct lf_out out;
	void *data;

	LF_DEV(c, 0, dev);
	out = lf_action(c, 1, &act, &data);
	return out.flow == LF_DONE ? lf_rc(devm_add_action_or_reset(dev, act, data)) : out;
}

static struct lf_out op_remove_action(struct lf_call *c)
{
	void (*act)(void *);
	struct device *dev;
	struct lf_out out;
	void *data;

	LF_DEV(c, 0, dev);
	out = lf_action(c, 1, &act, &data);
	if (out.flow == LF_DONE)
		devm_remove_action(dev, act, data);
	return out;
}

static struct lf_out op_release_action(struct lf_call *c)
{
	void (*act)(void *);
	struct device *dev;
	struct lf_out out;
	void *data;

	LF_DEV(c, 0, dev);
	out = lf_action(c, 1, &act, &data);
	if (out.flow == LF_DONE)
		devm_release_action(dev, act, data);
	return out;
}

static struct lf_out op_kzalloc(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_or_null(devm_kzalloc(dev, min(c->line->arg[1].n, 1L << 20), GFP_KERNEL));
}

static struct lf_out op_krealloc(struct lf_call *c)
{
	struct device *dev;
	void *memory;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, memory);
	memory = devm_krealloc(dev, memory, min(c->line->arg[2].n, 1L << 20), GFP_KERNEL);
	return lf_or_null(ZERO_OR_NULL_PTR(memory) ? NULL : memory);
}

static struct lf_out op_kstrdup(struct lf_call *c)
{
	struct device *dev;
	char text[256];

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], text);
	return lf_or_null(devm_kstrdup(dev, text, GFP_KERNEL));
}

static struct lf_out op_kfree(struct lf_call *c)
{
	struct device *dev;
	void *memory;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, memory);
	devm_kfree(dev, memory);
	return lf_done();
}

/* A devres carries a word. */
static void dr_rel(struct device *dev, void *res)
{
	lf_line("devres-release %s", *(char **)res);
}

static void dr_rel2(struct device *dev, void *res)
{
	lf_line("devres-release2 %s", *(char **)res);
}

static int dr_match(struct device *dev, void *res, void *data)
{
	return *(char **)res == data;
}

static dr_release_t release_of(const struct lf_arg *arg)
{
	return arg->n == 2 ? dr_rel2 : dr_rel;
}

static dr_match_t match_of(const struct lf_arg *arg)
{
	return arg->type == LF_WORD ? dr_match : NULL;
}

static struct lf_out op_devres_alloc(struct lf_call *c)
{
	const char **devres;

	/* the release function is the caller's identity, so each call names its own */
	devres = release_of(&c->line->arg[0]) == dr_rel2 ?
		 devres_alloc(dr_rel2, sizeof(*devres), GFP_KERNEL) :
		 devres_alloc(dr_rel, sizeof(*devres), GFP_KERNEL);
	if (devres)
		*devres = c->line->arg[1].word;
	return lf_or_null(devres);
}

static struct lf_out op_devres_free(struct lf_call *c)
{
	void *devres;

	LF_GET(c, 0, devres);
	lf_unset(c->line->arg[0].n);
	devres_free(devres);
	return lf_done();
}

static struct lf_out op_devres_add(struct lf_call *c)
{
	struct device *dev;
	void *devres;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, devres);
	lf_unset(c->line->arg[1].n);
	devres_add(dev, devres);
	return lf_done();
}

/* What was found: by the time anybody asks, the devres may be gone. */
struct found {
	const char *word;
	bool added;
};

static struct lf_out found(const char **devres, bool added)
{
	struct found *found = lf_alloc(sizeof(*found));

	found->word = *devres;
	found->added = added;
	return lf_ok(found);
}

const char *lf_found(int id, const char *property)
{
	const struct found *found = lf->names[id].there ? lf->names[id].value : NULL;

	if (!strcmp(property, "found"))
		return found ? "found" : "NULL";
	if (!strcmp(property, "data"))
		return found ? found->word : "(null)";
	return found && found->added ? "new" : "existing";
}

static struct lf_out op_devres_find(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct device *dev;
	const char **devres;

	LF_DEV(c, 0, dev);
	devres = devres_find(dev, release_of(&l->arg[1]), match_of(&l->arg[2]),
			     (void *)l->arg[2].word);
	return devres ? found(devres, false) : lf_or_null(NULL);
}

static struct lf_out op_devres_get(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct device *dev;
	const char **got;
	void *devres;

	LF_DEV(c, 0, dev);
	LF_GET(c, 1, devres);
	lf_unset(l->arg[1].n);
	got = devres_get(dev, devres, match_of(&l->arg[2]), (void *)l->arg[2].word);
	return found(got, got == devres);
}

static struct lf_out op_devres_remove(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_or_null(devres_remove(dev, release_of(&l->arg[1]), match_of(&l->arg[2]),
					(void *)l->arg[2].word));
}

static struct lf_out op_devres_destroy(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(devres_destroy(dev, release_of(&l->arg[1]), match_of(&l->arg[2]),
				    (void *)l->arg[2].word));
}

static struct lf_out op_devres_release(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(devres_release(dev, release_of(&l->arg[1]), match_of(&l->arg[2]),
				    (void *)l->arg[2].word));
}

/* A word, what devres_open_group gave, or NULL. */
#define GROUP_ID(c, id)							\
	do {								\
		if ((c)->line->arg[1].type == LF_NAME)			\
			LF_GET(c, 1, id);				\
		else							\
			(id) = (void *)(c)->line->arg[1].word;		\
	} while (0)

static struct lf_out op_open_group(struct lf_call *c)
{
	struct device *dev;
	void *id;

	LF_DEV(c, 0, dev);
	GROUP_ID(c, id);
	return lf_or_null(devres_open_group(dev, id, GFP_KERNEL));
}

static struct lf_out op_close_group(struct lf_call *c)
{
	struct device *dev;
	void *id;

	LF_DEV(c, 0, dev);
	GROUP_ID(c, id);
	devres_close_group(dev, id);
	return lf_done();
}

static struct lf_out op_remove_group(struct lf_call *c)
{
	struct device *dev;
	void *id;

	LF_DEV(c, 0, dev);
	GROUP_ID(c, id);
	devres_remove_group(dev, id);
	return lf_done();
}

static struct lf_out op_release_group(struct lf_call *c)
{
	struct device *dev;
	void *id;

	LF_DEV(c, 0, dev);
	GROUP_ID(c, id);
	return lf_rc(devres_release_group(dev, id));
}

static struct lf_out op_release_all(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	return lf_rc(devres_release_all(dev) ? 1 : 0);
}

const struct lf_op lf_devres_ops[] = {
	{ "devm_add_action", op_add_action },
	{ "devm_add_action_or_reset", op_add_action_or_reset },
	{ "devm_remove_action", op_remove_action },
	{ "devm_release_action", op_release_action },
	{ "devm_kzalloc", op_kzalloc }, { "devm_krealloc", op_krealloc },
	{ "devm_kstrdup", op_kstrdup }, { "devm_kfree", op_kfree },
	{ "devres_alloc", op_devres_alloc }, { "devres_free", op_devres_free },
	{ "devres_add", op_devres_add }, { "devres_find", op_devres_find },
	{ "devres_get", op_devres_get }, { "devres_remove", op_devres_remove },
	{ "devres_destroy", op_devres_destroy }, { "devres_release", op_devres_release },
	{ "devres_open_group", op_open_group }, { "devres_close_group", op_close_group },
	{ "devres_remove_group", op_remove_group },
	{ "devres_release_group", op_release_group },
	{ "devres_release_all", op_release_all },
	{ }
};
