//! Modules that know nothing but the bootstrap server.

mod field;
mod first;

use field::Field;
