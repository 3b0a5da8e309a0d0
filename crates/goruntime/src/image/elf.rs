//! What is needed of ELF.

use std::borrow::Cow;
use std::ops::Range;

use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{CompressionFormat, LittleEndian, Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::Processor;
use super::{Image, file_range};
use crate::ImageError;

/// Bytes that one section may have when decompressed: four times the largest Go programs' debug information.
const MAX_SECTION_BYTES: u64 = 2 << 30;
/// Entries of the relocation table; programs of 300 MB have 3 million.
const MAX_RELOCATIONS: usize = 32 << 20;
/// Variables of one program; the largest have some 100,000.
const MAX_VARIABLES: usize = 1 << 22;
/// Entries of the dynamic table; linkers write about 30.
const MAX_DYNAMIC: usize = 1024;

/// A part of the file that is mapped into memory.
#[derive(Debug)]
pub(super) struct Segment {
    /// The linked address.
    pub(super) address: u64,
    /// Where the bytes lie in the file; what memory has beyond is zero at start.
    pub(super) file: Range<usize>,
    /// Whether it may be run.
    pub(super) is_code: bool,
}

impl Segment {
    pub(super) fn file_has(&self, address: u64) -> bool {
        address
            .checked_sub(self.address)
            .is_some_and(|skip| skip < self.file.len() as u64)
    }
}

/// What the headers say.
pub(super) struct Headers {
    pub(super) processor: Processor,
    pub(super) segments: Vec<Segment>,
    pub(super) pie: bool,
    /// Linked address and length of the dynamic table.
    pub(super) dynamic: Option<(u64, u64)>,
}

pub(super) fn headers(bytes: &[u8]) -> Result<Headers, ImageError> {
    let not_elf = |error: object::Error| ImageError::NotElf(error.to_string());
    let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(not_elf)?;
    let endian = header.endian().map_err(not_elf)?;
    let processor = match header.e_machine(endian) {
        elf::EM_X86_64 => Processor::Amd64,
        elf::EM_AARCH64 => Processor::Arm64,
        other => {
            let found = format!("ELF machine {other:?}");
            return Err(ImageError::Machine { found });
        }
    };
    let mut headers = Headers {
        processor,
        segments: Vec::new(),
        pie: header.e_type(endian) == elf::ET_DYN,
        dynamic: None,
    };
    for program in header.program_headers(endian, bytes).map_err(not_elf)? {
        let kind = program.p_type(endian);
        let address = program.p_vaddr(endian);
        if kind == elf::PT_DYNAMIC {
            headers.dynamic = Some((address, program.p_filesz(endian)));
        }
        if kind == elf::PT_LOAD {
            let file = file_range(bytes, program.p_offset(endian), program.p_filesz(endian));
            let file = file.ok_or_else(|| {
                ImageError::NotElf(format!(
                    "the segment at 0x{address:x} is not wholly in the file"
                ))
            })?;
            headers.segments.push(Segment {
                address,
                file,
                is_code: program.p_flags(endian).0 & elf::PF_X.0 != 0,
            });
        }
    }
    Ok(headers)
}

/// The relative relocations, sorted by address. Linkers need not write the addresses in place as well.
pub(super) fn relocations(image: &Image, dynamic: Option<(u64, u64)>) -> Vec<(u64, u64)> {
    let table = dynamic.and_then(|(address, length)| image.at(address, length));
    let entry = |wanted: u64| {
        let entries = table?.chunks_exact(16).take(MAX_DYNAMIC);
        entries.map(pair).find_map(|(tag, value)| {
            let found = tag == wanted;
            found.then_some(value)
        })
    };
    /// `DT_RELA`.
    const TABLE: u64 = 7;
    /// `DT_RELASZ`.
    const TABLE_BYTES: u64 = 8;
    // `R_X86_64_RELATIVE` and `R_AARCH64_RELATIVE`.
    let wanted = match image.processor {
        Processor::Amd64 => 8,
        Processor::Arm64 => 1027,
    };
    let (Some(address), Some(length)) = (entry(TABLE), entry(TABLE_BYTES)) else {
        return Vec::new();
    };
    let entries = image.at(address, length).unwrap_or_default();
    let mut found: Vec<(u64, u64)> = entries
        .chunks_exact(24)
        .take(MAX_RELOCATIONS)
        .filter_map(|entry| {
            let (at, kind) = pair(entry);
            let addend = entry.get(16..24)?.try_into().ok()?;
            let relative = kind & 0xffff_ffff == wanted;
            relative.then_some((at, u64::from_le_bytes(addend)))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The first two words; 0 past the end.
fn pair(bytes: &[u8]) -> (u64, u64) {
    let word = |at: usize| {
        let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
        word.map_or(0, u64::from_le_bytes)
    };
    (word(0), word(8))
}

pub(super) fn section<'a>(bytes: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let file = ElfFile64::<LittleEndian>::parse(bytes).ok()?;
    let data = file.section_by_name(name)?.compressed_data().ok()?;
    match data.format {
        CompressionFormat::None => Some(Cow::Borrowed(data.data)),
        CompressionFormat::Zlib if data.uncompressed_size <= MAX_SECTION_BYTES => {
            use std::io::Read;
            let mut whole = Vec::new();
            let stream = flate2::read::ZlibDecoder::new(data.data);
            let mut stream = stream.take(data.uncompressed_size);
            stream.read_to_end(&mut whole).ok()?;
            Some(Cow::Owned(whole))
        }
        _ => None,
    }
}

pub(super) fn section_address(bytes: &[u8], name: &str) -> Option<u64> {
    let file = ElfFile64::<LittleEndian>::parse(bytes).ok()?;
    Some(file.section_by_name(name)?.address())
}

/// Variables in the symbol table, by address. Those of compilers and linkers, whose names have no package, are left out.
pub(super) fn variables(bytes: &[u8]) -> Vec<(u64, u64, String)> {
    let Ok(file) = ElfFile64::<LittleEndian>::parse(bytes) else {
        return Vec::new();
    };
    let variables = file.symbols().filter(|one| one.kind() == SymbolKind::Data);
    let named = variables.filter_map(|one| {
        let name = one.name().ok().filter(|name| name.contains('.'))?;
        Some((one.address(), one.size(), name.to_owned()))
    });
    let mut found: Vec<_> = named.take(MAX_VARIABLES).collect();
    found.sort_unstable();
    found
}

pub(super) fn symbols<const N: usize>(bytes: &[u8], names: [&str; N]) -> [Option<u64>; N] {
    let mut found = [None; N];
    let Ok(file) = ElfFile64::<LittleEndian>::parse(bytes) else {
        return found;
    };
    for symbol in file.symbols() {
        let Ok(name) = symbol.name_bytes() else {
            continue;
        };
        let at = names.iter().position(|wanted| wanted.as_bytes() == name);
        if let Some(slot) = at.and_then(|at| found.get_mut(at)) {
            *slot = Some(symbol.address());
        }
    }
    found
}
