#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "decide.bpf.h"
#include "fastveth/abi.h"
