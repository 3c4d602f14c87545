int fv_up(void)
{
	if (fv_make())
		goto undo_netns;
	return 0;

undo_netns:
	fv_unmake();
	return -1;
}
