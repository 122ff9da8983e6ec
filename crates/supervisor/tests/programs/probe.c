/* What tests ask of an unmodified program. Each subcommand prints lines and ends.
 * A line on its input says when to go on; alarm() is the bound of every wait. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <time.h>
#include <unistd.h>

#define ANSWER 0x5600 /* gives 42 */
#define TAKE 0x5601   /* takes a number, waiting for one */
#define CHILD 0x5602  /* a descriptor of its own */

static const char *NODE = "/dev/gadget";

static const char *name(int r) {
    static char text[64];
    if (r >= 0) snprintf(text, sizeof text, "%d", r);
    else snprintf(text, sizeof text, "%s", strerrorname_np(errno) ? strerrorname_np(errno) : "?");
    return text;
}
static void say(const char *what, int r) { printf("%s %s\n", what, name(r)); fflush(stdout); }
static void next(void) { char line[8]; if (!fgets(line, sizeof line, stdin)) exit(9); }
static int node(int flags) { int fd = open(NODE, flags); if (fd < 0) { say("open", fd); exit(2); } return fd; }
static void handler(int s) { (void)s; }
static volatile sig_atomic_t handled;
static void counted(int s) { (void)s; handled++; }
static void on(int sig, void (*f)(int), int flags) {
    struct sigaction a = { .sa_handler = f, .sa_flags = flags };
    sigaction(sig, &a, NULL);
}

static void send_fd(int s, int fd) {
    char c = 0; struct iovec v = { &c, 1 };
    union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u;
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    sendmsg(s, &m, 0);
}
static int recv_fd(int s) {
    char c; struct iovec v = { &c, 1 };
    union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u;
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
    if (recvmsg(s, &m, 0) <= 0) return -1;
    int fd; memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static int calls(void) {
    int fd = node(O_RDWR);
    struct stat st; int r = fstat(fd, &st);
    printf("fstat %s %o %u:%u nlink %u\n", name(r), st.st_mode, major(st.st_rdev), minor(st.st_rdev), (unsigned)st.st_nlink);
    r = stat(NODE, &st);
    printf("stat %s %o %u:%u\n", name(r), st.st_mode, major(st.st_rdev), minor(st.st_rdev));
    printf("reserved %d\n", fd >= 48);
    printf("getfl %#x\n", fcntl(fd, F_GETFL));
    int v = 0; r = ioctl(fd, ANSWER, &v); printf("ioctl %s %d\n", name(r), v);
    say("ioctl null", ioctl(fd, ANSWER, NULL));
    say("ioctl unknown", ioctl(fd, 0x56ff, &v));
    say("write", write(fd, "abc", 3));
    char b[8]; struct iovec part = { b, 4 };
    say("readv", readv(fd, &part, 1));
    say("setfl", fcntl(fd, F_SETFL, O_NONBLOCK));
    say("read nothing", read(fd, b, 8));
    char *volatile null = NULL; say("read null", (write(fd, "z", 1), read(fd, null, 1)));
    say("lseek", lseek(fd, 0, SEEK_CUR));
    say("ftruncate", ftruncate(fd, 0));
    int d = dup(fd), e = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    printf("dups reserved %d %d cloexec %d\n", d >= 48, e >= 48, fcntl(e, F_GETFD));
    v = 0; r = ioctl(d, ANSWER, &v); printf("dup ioctl %s %d\n", name(r), v);
    char path[64], link[64]; snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    r = readlink(path, link, sizeof link - 1); link[r > 0 ? r : 0] = 0; printf("readlink %s\n", link);
    say("reopen", open(path, O_RDONLY) < 0 ? -1 : 0);
    say("child", ioctl(fd, CHILD, &v));
    printf("child reserved %d\n", v >= 48);
    say("child ioctl", ioctl(v, ANSWER, &r));
    say("access rw", access(NODE, R_OK | W_OK));
    say("access x", access(NODE, X_OK));
    say("opendir", open(NODE, O_RDONLY | O_DIRECTORY));
    say("excl", open(NODE, O_CREAT | O_EXCL | O_RDWR, 0600));
    say("nothing", open("/dev/nothing", O_RDONLY));
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192);
    if (m == MAP_FAILED) say("mmap", -1); else { printf("mmap %.5s\n", m); memcpy(m, "given", 5); }
    say("mmap bad", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096 * 99) == MAP_FAILED ? -1 : 0);
    return 0;
}

