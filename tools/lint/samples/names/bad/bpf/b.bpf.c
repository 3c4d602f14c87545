SEC("tc")
int from_ns(struct __sk_buff *ctx)
