//! Build information, as `debug/buildinfo` reads it (Go 1.27); it survives stripping.

use super::Image;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Bytes of the header before the inline strings.
const HEADER_BYTES: u64 = 32;
/// Set in the flags from Go 1.18: the strings follow the header. Before, the header points to them.
const INLINE: u8 = 2;
/// Set in the flags of big-endian programs before Go 1.18.
const BIG_ENDIAN: u8 = 1;
/// Bytes of a string; a version is 10, the list of modules some kilobytes.
const MAX_STRING_BYTES: u64 = 4 << 20;
/// Bytes of the marks before and after the list of modules.
const SENTINEL_BYTES: usize = 16;

pub(super) struct BuildInfo {
    pub(super) version: String,
    pub(super) module: Option<String>,
}

pub(super) fn read(image: &Image) -> Option<BuildInfo> {
    let section = image.section_address(".go.buildinfo");
    // A program that reads build information has the magic as a constant: what does not parse is passed over.
    let candidates = section.into_iter().chain(image.find(MAGIC));
    candidates.into_iter().find_map(|at| read_at(image, at))
}

fn read_at(image: &Image, at: u64) -> Option<BuildInfo> {
    let header = image.at(at, HEADER_BYTES)?;
    let rest = header.strip_prefix(MAGIC)?;
    let (pointer_bytes, flags) = (*rest.first()?, *rest.get(1)?);
    let (version, modules) = if flags & INLINE != 0 {
        let rest = image.rest(at.checked_add(HEADER_BYTES)?)?;
        let (version, rest) = inline(rest)?;
        (
            version,
            inline(rest).map_or(&[][..], |(modules, _)| modules),
        )
    } else if pointer_bytes == 8 && flags & BIG_ENDIAN == 0 {
        let version = pointed(image, image.word(at.checked_add(16)?)?)?;
        let modules = pointed(image, image.word(at.checked_add(24)?)?);
        (version, modules.unwrap_or_default())
    } else {
        return None;
    };
    let version = std::str::from_utf8(version).ok()?;
    let known = version.starts_with("go") || version.starts_with("devel");
    known.then(|| BuildInfo {
        version: version.to_owned(),
        module: module(modules),
    })
}

/// A string after its length, and what follows.
fn inline(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, used) = super::pclntab::varint(bytes)?;
    bytes.get(used..)?.split_at_checked(length as usize)
}

/// A string by the address of its Go string header.
fn pointed(image: &Image, header: u64) -> Option<&[u8]> {
    let data = image.word(header)?;
    let length = image.word(header.checked_add(8)?)?;
    (length <= MAX_STRING_BYTES).then(|| image.at(data, length))?
}

/// The path in the line `mod`.
fn module(modules: &[u8]) -> Option<String> {
    let end = modules.len().checked_sub(SENTINEL_BYTES)?;
    let text = std::str::from_utf8(modules.get(SENTINEL_BYTES..end)?).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("mod\t"))?;
    line.split('\t').next().map(str::to_owned)
}
