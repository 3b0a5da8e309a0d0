//! The executable: ELF headers and build information, parsed once; everything else is looked up when asked for.

mod buildinfo;
mod elf;
pub(crate) mod pclntab;

use std::borrow::Cow;
use std::ops::Range;

use crate::{Address, ImageError};
use elf::Segment;

/// A released version of Go; vendors' suffixes are in [`Image::go_version`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoVersion {
    /// 26 in `go1.26.8`.
    pub minor: u32,
    /// 8 in `go1.26.8`; 0 where there is none, as in release candidates.
    pub patch: u32,
}

impl GoVersion {
    /// Reads `go1.26.8`, `go1.27rc1`, `go1.22.1 X:rangefunc`, `go1.19.8-vendor`; `None` for development versions.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("go1.")?;
        let (minor, rest) = number(rest)?;
        let patch = rest.strip_prefix('.').and_then(number);
        Some(Self {
            minor,
            patch: patch.map_or(0, |(patch, _)| patch),
        })
    }
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// What a program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Processor {
    /// Bytes that every address of code is a multiple of.
    pub(crate) fn code_step(self) -> u32 {
        match self {
            Self::Amd64 => 1,
            Self::Arm64 => 4,
        }
    }

    /// Whether calls leave the return address in a register, which a function that calls others saves at the low end of its
    /// frame; else it is above the frame.
    pub(crate) fn links(self) -> bool {
        self == Self::Arm64
    }

    /// The end of what a process can have mapped.
    pub(crate) fn address_end(self) -> u64 {
        match self {
            Self::Amd64 => 1 << 47,
            Self::Arm64 => 1 << 48,
        }
    }

    /// Bytes of a cache line: `CacheLinePadSize` of `internal/cpu`.
    pub(crate) fn cache_line_bytes(self) -> u64 {
        match self {
            Self::Amd64 => 64,
            Self::Arm64 => 128,
        }
    }

    /// Bytes of a `runtime.xRegs` (runtime/preempt_amd64.go and preempt_arm64.go, Go 1.26 and 1.27): the vector registers,
    /// and for amd64 their masks.
    pub(crate) fn vector_bytes(self) -> u64 {
        match self {
            Self::Amd64 => 32 * 64 + 8 * 8,
            Self::Arm64 => 32 * 16,
        }
    }
}

/// The executable of a Go process.
#[derive(Debug)]
pub struct Image {
    processor: Processor,
    bytes: Vec<u8>,
    segments: Vec<Segment>,
    /// Sorted by address: where the loader writes an address of the image, and which.
    relocations: Vec<(u64, u64)>,
    pie: bool,
    version: String,
    module: Option<String>,
}

impl Image {
    /// Reads headers and build information. Cheap: debug information and functions are not looked at.
    ///
    /// # Errors
    /// When it is not a Go program for linux/amd64 or linux/arm64.
    pub fn parse(elf: Vec<u8>) -> Result<Self, ImageError> {
        let headers = elf::headers(&elf)?;
        let mut image = Self {
            processor: headers.processor,
            bytes: elf,
            segments: headers.segments,
            relocations: Vec::new(),
            pie: headers.pie,
            version: String::new(),
            module: None,
        };
        image.relocations = elf::relocations(&image, headers.dynamic);
        let info = buildinfo::read(&image).ok_or(ImageError::NotGo)?;
        image.version = info.version;
        image.module = info.module;
        Ok(image)
    }

    /// What it runs on.
    pub fn processor(&self) -> Processor {
        self.processor
    }

    /// As the toolchain wrote it: `go1.26.8`, `go1.22.1 X:nocoverageredesign`.
    pub fn go_version(&self) -> &str {
        &self.version
    }

    /// The main module's path, where it was built from a module.
    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// The lowest address that a loadable segment is linked at; the bias is the first mapping's start minus this.
    pub fn lowest_address(&self) -> Address {
        let lowest = self.segments.iter().map(|segment| segment.address).min();
        Address(lowest.unwrap_or_default())
    }

    /// Whether the kernel may load it at any address.
    pub fn is_pie(&self) -> bool {
        self.pie
    }

    /// The fields of the runtime's structs as the debug information has them: `runtime.g.goid` with its offset in bytes,
    /// `runtime.g` with the struct's size. Sorted; empty where there is no debug information.
    pub fn struct_offsets(&self) -> Vec<(String, u32)> {
        crate::layout::dwarf::offsets(self)
    }

