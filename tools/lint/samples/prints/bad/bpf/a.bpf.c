	bpf_printk("x");
