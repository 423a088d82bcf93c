"""The same work by this project and by a peer, in turn, each in a process and an environment of its own."""
