// SPDX-License-Identifier: GPL-2.0
/* A scenario as the body of a KUnit case, and what a case manages. */
#include "lastfd.h"

#include <kunit/resource.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#include <kunit/device.h>
#endif

static void resource_free(struct kunit_resource *resource)
{
	lf_line("kunit-resource-free %s", (char *)resource->data);
}

static struct lf_out op_add_resource(struct lf_call *c)
{
	struct kunit_resource *resource = lf_alloc(sizeof(*resource));

	return lf_rc(kunit_add_resource(lf->test, NULL, resource_free, resource,
					(void *)c->line->arg[0].word));
}

static struct lf_out op_add_named_resource(struct lf_call *c)
{
	struct kunit_resource *resource = lf_alloc(sizeof(*resource));
	char name[64];

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	return lf_rc(kunit_add_named_resource(lf->test, NULL, resource_free, resource,
					      lf_word(name), (void *)c->line->arg[1].word));
}

static struct lf_out op_destroy_named_resource(struct lf_call *c)
{
	char name[64];

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	return lf_rc(kunit_destroy_named_resource(lf->test, name));
}

static struct lf_out op_kzalloc(struct lf_call *c)
{
	if (!kunit_kzalloc(lf->test, min(c->line->arg[0].n, 1L << 20), GFP_KERNEL))
		return lf_or_null(NULL);
	return (struct lf_out){ LF_OK_UNNAMED };
}

static struct lf_out op_assert_eq(struct lf_call *c)
{
	long value[2];
	int i;

	for (i = 0; i < 2; i++) {
		const struct lf_arg *arg = &c->line->arg[i];

		if (arg->type == LF_NAME && !lf->names[arg->n].there)
			return lf_absent(arg->n);
		value[i] = arg->type == LF_NAME ? lf->names[arg->n].number : arg->n;
	}
	if (value[0] == value[1])
		return lf_next();
	lf_log("ASSERTION FAILED: %ld is not %ld", value[0], value[1]);
	return (struct lf_out){ LF_ABORT };
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define ACTION_CALL(name, call)				\
static struct lf_out op_##name(struct lf_call *c)	\
{							\
	void (*act)(void *), *data;			\
	struct lf_out out;				\
							\
	out = lf_action(c, 0, &act, &data);		\
	return out.flow == LF_DONE ? call : out;	\
}
#define DONE(call) ({ call; lf_done(); })
ACTION_CALL(add_action, lf_rc(kunit_add_action(lf->test, act, data)))
ACTION_CALL(add_action_or_reset, lf_rc(kunit_add_action_or_reset(lf->test, act, data)))
ACTION_CALL(remove_action, DONE(kunit_remove_action(lf->test, act, data)))
ACTION_CALL(release_action, DONE(kunit_release_action(lf->test, act, data)))
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
static struct lf_out op_driver_create(struct lf_call *c)
{
	struct device_driver *drv;
	char name[64];

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	drv = kunit_driver_create(lf->test, lf_word(name));
	return lf_or_err(IS_ERR(drv) ? (void *)drv : lf_kunit_driver(drv, c->line->result));
}

static struct lf_out op_driver_ops(struct lf_call *c)
{
	void *driver;

	LF_GET(c, 0, driver);
	lf_kunit_driver_ops(driver, lf_hook(c->line, 0), lf_hook(c->line, 1));
	return lf_done();
}

static struct lf_out op_device_register(struct lf_call *c)
{
	struct device *dev;
	char name[64];

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	dev = kunit_device_register(lf->test, lf_word(name));
	if (IS_ERR(dev))
		return lf_or_err(dev);
	return lf_ok(lf_live(dev));
}

static struct lf_out op_device_register_with_driver(struct lf_call *c)
{
	struct device *dev;
	char name[64];
	void *driver;

	LF_TEXT_ARG(c, &c->line->arg[0], name);
	LF_GET(c, 1, driver);
	dev = kunit_device_register_with_driver(lf->test, lf_word(name), lf_kunit_driver_of(driver));
	if (IS_ERR(dev))
		return lf_or_err(dev);
	return lf_ok(lf_live(dev));
}

static struct lf_out op_device_unregister(struct lf_call *c)
{
	struct device *dev;

	LF_DEV(c, 0, dev);
	kunit_device_unregister(lf->test, dev);
	return lf_done();
}
#endif

/* KUnit's bus, which a driver of it leads to. */
static const struct bus_type *kunit_bus;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
static void finds_bus(struct kunit *test)
{
	struct device_driver *drv = kunit_driver_create(test, "lastfd");

	if (!IS_ERR(drv))
		kunit_bus = drv->bus;
}

static void find_bus(void)
{
	static struct kunit_case cases[] = { KUNIT_CASE(finds_bus), { } };
	static struct kunit_suite suite = { .name = "lastfd-bus", .test_cases = cases };

	if (!kunit_bus)
		kunit_run_tests(&suite);
}
#else
static void find_bus(void) { }
#endif

static int case_init(struct kunit *test)
{
	lf->test = test;
	if (kunit_bus)
		lf_set(1, (void *)kunit_bus);
	lf_raw("BEGIN suite.init");
	return 0;
}

static void case_body(struct kunit *test)
{
	lf_statements();
}

static void case_exit(struct kunit *test)
{
	lf_step("suite.exit called");
	lf_end_threads();
}

void lf_run_case(void)
{
	struct kunit_case *cases = lf_alloc(2 * sizeof(*cases));
	struct kunit_suite *suite = lf_alloc(sizeof(*suite));

	find_bus();
	cases[0].run_case = case_body;
	cases[0].name = lf->kunit_case;
	strscpy((char *)suite->name, "lastfd", sizeof(suite->name));
	suite->init = case_init;
	suite->exit = case_exit;
	suite->test_cases = cases;
	kunit_run_tests(suite);
	lf_log("    %s 1 %s", cases[0].status == KUNIT_SUCCESS ? "ok" : "not ok", cases[0].name);
	lf->test = NULL;
}

const struct lf_op lf_test_ops[] = {
	{ "kunit_add_resource", op_add_resource },
	{ "kunit_add_named_resource", op_add_named_resource },
	{ "kunit_destroy_named_resource", op_destroy_named_resource },
	{ "kunit_kzalloc", op_kzalloc }, { "kunit_assert_eq", op_assert_eq },
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	{ "kunit_add_action", op_add_action },
	{ "kunit_add_action_or_reset", op_add_action_or_reset },
	{ "kunit_remove_action", op_remove_action },
	{ "kunit_release_action", op_release_action },
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	{ "kunit_driver_create", op_driver_create }, { "kunit_driver_ops", op_driver_ops },
	{ "kunit_device_register", op_device_register },
	{ "kunit_device_register_with_driver", op_device_register_with_driver },
	{ "kunit_device_unregister", op_device_unregister },
#endif
	{ }
};