/* Reads and writes in parts; "sleeps" in the second, until something ends it. */
static int scattered(int sleeps) {
    int fd = node(sleeps ? O_RDWR : O_RDWR | O_NONBLOCK), closed = node(O_WRONLY); char b[8] = "........";
    struct iovec two[2] = { { b, 2 }, { b + 2, 4 } }, give[3] = { { "ab", 2 }, { NULL, 0 }, { "c", 1 } };
    struct iovec holes[2] = { { NULL, 0 }, { NULL, 0 } }, wrong[2] = { { b, 2 }, { (void *)8192, 2 } }, far[1] = { { (void *)~0ul, 2 } };
    if (sleeps) {
        on(SIGUSR1, counted, SA_RESTART);
        (void)!write(fd, "ab", 2); puts("ready"); fflush(stdout);
        int r = readv(fd, two, 2); printf("scattered %s %.3s handled %d\n", name(r), b, (int)handled);
        return 0;
    }
    say("writev", writev(fd, give, 3));
    int r = readv(fd, two, 2); printf("readv %s %.4s\n", name(r), b);
    say("pwritev", pwritev(fd, give, 3, 5));
    memset(b, '.', 8); r = preadv(fd, two, 2, 5); printf("preadv %s %.4s\n", name(r), b);
    say("negative", preadv(fd, two, 2, -1));
    say("pwritev2", pwritev2(fd, give, 3, -1, 0));
    memset(b, '.', 8); r = preadv2(fd, two, 2, -1, 0); printf("preadv2 %s %.4s\n", name(r), b);
    say("flag", preadv2(fd, two, 2, -1, RWF_NOWAIT));
    say("nothing", readv(fd, holes, 2));
    say("none", writev(fd, NULL, 0));
    say("many", readv(fd, two, 1025));
    say("far", readv(fd, far, 1));
    say("no parts", readv(fd, (void *)8192, 1));
    say("not for reading", readv(closed, (void *)8192, 1));
    (void)!write(fd, "def", 3); memset(b, '.', 8); r = readv(fd, wrong, 2); printf("half %s %.3s\n", name(r), b);
    holes[1] = two[1]; say("empty first", readv(fd, holes, 2)); /* the driver is asked for that, too */
    say("left", read(fd, b, 8));
    int a = open("/sys/class/misc/gadget/dev", O_RDONLY);
    memset(b, '.', 8); r = readv(a, two, 2); printf("attribute %s %.6s\n", name(r), b);
    say("attribute flag", preadv2(a, two, 2, 0, RWF_NOWAIT));
    say("attribute sync", preadv2(a, two, 2, 0, RWF_SYNC));
    return 0;
}

static int below(void) {
    int fd = node(O_RDWR), low = dup2(fd, 20), v = 0;
    close(fd);
    struct stat st; int r = fstat(low, &st);
    printf("fstat %s %s\n", name(r), S_ISCHR(st.st_mode) ? "chr" : "regular");
    r = ioctl(low, ANSWER, &v); printf("ioctl %s %d\n", name(r), v);
    struct pollfd p = { low, POLLIN | POLLOUT, 0 };
    r = poll(&p, 1, 0); printf("poll %s %#x\n", name(r), p.revents);
    fcntl(low, F_SETFL, O_NONBLOCK);
    char b; say("read", read(low, &b, 1));
    return 0;
}

static int hold(const char *how) {
    int fd = node(O_RDWR), pair[2]; char *m = NULL; pid_t child = 0; char c;
    int gate[2]; if (pipe(gate)) return 1;
    if (!strcmp(how, "dup")) { int d = dup(fd); close(fd); puts("held"); fflush(stdout); next(); close(d); }
    else if (!strcmp(how, "fork") || !strcmp(how, "kill")) {
        if (!(child = fork())) { close(gate[1]); (void)!read(gate[0], &c, 1); pause(); _exit(0); }
        close(fd); puts("held"); fflush(stdout); next();
        kill(child, SIGKILL); waitpid(child, NULL, 0);
    } else if (!strcmp(how, "exec")) {
        if (!(child = fork())) { execlp("sleep", "sleep", "60", NULL); _exit(1); }
        close(fd); puts("held"); fflush(stdout); next();
        kill(child, SIGKILL); waitpid(child, NULL, 0);
    } else if (!strcmp(how, "cloexec")) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (!(child = fork())) { close(gate[1]); (void)!read(gate[0], &c, 1); execlp("sleep", "sleep", "60", NULL); _exit(1); }
        close(fd); puts("held"); fflush(stdout); next();
        close(gate[1]);
        puts("dropped"); fflush(stdout); next();
        kill(child, SIGKILL); waitpid(child, NULL, 0);
        return 0;
    } else if (!strcmp(how, "socket")) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair); send_fd(pair[0], fd); close(fd);
        puts("held"); fflush(stdout); next(); close(pair[0]); close(pair[1]);
    } else if (!strcmp(how, "passed")) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        if (!(child = fork())) { close(fd); int got = recv_fd(pair[1]), v = 0; ioctl(got, ANSWER, &v); printf("passed %d\n", v); fflush(stdout); pause(); _exit(0); }
        send_fd(pair[0], fd); close(fd); close(pair[0]); close(pair[1]);
        next(); kill(child, SIGKILL); waitpid(child, NULL, 0);
    } else if (!strcmp(how, "close_range")) {
        dup(fd); puts("held"); fflush(stdout); next(); close_range(40, ~0U, 0);
    } else if (!strcmp(how, "mmap")) {
        m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); close(fd);
        if (m == MAP_FAILED) { say("mmap", -1); return 1; }
        puts("held"); fflush(stdout); next(); munmap(m, 4096);
    }
    puts("dropped"); fflush(stdout); next();
    return 0;
}

static void *waiter(void *how) {
    int fd = node(O_RDWR), v; char b; const char *h = how; int r = -1; unsigned mask = 0;
    int other[2]; if (pipe(other)) return NULL;
    if (!strcmp(h, "ioctl")) r = ioctl(fd, TAKE, &v);
    else if (!strcmp(h, "read")) r = read(fd, &b, 1);
    else if (!strcmp(h, "poll")) { struct pollfd p[2] = { { fd, POLLIN | POLLPRI, 0 }, { other[0], POLLIN, 0 } }; r = poll(p, 2, -1); mask = p[0].revents; }
    else if (!strcmp(h, "select")) { fd_set in, ex; FD_ZERO(&in); FD_ZERO(&ex); FD_SET(fd, &in); FD_SET(fd, &ex); FD_SET(other[0], &in); r = select(fd + 1, &in, NULL, &ex, NULL); mask = FD_ISSET(fd, &in) | FD_ISSET(fd, &ex) << 1; }
    else if (!strcmp(h, "epoll")) { int ep = epoll_create1(0); struct epoll_event e = { EPOLLIN | EPOLLPRI, { .u64 = 0x1122334455667788 } }, out = { 0 }; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e); r = epoll_wait(ep, &out, 1, -1); mask = out.events; if (out.data.u64 != 0x1122334455667788) mask = ~0U; }
    int saved = errno; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock); errno = saved; printf("%s %s %#x\n", h, name(r), mask); fflush(stdout); pthread_mutex_unlock(&lock);
    return NULL;
}
static int blocked(void) {
    static const char *hows[] = { "ioctl", "read", "poll", "select", "epoll" };
    pthread_t t[5]; for (int i = 0; i < 5; i++) pthread_create(&t[i], NULL, waiter, (void *)hows[i]);
    for (int i = 0; i < 5; i++) pthread_join(t[i], NULL);
    return 0;
}

