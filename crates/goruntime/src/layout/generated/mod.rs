//! One table per Go version. `cargo xtask layouts GO_BINARY` writes the tables; this list is kept by hand.

mod go1_19_amd64;
mod go1_21_amd64;
mod go1_22_amd64;
mod go1_23_amd64;
mod go1_24_amd64;
mod go1_25_amd64;
mod go1_26_amd64;
mod go1_27_amd64;

use super::Offsets;

/// For people.
pub(super) const SUPPORTED: &str = "Go 1.19 and 1.21 to 1.27";

/// The table of Go 1.`minor`.
pub(super) fn table(minor: u32) -> Option<Offsets<'static>> {
    Some(match minor {
        19 => go1_19_amd64::OFFSETS,
        21 => go1_21_amd64::OFFSETS,
        22 => go1_22_amd64::OFFSETS,
        23 => go1_23_amd64::OFFSETS,
        24 => go1_24_amd64::OFFSETS,
        25 => go1_25_amd64::OFFSETS,
        26 => go1_26_amd64::OFFSETS,
        27 => go1_27_amd64::OFFSETS,
        _ => return None,
    })
}
