// SPDX-License-Identifier: GPL-2.0
/* Character devices, open files, threads that read, sysfs. */
#include "lastfd.h"

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

/* An argument that points nowhere. */
#define NOWHERE ((unsigned long)-4096L)
/* What would last for ever is ended after this long. */
#define LONGEST_CALL (3600 * HZ)

struct fops {
	struct file_operations fops;
	int open, read, write, ioctl, release;
};

static const struct fops *fops_of(struct file *file)
{
	return container_of(file->f_op, struct fops, fops);
}

static int fops_open(struct inode *inode, struct file *file)
{
	long rc = lf_call_hook(fops_of(file)->open);

	return rc < 0 ? rc : 0;
}

static int fops_release(struct inode *inode, struct file *file)
{
	lf_call_hook(fops_of(file)->release);
	return 0;
}

static ssize_t fops_read(struct file *file, char __user *to, size_t n, loff_t *at)
{
	long rc = lf_call_hook(fops_of(file)->read);

	return min_t(long, rc, n);
}

static ssize_t fops_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	long rc = lf_call_hook(fops_of(file)->write);

	return min_t(long, rc, n);
}

static long fops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return lf_call_hook(fops_of(file)->ioctl);
}

static struct lf_out op_file_operations(struct lf_call *c)
{
	const struct lf_line *l = c->line;
	struct fops *fops = lf_alloc(sizeof(*fops));

	fops->open = lf_hook(l, 0);
	fops->read = lf_hook(l, 1);
	fops->write = lf_hook(l, 2);
	fops->ioctl = lf_hook(l, 3);
	fops->release = lf_hook(l, 4);
	fops->fops.open = fops_open;
	fops->fops.release = fops_release;
	if (fops->read >= 0)
		fops->fops.read = fops_read;
	if (fops->write >= 0)
		fops->fops.write = fops_write;
	if (fops->ioctl >= 0)
		fops->fops.unlocked_ioctl = fops_ioctl;
	lf_set(l->arg[0].n, fops);
	return lf_done();
}

static struct lf_out op_cdev_init(struct lf_call *c)
{
	struct cdev *cdev = lf_alloc(sizeof(*cdev));
	struct fops *fops;

	LF_GET(c, 1, fops);
	cdev_init(cdev, &fops->fops);
	lf_set(c->line->arg[0].n, cdev);
	return lf_done();
}

static bool devt_left(void *p)
{
	return *(dev_t *)p;
}

static struct lf_out op_alloc_chrdev_region(struct lf_call *c)
{
	dev_t *devt = lf_alloc(sizeof(*devt));
	char name[128];
	int rc;

	LF_TEXT_ARG(c, &c->line->arg[1], name);
	rc = alloc_chrdev_region(devt, 0, 1, lf_word(name));
	if (!rc) {
		lf_own("a range of device numbers", devt, devt_left);
		lf_set(c->line->arg[0].n, devt);
	}
	return lf_rc(rc);
}

static struct lf_out op_unregister_chrdev_region(struct lf_call *c)
{
	dev_t *devt;

	LF_GET(c, 0, devt);
	unregister_chrdev_region(*devt, 1);
	*devt = 0;
	return lf_done();
}

static struct lf_out op_cdev_device_add(struct lf_call *c)
{
	struct device *dev;
	struct cdev *cdev;

	LF_GET(c, 0, cdev);
	LF_DEV(c, 1, dev);
	return lf_rc(cdev_device_add(cdev, dev));
}

static struct lf_out op_cdev_device_del(struct lf_call *c)
{
	struct device *dev;
	struct cdev *cdev;

	LF_GET(c, 0, cdev);
	LF_DEV(c, 1, dev);
	cdev_device_del(cdev, dev);
	return lf_done();
}

struct open_file {
	struct file *file;
	const char *path;
};

static bool file_left(void *p)
{
	return ((struct open_file *)p)->file;
}

static struct lf_out op_open(struct lf_call *c)
{
	struct open_file *open = lf_alloc(sizeof(*open));
	struct file *file;
	char path[128];

	LF_TEXT_ARG(c, &c->line->arg[0], path);
	file = filp_open(path, c->line->arg[1].n, 0);
	if (IS_ERR(file))
		return lf_or_err(file);
	open->file = file;
	lf_own("an open file", open, file_left);
	return lf_ok(open);
}

