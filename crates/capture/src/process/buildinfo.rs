//! Whether an executable is a Go program, told from a few kilobytes of it: there may be hundreds to look at.

use std::fs::File;

use super::elf::{self, Fields, PF_W, PT_LOAD, SECTION_HEADER_BYTES};

/// What the linker puts before the build information, aligned to 16 bytes.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Offset of the flags; bit 1 says that the texts follow (Go 1.18 and later) rather than pointers to them.
const FLAGS: usize = 15;
const TEXTS_FOLLOW: u8 = 2;
/// Offset of the first text.
const TEXTS: usize = 32;
/// Bytes around the module's description, which nothing else is known of.
const SENTINEL: usize = 16;
/// Bytes read of the build information: modules with a thousand dependencies have some 100 KB.
const MAX_BYTES: u64 = 256 << 10;
/// Bytes of the data segment searched where no section tells the place; the linker puts it first.
const SEARCHED_BYTES: u64 = 256 << 10;
/// Section headers and bytes of their names.
const MAX_SECTIONS: u64 = 1000;
const MAX_NAME_BYTES: u64 = 64 << 10;

/// What the toolchain wrote into an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuildInfo {
    /// As `go1.26.8`; `None` before Go 1.18.
    pub(super) go_version: Option<String>,
    /// The path of the main module, or of the main package where there is no module.
    pub(super) module: Option<String>,
}

/// Looks into an executable; `None` if it is none of Go, or cannot be read.
pub(super) fn probe(file: &File) -> Option<BuildInfo> {
    let header = elf::header(file).ok()??;
    if let Some((offset, bytes)) = section(file, &header) {
        return parse(&read_up_to(file, offset, bytes.min(MAX_BYTES))?);
    }
    let segments = elf::segments(file, &header).ok()?;
    let data = segments
        .iter()
        .filter(|segment| segment.kind == PT_LOAD && segment.flags & PF_W != 0);
    for segment in data {
        let searched = segment.file_bytes.min(SEARCHED_BYTES + MAX_BYTES);
        let bytes = read_up_to(file, segment.offset, searched)?;
        let mut starts = (0..bytes.len()).step_by(16);
        let at = starts.find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(MAGIC)));
        if let Some(rest) = at.and_then(|at| bytes.get(at..)) {
            return parse(rest);
        }
    }
    None
}

/// Where the section with build information is, and how long.
fn section(file: &File, header: &elf::Header) -> Option<(u64, u64)> {
    if header.section_headers == 0 || header.section_header_count > MAX_SECTIONS {
        return None;
    }
    let length = header.section_header_count * SECTION_HEADER_BYTES;
    let table = read_up_to(file, header.section_headers, length)?;
    let sections: Vec<Fields<'_>> = table
        .chunks_exact(SECTION_HEADER_BYTES as usize)
        .map(Fields)
        .collect();
    let names = sections.get(usize::try_from(header.section_names).ok()?)?;
    let names = read_up_to(file, names.u64(24), names.u64(32).min(MAX_NAME_BYTES))?;
    let found = sections.iter().find(|section| {
        let name = names.get(section.u32(0) as usize..).unwrap_or_default();
        name.starts_with(b".go.buildinfo\0")
    })?;
    Some((found.u64(24), found.u64(32)))
}

fn read_up_to(file: &File, offset: u64, bytes: u64) -> Option<Vec<u8>> {
    let there = file.metadata().ok()?.len().saturating_sub(offset);
    let mut content = vec![0; usize::try_from(bytes.min(there)).ok()?];
    elf::read_exact_at(file, &mut content, offset).ok()?;
    Some(content)
}

fn parse(bytes: &[u8]) -> Option<BuildInfo> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let mut info = BuildInfo {
        go_version: None,
        module: None,
    };
    if bytes.get(FLAGS)? & TEXTS_FOLLOW == 0 {
        return Some(info);
    }
    let Some((version, rest)) = bytes.get(TEXTS..).and_then(text) else {
        return Some(info);
    };
    info.go_version = Some(String::from_utf8_lossy(version).into_owned());
    let described = text(rest).and_then(|(module, _)| {
        let end = module.len().checked_sub(SENTINEL)?;
        module.get(SENTINEL..end)
    });
    let described = String::from_utf8_lossy(described.unwrap_or_default());
    let field = |key: &str| {
        let mut values = described.lines().filter_map(|line| line.strip_prefix(key));
        values.next()?.split('\t').next().map(str::to_owned)
    };
    info.module = field("mod\t").or_else(|| field("path\t"));
    Some(info)
}

/// A text with its length before it, and what follows.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: u8, texts: &[&[u8]], version: Option<&str>, module: Option<&str>) {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([8, flags]);
        bytes.resize(TEXTS, 0);
        for text in texts {
            assert!(text.len() < 128);
            bytes.push(text.len() as u8);
            bytes.extend(*text);
        }
        let info = parse(&bytes).expect("a Go program");
        assert_eq!(info.go_version.as_deref(), version);
        assert_eq!(info.module.as_deref(), module);
        for end in 0..bytes.len() {
            // Cut off anywhere it may tell less, and nothing else.
            if let Some(part) = parse(&bytes[..end]) {
                assert!(part.go_version.is_none() || part.go_version == info.go_version);
                assert!(part.module.is_none() || part.module == info.module);
            }
        }
    }

    #[test]
    fn the_module_is_told_or_else_the_package() {
        let around = |text: &str| format!("{0}{text}{0}", "0123456789abcdef").into_bytes();
        let module = around("path\tshop/cmd/web\nmod\tshop\t(devel)\t\nbuild\tGOOS=linux\n");
        check(2, &[b"go1.26.8", &module], Some("go1.26.8"), Some("shop"));
        let package = around("path\tcommand-line-arguments\n");
        check(
            2,
            &[b"go1.22.10", &package],
            Some("go1.22.10"),
            Some("command-line-arguments"),
        );
        check(2, &[b"go1.19.8", b""], Some("go1.19.8"), None);
        check(0, &[], None, None);
    }

    #[test]
    fn other_bytes_are_no_build_information() {
        assert_eq!(parse(b"\xff Go buildinfX_________________"), None);
        assert_eq!(parse(b""), None);
    }
}
