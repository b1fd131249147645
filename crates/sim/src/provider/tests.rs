//! The simulated provider as a client meets it: everything here goes over real sockets.

mod control;
mod faults;
mod framing;
mod honesty;
mod lies;
mod wire;
