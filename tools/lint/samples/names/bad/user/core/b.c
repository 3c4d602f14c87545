struct fv_b *make_b(const char *name)
{
	return NULL;
}
