/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lastfd: the scenario language inside a kernel. What the parts share.
 *
 * A scenario comes compiled (read.c), is run (run.c) with what its statements call
 * (core.c, driver.c, devres.c, files.c, iio.c, drm.c, media.c, test.c), and its trace
 * is kept in a buffer (trace.c) until it is over (serve.c).
 */
#ifndef LASTFD_H
#define LASTFD_H

#define pr_fmt(fmt) "lastfd: " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>
#include <kunit/test.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define LF_DRIVER_CONST const
#else
#define LF_DRIVER_CONST
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define LF_UEVENT_CONST const
#else
#define LF_UEVENT_CONST
#endif

#define LF_ARGS		5
#define LF_KEYWORDS	6

/* What a name may stand for, as crates/scenario spells it in the compiled form. */
enum lf_kind {
	LF_DEVICE, LF_BUS, LF_DRIVER, LF_CLASS, LF_DEVT, LF_CDEV, LF_FOPS, LF_IIO_OPS,
	LF_FILE, LF_THREAD, LF_MEMORY, LF_DEVRES, LF_FOUND, LF_GROUP, LF_NUMBER, LF_BODY,
	LF_IIO, LF_IIO_CHANNEL, LF_DRM, LF_DRM_DRIVER, LF_DRM_BRIDGE, LF_DRM_ENCODER,
	LF_V4L2, LF_VIDEO, LF_CEC, LF_CEC_OPS, LF_LINK,
};

/* One piece of a text: as it stands, or to be filled in. */
struct lf_piece {
	struct lf_piece *next;
	enum { LF_PLAIN, LF_FILL_NUMBER, LF_FILL_PROPERTY, LF_FILL_FAIL_NTH } type;
	const char *text;	/* plain text, or the property's word */
	int id;			/* the name, or -1 for self */
};

struct lf_arg {
	enum {
		LF_NONE, LF_NAME, LF_SELF, LF_WORD, LF_TEXT, LF_INT, LF_NULL, LF_ANY,
		LF_ACTION, LF_ACTION_BODY,
	} type;
	long n;			/* a number, or the name's index */
	const char *word;	/* interned: the same word is the same address */
	struct lf_piece *text;
};

struct lf_call;

/* What a statement came to. */
enum lf_flow {
	LF_DONE, LF_RC, LF_OK, LF_OK_UNNAMED, LF_NULL_POINTER, LF_ERR,
	LF_NEXT, LF_RETURN, LF_ABORT, LF_ABSENT,
};

struct lf_out {
	enum lf_flow flow;
	long n;			/* an int, an error, or the name that is absent */
	void *p;		/* what the result's name stands for from here on */
};

struct lf_op {
	const char *word;
	struct lf_out (*call)(struct lf_call *c);
};

struct lf_line {
	const struct lf_op *op;
	char form;		/* q quiet, s step, d do, t try */
	int result;		/* a name, or -1 */
	const char *text;	/* the call, for the trace */
	struct lf_arg arg[LF_ARGS];
	struct lf_arg keyword[LF_KEYWORDS];
};

struct lf_body {
	struct lf_line *lines;
	int count;
	long runs;
};

/* What is known of a device: who saw it, and whether it is still there. */
struct lf_life {
	struct lf_life *next;		/* latest first */
	struct device *dev;
	const char *tag;		/* none until it is tracked */
	void (*release)(struct device *dev);
	bool released;
};

struct lf_name {
	const char *text;
	enum lf_kind kind;
	struct lf_body *body;
	void *value;			/* what it stands for, if it is there */
	long number;
	bool there;
	long probe_returns;		/* of a driver */
};

#define LF_TRAMPOLINES 48

struct lf_scenario {
	const char *name;
	const char *kunit_case;		/* NULL: a plain thread */
	struct lf_name *names;
	int count;
	struct lf_body main;
	struct lf_word *words;
	struct lf_memory *memory;	/* all that was allocated for this scenario */
	struct lf_life *lives;
	struct lf_owned *owned;		/* what must be gone at the end */
	int bodies[LF_TRAMPOLINES];	/* action bodies that have a function of their own */
	int trampolines;
	int step;
	int depth;
	long statements;
	struct kunit *test;
	const char *refused;		/* what this kernel has not got */
};

extern struct lf_scenario *lf;

struct lf_frame {
	struct device *self;
	int body;			/* -1 outside */
};

struct lf_call {
	const struct lf_line *line;
	struct lf_frame frame;
};

/* read.c */
int lf_read(char *text, const char **fault);
const char *lf_word(const char *text);

/* run.c */
void *lf_alloc(size_t size);
void lf_free_all(void);
void lf_run(void);
void lf_statements(void);
long lf_body(int id, struct device *self);
const struct lf_op *lf_find(const char *word);

/* text.c */
bool lf_text(struct lf_call *c, const struct lf_arg *arg, char *to, size_t size, long *absent);

