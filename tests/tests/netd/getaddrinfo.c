/* Asks the C library for a name, as programs do: `getaddrinfo NAME [4|6]`. It prints the addresses, `nothing` where the
 * name has none of the family, `unknown` where there is no such name, or what else was said. Tests compile it for each
 * C library. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

static const char *word(int error)
{
#ifdef EAI_NODATA
    if (error == EAI_NODATA)
        return "nothing";
#endif
    return error == EAI_NONAME ? "unknown" : gai_strerror(error);
}

int main(int count, char **words)
{
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    char address[INET6_ADDRSTRLEN];

    if (count > 2)
        wanted.ai_family = words[2][0] == '4' ? AF_INET : AF_INET6;
    int error = getaddrinfo(words[1], NULL, &wanted, &found);
    if (error) {
        puts(word(error));
        return 0;
    }
    for (; found; found = found->ai_next) {
        const struct sockaddr *at = found->ai_addr;
        const void *octets = at->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)at)->sin_addr
                                                      : (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;
        puts(inet_ntop(at->sa_family, octets, address, sizeof address));
    }
    return 0;
}
