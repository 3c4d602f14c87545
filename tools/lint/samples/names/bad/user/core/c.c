int cmd_up(int argc, char **argv)
{
	return 0;
}
