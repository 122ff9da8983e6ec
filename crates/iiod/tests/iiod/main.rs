//! What clients see of the server.

mod bad_clients;
mod client;
mod devices;
mod raw_sessions;
mod requests;
mod stock_clients;
mod tree;
mod unplug;
mod vectors;
mod wires;
