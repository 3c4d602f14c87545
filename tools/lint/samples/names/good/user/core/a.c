static int helper(void)
{
	return 0;
}

int fv_a(void)
{
	return helper();
}
