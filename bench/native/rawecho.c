/* rawecho: what comes in goes out again. One thread and one epoll: the floor of what the kernel allows a server that
 * receives and sends once for each message. Loopback only. Usage: rawecho PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int one = 1, epoll;

static void watch(int fd) {
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

static void echo(int fd) {
  static char bytes[65536];
  int n = recv(fd, bytes, sizeof bytes, 0);
  if (n <= 0 || send(fd, bytes, n, MSG_NOSIGNAL) != n) close(fd);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return 1;
  epoll = epoll_create1(0);
  watch(listener);
  for (;;) {
    struct epoll_event events[512];
    int n = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd != listener) { echo(events[i].data.fd); continue; }
      int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      watch(connection);
    }
  }
}
