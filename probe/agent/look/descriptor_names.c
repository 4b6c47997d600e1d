/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor_names.c: what /proc says of a descriptor, and what a socket says of itself.
 *
 * Our threads have a descriptor table of their own, so the host's sockets are not at hand.
 * pidfd_getfd puts a second descriptor of the same socket into our table for a moment, and the
 * socket names its peer: exact, in a few microseconds, however many sockets there are. What the
 * host notices of it: nothing, but that a socket which it closes in that very moment lives a few
 * microseconds longer. The thread's own link (its inode) says that it is the socket that was meant.
 *
 * /proc/net/tcp was weighed, and left: the kernel walks all sockets of the network namespace for
 * it, in a host of 100,000 connections for 50 ms. Where a filter of system calls refuses the
 * calls for this, or kills at them, a socket has no peer.
 *
 * Nothing is kept: a look that finds a thread unchanged does not ask again. */
#include "probe/agent/look/descriptor_names.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/look/thread_files.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_SIZE = 64 };

void descriptor_names_open(struct descriptor_names *names, bool is_separate)
{
    names->process = -1;
    if (!is_separate || !filters_allow(TRIED_pidfd_open)) return;
    names->process = (int)syscall(SYS_pidfd_open, (long)getpid(), 0L);
}

void descriptor_names_close(struct descriptor_names *names)
{
    if (names->process >= 0) close(names->process);
    names->process = -1;
}

/* ---- addresses ---- */

static void inet_name(int family, const void *bytes, uint16_t port, char *ret, size_t ret_size)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(family, bytes, text, sizeof text);
    snprintf(ret, ret_size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, ntohs(port));
}

static void inet6_name(const struct sockaddr_in6 *address, char *ret, size_t ret_size)
{
    const struct in6_addr *bytes = &address->sin6_addr;

    if (IN6_IS_ADDR_V4MAPPED(bytes)) {
        inet_name(AF_INET, bytes->s6_addr + 12, address->sin6_port, ret, ret_size);
    } else {
        inet_name(AF_INET6, bytes, address->sin6_port, ret, ret_size);
    }
}

static void unix_name(const struct sockaddr_un *address, socklen_t size, char *ret, size_t ret_size)
{
    size_t path = offsetof(struct sockaddr_un, sun_path), length;

    if (size <= path) return;
    length = size - path;
    if (address->sun_path[0] == '\0') { /* abstract: bytes, not a string */
        snprintf(ret, ret_size, "@%.*s", (int)(length - 1), address->sun_path + 1);
    } else {
        snprintf(ret, ret_size, "%.*s", (int)length, address->sun_path);
    }
}

void address_name(const struct sockaddr_storage *address, socklen_t size, char *ret,
                  size_t ret_size)
{
    ret[0] = '\0';
    if (size > sizeof *address) size = sizeof *address;
    if (size < sizeof address->ss_family) return;
    if (address->ss_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *inet = (const void *)address;

        inet_name(AF_INET, &inet->sin_addr, inet->sin_port, ret, ret_size);
    } else if (address->ss_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        inet6_name((const void *)address, ret, ret_size);
    } else if (address->ss_family == AF_UNIX) {
        unix_name((const void *)address, size, ret, ret_size);
    }
}

/* ---- sockets ---- */

static int socket_option(int socket, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

/* "TCP ", "UDP ", "unix ", "socket ". */
static const char *socket_family(int socket)
{
    int domain = socket_option(socket, SO_DOMAIN), type = socket_option(socket, SO_TYPE);

    if (domain == AF_UNIX) return "unix ";
    if (domain != AF_INET && domain != AF_INET6) return "socket ";
    return type == SOCK_STREAM ? "TCP " : type == SOCK_DGRAM ? "UDP " : "socket ";
}

static void peer_process_name(int socket, char *ret, size_t ret_size)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) {
        snprintf(ret, ret_size, "a unix socket");
    } else if (peer.pid == getpid()) {
        snprintf(ret, ret_size, "a unix socket of this process");
    } else {
        snprintf(ret, ret_size, "a unix socket of process %d", (int)peer.pid);
    }
}

