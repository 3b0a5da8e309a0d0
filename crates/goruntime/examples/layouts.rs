//! Writes the table of struct offsets of one Go version from a program with debug information: what `cargo xtask layouts` runs.

#![expect(clippy::disallowed_methods, reason = "it is the caller that reads")]

use std::io::Write;

use gorphan_goruntime::Processor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: layouts PROGRAM")?;
    let image = gorphan_goruntime::Image::parse(std::fs::read(path)?)?;
    let offsets = image.struct_offsets();
    if offsets.is_empty() {
        return Err("the program has no debug information of the runtime".into());
    }
    let version = image.go_version();
    let processor = match image.processor() {
        Processor::Amd64 => "amd64",
        Processor::Arm64 => "arm64",
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "//! Sizes and offsets of {version} on linux/{processor}, made by `cargo xtask layouts`. Do not edit."
    )?;
    writeln!(out)?;
    writeln!(out, "/// Struct or field to size or offset in bytes.")?;
    writeln!(out, "pub(super) const OFFSETS: &[(&str, u32)] = &[")?;
    for (name, offset) in offsets {
        writeln!(out, "    (\"{name}\", {offset}),")?;
    }
    writeln!(out, "];")?;
    Ok(())
}
