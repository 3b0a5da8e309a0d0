//! One table per Go version. `cargo xtask layouts GO_BINARY` writes the tables; this list is kept by hand.

mod go1_19_amd64;
mod go1_19_arm64;
mod go1_21_amd64;
mod go1_21_arm64;
mod go1_22_amd64;
mod go1_22_arm64;
mod go1_23_amd64;
mod go1_23_arm64;
mod go1_24_amd64;
mod go1_24_arm64;
mod go1_25_amd64;
mod go1_25_arm64;
mod go1_26_amd64;
mod go1_26_arm64;
mod go1_27_amd64;
mod go1_27_arm64;

use super::Offsets;
use crate::image::Processor;

/// For people.
pub(super) const SUPPORTED: &str = "Go 1.19 and 1.21 to 1.27";

/// The table of Go 1.`minor`.
pub(super) fn table(minor: u32, processor: Processor) -> Option<Offsets<'static>> {
    let (amd64, arm64) = match minor {
        19 => (go1_19_amd64::OFFSETS, go1_19_arm64::OFFSETS),
        21 => (go1_21_amd64::OFFSETS, go1_21_arm64::OFFSETS),
        22 => (go1_22_amd64::OFFSETS, go1_22_arm64::OFFSETS),
        23 => (go1_23_amd64::OFFSETS, go1_23_arm64::OFFSETS),
        24 => (go1_24_amd64::OFFSETS, go1_24_arm64::OFFSETS),
        25 => (go1_25_amd64::OFFSETS, go1_25_arm64::OFFSETS),
        26 => (go1_26_amd64::OFFSETS, go1_26_arm64::OFFSETS),
        27 => (go1_27_amd64::OFFSETS, go1_27_arm64::OFFSETS),
        _ => return None,
    };
    Some(match processor {
        Processor::Amd64 => amd64,
        Processor::Arm64 => arm64,
    })
}
