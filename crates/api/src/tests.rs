//! The control plane over real sockets, on a real node in a directory of its own.

mod document;
