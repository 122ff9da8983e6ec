/*
 * Runs a program as Docker or Podman would by default, as far as it matters here: the system
 * calls that their profiles keep for CAP_SYS_PTRACE give EPERM, by a filter of the kernel's.
 * usage: confine docker|podman PROGRAM ARGUMENTS...
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int docker[] = { SYS_pidfd_getfd, SYS_kcmp };
static const int podman[] = { SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_kcmp };

int main(int argc, char **argv) {
    if (argc < 3) return 64;
    int is_docker = !strcmp(argv[1], "docker");
    const int *calls = is_docker ? docker : podman;
    unsigned count = is_docker ? 2 : 4, n = 0;
    struct sock_filter filter[16];
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { n, filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("confine");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
