} fv_map SEC(".maps");

SEC("tc")
int fv_from_ns(struct __sk_buff *ctx)
