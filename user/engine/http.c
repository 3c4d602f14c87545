// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to a container engine: HTTP over a Unix socket, JSON back. Everything that
 * libcurl takes from its surroundings is off: proxies, redirects, other protocols.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "engine/priv.h"

#define HEADERS_MAX ((size_t)1 << 20)

#define USUAL                                                                                      \
	{                                                                                          \
		2000, 5000, (size_t)64 << 20                                                       \
	}

static const struct fv_engine_limits usual = USUAL;
static struct fv_engine_limits limits = USUAL;

struct fv_engine_conn {
	CURL *curl;
	char *path;
	char url[512];
	char problem[CURL_ERROR_SIZE];
	char *answer;
	size_t size, room, headers;
	int stop; /* negative errno: why an answer was not taken to its end */
	bool answered;
};

void fv_engine_limits_set(const struct fv_engine_limits *new)
{
	limits = new ? *new : usual;
}

const char *fv_engine_path(const struct fv_engine_conn *conn)
{
	return conn->path;
}

static size_t take(char *data, size_t one, size_t n, void *arg)
{
	struct fv_engine_conn *conn = arg;
	size_t room = conn->room;
	char *more;

	(void)one;
	if (n > limits.answer_size - conn->size) {
		conn->stop = -EFBIG;
		return 0;
	}
	while (room - conn->size < n)
		room = room ? 2 * room : 65536;
	if (room != conn->room) {
		more = realloc(conn->answer, room);
		if (!more) {
			conn->stop = -ENOMEM;
			return 0;
		}
		conn->answer = more;
		conn->room = room;
	}
	memcpy(conn->answer + conn->size, data, n);
	conn->size += n;
	return n;
}

/* libcurl keeps headers, and has had no limit of its own for long. */
static size_t count_header(char *data, size_t one, size_t n, void *arg)
{
	struct fv_engine_conn *conn = arg;

	(void)data;
	(void)one;
	conn->headers += n;
	if (conn->headers <= HEADERS_MAX)
		return n;
	conn->stop = -EFBIG;
	return 0;
}

/*
 * Why libcurl could not connect: it does not wait for a place in a full queue (EAGAIN), and
 * does not tell that from a socket where nobody listens. (A connected socket of ours it does not
 * take before 8.1: CURL_SOCKOPT_ALREADY_CONNECTED.)
 */
static int why_not_connected(const char *path)
{
	const struct timeval wait = { limits.connect_ms / 1000, limits.connect_ms % 1000 * 1000 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	FV_AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* fv_engine_open has looked at the length. */
	strcpy(at.sun_path, path);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return -errno;
	/* It comes up right now. */
	return -ECONNREFUSED;
}

/* The typed setters of libcurl's header are statements, so this is one after the other. */
static CURLcode set_up(struct fv_engine_conn *conn)
{
	CURL *curl = conn->curl;
	CURLcode code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, conn->path);

	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, limits.connect_ms);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limits.request_ms);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, conn->problem);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, conn);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, count_header);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_HEADERDATA, conn);
	return code;
}

static void close_conn(struct fv_engine_conn **conn)
{
	fv_engine_close(*conn);
}

