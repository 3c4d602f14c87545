	snprintf(buf, sizeof(buf), "x");
	fprintf(file, "x");
