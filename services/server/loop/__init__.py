"""One thread for many sockets: the loop that select and epoll serve from, and what stands in it."""