static int events(void) {
    int fd = node(O_RDWR | O_NONBLOCK), ep = epoll_create1(0); char b;
    struct epoll_event e = { EPOLLIN | EPOLLOUT | EPOLLPRI, { .u64 = 7 } }, out[4];
    say("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    say("twice", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    for (;;) {
        char line[16]; if (!fgets(line, sizeof line, stdin) || line[0] == 'q') break;
        if (line[0] == 'r') { (void)!read(fd, &b, 1); }
        if (line[0] == 'm') { e.events = EPOLLIN; say("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e)); }
        if (line[0] == 'd') { say("del", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL)); say("del", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL)); continue; }
        int n = epoll_wait(ep, out, 4, line[0] == 'w' ? 5000 : 0); unsigned mask = 0;
        for (int i = 0; i < n; i++) mask |= out[i].events;
        printf("events %#x\n", mask); fflush(stdout);
    }
    return 0;
}

static void *ring(void *a) { syscall(SYS_io_uring_setup, 8, NULL); return a; }

static int signals(const char *how) {
    int fd = node(O_RDWR), v = -1; char b;
    int restart = strstr(how, "restart") ? SA_RESTART : 0;
    on(SIGUSR1, strstr(how, "ignore") ? SIG_IGN : counted, restart);
    puts("ready"); fflush(stdout);
    int r;
    if (strstr(how, "poll")) { struct pollfd p = { fd, POLLIN, 0 }; r = poll(&p, 1, 10000); }
    else if (strstr(how, "ioctl")) r = ioctl(fd, TAKE, &v);
    else r = read(fd, &b, 1);
    printf("%s %s handled %d\n", how, name(r), (int)handled);
    return 0;
}

static int late(const char *how) { /* a call that never sleeps, and a signal before anybody has it */
    int fd = node(O_RDWR), v = -1, sig; pthread_t t; sigset_t go; sigemptyset(&go); sigaddset(&go, SIGUSR2);
    sigprocmask(SIG_BLOCK, &go, NULL); on(SIGUSR1, counted, strstr(how, "restart") ? SA_RESTART : 0);
    printf("%d\n", getpid()); fflush(stdout); pthread_create(&t, NULL, ring, NULL); sigwait(&go, &sig);
    int r = strstr(how, "write") ? write(1, "", 0) : ioctl(fd, ANSWER, &v); printf("late %s %d handled %d\n", name(r), v, (int)handled); pthread_join(t, NULL);
    return 0;
}

static void *taker(void *a) {
    int fd = *(int *)a, v; long bad = 0;
    for (int i = 0; i < 400; i++) { int r = ioctl(fd, TAKE, &v); if (r < 0 && errno != EINTR) { if (errno > 500) bad += 1000; else break; } }
    return (void *)bad;
}
static int threads(void) { /* process-directed signals at two waiting threads: no errno 512 */
    int fd = node(O_RDWR); on(SIGUSR1, counted, 0);
    pthread_t t[2]; void *r[2]; sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1);
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, taker, &fd);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    puts("ready"); fflush(stdout);
    for (int i = 0; i < 2; i++) pthread_join(t[i], &r[i]);
    printf("leaked %ld handled %s\n", (long)r[0] + (long)r[1], handled > 0 ? "yes" : "no");
    return 0;
}

static int storm(int count) {
    int fd = node(O_RDWR), v, expected = 0; long interrupted = 0;
    on(SIGALRM, handler, 0);
    struct itimerval t = { { 0, 200 }, { 0, 200 } }; setitimer(ITIMER_REAL, &t, NULL);
    while (expected < count) {
        int r = ioctl(fd, TAKE, &v);
        if (r < 0) { if (errno == EINTR) { interrupted++; continue; } say("storm", r); return 1; }
        if (v != (expected & 0xff)) { printf("lost: got %d, wanted %d\n", v, expected & 0xff); return 1; }
        expected++;
    }
    memset(&t, 0, sizeof t); setitimer(ITIMER_REAL, &t, NULL);
    printf("storm %d in order, interrupted %s\n", expected, interrupted ? "yes" : "no");
    return 0;
}

static int watch(void) {
    int i = inotify_init1(0), w = inotify_add_watch(i, "/dev", IN_CREATE | IN_ATTRIB | IN_DELETE);
    say("watch", w); char b[4096] __attribute__((aligned(8)));
    for (int seen = 0; seen < 3;) {
        ssize_t n = read(i, b, sizeof b);
        for (char *p = b; p < b + n;) { struct inotify_event *e = (void *)p; p += sizeof *e + e->len;
            if (!strncmp(e->name, "misc-", 5)) { printf("%s%s %s\n", e->mask & IN_CREATE ? "create" : e->mask & IN_DELETE ? "delete" : "attrib", "", e->name); seen++; } }
        fflush(stdout);
    }
    return 0;
}

