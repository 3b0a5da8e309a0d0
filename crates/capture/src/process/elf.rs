//! As much of ELF as it takes to find the pieces of a core file or of a running program's executable: 64 bits,
//! little-endian. Everything is read with bounds, because core files are cut off and executables are replaced.

use std::fs::File;
use std::io;

/// Bytes of the file header.
const HEADER_BYTES: usize = 64;
/// Bytes of one program header.
const PROGRAM_HEADER_BYTES: u64 = 56;
/// Bytes of one section header.
pub(super) const SECTION_HEADER_BYTES: u64 = 64;
/// Program headers read at most. Linux allows some 65,530 mappings by default; a million are 56 MB.
const MAX_PROGRAM_HEADERS: u64 = 1 << 20;
/// In `e_phnum`: the number is in the first section header, because it does not fit.
const PN_XNUM: u64 = 0xffff;

/// Executable at a fixed address.
pub(super) const ET_EXEC: u16 = 2;
/// Core file.
pub(super) const ET_CORE: u16 = 4;
/// 64-bit x86.
pub(super) const EM_X86_64: u16 = 62;
/// 64-bit ARM.
pub(super) const EM_AARCH64: u16 = 183;
/// A loadable segment.
pub(super) const PT_LOAD: u32 = 1;
/// Notes.
pub(super) const PT_NOTE: u32 = 4;
/// The writable flag of a segment.
pub(super) const PF_W: u32 = 2;

/// The auxiliary vector's end.
const AT_NULL: u64 = 0;
/// Its entry with the address at which the program starts.
const AT_ENTRY: u64 = 9;

/// The header of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// What sort of file.
    pub(super) kind: u16,
    /// For which processor.
    pub(super) machine: u16,
    /// Where a program starts, before it is moved.
    pub(super) entry: u64,
    program_headers: u64,
    program_header_count: u64,
    /// Where the section headers are; 0 if there are none.
    pub(super) section_headers: u64,
    /// How many.
    pub(super) section_header_count: u64,
    /// Which of them holds the names.
    pub(super) section_names: u64,
}

/// A piece of a file and of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) kind: u32,
    pub(super) flags: u32,
    /// Where in the file.
    pub(super) offset: u64,
    /// Where in memory.
    pub(super) address: u64,
    /// Bytes in the file.
    pub(super) file_bytes: u64,
    /// Bytes in memory.
    pub(super) memory_bytes: u64,
}

/// Fills `buffer` from a place in the file.
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
    }
    #[cfg(windows)]
    {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let got = std::os::windows::fs::FileExt::seek_read(file, rest, at)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += got as u64;
            rest = rest.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Reads the header; `None` if it is no 64-bit little-endian ELF file.
pub(super) fn header(file: &File) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_BYTES];
    match read_exact_at(file, &mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [0x7f, b'E', b'L', b'F', 2, 1, ..] = bytes else {
        return Ok(None);
    };
    let fields = Fields(&bytes);
    let mut header = Header {
        kind: fields.u16(16),
        machine: fields.u16(18),
        entry: fields.u64(24),
        program_headers: fields.u64(32),
        program_header_count: u64::from(fields.u16(56)),
        section_headers: fields.u64(40),
        section_header_count: u64::from(fields.u16(60)),
        section_names: u64::from(fields.u16(62)),
    };
    if header.program_header_count == PN_XNUM {
        let mut first = [0; SECTION_HEADER_BYTES as usize];
        read_exact_at(file, &mut first, header.section_headers)?;
        header.program_header_count = u64::from(Fields(&first).u32(44));
    }
    Ok(Some(header))
}

/// Reads the program headers.
pub(super) fn segments(file: &File, header: &Header) -> io::Result<Vec<Segment>> {
    let count = header.program_header_count;
    if count > MAX_PROGRAM_HEADERS {
        let why = format!("{count} program headers, more than {MAX_PROGRAM_HEADERS}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    // The product is bounded by the limit above; the file is asked first so that a small one cannot demand much memory.
    let length = count * PROGRAM_HEADER_BYTES;
    if length > file.metadata()?.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    read_exact_at(file, &mut bytes, header.program_headers)?;
    let of = |bytes: &[u8]| {
        let fields = Fields(bytes);
        Segment {
            kind: fields.u32(0),
            flags: fields.u32(4),
            offset: fields.u64(8),
            address: fields.u64(16),
            file_bytes: fields.u64(32),
            memory_bytes: fields.u64(40),
        }
    };
    let each = bytes.chunks_exact(PROGRAM_HEADER_BYTES as usize);
    Ok(each.map(of).collect())
}

/// Little-endian numbers at offsets; one that lies outside is 0, which no caller takes for more than absent.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let end = at.checked_add(N);
        let bytes = end.and_then(|end| self.0.get(at..end));
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}

/// One note.
pub(super) struct Note<'a> {
    pub(super) owner: &'a [u8],
    pub(super) kind: u32,
    pub(super) content: &'a [u8],
}

/// The notes in a segment, up to the first that is cut off.
pub(super) fn notes(bytes: &[u8]) -> impl Iterator<Item = Note<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(12)?;
        let fields = Fields(head);
        let (owner_bytes, content_bytes) = (fields.u32(0) as usize, fields.u32(4) as usize);
        let (owner, after) = after.split_at_checked(owner_bytes)?;
        let after = after.get(padding(owner_bytes)..)?;
        let (content, after) = after.split_at_checked(content_bytes)?;
        rest = after.get(padding(content_bytes)..).unwrap_or_default();
        Some(Note {
            owner: owner.strip_suffix(&[0]).unwrap_or(owner),
            kind: fields.u32(8),
            content,
        })
    })
}

/// Bytes up to the next multiple of four.
fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

/// The program's entry in an auxiliary vector of 64-bit words.
pub(super) fn entry_of(auxv: &[u8]) -> Option<u64> {
    let (words, _) = auxv.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    pairs
        .iter()
        .map(|[key, value]| (u64::from_le_bytes(*key), u64::from_le_bytes(*value)))
        .take_while(|(key, _)| *key != AT_NULL)
        .find_map(|(key, value)| (key == AT_ENTRY).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_looked_for_up_to_the_end_of_the_vector() {
        let vector = |pairs: &[(u64, u64)]| -> Vec<u8> {
            let words = pairs.iter().flat_map(|(key, value)| [*key, *value]);
            words.flat_map(u64::to_le_bytes).collect()
        };
        assert_eq!(
            entry_of(&vector(&[(3, 1), (9, 0x47_1000), (0, 0)])),
            Some(0x47_1000)
        );
        assert_eq!(entry_of(&vector(&[(3, 1), (0, 0), (9, 5)])), None);
        assert_eq!(entry_of(&vector(&[(9, 5)])[..15]), None);
    }
}