/* What a socket that is at hand says of itself. */
static void socket_name(int socket, char *ret, size_t ret_size)
{
    char peer[DESCRIPTOR_NAME_SIZE_MAX] = "", own[DESCRIPTOR_NAME_SIZE_MAX] = "";
    const char *family = socket_family(socket);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    bool is_unix = strcmp(family, "unix ") == 0, has_peer;

    has_peer = getpeername(socket, (struct sockaddr *)&address, &size) == 0;
    if (has_peer) address_name(&address, size, peer, sizeof peer);
    size = sizeof address;
    if (getsockname(socket, (struct sockaddr *)&address, &size) == 0)
        address_name(&address, size, own, sizeof own);
    if (socket_option(socket, SO_ACCEPTCONN) != 0) {
        snprintf(ret, ret_size, "connections on %s%s", family, own);
    } else if (peer[0] != '\0') {
        snprintf(ret, ret_size, "%s%s", family, peer);
    } else if (is_unix && own[0] == '\0' && has_peer) {
        peer_process_name(socket, ret, ret_size);
    } else if (is_unix && own[0] != '\0') {
        snprintf(ret, ret_size, "unix %s", own);
    } else if (own[0] != '\0') {
        snprintf(ret, ret_size, "%son %s", family, own);
    }
}

/* The socket with this inode behind the host's descriptor, in our table; -1. */
static int socket_borrow(const struct descriptor_names *names, int fd, uint64_t inode)
{
    struct stat status;
    int borrowed;

    if (!names || names->process < 0) return -1;
    if (!filters_allow(TRIED_pidfd_getfd) || !filters_allow(TRIED_getpeername)) return -1;
    borrowed = (int)syscall(SYS_pidfd_getfd, (long)names->process, (long)fd, 0L);
    if (borrowed < 0) return -1;
    if (fstat(borrowed, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == inode)
        return borrowed;
    close(borrowed);
    return -1;
}

/* ---- descriptors ---- */

static void link_read(uint32_t tid, int fd, char *ret, size_t ret_size)
{
    char path[PATH_SIZE];
    ssize_t size;

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/fd/%d", tid, fd);
    size = readlink(path, ret, ret_size - 1);
    ret[size > 0 ? size : 0] = '\0';
}

/* "socket:[4711]": its inode; 0: it is no socket. */
static uint64_t socket_inode(const char *link)
{
    static const char prefix[] = "socket:[";

    if (strncmp(link, prefix, sizeof prefix - 1) != 0) return 0;
    return strtoull(link + sizeof prefix - 1, NULL, 10);
}

/* What is no file: by what the kernel calls it. */
static void kind_name(const char *link, char *ret, size_t ret_size)
{
    static const struct {
        const char *link, *name;
    } kinds[] = {
        { "pipe:", "a pipe" },
        { "anon_inode:[eventfd]", "an eventfd" },
        { "anon_inode:[timerfd]", "a timer" },
        { "anon_inode:[eventpoll]", "an epoll set" },
        { "anon_inode:[signalfd]", "a signal" },
        { "anon_inode:[io_uring]", "an io_uring" },
        { "anon_inode:[pidfd]", "a process" },
        { "anon_inode:inotify", "a change of files" },
        { "anon_inode:[fanotify]", "a change of files" },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strncmp(link, kinds[i].link, strlen(kinds[i].link)) != 0) continue;
        snprintf(ret, ret_size, "%s", kinds[i].name);
        return;
    }
    snprintf(ret, ret_size, "%s", link);
}

enum wait_kind descriptor_name(const struct descriptor_names *names, uint32_t tid, int fd,
                               char *ret, size_t ret_size)
{
    char link[DESCRIPTOR_NAME_SIZE_MAX];
    uint64_t inode;
    int borrowed;

    ret[0] = '\0';
    link_read(tid, fd, link, sizeof link);
    inode = socket_inode(link);
    if (inode == 0 && link[0] != '/') kind_name(link, ret, ret_size);
    if (inode == 0 && link[0] == '/') snprintf(ret, ret_size, "%s", link);
    if (inode == 0)
        return link[0] == '/' && strncmp(link, "/dev/", 5) != 0 ? WAIT_DISK : WAIT_OTHER;
    borrowed = socket_borrow(names, fd, inode);
    if (borrowed >= 0) {
        socket_name(borrowed, ret, ret_size);
        close(borrowed);
    }
    if (ret[0] == '\0') snprintf(ret, ret_size, "a socket");
    return WAIT_NETWORK;
}

void address_name_for(const struct descriptor_names *names, uint32_t tid, int fd,
                      const struct sockaddr_storage *address, socklen_t size, char *ret,
                      size_t ret_size)
{
    char link[DESCRIPTOR_NAME_SIZE_MAX], name[DESCRIPTOR_NAME_SIZE_MAX];
    int borrowed;

    ret[0] = '\0';
    address_name(address, size, name, sizeof name);
    if (name[0] == '\0') return;
    link_read(tid, fd, link, sizeof link);
    borrowed = socket_borrow(names, fd, socket_inode(link));
    snprintf(ret, ret_size, "%s%s", borrowed >= 0 ? socket_family(borrowed) : "", name);
    if (borrowed >= 0) close(borrowed);
}
