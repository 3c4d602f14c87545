	fprintf(stderr, "x\n");
