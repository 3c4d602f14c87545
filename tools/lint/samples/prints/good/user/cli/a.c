	printf("x\n");