static struct lf_out op_close(struct lf_call *c)
{
	struct open_file *open;

	LF_GET(c, 0, open);
	lf_unset(c->line->arg[0].n);
	__fput_sync(open->file);
	open->file = NULL;
	return lf_done();
}

/* A thread that reads, or writes. */
struct thread {
	struct thread *next;
	struct task_struct *task;
	struct completion done;
	struct file *file;
	const char *name;	/* none: nothing is printed of it */
	const char *text;	/* what is written; none: it reads */
	size_t n;
	long rc;
};
static struct thread *threads;

static long transfer(struct file *file, const char *text, size_t n)
{
	loff_t at = 0;
	long rc;

	if (text) {
		if (!(file->f_mode & FMODE_WRITE))
			return -EBADF;
		if (!file->f_op->write)
			return -EINVAL;
		rc = file->f_op->write(file, (const char __user *)NOWHERE, n, &at);
	} else {
		if (!(file->f_mode & FMODE_READ))
			return -EBADF;
		if (!file->f_op->read)
			return -EINVAL;
		rc = file->f_op->read(file, (char __user *)NOWHERE, n, &at);
	}
	/* as it leaves the kernel */
	return rc == -ERESTARTSYS ? -EINTR : rc;
}

static int transfers(void *data)
{
	struct thread *thread = data;

	allow_signal(SIGINT);
	if (thread->name)
		lf_line("%s thread: read() starts", thread->name);
	thread->rc = transfer(thread->file, thread->text, thread->n);
	if (thread->name)
		lf_line("%s thread: read() returned %ld %s", thread->name, thread->rc,
			lf_errname(thread->rc));
	complete(&thread->done);
	return 0;
}

static bool start(struct thread *thread)
{
	init_completion(&thread->done);
	thread->task = kthread_create(transfers, thread, "lf-%s",
				      thread->name ? thread->name : "call");
	if (IS_ERR(thread->task))
		return false;
	get_task_struct(thread->task);
	wake_up_process(thread->task);
	return true;
}

/* Waits for a thread; a signal ends what would last for ever. */
static void end(struct thread *thread, long timeout)
{
	if (!wait_for_completion_timeout(&thread->done, timeout)) {
		send_sig(SIGINT, thread->task, 1);
		wait_for_completion(&thread->done);
	}
	put_task_struct(thread->task);
}

void lf_end_threads(void)
{
	struct thread *thread, *reversed = NULL;

	while (threads) {
		thread = threads;
		threads = thread->next;
		thread->next = reversed;
		reversed = thread;
	}
	for (thread = reversed; thread; thread = thread->next)
		end(thread, 1);
}

static struct lf_out transferred(struct open_file *open, const char *text, size_t n)
{
	struct thread thread = { .file = open->file, .text = text, .n = n };

	if (open->file->f_flags & O_NONBLOCK)
		return lf_rc(transfer(open->file, text, n));
	if (!start(&thread))
		return lf_rc(-EAGAIN);
	end(&thread, LONGEST_CALL);
	return lf_rc(thread.rc);
}

static struct lf_out op_read(struct lf_call *c)
{
	struct open_file *open;

	LF_GET(c, 0, open);
	return transferred(open, NULL, min(c->line->arg[1].n, 1L << 16));
}

static struct lf_out op_write(struct lf_call *c)
{
	struct open_file *open;
	char text[512];

	LF_GET(c, 0, open);
	LF_TEXT_ARG(c, &c->line->arg[1], text);
	return transferred(open, text, strlen(text));
}

static struct lf_out op_poll(struct lf_call *c)
{
	struct open_file *open;

	LF_GET(c, 0, open);
	return lf_rc((__force unsigned int)vfs_poll(open->file, NULL));
}

static struct lf_out op_ioctl(struct lf_call *c)
{
	struct open_file *open;

	LF_GET(c, 0, open);
	return lf_rc(vfs_ioctl(open->file, c->line->arg[1].n, NOWHERE));
}

static struct lf_out op_kthread_read(struct lf_call *c)
{
	struct thread *thread = lf_alloc(sizeof(*thread));
	struct open_file *open;