    /// The linked address of an instruction of amd64 that makes a system call.
    pub fn system_call(&self) -> Option<Address> {
        if self.processor != Processor::Amd64 {
            return None;
        }
        self.code(&[0x0f, 0x05])
    }

    /// The linked address of the first of these bytes in its code.
    pub fn code(&self, wanted: &[u8]) -> Option<Address> {
        let code = self.segments.iter().filter(|segment| segment.is_code);
        code.filter_map(|segment| {
            let bytes = self.bytes.get(segment.file.clone())?;
            let at = memchr::memmem::find(bytes, wanted)?;
            segment.address.checked_add(at as u64).map(Address)
        })
        .next()
    }

    /// The bytes from a linked address to the end of what the file has of its segment.
    pub(crate) fn rest(&self, address: u64) -> Option<&[u8]> {
        let segment = self.segments.iter().find(|s| s.file_has(address))?;
        let skip = usize::try_from(address.checked_sub(segment.address)?).ok()?;
        self.bytes.get(segment.file.clone())?.get(skip..)
    }

    /// `length` bytes at a linked address, before relocation.
    pub(crate) fn at(&self, address: u64, length: u64) -> Option<&[u8]> {
        self.rest(address)?.get(..usize::try_from(length).ok()?)
    }

    /// The word at a linked address as a loader with a bias of 0 would leave it.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        self.relocated_word(address).map(|(word, _)| word)
    }

    /// As [`Image::word`], and whether a loader adds its bias to it.
    pub(crate) fn relocated_word(&self, address: u64) -> Option<(u64, bool)> {
        let relocated = self
            .relocations
            .binary_search_by_key(&address, |(at, _)| *at);
        if let Some((_, target)) = relocated.ok().and_then(|at| self.relocations.get(at)) {
            return Some((*target, true));
        }
        let bytes = self.at(address, 8)?;
        Some((u64::from_le_bytes(bytes.try_into().ok()?), false))
    }

    /// Linked addresses of all aligned words equal to `value`.
    pub(crate) fn words_equal(&self, value: u64) -> Vec<u64> {
        let relocated = self.relocations.iter().filter(|(_, to)| *to == value);
        let mut found: Vec<u64> = relocated.map(|(at, _)| *at).collect();
        for at in self.find(&value.to_le_bytes()) {
            if at % 8 == 0 && !found.contains(&at) {
                found.push(at);
            }
        }
        found
    }

    /// Linked addresses at which `pattern` lies, up to a limit.
    pub(crate) fn find(&self, pattern: &[u8]) -> Vec<u64> {
        /// More means that the pattern says nothing.
        const MAX_FOUND: usize = 1024;
        let mut found = Vec::new();
        for segment in &self.segments {
            let Some(bytes) = self.bytes.get(segment.file.clone()) else {
                continue;
            };
            let left = MAX_FOUND.saturating_sub(found.len());
            let hits = memchr::memmem::find_iter(bytes, pattern).take(left);
            found.extend(hits.filter_map(|at| segment.address.checked_add(at as u64)));
        }
        found
    }

    /// A section's contents, decompressed; `None` where it is missing, damaged or too large.
    pub(crate) fn section(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        elf::section(&self.bytes, name)
    }

    /// The linked address of a section.
    pub(crate) fn section_address(&self, name: &str) -> Option<u64> {
        elf::section_address(&self.bytes, name)
    }

    /// All variables of the symbol table, by linked address: where, how many bytes, and how they are called.
    pub(crate) fn variables(&self) -> Vec<(u64, u64, String)> {
        elf::variables(&self.bytes)
    }

    /// The addresses of some symbols; `None` for each that the symbol table does not have.
    pub(crate) fn symbols<const N: usize>(&self, names: [&str; N]) -> [Option<u64>; N] {
        elf::symbols(&self.bytes, names)
    }
}

/// A part of the file, checked to lie within it.
fn file_range(bytes: &[u8], offset: u64, length: u64) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u32, u32)>) {
        let found = GoVersion::parse(text).map(|version| (version.minor, version.patch));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn versions_are_read_with_every_suffix() {
        check("go1.26.8", Some((26, 8)));
        check("go1.27rc1", Some((27, 0)));
        check("go1.22.1 X:rangefunc", Some((22, 1)));
        check("go1.19.8-custom", Some((19, 8)));
        check("devel go1.28-abcdef", None);
        check("go2.1", None);
    }
}
