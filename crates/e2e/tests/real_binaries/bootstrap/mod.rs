//! Modules that know nothing but the bootstrap server.

mod cuts;
mod field;
mod first;
mod refused;
mod several_servers;

use field::Field;