	LF_GET(c, 1, open);
	thread->name = lf->names[c->line->arg[0].n].text;
	thread->file = open->file;
	thread->n = min(c->line->arg[2].n, 1L << 16);
	if (start(thread)) {
		thread->next = threads;
		threads = thread;
		lf_set(c->line->arg[0].n, thread);
	}
	msleep(100);
	return lf_done();
}

static struct lf_out op_wait_for_completion_timeout(struct lf_call *c)
{
	struct thread *thread;
	long rc;

	LF_GET(c, 0, thread);
	rc = wait_for_completion_timeout(&thread->done, msecs_to_jiffies(c->line->arg[1].n));
	if (rc)
		complete(&thread->done); /* whoever asks again is answered the same */
	return lf_rc(rc ? 1 : 0);
}

/* The path of an attribute, from the device's directory; false when it has none. */
static bool attribute(struct device *dev, const char *name, char *to, size_t size)
{
	char *path = kobject_get_path(&dev->kobj, GFP_KERNEL);

	if (!path)
		return false;
	snprintf(to, size, "/sys%s/%s", path, name);
	kfree(path);
	return true;
}

/* Reads a file of sysfs, and prints what it says under this name. */
static struct lf_out read_file(const char *path, const char *name)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	char text[512];
	loff_t at = 0;
	long n;

	if (IS_ERR(file))
		return lf_rc(PTR_ERR(file));
	n = kernel_read(file, text, sizeof(text) - 1, &at);
	if (n >= 0) {
		text[n] = 0;
		lf_line("%s reads \"%s\"", name, strim(text));
	}
	__fput_sync(file);
	return lf_rc(n);
}

static struct lf_out write_file(struct file *file, const char *text)
{
	loff_t at = 0;
	long n;

	if (IS_ERR(file))
		return lf_rc(PTR_ERR(file));
	n = kernel_write(file, text, strlen(text), &at);
	__fput_sync(file);
	return lf_rc(n);
}

static struct lf_out op_sysfs_read(struct lf_call *c)
{
	char name[128], path[512];
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	if (!attribute(dev, name, path, sizeof(path)))
		return lf_rc(-ENOENT);
	return read_file(path, name);
}

static struct lf_out op_sysfs_write(struct lf_call *c)
{
	char name[128], path[512], text[512];
	struct device *dev;

	LF_DEV(c, 0, dev);
	LF_TEXT_ARG(c, &c->line->arg[1], name);
	LF_TEXT_ARG(c, &c->line->arg[2], text);
	if (!attribute(dev, name, path, sizeof(path)))
		return lf_rc(-ENOENT);
	return write_file(filp_open(path, O_WRONLY, 0), text);
}

static struct lf_out op_read_file(struct lf_call *c)
{
	char path[512];

	LF_TEXT_ARG(c, &c->line->arg[0], path);
	return read_file(path, path);
}

static struct lf_out op_write_file(struct lf_call *c)
{
	char path[512], text[512];
	struct file *file;

	LF_TEXT_ARG(c, &c->line->arg[0], path);
	file = filp_open(path, O_WRONLY, 0);
	if (IS_ERR(file))
		lf_line("open(%s) = %ld %s", path, PTR_ERR(file), lf_errname(PTR_ERR(file)));
	LF_TEXT_ARG(c, &c->line->arg[1], text);
	return write_file(file, text);
}

const struct lf_op lf_file_ops[] = {
	{ "file_operations", op_file_operations }, { "cdev_init", op_cdev_init },
	{ "alloc_chrdev_region", op_alloc_chrdev_region },
	{ "unregister_chrdev_region", op_unregister_chrdev_region },
	{ "cdev_device_add", op_cdev_device_add }, { "cdev_device_del", op_cdev_device_del },
	{ "open", op_open }, { "close", op_close }, { "read", op_read }, { "write", op_write },
	{ "poll", op_poll }, { "ioctl", op_ioctl }, { "kthread_read", op_kthread_read },
	{ "wait_for_completion_timeout", op_wait_for_completion_timeout },
	{ "sysfs_read", op_sysfs_read }, { "sysfs_write", op_sysfs_write },
	{ "read_file", op_read_file }, { "write_file", op_write_file },
	{ }
};
