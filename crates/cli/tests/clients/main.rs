//! Programs of stock packages, as they are, run by an ordinary user: what `README.md`
//! and `docs/clients.md` say of each.

mod compliance;
mod environments;
mod monitors;
mod sensors;
mod stock;
mod streams;
mod user;
