/* A DTLS client on mbedTLS, steered by lines, for the tests of our server. Builds with mbedTLS 2.28 and 3.6.
 *
 *   mbedtls_client PORT SUITE IDENTITY KEY_IN_HEX [no-ems] [no-etm] [cid]
 *
 * Lines in:   send HEX | rebind (another local port, as a NAT does) | resume (new handshake with the
 *             session of the last one) | close
 * Lines out:  up SUITE | received HEX | closed | failed WHAT CODE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

enum { DATAGRAM = 2048, LINE = 2 * DATAGRAM + 64 };

struct timer {
    long long intermediate, final;
};

static int server_port, udp = -1;
static struct timer timer;
static mbedtls_ssl_config config;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_session session;
static int suites[2], with_cid;

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void set_timer(void *context, uint32_t intermediate, uint32_t final) {
    struct timer *timer = context;
    timer->intermediate = final ? milliseconds() + intermediate : 0;
    timer->final = final ? milliseconds() + final : 0;
}

static int get_timer(void *context) {
    struct timer *timer = context;
    if (timer->final == 0) return -1;
    if (milliseconds() >= timer->final) return 2;
    return milliseconds() >= timer->intermediate ? 1 : 0;
}

static int random_bytes(void *context, unsigned char *out, size_t length) {
    (void)context;
    return getrandom(out, length, 0) == (ssize_t)length ? 0 : -1;
}

#if defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *out,
                                             size_t size, size_t *length) {
    (void)context;
    *length = size;
    return random_bytes(NULL, out, size) == 0 ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}
#endif

static int send_datagram(void *context, const unsigned char *bytes, size_t length) {
    (void)context;
    return send(udp, bytes, length, 0) < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)length;
}

static int receive_datagram(void *context, unsigned char *bytes, size_t length, uint32_t timeout) {
    (void)context;
    struct pollfd wanted = {.fd = udp, .events = POLLIN};
    if (poll(&wanted, 1, timeout ? (int)timeout : -1) == 0) return MBEDTLS_ERR_SSL_TIMEOUT;
    ssize_t got = recv(udp, bytes, length, 0);
    return got < 0 ? MBEDTLS_ERR_SSL_TIMEOUT : (int)got;
}

static void open_socket(void) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port)};
    inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
    /* The old one stays open meanwhile, so that the port is another. */
    int old = udp;
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(udp, (struct sockaddr *)&server, sizeof server) != 0) exit(2);
    if (old >= 0) close(old);
}

static size_t from_hex(const char *text, unsigned char *out, size_t room) {
    size_t length = 0;
    unsigned byte;
    while (length < room && sscanf(text + 2 * length, "%2x", &byte) == 1) out[length++] = (unsigned char)byte;
    return length;
}

static int failed(const char *what, int code) {
    printf("failed %s -0x%04x\n", what, (unsigned)-code);
    return 0;
}

static int handshake(void) {
    int result;
    do {
        result = mbedtls_ssl_handshake(&ssl);
    } while (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE);
    if (result != 0) return failed("handshake", result);
    mbedtls_ssl_session_free(&session);
    mbedtls_ssl_session_init(&session);
    mbedtls_ssl_get_session(&ssl, &session);
    printf("up %s\n", mbedtls_ssl_get_ciphersuite(&ssl));
    return 1;
}

static int start(void) {
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_init(&ssl);
    int result = mbedtls_ssl_setup(&ssl, &config);
    if (result != 0) return failed("setup", result);
    mbedtls_ssl_set_timer_cb(&ssl, &timer, set_timer, get_timer);
    mbedtls_ssl_set_bio(&ssl, NULL, send_datagram, NULL, receive_datagram);
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    /* Ours is empty: the other side is the one that needs to find us (RFC 9146 section 3). */
    if (with_cid) mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0);
#endif
    return 1;
}

static void receive(void) {
    unsigned char bytes[DATAGRAM];
    int length = mbedtls_ssl_read(&ssl, bytes, sizeof bytes);
    if (length == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || length == 0) {
        printf("closed\n");
    } else if (length == MBEDTLS_ERR_SSL_TIMEOUT || length == MBEDTLS_ERR_SSL_WANT_READ) {
        return;
    } else if (length < 0) {
        failed("read", length);
    } else {
        printf("received ");
        for (int at = 0; at < length; at++) printf("%02x", bytes[at]);
        printf("\n");
    }
}

static int obey(char *line) {
    unsigned char bytes[DATAGRAM];
    if (strncmp(line, "send ", 5) == 0) {
        int result = mbedtls_ssl_write(&ssl, bytes, from_hex(line + 5, bytes, sizeof bytes));
        if (result < 0) failed("send", result);
    } else if (strncmp(line, "rebind", 6) == 0) {
        open_socket();
    } else if (strncmp(line, "resume", 6) == 0) {
        open_socket();
        if (start() && mbedtls_ssl_set_session(&ssl, &session) == 0) return handshake();
        return 0;
    } else if (strncmp(line, "close", 5) == 0) {
        mbedtls_ssl_close_notify(&ssl);
        return 0;
    }
    return 1;
}

static void serve(void) {
    static char lines[LINE];
    size_t kept = 0;
    for (;;) {
        struct pollfd wanted[2] = {{.fd = 0, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
        if (mbedtls_ssl_check_pending(&ssl)) receive();
        poll(wanted, 2, -1);
        if (wanted[1].revents) receive();
        if (!wanted[0].revents) continue;
        ssize_t got = read(0, lines + kept, sizeof lines - 1 - kept);
        if (got <= 0) return;
        kept += (size_t)got;
        lines[kept] = 0;
        char *end;
        while ((end = strchr(lines, '\n')) != NULL) {
            *end = 0;
            if (!obey(lines)) return;
            kept -= (size_t)(end + 1 - lines);
            memmove(lines, end + 1, kept + 1);
        }
    }
}

int main(int count, char **arguments) {
    unsigned char key[64];
    if (count < 5) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    server_port = atoi(arguments[1]);
    suites[0] = mbedtls_ssl_get_ciphersuite_id(arguments[2]);
    size_t key_length = from_hex(arguments[4], key, sizeof key);
#if MBEDTLS_VERSION_MAJOR >= 3
    psa_crypto_init();
#endif
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_session_init(&session);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, random_bytes, NULL);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_psk(&config, key, key_length, (unsigned char *)arguments[3], strlen(arguments[3]));
    mbedtls_ssl_conf_read_timeout(&config, 10);
    for (int at = 5; at < count; at++) {
        if (strcmp(arguments[at], "no-ems") == 0)
            mbedtls_ssl_conf_extended_master_secret(&config, MBEDTLS_SSL_EXTENDED_MS_DISABLED);
        if (strcmp(arguments[at], "no-etm") == 0)
            mbedtls_ssl_conf_encrypt_then_mac(&config, MBEDTLS_SSL_ETM_DISABLED);
        if (strcmp(arguments[at], "cid") == 0) with_cid = 1;
    }
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    if (with_cid) mbedtls_ssl_conf_cid(&config, 0, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
#endif
    open_socket();
    if (start() && handshake()) serve();
    return 0;
}