/* trace.c */
#define LF_TRACE_SIZE (4 << 20)
extern char *lf_trace;
extern size_t lf_trace_used;
extern bool lf_trace_full;
void lf_raw(const char *fmt, ...) __printf(1, 2);
void lf_line(const char *fmt, ...) __printf(1, 2);
void lf_log(const char *fmt, ...) __printf(1, 2);
void lf_step(const char *text);
const char *lf_errname(long rc);
struct lf_life *lf_live(struct device *dev);
struct lf_life *lf_life_of(const struct device *dev);
struct lf_life *lf_tagged(const char *tag);
void lf_track(struct device *dev, const char *tag);
const char *lf_tag_of(const struct device *dev);
void lf_leftovers(void);
void lf_trace_start(void);
int lf_notify(struct notifier_block *nb, unsigned long action, void *data);
extern const struct device_type lf_type;

/* what must be gone when a scenario is over */
struct lf_owned {
	struct lf_owned *next;
	const char *what;
	void *p;
	bool (*left)(void *p);		/* whether it is still there */
};
void lf_own(const char *what, void *p, bool (*left)(void *p));
const char *lf_left_behind(void);

/* values */
static inline void lf_set(int id, void *value)
{
	lf->names[id].value = value;
	lf->names[id].there = true;
}

static inline void lf_set_number(int id, long n)
{
	lf->names[id].number = n;
	lf->names[id].there = true;
}

static inline void lf_unset(int id)
{
	lf->names[id].value = NULL;
	lf->names[id].there = false;
}

static inline struct lf_out lf_done(void) { return (struct lf_out){ LF_DONE }; }
static inline struct lf_out lf_rc(long n) { return (struct lf_out){ LF_RC, n }; }
static inline struct lf_out lf_next(void) { return (struct lf_out){ LF_NEXT }; }
static inline struct lf_out lf_absent(long id) { return (struct lf_out){ LF_ABSENT, id }; }
static inline struct lf_out lf_ok(void *p) { return (struct lf_out){ LF_OK, 0, p }; }
/* a pointer that is NULL or not */
static inline struct lf_out lf_or_null(void *p)
{
	return p ? lf_ok(p) : (struct lf_out){ LF_NULL_POINTER };
}
/* a pointer that may be an error */
static inline struct lf_out lf_or_err(void *p)
{
	return IS_ERR(p) ? (struct lf_out){ LF_ERR, PTR_ERR(p) } : lf_or_null(p);
}

/* operands; each of these ends the statement when what it needs is absent */
#define LF_GET(c, at, into)						\
	do {								\
		int id_ = (c)->line->arg[at].n;				\
		if (!lf->names[id_].there)				\
			return lf_absent(id_);				\
		(into) = lf->names[id_].value;				\
	} while (0)
#define LF_GET_KEYWORD(c, at, into)					\
	do {								\
		(into) = NULL;						\
		if ((c)->line->keyword[at].type == LF_NAME) {		\
			int id_ = (c)->line->keyword[at].n;		\
			if (!lf->names[id_].there)			\
				return lf_absent(id_);			\
			(into) = lf->names[id_].value;			\
		}							\
	} while (0)
#define LF_DEVICE_ARG(c, arg, into)					\
	do {								\
		long absent_;						\
		(into) = lf_device(c, arg, &absent_);			\
		if (!(into))						\
			return lf_absent(absent_);			\
	} while (0)
#define LF_DEV(c, at, into) LF_DEVICE_ARG(c, &(c)->line->arg[at], into)
#define LF_TEXT_ARG(c, arg, into)					\
	do {								\
		long absent_;						\
		if (!lf_text(c, arg, into, sizeof(into), &absent_))	\
			return lf_absent(absent_);			\
	} while (0)

struct device *lf_device(struct lf_call *c, const struct lf_arg *arg, long *absent);
int lf_hook(const struct lf_line *line, int keyword);
long lf_call_hook(int body);
/* allocations of our own are not those a scenario lets fail */
unsigned int lf_fail_nth_pause(void);
void lf_fail_nth_resume(unsigned int n);
/* an action as the kernel wants it: a function and what it is called with */
struct lf_out lf_action(struct lf_call *c, int at, void (**act)(void *), void **data);
void lf_settle(void);

/* statements, by what they are about */
extern const struct lf_op lf_core_ops[], lf_driver_ops[], lf_link_ops[], lf_devres_ops[], lf_file_ops[],
	lf_iio_ops[], lf_drm_ops[], lf_media_ops[], lf_test_ops[], lf_line_ops[];

/* links.c */
const char *lf_link_property(int id, const char *word, char *number, size_t size);
/* files.c */
void lf_end_threads(void);
/* drm.c */
bool lf_drm_count(int id, unsigned int *count);
const char *lf_bridge_late(int id);
/* media.c */
bool lf_v4l2_count(int id, unsigned int *count);
struct device *lf_video_device(void *value);
struct device *lf_cec_device(void *value);
/* iio.c */
struct device *lf_iio_device(void *value);
const char *lf_iio_info(int id);
/* devres.c */
const char *lf_found(int id, const char *property);
/* test.c */
void lf_run_case(void);
/* core.c */
void lf_forget_notifiers(void);
/* driver.c */
void *lf_kunit_driver(struct device_driver *drv, int id);
struct device_driver *lf_kunit_driver_of(void *value);
void lf_kunit_driver_ops(void *value, int probe, int remove);

#endif
