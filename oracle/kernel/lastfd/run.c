// SPDX-License-Identifier: GPL-2.0
/* Runs a scenario: statement after statement, and the bodies its callbacks run. */
#include "lastfd.h"

#include <linux/delay.h>
#include <linux/device/driver.h>
#include <linux/vmalloc.h>

/* Bodies deeper inside bodies than this are not run. */
#define DEEPEST 24
/* Statements after this many are not run. */
#define MOST_STATEMENTS 20000

struct lf_scenario *lf;

struct lf_memory {
	struct lf_memory *next;
	size_t used, size;
	char data[] __aligned(16);
};

unsigned int lf_fail_nth_pause(void)
{
#ifdef CONFIG_FAULT_INJECTION
	unsigned int n = current->fail_nth;

	current->fail_nth = 0;
	return n;
#else
	return 0;
#endif
}

void lf_fail_nth_resume(unsigned int n)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = n;
#endif
}

/* Memory that is zero and stays until the scenario is over. */
void *lf_alloc(size_t size)
{
	struct lf_memory *memory = lf->memory;
	void *p;

	size = ALIGN(size, 16);
	if (!memory || memory->size - memory->used < size) {
		size_t chunk = max_t(size_t, size, 32768);
		unsigned int n = lf_fail_nth_pause();

		memory = kvzalloc(sizeof(*memory) + chunk, GFP_KERNEL | __GFP_NOFAIL);
		lf_fail_nth_resume(n);
		memory->size = chunk;
		memory->next = lf->memory;
		lf->memory = memory;
	}
	p = memory->data + memory->used;
	memory->used += size;
	return p;
}

void lf_free_all(void)
{
	struct lf_memory *memory = lf->memory, *next;

	for (; memory; memory = next) {
		next = memory->next;
		kvfree(memory);
	}
	lf->memory = NULL;
}

static struct lf_out op_return(struct lf_call *c)
{
	const struct lf_arg *arg = &c->line->arg[0];

	if (arg->type == LF_NAME) {
		if (!lf->names[arg->n].there)
			return lf_absent(arg->n);
		return (struct lf_out){ LF_RETURN, lf->names[arg->n].number };
	}
	return (struct lf_out){ LF_RETURN, arg->n };
}

static struct lf_out op_return_nth(struct lf_call *c)
{
	const struct lf_arg *arg = &c->line->arg[1];

	if (c->frame.body < 0 || lf->names[c->frame.body].body->runs != c->line->arg[0].n)
		return lf_next();
	if (arg->type == LF_NAME) {
		if (!lf->names[arg->n].there)
			return lf_absent(arg->n);
		return (struct lf_out){ LF_RETURN, lf->names[arg->n].number };
	}
	return (struct lf_out){ LF_RETURN, arg->n };
}

static struct lf_out op_print(struct lf_call *c)
{
	char text[512];

	LF_TEXT_ARG(c, &c->line->arg[0], text);
	lf_line("%s", text);
	return lf_done();
}

static struct lf_out op_note(struct lf_call *c)
{
	char text[512];

	LF_TEXT_ARG(c, &c->line->arg[0], text);
	lf_line("note: %s", text);
	return lf_done();
}

static const char *tag(struct lf_call *c)
{
	const struct lf_arg *arg = &c->line->arg[0];

	return arg->type == LF_SELF ? lf_tag_of(c->frame.self) : lf->names[arg->n].text;
}

static struct lf_out op_ref(struct lf_call *c)
{
	const struct lf_arg *arg = &c->line->arg[0];
	struct lf_life *life;
	unsigned int count;

	if (arg->type == LF_NAME &&
	    (lf_drm_count(arg->n, &count) || lf_v4l2_count(arg->n, &count))) {
		if (count)
			lf_line("ref %s = %u", tag(c), count);
		else
			lf_line("ref %s = released", tag(c));
		return lf_done();
	}
	life = lf_tagged(tag(c));
	if (!life)
		lf_line("ref %s = untracked", tag(c));
	else if (life->released)
		lf_line("ref %s = released", tag(c));
	else
		lf_line("ref %s = %u", tag(c), kref_read(&life->dev->kobj.kref));
	return lf_done();
}

static struct lf_out op_bound(struct lf_call *c)
{
	struct lf_life *life = lf_tagged(tag(c));

	if (!life || life->released)
		lf_line("bound %s = (released)", tag(c));
	else
		lf_line("bound %s = %s drvdata=%s registered=%d", tag(c),
			life->dev->driver ? life->dev->driver->name : "none",
			dev_get_drvdata(life->dev) ? "set" : "NULL",
			device_is_registered(life->dev));
	return lf_done();
}

static struct lf_out op_track(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	lf_track(dev, tag(c));
	return lf_done();
}

static struct lf_out op_fail_nth(struct lf_call *c)
{
	lf_fail_nth_resume(c->line->arg[0].n);
	return lf_done();
}