static int uevents(int group) {
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), yes = 1;
    struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = group }, from, own; socklen_t n = sizeof own;
    say("bind", bind(s, (void *)&a, sizeof a)); setsockopt(s, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes);
    say("name", getsockname(s, (void *)&own, &n)); printf("own groups %u pid %d\n", own.nl_groups, own.nl_pid == (unsigned)getpid());
    puts("ready"); fflush(stdout);
    for (int i = 0; i < 2; i++) {
        char b[8192]; struct iovec v = { b, sizeof b }; union { char b[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr h; } u;
        struct msghdr m = { &from, sizeof from, &v, 1, u.b, sizeof u.b, 0 };
        ssize_t r = recvmsg(s, &m, 0); if (r < 0) { say("recvmsg", r); return 1; }
        struct cmsghdr *h = CMSG_FIRSTHDR(&m); struct ucred c; if (h) memcpy(&c, CMSG_DATA(h), sizeof c);
        printf("%.*s groups %u uid %d\n", 6, b, from.nl_groups, h ? (int)c.uid : -1); fflush(stdout);
    }
    return 0;
}

static int refused(void) {
    say("io_uring", syscall(SYS_io_uring_setup, 8, NULL));
    say("mount", mount("none", "/sys", "tmpfs", 0, ""));
    say("umount", umount2("/dev", 0));
    say("mknod", mknod("/tmp/lastfd-no-node", S_IFCHR | 0600, makedev(81, 0)));
    say("module", syscall(SYS_delete_module, "no_such_module", 0));
    say("mkdir", mkdir("/sys/class/mine", 0755));
    say("unlink", unlink(NODE));
    say("chmod", chmod("/sys/class", 0));
    say("create", open("/dev/mine", O_CREAT | O_WRONLY, 0600));
    say("write sys", open("/sys/power/state", O_WRONLY) < 0 ? -1 : 0);
    say("rename", rename("/sys/class", "/tmp/class"));
    int f = open("/dev/null", O_WRONLY); say("null", write(f, "x", 1));
    return 0;
}

