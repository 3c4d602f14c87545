	goto out;
