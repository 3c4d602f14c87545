	perror("x");
