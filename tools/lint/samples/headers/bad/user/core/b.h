struct fv_b {
	int b;
};
