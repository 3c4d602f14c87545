/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /run/fastveth: what the kernel cannot keep. One lock, one JSON file that is
 * replaced by rename. The file holds the intent: it is written before the
 * kernel is changed, so that a run that was killed can be completed or undone.
 */
#ifndef FV_CORE_STATE_H
#define FV_CORE_STATE_H

#include "core/err.h"
#include "core/topo.h"

#define FV_RUN_DIR "/run/fastveth"

/*
 * fv_run_dir_open - descriptor of FV_RUN_DIR.
 * @make: make it (0700) if it is not there; else -ENOENT without a message
 * A symbolic link, and a directory that belongs to somebody else or that others may write
 * to, is refused with -EPERM.
 */
int fv_run_dir_open(bool make, struct fv_err *err, int *ret_fd);
/* For tests: another directory in place of FV_RUN_DIR. Not copied. */
void fv_run_dir_set(const char *dir);

/* A value in /proc/sys or /sys that we changed and shall put back. */
struct fv_saved {
	char *path; /* absolute */
	char *old;  /* text before, without newline */
	char *set;  /* text we wrote: put back only while this still stands */
};

/* What `attach` was told, and may be told again. Its ports are what the maps say. */
struct fv_attached_to {
	char *target;	/* "bridge:docker0", "container:web", "pid:17", "netns:x", "path:/p" */
	uint32_t allow; /* mask of enum fv_gate: reasons that do not count */
	bool no_sysctl; /* conntrack's TCP windows stay as they are */
	/* The namespace it led to last, where it is no bridge; 0: not yet */
	dev_t ns_dev;
	ino_t ns_ino;
};

/* A device that had no clsact qdisc before we needed one. */
struct fv_made_clsact {
	char port[FV_IFNAME_SIZE];
	int ifindex;
};

struct fv_state {
	struct fv_topo topo; /* resolved */
	struct fv_attached_to *attached;
	size_t n_attached;
	/* Devices that lead out, as the user said; none said: by the default route. */
	char **uplinks;
	size_t n_uplinks;
	bool no_uplinks; /* said: none at all */
	struct fv_made_clsact *clsact;
	size_t n_clsact;
	struct fv_saved *saved;
	size_t n_saved;
	char *nft;	     /* listing of our table as it was after our last write; or NULL */
	bool mounted_bpffs;  /* we mounted /sys/fs/bpf */
	bool made_etc_netns; /* we made /etc/netns */
	bool made_run_netns; /* we made /run/netns */
};

/*
 * fv_lock_take - exclusive lock, released when ret_fd is closed (by fv_lock_release, best) or
 * the process ends.
 * @wait: seconds to wait for another run; @what: command line, kept in the lock file for
 *   others' messages.
 * Returns 0, -ETIMEDOUT with who holds it (pid, command), -EINTR where a signal was caught
 * meanwhile, or the errno of the file.
 */
int fv_lock_take(unsigned int wait, const char *what, struct fv_err *err, int *ret_fd);
/* Takes our name out of the file and closes *fd, which becomes -1; -1 is fine. */
void fv_lock_release(int *fd);

/*
 * fv_state_load - read the state file; an absent one, or one of an earlier boot, is empty.
 * Where things were written (file, line, column) is not kept.
 * Returns 0; -EXDEV where the file belongs to another network namespace than the
 * caller's; -EINVAL for a file that is damaged (says what to do).
 */
int fv_state_load(struct fv_err *err, struct fv_state *ret);
/*
 * fv_state_store - replace the file (temporary file, fsync, rename) unless it says the same; an
 * empty state removes it.
 */
int fv_state_store(const struct fv_state *state, struct fv_err *err);

/* fv_state_attached - position of a target, n_attached where there is none. */
size_t fv_state_attached(const struct fv_state *state, const char *target);
/* fv_state_attach - one more, or other settings for one that is there. */
int fv_state_attach(struct fv_state *state, const char *target, uint32_t allow, bool no_sysctl,
		    struct fv_err *err);
void fv_state_detach(struct fv_state *state, size_t i);
/*
 * fv_state_set_uplinks - what the user says of them from now on.
 * @none: there are to be none; else with n 0 it is the default again
 */
int fv_state_set_uplinks(struct fv_state *state, const char *const *names, size_t n, bool none,
			 struct fv_err *err);
/* Devices of fv_state.clsact. */
int fv_state_clsact_add(struct fv_state *state, const char *port, int ifindex, struct fv_err *err);
bool fv_state_clsact_has(const struct fv_state *state, int ifindex);
void fv_state_clsact_drop(struct fv_state *state, int ifindex);
void fv_state_fini(struct fv_state *state);

#endif /* FV_CORE_STATE_H */