int fv_engine_open(const char *path, struct fv_err *err, struct fv_engine_conn **ret)
{
	FV_CLEANUP(close_conn) struct fv_engine_conn *conn = NULL;
	CURLcode code;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fv_err_set(err, -ENAMETOOLONG,
				  "%.64s...: path of a socket, longer than %zu bytes; use a link "
				  "with a shorter one",
				  path, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	/* Nothing of TLS is needed, and making that ready takes longer than all the rest. */
	if (curl_global_init(CURL_GLOBAL_NOTHING))
		return fv_err_set(err, -EIO, "libcurl cannot be used: curl_global_init failed");
	conn = calloc(1, sizeof(*conn));
	if (!conn) {
		curl_global_cleanup();
		return fv_err_oom(err);
	}
	conn->path = strdup(path);
	conn->curl = curl_easy_init();
	if (!conn->path || !conn->curl)
		return fv_err_oom(err);
	code = set_up(conn);
	if (code == CURLE_OUT_OF_MEMORY)
		return fv_err_oom(err);
	if (code)
		return fv_err_set(err, -EIO, "libcurl cannot be used: %s",
				  curl_easy_strerror(code));
	*ret = FV_TAKE_PTR(conn);
	return 0;
}

void fv_engine_close(struct fv_engine_conn *conn)
{
	if (!conn)
		return;
	curl_easy_cleanup(conn->curl);
	free(conn->path);
	free(conn->answer);
	free(conn);
	curl_global_cleanup();
}

/* ---- one request ---- */

static int make_url(struct fv_engine_conn *conn, const char *prefix, const char *name,
		    const char *suffix, struct fv_err *err)
{
	char *escaped = NULL;
	int n;

	/* Length 0 would have curl_easy_escape measure it; NULL it does not take. */
	if (name) {
		escaped = curl_easy_escape(conn->curl, name, 0);
		if (!escaped)
			return fv_err_oom(err);
	}
	n = snprintf(conn->url, sizeof(conn->url), "http://localhost%s%s%s", prefix,
		     escaped ? escaped : "", suffix);
	curl_free(escaped);
	if (n < 0 || (size_t)n >= sizeof(conn->url))
		return fv_err_set(err, -ENAMETOOLONG,
				  "container \"%.64s...\": the name is too long", name ? name : "");
	if (curl_easy_setopt(conn->curl, CURLOPT_URL, conn->url))
		return fv_err_oom(err);
	return 0;
}

/* What is asked for, for messages. */
static const char *asked(const struct fv_engine_conn *conn)
{
	return conn->url + strlen("http://localhost");
}

static int failed(struct fv_engine_conn *conn, CURLcode code, struct fv_err *err, long *ret_status)
{
	int why = 0;

	if (code == CURLE_OUT_OF_MEMORY || conn->stop == -ENOMEM)
		return fv_err_oom(err);
	if (conn->stop == -EFBIG)
		return fv_err_set(
			err, -EFBIG,
			"%s: GET %s: the answer is larger than %zu KiB; what listens there?",
			conn->path, asked(conn), limits.answer_size >> 10);
	if (code == CURLE_COULDNT_CONNECT)
		why = why_not_connected(conn->path);
	else if (conn->answered && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
				    code == CURLE_GOT_NOTHING))
		why = -ECONNRESET;
	if (why == -EAGAIN || code == CURLE_OPERATION_TIMEDOUT)
		return fv_err_set(
			err, -ETIMEDOUT,
			"%s: GET %s: no answer within %.3g s; restart that engine, or stop it",
			conn->path, asked(conn),
			(double)(why ? limits.connect_ms : limits.request_ms) / 1000);
	if (why == -EMFILE || why == -ENFILE)
		return fv_err_set(err, why, "%s: cannot be asked: %s", conn->path, strerror(-why));
	if (why) {
		*ret_status = why;
		if (!conn->answered)
			return -ENOTCONN;
		return fv_err_set(err, -ECONNRESET,
				  "%s: GET %s: the engine has gone (%s); start it, and try again",
				  conn->path, asked(conn), strerror(-why));
	}
	return fv_err_set(err, -EPROTO,
			  "%s: GET %s: no answer of a container engine: %s; what listens there?",
			  conn->path, asked(conn),
			  conn->problem[0] ? conn->problem : curl_easy_strerror(code));
}

int fv_engine_get(struct fv_engine_conn *conn, const char *prefix, const char *name,
		  const char *suffix, struct fv_err *err, long *ret_status, json_t **ret)
{
	/*
	 * Of other fields than ours nothing is expected: labels may have NULs in them, limits
	 * be larger than json_int_t is.
	 */
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
	json_error_t why = { 0 };
	CURLcode code;
	int r;

	r = make_url(conn, prefix, name, suffix, err);
	if (r)
		return r;
	conn->size = conn->headers = 0;
	conn->stop = 0;
	conn->problem[0] = '\0';
	code = curl_easy_perform(conn->curl);
	if (code)
		return failed(conn, code, err, ret_status);
	conn->answered = true;
	curl_easy_getinfo(conn->curl, CURLINFO_RESPONSE_CODE, ret_status);
	*ret = json_loadb(conn->answer ? conn->answer : "", conn->size, flags, &why);
	if (*ret || *ret_status != 200)
		return 0;
	return fv_err_set(
		err, -EPROTO,
		"%s: GET %s: no answer of a container engine: not JSON: %s; what listens there?",
		conn->path, asked(conn), why.text);
}

/* Podman's service says its own version beside Docker's. */
const char *fv_engine_kind(struct fv_engine_conn *conn)
{
	struct curl_header *header;

	if (curl_easy_header(conn->curl, "Libpod-API-Version", 0, CURLH_HEADER, -1, &header) ==
	    CURLHE_OK)
		return "podman";
	return "docker";
}

int fv_engine_nonsense(const struct fv_engine_conn *conn, const char *what, const char *value,
		       struct fv_err *err)
{
	return fv_err_set(
		err, -EPROTO,
		"%s: GET %s: no answer of a container engine: %s%s%.64s%s; what listens there?",
		conn->path, asked(conn), what, value ? ": \"" : "", value ? value : "",
		value ? "\"" : "");
}
