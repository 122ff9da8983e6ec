// SPDX-License-Identifier: GPL-2.0
/* Operands as values: devices, texts with their placeholders filled in, actions. */
#include "lastfd.h"

/* The device that a name stands for, if it is still there. */
static struct device *named_device(int id)
{
	struct lf_name *name = &lf->names[id];
	struct lf_life *life;

	if (!name->there)
		return NULL;
	switch (name->kind) {
	case LF_IIO:
		return lf_iio_device(name->value);
	case LF_VIDEO:
		return lf_video_device(name->value);
	case LF_CEC:
		return lf_cec_device(name->value);
	default:
		life = name->value;
		return life && !life->released ? life->dev : NULL;
	}
}

struct device *lf_device(struct lf_call *c, const struct lf_arg *arg, long *absent)
{
	if (arg->type == LF_SELF) {
		*absent = 0;
		return c->frame.self;
	}
	*absent = arg->n;
	return named_device(arg->n);
}

static const char *set_or_null(const void *p)
{
	return p ? "set" : "NULL";
}

/* What a placeholder asks for; NULL when its object is absent. */
static const char *property(struct lf_call *c, const struct lf_piece *piece, char *number,
			    size_t size)
{
	const char *word = piece->text;
	struct device *dev;

	if (piece->id >= 0) {
		if (!strcmp(word, "found") || !strcmp(word, "data") || !strcmp(word, "which"))
			return lf_found(piece->id, word);
		if (!strcmp(word, "late"))
			return lf_bridge_late(piece->id);
		if (!strcmp(word, "info"))
			return lf_iio_info(piece->id);
		if (lf->names[piece->id].kind == LF_LINK)
			return lf_link_property(piece->id, word, number, size);
		dev = named_device(piece->id);
	} else {
		dev = c->frame.self;
	}
	if (!dev)
		return NULL;
	if (!strcmp(word, "tag"))
		return lf_tag_of(dev);
	if (!strcmp(word, "parent"))
		return dev->parent ? dev_name(dev->parent) : "NULL";
	if (!strcmp(word, "driver"))
		return dev->driver ? dev->driver->name : "NULL";
	if (!strcmp(word, "driver_set"))
		return set_or_null(dev->driver);
	if (!strcmp(word, "drvdata"))
		return set_or_null(dev_get_drvdata(dev));
	if (!strcmp(word, "ref"))
		snprintf(number, size, "%u", kref_read(&dev->kobj.kref));
	else if (!strcmp(word, "registered"))
		snprintf(number, size, "%d", device_is_registered(dev));
	else if (!strcmp(word, "sd"))
		snprintf(number, size, "%d", !!dev->kobj.sd);
	else
		return dev_name(dev);
	return number;
}

bool lf_text(struct lf_call *c, const struct lf_arg *arg, char *to, size_t size, long *absent)
{
	const struct lf_piece *piece;
	char number[24];

	*to = 0;
	for (piece = arg->text; piece; piece = piece->next) {
		const char *text = piece->text;

		switch (piece->type) {
		case LF_PLAIN:
			break;
		case LF_FILL_NUMBER:
			*absent = piece->id;
			if (!lf->names[piece->id].there)
				return false;
			snprintf(number, sizeof(number), "%ld", lf->names[piece->id].number);
			text = number;
			break;
		case LF_FILL_PROPERTY:
			*absent = piece->id < 0 ? 0 : piece->id;
			text = property(c, piece, number, sizeof(number));
			if (!text)
				return false;
			break;
		case LF_FILL_FAIL_NTH:
#ifdef CONFIG_FAULT_INJECTION
			snprintf(number, sizeof(number), "%u", current->fail_nth);
#else
			strscpy(number, "0", sizeof(number));
#endif
			text = number;
			break;
		}
		strlcat(to, text, size);
	}
	return true;
}

/* The body that a keyword names, or -1. */
int lf_hook(const struct lf_line *line, int keyword)
{
	return line->keyword[keyword].type == LF_NAME ? line->keyword[keyword].n : -1;
}

/* Runs a hook; without one, 0. */
long lf_call_hook(int body)
{
	return body < 0 ? 0 : lf_body(body, NULL);
}

/* Actions that are built in. */
static void act(void *word) { lf_line("devm-action %s", (char *)word); }
static void act_b(void *word) { lf_line("devm-action(b) %s", (char *)word); }
static void kact(void *word) { lf_line("kunit-action %s", (char *)word); }
static void dact(void *word) { lf_line("drmm-action %s", (char *)word); }

static void act_state(void *data)
{
	struct device *dev = data;

	lf_line("devm-action STATE(%s): dev->driver=%s drvdata=%s registered=%d ref=%u",
		lf_tag_of(dev), dev->driver ? dev->driver->name : "NULL",
		set_or_null(dev_get_drvdata(dev)), device_is_registered(dev),
		kref_read(&dev->kobj.kref));
}

static void act_put(void *data)
{
	struct device *dev = data;

	lf_line("devm-action PUT(%s) enter ref=%u", lf_tag_of(dev), kref_read(&dev->kobj.kref));
	put_device(dev);
	lf_line("devm-action PUT leave");
}

static void act_unregister(void *data)
{
	struct device *dev = data;

	lf_line("devm-action UNREGISTER(%s) enter", lf_tag_of(dev));
	device_unregister(dev);
	lf_line("devm-action UNREGISTER leave");
}

/*
 * An action is told from another by its function, so each action body of a scenario
 * has one of its own: there is a row of them, handed out as bodies are first used.
 */
#define TRAMPOLINE(n) static void body_##n(void *data) { lf_body(lf->bodies[0##n], NULL); }
#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define ALL(X) EIGHT(X, 0) EIGHT(X, 1) EIGHT(X, 2) EIGHT(X, 3) EIGHT(X, 4) EIGHT(X, 5)
ALL(TRAMPOLINE)
#define ENTRY(n) body_##n,
static void (*const body_actions[LF_TRAMPOLINES])(void *) = { ALL(ENTRY) };

static void (*body_action(int body))(void *)
{
	int i;

	for (i = 0; i < lf->trampolines; i++)
		if (lf->bodies[i] == body)
			return body_actions[i];
	if (i == LF_TRAMPOLINES)
		return NULL;
	lf->bodies[lf->trampolines++] = body;
	return body_actions[i];
}

/* An action and its data; LF_DONE when both are there. */
struct lf_out lf_action(struct lf_call *c, int at, void (**act_)(void *), void **data)
{
	static const struct { const char *word; void (*act)(void *); bool device; } known[] = {
		{ "act", act }, { "act_b", act_b }, { "kact", kact }, { "dact", dact },
		{ "act_state", act_state, true }, { "act_put", act_put, true },
		{ "act_unregister", act_unregister, true },
	};
	const struct lf_arg *arg = &c->line->arg[at], *with = &c->line->arg[at + 1];
	int i;

	*data = with->type == LF_WORD ? (void *)with->word : NULL;
	if (arg->type == LF_ACTION_BODY) {
		*act_ = body_action(arg->n);
		if (!*act_) {
			lf_line("note: more action bodies than this module has functions for");
			return lf_absent(arg->n);
		}
		return lf_done();
	}
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].word, arg->word))
			continue;
		*act_ = known[i].act;
		if (known[i].device) {
			struct device *dev;

			LF_DEVICE_ARG(c, with, dev);
			*data = dev;
		}
		return lf_done();
	}
	return lf_absent(0);
}