static int ppoll_mask(void) { /* a limit: the mask's signal does not end the wait */
    int fd = node(O_RDWR); sigset_t block, none; sigemptyset(&none); sigemptyset(&block); sigaddset(&block, SIGUSR1);
    on(SIGUSR1, counted, 0); sigprocmask(SIG_BLOCK, &block, NULL); raise(SIGUSR1);
    struct pollfd p = { fd, POLLIN, 0 }; struct timespec t = { 0, 100000000 };
    int r = ppoll(&p, 1, &t, &none); printf("ppoll %s handled %d\n", name(r), (int)handled);
    return 0;
}
static int pselect_mask(void) {
    int fd = node(O_RDWR); sigset_t block, none; sigemptyset(&none); sigemptyset(&block); sigaddset(&block, SIGUSR1);
    on(SIGUSR1, counted, SA_RESTART); sigprocmask(SIG_BLOCK, &block, NULL); raise(SIGUSR1);
    fd_set in; FD_ZERO(&in); FD_SET(fd, &in); struct timespec t = { 0, 0 };
    int r = pselect(fd + 1, &in, NULL, NULL, &t, &none); printf("pselect %s handled %d\n", name(r), (int)handled);
    return 0;
}
/* Open descriptors. */
static int open_files(void) { int n = 0; for (int i = 0; i < 1024; i++) n += fcntl(i, F_GETFD) >= 0; return n; }
/* Waits for a device and a pipe at once: which is ready, and what is left of a time. */
static int both(void) {
    int fd = node(O_RDWR), p[2]; (void)!pipe(p); char line[16]; int before = open_files();
    struct pollfd a[3] = { { fd, POLLIN, 0 }, { p[0], POLLIN, 0 }, { 47, POLLIN, 0 } }; fd_set in, out; struct timeval t = { 20, 0 };
    printf("bad %s", name(poll(a, 3, -1))); printf(" %#x %#x %#x\n", a[0].revents, a[1].revents, a[2].revents); fflush(stdout);
    printf("none %s\n", name(poll(a, 2, 20))); fflush(stdout);
    int r = poll(a, 2, -1); printf("device %s %#x %#x\n", name(r), a[0].revents, a[1].revents); fflush(stdout); (void)!read(fd, line, 1);
    if (!fork()) { usleep(20000); (void)!write(p[1], "x", 1); _exit(0); }
    r = ppoll(a, 2, NULL, NULL); printf("pipe %s %#x %#x\n", name(r), a[0].revents, a[1].revents); fflush(stdout);
    (void)!write(fd, "y", 1); r = poll(a, 2, 0); printf("both %s %#x %#x\n", name(r), a[0].revents, a[1].revents);
    FD_ZERO(&in); FD_ZERO(&out); FD_SET(fd, &in); FD_SET(p[0], &in); FD_SET(p[1], &out); r = select(fd + 1, &in, &out, NULL, &t); printf("select %s %d %d %d time %d\n", name(r), !!FD_ISSET(fd, &in), !!FD_ISSET(p[0], &in), !!FD_ISSET(p[1], &out), t.tv_sec >= 19);
    (void)!read(fd, line, 1); (void)!read(p[0], line, 1); t.tv_sec = 0; t.tv_usec = 20000; FD_ZERO(&in); FD_SET(fd, &in); FD_SET(p[0], &in); r = select(fd + 1, &in, NULL, NULL, &t); printf("over %s %d %ld\n", name(r), !!FD_ISSET(fd, &in), (long)t.tv_usec);
    FD_SET(fd, &in); FD_SET(700, &in); printf("no file %s\n", name(select(fd + 1, &in, NULL, NULL, NULL)));
    printf("files %d\n", open_files() - before);
    return 0;
}
static volatile long interrupted_calls;
static void *restarting(void *a) { int v; while (ioctl(*(int *)a, TAKE, &v) == 0 || errno == EINTR) if (errno == EINTR) { interrupted_calls++; errno = 0; } return (void *)(long)errno; }
/* Signals to the process, with SA_RESTART: no call of two waiting threads is to end. */
static int all_restart(void) {
    int fd = node(O_RDWR); pthread_t t[2]; void *r[2]; sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); on(SIGUSR1, counted, SA_RESTART);
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, restarting, &fd);
    pthread_sigmask(SIG_BLOCK, &s, NULL); puts("ready"); fflush(stdout);
    for (int i = 0; i < 2; i++) pthread_join(t[i], &r[i]);
    printf("ended %d handled %s interrupted %ld\n", (long)r[0] == ENODEV && (long)r[1] == ENODEV, handled > 0 ? "yes" : "no", interrupted_calls);
    return 0;
}
static void *reads_one(void *a) { char c = 0; long r = read(*(int *)a, &c, 1); return (void *)(r == 1 ? (long)c : -1); }
/* Every descriptor is closed while a thread waits. */
static int closes(void) {
    int fd = node(O_RDWR); pthread_t t; void *r; pthread_create(&t, NULL, reads_one, &fd); puts("ready"); fflush(stdout); next();
    close_range(3, ~0U, 0); puts("closed"); fflush(stdout); pthread_join(t, &r); printf("read %ld\n", (long)r);
    return 0;
}
/* Nested: a handler of a wait waits, and asks for what is foreign. */
static int handler_fd; static char handler_read;
static void reads_in_handler(int s) { (void)s; struct stat st; int e = errno; stat("/etc/passwd", &st); struct pollfd p = { handler_fd, POLLIN, 0 }; poll(&p, 1, 5000); (void)!read(handler_fd, &handler_read, 1); errno = e; }
static int nested(void) {
    int fd = handler_fd = node(O_RDWR), before = open_files(); char b = 0; on(SIGUSR1, reads_in_handler, SA_RESTART); puts("ready"); fflush(stdout);
    int r = read(fd, &b, 1); printf("outer %s %d inner %d files %d\n", name(r), b, handler_read, open_files() - before);
    return 0;
}
static int chdir_in(void) {
    say("chdir", chdir("/sys/class/misc"));
    int d = open("/sys/class/misc", O_RDONLY | O_DIRECTORY);
    say("fchdir", fchdir(d)); struct stat st; say("relative", stat("gadget", &st));
    return 0;
}
static int in_and_pri(void) {
    int fd = node(O_RDWR | O_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = { EPOLLIN | EPOLLPRI, { .u64 = 7 } }, out[4]; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    struct pollfd p = { fd, POLLIN | POLLPRI, 0 }; poll(&p, 1, 0);
    printf("poll %#x epoll %d\n", p.revents, epoll_wait(ep, out, 4, 0));
    return 0;
}
static int copies(void) { /* a limit: memory that two files show is mapped natively through the first alone */
    int fd = node(O_RDWR), v = 0; ioctl(fd, CHILD, &v);
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192), *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, v, 8192);
    if (m == MAP_FAILED || n == MAP_FAILED) { say("mmap", -1); return 1; }
    printf("both %.5s %.5s\n", m, n); memcpy(m, "given", 5); printf("first %.5s second %.5s\n", m, n);
    return 0;
}
static char *map(int fd, int pages, int at) {
    char *m = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at * 4096);
    if (m == MAP_FAILED) { say("mmap", -1); exit(1); }
    return m;
}
static int unmapped(void) { /* a limit: munmap is the kernel's */
    int fd = node(O_RDWR), v = 0; char *m = map(fd, 1, 0), *n = map(fd, 2, 2);
    ioctl(fd, ANSWER, &v); say("mapped", 0); next();
    munmap(m, 4096); munmap(n, 4096); say("unmapped", 0); next();
    close(fd); say("closed", 0); next();
    munmap(n + 4096, 4096); say("unmapped", 0); next();
    fd = node(O_RDWR); for (int i = 0; i < 300; i++) { m = map(fd, 1, 0); ioctl(fd, ANSWER, &v); munmap(m, 4096); }
    say("many", 0); next();
    return 0;
}
static int second(void) { /* a limit: a filter with a listener of its own */
    struct sock_filter all = BPF_STMT(BPF_RET, SECCOMP_RET_ALLOW); struct sock_fprog program = { 1, &all };
    say("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    say("listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    return 0;
}
static int fill(void) { int n = 0, fd; while ((fd = open(NODE, O_RDWR)) >= 0 && n < 5000) n++; printf("opened %d then %s\n", n, name(fd)); return 0; }
static int by_link(void) { /* a limit: the kernel follows a link from outside */
    char folder[] = "/tmp/lastfd-probe-XXXXXX", path[64]; if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/link", folder); symlink(NODE, path);
    struct stat st; say("direct", stat(NODE, &st)); say("stat", stat(path, &st)); say("to read", open(path, O_RDONLY)); say("to write", open(path, O_RDWR) < 0 ? -1 : 0);
    unlink(path); rmdir(folder);
    return 0;
}
static int ended;
static void *restarts(void *a) { /* a reader whose handler restarts */
    char b; for (;;) { int r = read(*(int *)a, &b, 1); if (r >= 0 || errno != EINTR) return NULL; __sync_add_and_fetch(&ended, 1); (void)!write(1, "interrupted\n", 12); }
}
static int guess(void) { /* a limit: of two that a signal may be for, one gets EINTR */
    int fd = node(O_RDWR); pthread_t t[2]; sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); on(SIGUSR1, counted, SA_RESTART);
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, restarts, &fd);
    pthread_sigmask(SIG_BLOCK, &s, NULL); puts("ready"); fflush(stdout);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    printf("handled %d interrupted %d\n", (int)handled, ended);
    return 0;
}
static int daemon_calls(void) { if (fork()) return 0; setsid(); if (fork()) _exit(0); return calls(); }
static int mixed(void) {
    int fd = node(O_RDWR), other[2]; if (pipe(other)) return 1;
    struct pollfd p[2] = { { fd, POLLIN, 0 }, { other[0], POLLIN, 0 } }; say("alone", poll(p, 1, 0)); say("mixed", poll(p, 2, 0));
    return 0;
}
static int forever(void) { int fd = node(O_RDWR); if (!fork()) { alarm(20); for (;;) pause(); } printf("%d\n", getpid()); fflush(stdout); char b; read(fd, &b, 1); return 0; }
static int spin(void) { /* 8 threads that open, ask, fork and close */
    int bad = 0;
    for (int i = 0; i < 50; i++) {
        int fd = open(NODE, O_RDWR), v = 0; if (fd < 0) { if (errno != ENOENT && errno != ENODEV) bad++; continue; }
        if (ioctl(fd, ANSWER, &v) < 0 ? errno != ENODEV : v != 42) bad++;
        if (i % 10 == 0) { pid_t c = fork(); if (!c) _exit(ioctl(fd, ANSWER, &v) == 0 && v == 42 ? 0 : errno == ENODEV ? 0 : 1); int s; waitpid(c, &s, 0); if (s) bad++; }
        close(fd);
    }
    return bad;
}
static void *spinner(void *a) { (void)a; return (void *)(long)spin(); }
static int many(void) {
    long bad = 0; pthread_t t[8]; void *r;
    for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, spinner, NULL);
    for (int i = 0; i < 8; i++) { pthread_join(t[i], &r); bad += (long)r; }
    printf("wrong %ld\n", bad); return 0;
}
/* What paths that are ours, foreign, or neither give: the same for everybody who asks. */
static void about(const char *what, int dir, const char *path) {
    struct stat a = { 0 }, b = { 0 }; struct statx x = { 0 }; char link[256];
    int r = fstatat(dir, path, &a, 0); printf("%s stat %s %o %lu", what, name(r), a.st_mode, a.st_rdev);
    r = fstatat(dir, path, &b, AT_SYMLINK_NOFOLLOW); printf(" lstat %s %o", name(r), b.st_mode);
    r = statx(dir, path, 0, STATX_BASIC_STATS, &x); printf(" statx %s %d", name(r), x.stx_mode == a.st_mode);
    if (dir == AT_FDCWD) { r = stat(path, &b); printf(" %s %d", name(r), a.st_ino == b.st_ino); r = lstat(path, &b); printf(" %s", name(r)); r = access(path, R_OK); printf(" access %s", name(r)); r = readlink(path, link, sizeof link); printf(" readlink %s", name(r)); }
    r = faccessat(dir, path, W_OK, 0); printf(" faccessat %s", name(r)); r = faccessat(dir, path, R_OK, AT_EACCESS); printf(" %s", name(r));
    r = readlinkat(dir, path, link, sizeof link); printf(" readlinkat %s", name(r));
    int fd = openat(dir, path, O_RDONLY | O_NONBLOCK); printf(" open %s\n", fd < 0 ? name(fd) : fd >= 48 ? "ours" : "ok"); if (fd >= 0) close(fd);
}
static int paths(void) {
    static const char *all[] = { "/etc/passwd", "/", "/..", "/etc", "/etc/nothing", "/etc/passwd/x", "/dev/gadget", "/dev/../dev/gadget", "/etc/../dev/gadget", "//dev//./gadget",
        "/dev/nothing", "/dev/null", "/sys/class/misc/gadget", "/sys/class/misc/gadget/dev", "/sys/class/nothing", "/usr/../sys/class/misc", "/proc/self/exe", "/proc/self/fd/0",
        "/proc/self/fd/999", "/var/nothing", "/run/udev", "/run/nothing", "", "relative", "../dev/gadget", "./etc/passwd" };
    char *long_path = malloc(5001); memset(long_path, 'a', 5000); long_path[0] = '/'; long_path[5000] = 0;
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); mprotect(edge + 4096, 4096, PROT_NONE); strcpy(edge + 4096 - 12, "/etc/passwd"); memset(edge, '/', 10);
    int root = open("/", O_RDONLY | O_DIRECTORY), dev = open("/dev", O_RDONLY | O_DIRECTORY), etc = open("/etc", O_PATH), class = open("/sys/class/misc", O_RDONLY | O_DIRECTORY), fds = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) about(all[i], AT_FDCWD, all[i]);
    about("long", AT_FDCWD, long_path); about("null", AT_FDCWD, NULL); about("bad", AT_FDCWD, (char *)8192); about("edge", AT_FDCWD, edge + 4096 - 12); edge[4095] = 'x'; about("past", AT_FDCWD, edge + 4096 - 12);
    about("root dev", root, "dev/gadget"); about("root etc", root, "etc/passwd"); about("dev", dev, "gadget"); about("dev up", dev, "../etc/passwd"); about("etc", etc, "passwd"); about("etc up", etc, "../dev/gadget");
    about("class", class, "gadget/dev"); about("fds", fds, "0"); about("no fd", 47, "x"); about("no fd", -5, "x"); about("fd absolute", 47, "/etc/passwd");
    const char *dirs[] = { "/", "/etc", "/dev", "/sys", "/proc/self", "/tmp" };
    for (unsigned i = 0; i < 6; i++) { char what[64]; say(dirs[i], chdir(dirs[i])); for (const char **p = (const char *[]){ "passwd", "gadget", "dev/gadget", "fd/0", "../dev/gadget", "class/misc/gadget/dev", ".", "..", NULL }; *p; p++) { snprintf(what, sizeof what, "%s: %s", dirs[i], *p); about(what, AT_FDCWD, *p); } }
    say("fchdir", fchdir(class)); about("gone in", AT_FDCWD, "gadget/dev"); about("gone in", AT_FDCWD, "../../../etc/passwd");
    say("made", open("/tmp/lastfd-probe", O_CREAT | O_TRUNC | O_RDWR, 0640) < 0 ? -1 : 0); about("made", AT_FDCWD, "/tmp/lastfd-probe");
    unlink("/tmp/lastfd-probe");
    return 0;
}
/* Polls of other files, and of ours below the range. */
static int polls(void) {
    int p[2], fd = node(O_RDWR), low = dup2(fd, 20), t, file = open("/etc/passwd", O_RDONLY); (void)!pipe(p); struct timespec none = { 0, 1000 }, bad = { 0, -1 }; sigset_t s; sigemptyset(&s);
    struct pollfd a[] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -1, POLLIN, 0 }, { 47, POLLIN, 0 }, { file, POLLIN | POLLOUT, 0 }, { p[0], 0, 0 }, { p[1], POLLPRI, 0 } };
    for (unsigned i = 0; i < 7; i++) { t = poll(&a[i], 1, 1); printf("%u poll %s %#x", i, name(t), a[i].revents); t = ppoll(&a[i], 1, &none, &s); printf(" ppoll %s %#x\n", name(t), a[i].revents); }
    say("all", poll(a, 7, 10)); say("bad array", poll((void *)8192, 1, 0)); say("null array", poll(NULL, 1, 0)); say("no array", poll(NULL, 0, 1)); say("bad time", ppoll(a, 1, &bad, NULL)); say("too many", poll(a, 1u << 30, 0));
    struct pollfd mine[] = { { low, POLLIN, 0 }, { low, POLLIN | POLLOUT, 0 }, { low, POLLPRI, 0 }, { low, 0, 0 } };
    for (unsigned i = 0; i < 4; i++) { t = poll(&mine[i], 1, 1); printf("%u low %s %#x\n", i, name(t), mine[i].revents); }
    (void)!write(fd, "x", 1); for (unsigned i = 0; i < 4; i++) { t = ppoll(&mine[i], 1, &none, &s); printf("%u low %s %#x\n", i, name(t), mine[i].revents); }
    return 0;
}
/* Calls that are not about a device, while nobody answers. */
static int unheard(void) {
    struct stat st; int p[2], sig, passed = 0; pthread_t t; sigset_t go; sigemptyset(&go); sigaddset(&go, SIGUSR2); (void)!pipe(p); struct pollfd f = { p[1], POLLOUT, 0 };
    sigprocmask(SIG_BLOCK, &go, NULL); chdir("/etc"); puts("ready"); fflush(stdout); pthread_create(&t, NULL, ring, NULL); sigwait(&go, &sig);
    passed += stat("/etc/passwd", &st) == 0; passed += open("/etc/passwd", O_RDONLY) >= 0; passed += access("passwd", R_OK) == 0; passed += poll(&f, 1, 1000) == 1; passed += lstat("/usr/../etc/passwd", &st) == 0;
    printf("passed %d\n", passed); fflush(stdout); pthread_join(t, NULL);
    return 0;
}
static void cleaned(void *a) { *(int *)a = 1; }
static void *cancelled(void *a) { int p[2]; (void)!pipe(p); struct pollfd f = { p[0], POLLIN, 0 }; pthread_cleanup_push(cleaned, a); poll(&f, 1, -1); pthread_cleanup_pop(0); return NULL; }
static int cancel(void) { /* a thread that waits natively can be cancelled */
    int clean = 0; void *r; pthread_t t; pthread_create(&t, NULL, cancelled, &clean); usleep(20000); pthread_cancel(t); pthread_join(t, &r);
    printf("cancelled %d clean %d\n", r == PTHREAD_CANCELED, clean);
    return 0;
}
#define EACH(name, call) do { \
        struct timespec a, b; clock_gettime(CLOCK_MONOTONIC, &a); \
        for (int i = 0; i < n; i++) { call; } \
        clock_gettime(CLOCK_MONOTONIC, &b); \
        printf("%s %.2f\n", name, ((b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3) / n); \
    } while (0)

