/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of user/net share about the socket: queueing a request, dumping, reading attributes. */
#ifndef FV_NET_RTNL_PRIV_H
#define FV_NET_RTNL_PRIV_H

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "net/rtnl.h"

/* No request comes near this size: the longest one is an alias of 255 bytes. */
#define FV_RTNL_MSG_MAX 1024

/* Beside enum fv_rtnl_accept: a device without IPv6 (EAFNOSUPPORT) is as good as done. */
#define FV_ACCEPT_NO_IP6 4

enum fv_rtnl_object {
	FV_OBJECT_LINK,
	FV_OBJECT_GROUP,
	FV_OBJECT_ADDR,
	FV_OBJECT_ROUTE,
	FV_OBJECT_NEIGH,
};

/* What is kept of a queued request: enough to name its object, which only a failure does. */
struct fv_rtnl_req {
	const char *verb;
	enum fv_rtnl_object object;
	unsigned int accept;
	bool acked;
	union {
		char link[64];
		uint32_t group;
		struct fv_addr addr;
		struct fv_route route;
		struct fv_neigh neigh;
	};
};

/*
 * fv_rtnl_begin - a message at the end of the queue, with room for FV_RTNL_MSG_MAX bytes.
 * fv_rtnl_end - the message is complete.
 */
struct nlmsghdr *fv_rtnl_begin(struct fv_rtnl *rt, uint16_t type, uint16_t flags,
			       const struct fv_rtnl_req *req);
void fv_rtnl_end(struct fv_rtnl *rt, const struct nlmsghdr *nlh);

/*
 * fv_rtnl_ask - send one request that has an answer, now; parse(answer, ret) is called for it.
 * @what: verb and object for messages
 * @quiet: errno that is returned without a message; 0: none
 */
int fv_rtnl_ask(struct fv_rtnl *rt, struct nlmsghdr *nlh, const char *what, int quiet,
		bool (*parse)(const struct nlmsghdr *nlh, void *ret), struct fv_err *err,
		void *ret);

struct fv_rtnl_dump {
	const char *what;    /* "devices", for messages */
	uint16_t type;	     /* RTM_GET* */
	size_t header;	     /* size of the family header; its first byte is the family */
	const void *body;    /* what that header says besides; NULL: nothing */
	uint8_t families[2]; /* one dump each; AF_UNSPEC after the first ends the list */
	size_t item;	     /* size of one element of the result */
	/* Fills the zeroed item; false: nothing to keep. */
	bool (*parse)(const struct nlmsghdr *nlh, void *item);
};

int fv_rtnl_dump(struct fv_rtnl *rt, const struct fv_rtnl_dump *dump, struct fv_err *err,
		 void **ret, size_t *ret_n);

bool fv_link_parse(const struct nlmsghdr *nlh, void *item);
bool fv_addr_parse(const struct nlmsghdr *nlh, void *item);
bool fv_route_parse(const struct nlmsghdr *nlh, void *item);
bool fv_neigh_parse(const struct nlmsghdr *nlh, void *item);

/* fv_req_str - "add address 10.77.0.2/32 on eth0". Asks the kernel for the device's name. */
const char *fv_req_str(const struct fv_rtnl *rt, const struct fv_rtnl_req *req, char *buf,
		       size_t size);

/* ---- attributes: a length that does not fit leaves the value as it was ---- */

/* Attributes 0..n-1 behind a family header of @header bytes; unknown ones are left out. */
static inline void fv_attr_table(const struct nlmsghdr *nlh, size_t header,
				 const struct nlattr *table[], size_t n)
{
	const struct nlattr *attr;

	memset(table, 0, n * sizeof(table[0]));
	mnl_attr_for_each(attr, nlh, header)
	{
		if (mnl_attr_get_type(attr) < n)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

static inline const struct nlattr *fv_attr_nested(const struct nlattr *nest, unsigned int type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static inline bool fv_attr_bytes(const struct nlattr *attr, void *ret, size_t size)
{
	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(ret, mnl_attr_get_payload(attr), size);
	return true;
}

/* The kernel does not promise a NUL at the end. */
static inline void fv_attr_str(const struct nlattr *attr, char *ret, size_t size)
{
	size_t len;

	if (!attr)
		return;
	len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (len >= size)
		len = size - 1;
	memcpy(ret, mnl_attr_get_payload(attr), len);
	ret[len] = '\0';
}

static inline bool fv_attr_ip(const struct nlattr *attr, int family, struct fv_ip *ret)
{
	struct fv_ip ip = { .family = family };

	if (!fv_attr_bytes(attr, ip.b, family == AF_INET ? 4 : 16))
		return false;
	*ret = ip;
	return true;
}

static inline void fv_attr_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct fv_ip *ip)
{
	mnl_attr_put(nlh, type, ip->family == AF_INET ? 4 : 16, ip->b);
}

#endif /* FV_NET_RTNL_PRIV_H */
