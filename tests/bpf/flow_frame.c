// SPDX-License-Identifier: GPL-2.0-only
/* Packets of flows, and what the host's own path makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/flow.h"

/* Whoever is at the other end of an uplink's wire. */
static const uint8_t beyond[6] = { 2, 0, 0, 0, 9, 9 };

void (*flow_translate)(const struct flow *flow, struct frame *f);

uint8_t *flow_l4(struct frame *f)
{
	return f->b + ETH_SIZE + (get16(f->b + 12) == 0x0800 ? IP4_SIZE : IP6_SIZE);
}

unsigned int flow_sum(const struct frame *f, uint64_t more)
{
	bool is4 = get16(f->b + 12) == 0x0800;
	const uint8_t *ip = f->b + ETH_SIZE, *l4 = ip + (is4 ? IP4_SIZE : IP6_SIZE);
	uint64_t sum = more;

	/* UDP without a checksum: nobody asks for it. */
	if (ip[is4 ? 9 : 6] == UDP && !get16(l4 + 6))
		return 0;
	for (size_t i = ETH_SIZE; i < f->len; i += 2) {
		uint16_t word = 0;

		memcpy(&word, f->b + i, f->len - i < 2 ? 1 : 2);
		sum += word;
	}
	/* 0xffff is 0 there. */
	return sum % 0xffff;
}

void flow_frame(const struct flow *flow, struct frame *ret)
{
	int echo = flow->family == 4 ? 1 : 58;
	struct spec spec = {
		.from = flow->from,
		.to = flow->to,
		.family = flow->family,
		.proto = flow->proto == ECHO ? echo : flow->proto,
		.tos = 0x28,
		.id = 0x7731,
		.frag = 0x4000,
		.size = flow->size,
	};
	/* Of two ends one is the server. */
	bool back = flow->from > flow->to;
	uint8_t *l4;

	frame_make(&spec, ret);
	if (!flow->routed)
		memcpy(ret->b, flow_ports[flow->to].uplink ? beyond : bed[flow->to].dp.mac, 6);
	l4 = flow_l4(ret);
	switch (flow->proto) {
	case TCP:
		l4[13] = 0x10;
		/* fall through */
	case UDP:
		put16(l4, back ? 80 : 40000);
		put16(l4 + 2, back ? 40000 : 80);
		break;
	case ECHO:
		l4[0] = flow->family == 4 ? 8 : 128;
		l4[1] = 0;
		put16(l4 + 4, 0x4242);
		break;
	}
}

void flow_carry(const struct flow *flow, const struct frame *f, struct frame *ret)
{
	ret->len = f->len;
	memcpy(ret->b, f->b, f->len);
	if (flow->routed) {
		model_forward(ret, flow->to);
		if (flow_ports[flow->to].uplink)
			memcpy(ret->b, beyond, 6);
	}
	if (flow_translate)
		flow_translate(flow, ret);
}

uint32_t flow_came_by(const struct flow *flow)
{
	uint32_t master = flow_ports[flow->from].master;

	return flow->routed && master ? master : (uint32_t)bed[flow->from].dp.ifindex;
}

struct flow flow_kind(int i)
{
	static const int protos[] = { TCP, UDP, ECHO };

	return (struct flow){ .from = WEB,
			      .to = DB,
			      .family = i % 2 ? 6 : 4,
			      .routed = i / 2 % 2,
			      .proto = protos[i / 4] };
}