/* Calls that are not about a device, served or not. */
static int foreign(int n) {
    struct stat st; int p[2]; (void)!pipe(p); struct pollfd f = { p[0], POLLIN, 0 };
    EACH("stat", stat("/etc/passwd", &st));
    EACH("open", close(open("/etc/passwd", O_RDONLY)));
    EACH("poll", poll(&f, 1, 0));
    return 0;
}
static int speed(int n) {
    int fd = node(O_RDWR), v; struct stat st; char c[64]; int s[2];
    EACH("ioctl", ioctl(fd, ANSWER, &v));
    EACH("stat", stat("/etc/passwd", &st));
    EACH("open", close(open("/etc/passwd", O_RDONLY)));
    EACH("native", fcntl(fd, 1033 /* F_ADD_SEALS: not trapped */, 0));
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    if (!fork()) { close(s[0]); for (;;) { if (read(s[1], c, 64) <= 0 || write(s[1], c, 64) <= 0) _exit(0); } }
    close(s[1]);
    EACH("pingpong", (void)!write(s[0], c, 64); (void)!read(s[0], c, 64));
    return 0;
}

/* The floor: the same calls, with nobody but a loop that lets each go on. Not served. */
static int bare(int n) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ, SYS_openat, 2, 0), BPF_JUMP(BPF_JMP | BPF_JEQ, SYS_newfstatat, 1, 0),
        BPF_STMT(BPF_RET, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET, SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = { 5, filter };
    int *listener = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *listener = -1;
    fflush(stdout);
    int child = fork();
    if (!child) {
        struct stat st;
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        *listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        EACH("stat", stat("/etc/passwd", &st));
        EACH("open", close(open("/etc/passwd", O_RDONLY)));
        fflush(stdout);
        _exit(0);
    }
    while (*(volatile int *)listener < 0) sched_yield();
    int theirs = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, child, 0), *listener, 0);
    ioctl(theirs, _IOW('!', 4, __u64) /* SECCOMP_IOCTL_NOTIF_SET_FLAGS */, 1);
    for (;;) {
        struct seccomp_notif call = { 0 };
        if (ioctl(theirs, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) { if (errno == EINTR) continue; break; }
        struct seccomp_notif_resp go_on = { .id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
        ioctl(theirs, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
        if (waitpid(child, NULL, WNOHANG) == child) break;
    }
    return 0;
}

/* The same of umockdev-run, on its device. */
static int mock(int n) {
    int fd = open("/dev/001", O_RDWR); struct { unsigned n; unsigned char slow; } info;
    if (fd < 0 || ioctl(fd, 0x40085511 /* USBDEVFS_CONNECTINFO */, &info) < 0) { perror("mock"); return 1; }
    EACH("ioctl", ioctl(fd, 0x40085511, &info));
    return 0;
}

/* Two sets watch one descriptor, one of them for urgent things alone. */
static int sets(void) {
    int fd = node(O_RDWR | O_NONBLOCK), a = epoll_create1(0), b = epoll_create1(0);
    struct epoll_event e = { EPOLLIN, { .u64 = 7 } }, pri = { EPOLLPRI, { .u64 = 8 } }, out[4];
    say("a", epoll_ctl(a, EPOLL_CTL_ADD, fd, &e));
    say("b mod", epoll_ctl(b, EPOLL_CTL_MOD, fd, &pri));
    say("b", epoll_ctl(b, EPOLL_CTL_ADD, fd, &pri));
    say("b twice", epoll_ctl(b, EPOLL_CTL_ADD, fd, &pri));
    printf("waits %d %d\n", epoll_wait(a, out, 4, 0), epoll_wait(b, out, 4, 0));
    say("a del", epoll_ctl(a, EPOLL_CTL_DEL, fd, NULL));
    say("a del", epoll_ctl(a, EPOLL_CTL_DEL, fd, NULL));
    say("b del", epoll_ctl(b, EPOLL_CTL_DEL, fd, NULL));
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *how = argc > 2 ? argv[2] : "";
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(what, "storm")) alarm(30);
    if (!strcmp(what, "calls")) return calls();
    if (!strcmp(what, "scattered")) return scattered(*how);
    if (!strcmp(what, "below")) return below();
    if (!strcmp(what, "hold")) return hold(how);
    if (!strcmp(what, "blocked")) return blocked();
    if (!strcmp(what, "events")) return events();
    if (!strcmp(what, "signals")) return signals(how);
    if (!strcmp(what, "threads")) return threads();
    if (!strcmp(what, "storm")) return storm(atoi(how));
    if (!strcmp(what, "watch")) return watch();
    if (!strcmp(what, "uevents")) return uevents(atoi(how));
    if (!strcmp(what, "refused")) return refused();
    if (!strcmp(what, "ppoll")) return ppoll_mask();
    if (!strcmp(what, "chdir")) return chdir_in();
    if (!strcmp(what, "inpri")) return in_and_pri();
    if (!strcmp(what, "copies")) return copies();
    if (!strcmp(what, "unmapped")) return unmapped();
    if (!strcmp(what, "second")) return second();
    if (!strcmp(what, "fill")) return fill();
    if (!strcmp(what, "link")) return by_link();
    if (!strcmp(what, "guess")) return guess();
    if (!strcmp(what, "late")) return late(how);
    if (!strcmp(what, "daemon")) return daemon_calls();
    if (!strcmp(what, "mixed")) return mixed();
    if (!strcmp(what, "forever")) return forever();
    if (!strcmp(what, "many")) return many();
    if (!strcmp(what, "sets")) return sets();
    if (!strcmp(what, "paths")) return paths();
    if (!strcmp(what, "pselect")) return pselect_mask();
    if (!strcmp(what, "both")) return both();
    if (!strcmp(what, "restarts")) return all_restart();
    if (!strcmp(what, "closes")) return closes();
    if (!strcmp(what, "nested")) return nested();
    if (!strcmp(what, "polls")) return polls();
    if (!strcmp(what, "unheard")) return unheard();
    if (!strcmp(what, "cancel")) return cancel();
    if (!strcmp(what, "foreign")) return foreign(atoi(how));
    if (!strcmp(what, "speed")) return speed(atoi(how));
    if (!strcmp(what, "bare")) return bare(atoi(how));
    if (!strcmp(what, "mock")) return mock(atoi(how));
    return 64;
}
