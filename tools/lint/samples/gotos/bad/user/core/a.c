	goto undo_all;
