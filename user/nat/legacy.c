// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old tables have no interface but setsockopt and their own program. It is
 * asked only where the kernel says that a filter table is in use: the program
 * would create one by looking.
 */
#include <stdbool.h>
#include <string.h>

#include "core/cleanup.h"
#include "nat/legacy.h"

static bool in_use(const char *names)
{
	FV_AUTO_FILE FILE *f = fopen(names, "re");
	char line[64];

	while (f && fgets(line, sizeof(line), f))
		if (strcmp(line, "filter\n") == 0)
			return true;
	return false;
}

const char *fv_legacy_judge(const char *rules)
{
	if (!strstr(rules, "-P FORWARD DROP\n") || strstr(rules, "-i fv-+ "))
		return NULL;
	return strstr(rules, "-N DOCKER-USER\n") ? "DOCKER-USER" : "FORWARD";
}

static void ask(const char *program, FILE *hints)
{
	FV_AUTO_FREE char *rules = NULL;
	size_t size = 0;
	const char *chain;
	char command[64];
	FILE *f;

	snprintf(command, sizeof(command), "%s -w 2 -S 2>/dev/null", program);
	f = popen(command, "re");
	if (!f)
		return;
	if (getdelim(&rules, &size, '\0', f) < 0) {
		pclose(f);
		return;
	}
	pclose(f);
	chain = fv_legacy_judge(rules);
	if (chain)
		fprintf(hints,
			"%s drops forwarded packets; to let own networks through, run: "
			"%s -I %s -i fv-+ -j ACCEPT && %s -I %s -o fv-+ -j ACCEPT\n",
			program, program, chain, program, chain);
}

void fv_legacy_hint(FILE *hints)
{
	if (in_use("/proc/thread-self/net/ip_tables_names"))
		ask("iptables-legacy", hints);
	if (in_use("/proc/thread-self/net/ip6_tables_names"))
		ask("ip6tables-legacy", hints);
}
