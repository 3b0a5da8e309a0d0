//! Snapshot files taken apart (`docs/snapshot-files.md`), and edits of them.

/// The parts of a file.
pub struct Saved {
    pub executable: Vec<u8>,
    pub copy: Vec<u8>,
}

/// Takes a whole file apart.
pub fn read(file: &[u8]) -> Saved {
    let plain = zstd::decode_all(&file[20..]).expect("a zstd frame");
    let mut rest = plain.as_slice();
    let (_name, _method) = (part(&mut rest), part(&mut rest));
    // Three numbers.
    rest = &rest[24..];
    let executable = part(&mut rest).to_vec();
    let _layout_from = part(&mut rest);
    Saved {
        executable,
        copy: rest.to_vec(),
    }
}

/// Bytes behind their length.
fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (length, after) = rest.split_first_chunk().expect("a length");
    let (part, after) = after.split_at(u64::from_le_bytes(*length) as usize);
    *rest = after;
    part
}

/// Edits bytes: each edit is a kind, a place and a value, of 1, 4 and 4 bytes.
pub fn edit(bytes: &mut Vec<u8>, edits: &[u8]) {
    for edit in edits.chunks_exact(9) {
        let number = |at: usize| u32::from_le_bytes(edit[at..at + 4].try_into().expect("4 bytes"));
        let (place, value) = (number(1) as usize, number(5));
        if bytes.is_empty() {
            return;
        }
        let word = place % (bytes.len() / 8 + 1) * 8;
        let Some(slot) = bytes.get_mut(word..word + 8) else {
            continue;
        };
        let slot: &mut [u8; 8] = slot.try_into().expect("8 bytes");
        let old = u64::from_le_bytes(*slot);
        let new = match edit[0] % 8 {
            0 => u64::from(value),
            1 => old.wrapping_add(u64::from(value & 0xff)),
            2 => old.wrapping_sub(u64::from(value & 0xff)),
            3 => old ^ (1 << (value % 64)),
            4 => u64::MAX - u64::from(value),
            5 => old & !0xff | u64::from(value & 0xff),
            6 => {
                bytes.truncate(word);
                continue;
            }
            // Another word of the same bytes: mostly another pointer.
            _ => {
                let from = value as usize % (bytes.len() / 8) * 8;
                bytes.copy_within(from..from + 8, word);
                continue;
            }
        };
        *slot = new.to_le_bytes();
    }
}