/* Time travels: a sleep takes none, and lets all that is ready run. */
void lf_settle(void)
{
	wait_for_device_probe();
	msleep(120);
}

static struct lf_out op_settle(struct lf_call *c)
{
	lf_settle();
	return lf_done();
}

static struct lf_out op_msleep(struct lf_call *c)
{
	msleep(c->line->arg[0].n);
	return lf_done();
}

static struct lf_out op_probe_returns(struct lf_call *c)
{
	const struct lf_arg *arg = &c->line->arg[1];

	if (arg->type == LF_NAME && !lf->names[arg->n].there)
		return lf_absent(arg->n);
	lf->names[c->line->arg[0].n].probe_returns =
		arg->type == LF_NAME ? lf->names[arg->n].number : arg->n;
	return lf_done();
}

const struct lf_op lf_line_ops[] = {
	{ "return", op_return }, { "return_nth", op_return_nth },
	{ "print", op_print }, { "note", op_note }, { "ref", op_ref }, { "bound", op_bound },
	{ "track", op_track }, { "fail_nth", op_fail_nth }, { "settle", op_settle },
	{ "msleep", op_msleep }, { "probe_returns", op_probe_returns },
	{ }
};

const struct lf_op *lf_find(const char *word)
{
	static const struct lf_op *const tables[] = {
		lf_line_ops, lf_core_ops, lf_driver_ops, lf_link_ops, lf_devres_ops, lf_file_ops,
		lf_iio_ops, lf_drm_ops, lf_media_ops, lf_test_ops,
	};
	const struct lf_op *op;
	int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (op = tables[i]; op->word; op++)
			if (!strcmp(op->word, word))
				return op;
	return NULL;
}

/* What a step prints of a result. */
static void print_result(struct lf_out out)
{
	switch (out.flow) {
	case LF_RC:
		lf_raw("< rc=%ld %s", out.n, lf_errname(out.n));
		break;
	case LF_OK:
	case LF_OK_UNNAMED:
		lf_raw("< ok");
		break;
	case LF_NULL_POINTER:
		lf_raw("< NULL");
		break;
	case LF_ERR:
		lf_raw("< err %ld %s", out.n, lf_errname(out.n));
		break;
	default:
		lf_raw("< done");
	}
}

/* LF_NEXT, LF_RETURN or LF_ABORT. */
static struct lf_out statement(const struct lf_line *line, struct lf_frame frame)
{
	struct lf_call call = { line, frame };
	bool step = line->form == 's' || line->form == 'd';
	struct lf_out out;

	if (lf->statements++ >= MOST_STATEMENTS) {
		if (lf->statements == MOST_STATEMENTS + 1)
			lf_line("note: too many statements, the rest is not run");
		return lf_next();
	}
	if (step)
		lf_step(line->text);
	out = line->op->call(&call);
	switch (out.flow) {
	case LF_NEXT:
	case LF_RETURN:
	case LF_ABORT:
		return out;
	case LF_ABSENT:
		lf_line("note: skipped, there is no %s", lf->names[out.n].text);
		if (step)
			lf_raw("< skipped");
		return lf_next();
	default:
		break;
	}
	if (line->form == 's')
		print_result(out);
	else if (line->form == 'd')
		lf_raw("< done");
	else if (line->form == 't' && out.flow == LF_RC && out.n < 0)
		return (struct lf_out){ LF_RETURN, out.n };
	if (line->result >= 0) {
		if (out.flow == LF_OK)
			lf_set(line->result, out.p);
		else if (out.flow == LF_RC)
			lf_set_number(line->result, out.n);
		else
			lf_unset(line->result);
	}
	return lf_next();
}

/* Runs a body and gives what it returns. */
long lf_body(int id, struct device *self)
{
	struct lf_body *body = lf->names[id].body;
	struct lf_frame frame = { self, id };
	struct lf_out out = { LF_NEXT };
	long value = 0;
	int i;

	if (lf->depth >= DEEPEST) {
		lf_line("note: %s is not run: bodies are too deep", lf->names[id].text);
		return 0;
	}
	lf->depth++;
	body->runs++;
	for (i = 0; i < body->count && out.flow == LF_NEXT; i++)
		out = statement(&body->lines[i], frame);
	if (out.flow == LF_RETURN)
		value = out.n;
	lf->depth--;
	return value;
}

/* The scenario's own statements. */
void lf_statements(void)
{
	struct lf_frame frame = { NULL, -1 };
	int i;

	for (i = 0; i < lf->main.count; i++)
		if (statement(&lf->main.lines[i], frame).flow == LF_ABORT) {
			if (lf->test)
				kunit_set_failure(lf->test);
			return;
		}
}

void lf_run(void)
{
	if (lf->kunit_case) {
		lf_run_case();
		lf_settle();
		return;
	}
	lf_raw("BEGIN");
	lf_statements();
	lf_settle();
	lf_end_threads();
	lf_leftovers();
	lf_raw("END");
}
