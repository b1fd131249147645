//! The control plane over real sockets, on a real node in a directory of its own.

mod apply;
mod catalog;
mod document;
mod money;
mod overview;
mod pages;
mod receipts;
mod refusals;
mod routes;
mod schema;
mod sessions;
mod statements;
mod usage;
mod world;
mod writes;
