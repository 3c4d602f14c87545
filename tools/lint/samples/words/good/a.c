/* mktemp makes /tmp/fv.XXXXXX; a todo list is data here. */
