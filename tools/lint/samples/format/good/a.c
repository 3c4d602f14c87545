int fv_one(void)
{
	return 1;
}
