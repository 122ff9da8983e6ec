// SPDX-License-Identifier: GPL-2.0
/*
 * Serves scenarios to whoever started this kernel, a User Mode Linux: they come on its
 * standard input and their traces go to its standard output, both through the host's
 * own calls, so that nothing of the kernel that is looked at is used for it.
 *
 *   in:   LENGTH "\n" and that many bytes, a compiled scenario (read.c)
 *   out:  "trace " LENGTH " " STATE "\n" and that many bytes, the trace
 *
 * STATE is "clean", or says why this kernel must not be used any longer. When the
 * input ends, the kernel halts. When it panics, what there is of the trace goes out
 * with the state "panic".
 */
#include "lastfd.h"

#include <linux/completion.h>
#include <linux/console.h>
#include <linux/ctype.h>
#include <linux/init_syscalls.h>
#include <linux/initrd.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/vmalloc.h>
#include <os.h>

#define IN 0
#define OUT 1
#define LOG 2
#define LONGEST (1 << 20)

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "lastfd."

static bool serve;
module_param(serve, bool, 0);
/* read by device_del(): managed resources stay until the last reference, as before 6.6 */
bool lastfd_pre66;
module_param_named(pre66, lastfd_pre66, bool, 0);

static bool take(char *to, size_t n)
{
	while (n) {
		int got = os_read_file(IN, to, n);

		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= got;
	}
	return true;
}

static void give(int to, const char *from, size_t n)
{
	while (n) {
		int gone = os_write_file(to, from, n);

		if (gone == -EINTR || gone == -EAGAIN)
			continue;
		if (gone <= 0)
			return;
		from += gone;
		n -= gone;
	}
}

/* A decimal number and the end of its line; negative when there is no more. */
static long take_length(void)
{
	long n = 0;
	char digit;

	while (take(&digit, 1)) {
		if (digit == '\n')
			return n;
		if (!isdigit(digit) || n > LONGEST)
			return -1;
		n = n * 10 + digit - '0';
	}
	return -1;
}

static void give_trace(const char *state)
{
	char head[160];

	snprintf(head, sizeof(head), "trace %zu %s\n", lf_trace_used, state);
	give(OUT, head, strlen(head));
	give(OUT, lf_trace, lf_trace_used);
}

static int panics(struct notifier_block *nb, unsigned long action, void *data)
{
	if (lf)
		give_trace("panic");
	return 0;
}
static struct notifier_block panic_nb = { .notifier_call = panics };

/*
 * The kernel's log goes to the standard error: UML's own console for that is gone once
 * the kernel is up. What is warned of while a scenario runs stands in its trace, too.
 */
static void logged(struct console *con, const char *text, unsigned int n)
{
	static const char *const signs[] = { "WARNING:", "BUG:", "refcount_t:", "kobject:" };
	int i;

	give(LOG, text, n);
	for (i = 0; lf && i < ARRAY_SIZE(signs); i++) {
		const char *at = strnstr(text, signs[i], n);

		if (at) {
			lf_log("%.*s", (int)(text + n - at) - 1, at);
			return;
		}
	}
}
static struct console log_console = {
	.name = "lastfd", .write = logged, .flags = CON_ENABLED, .index = -1,
};

static void run_one(char *text)
{
	struct lf_scenario scenario = { };
	const char *fault, *left;
	char state[120] = "clean";

	lf_trace_start();
	lf = &scenario;
	if (lf_read(text, &fault)) {
		snprintf(state, sizeof(state), "refused %s", fault);
	} else {
		lf_set(0, (void *)&platform_bus_type);
		lf_run();
		left = lf_left_behind();
		if (lf->refused && !left)
			snprintf(state, sizeof(state), "refused %s", lf->refused);
		else if (left)
			snprintf(state, sizeof(state), "left %s", left);
		else if (lf_trace_full)
			strscpy(state, "full", sizeof(state));
	}
	lf_forget_notifiers();
	lf_fail_nth_resume(0);
	give_trace(state);
	/* what is left behind may still use its memory */
	if (!strncmp(state, "clean", 5) || !strncmp(state, "refused", 7))
		lf_free_all();
	lf = NULL;
}

static int serving(void *done)
{
	static struct notifier_block platform_nb = { .notifier_call = lf_notify };
	char *text = vmalloc(LONGEST + 1);
	long n;

	lf_trace = vmalloc(LF_TRACE_SIZE);
	if (!text || !lf_trace)
		panic("lastfd: no memory for scenarios");
	bus_register_notifier(&platform_bus_type, &platform_nb);
	give(OUT, "ready\n", 6);
	while ((n = take_length()) >= 0 && n <= LONGEST && take(text, n)) {
		text[n] = 0;
		run_one(text);
	}
	complete(done);
	return 0;
}

static int __init lastfd_init(void)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct task_struct *task;

	if (!serve)
		return 0;
	wait_for_initramfs();
	init_mkdir("/dev", 0755);
	init_mkdir("/sys", 0755);
	if (init_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) ||
	    init_mount("sysfs", "/sys", "sysfs", 0, NULL))
		panic("lastfd: failed to mount /dev and /sys");
	atomic_notifier_chain_register(&panic_notifier_list, &panic_nb);
	register_console(&log_console);
	task = kthread_run(serving, &done, "lastfd");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&done);
	kernel_halt();
	return 0;
}
late_initcall_sync(lastfd_init);
