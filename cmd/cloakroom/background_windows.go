package main

// This file is what systems without job control need for a server that listens for Enter.

// readInBackground does nothing: no terminal stops who reads from it.
func readInBackground() {}
