//! Small ELF files written here, field by field.

use std::io::Write;

use super::*;

/// Address, bytes, bytes in memory, flags.
type Load<'a> = (u64, &'a [u8], u64, u32);

const READ: u32 = 4;

fn elf(kind: u16, entry: u64, notes: &[u8], loads: &[Load<'_>]) -> Vec<u8> {
    let count = loads.len() + usize::from(!notes.is_empty());
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    file.extend(kind.to_le_bytes());
    file.extend(elf::EM_X86_64.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for word in [entry, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64, 56, count as u16, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut offset = (file.len() + count * 56) as u64;
    let mut header = |kind: u32, flags: u32, address: u64, bytes: u64, in_memory: u64| {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [offset, address, 0, bytes, in_memory, 1] {
            file.extend(word.to_le_bytes());
        }
        offset += bytes;
    };
    if !notes.is_empty() {
        header(PT_NOTE, READ, 0, notes.len() as u64, 0);
    }
    for (address, bytes, in_memory, flags) in loads {
        header(PT_LOAD, *flags, *address, bytes.len() as u64, *in_memory);
    }
    file.extend(notes);
    for (_, bytes, _, _) in loads {
        file.extend(*bytes);
    }
    file
}

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    note_of(b"CORE\0\0\0\0", 5, kind, content)
}

fn note_of(owner: &[u8; 8], length: u32, kind: u32, content: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [length, content.len() as u32, kind] {
        note.extend(word.to_le_bytes());
    }
    note.extend(owner);
    note.extend(content);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn thread(tid: u32) -> Vec<u8> {
    let mut content = vec![0; AMD64.bytes];
    content[PRSTATUS_PID..PRSTATUS_PID + 4].copy_from_slice(&tid.to_le_bytes());
    let values = [
        (AMD64.frame, 1_u64),
        (AMD64.instruction, 2),
        (AMD64.stack, 3),
    ];
    for (at, value) in values {
        let at = PRSTATUS_REGISTERS + at * 8;
        content[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    note(NT_PRSTATUS, &content)
}

/// Two threads, an entry at 0x5010, and `./shop` as the first of two files.
fn notes() -> Vec<u8> {
    let words =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut files = words(&[2, 4096, 0, 1, 0, 1, 2, 0]);
    files.extend(b"/srv/shop\0/lib/libc.so\0");
    let auxv = words(&[9, 0x5010, 0, 0]);
    [
        thread(7),
        note(
            NT_PRFPREG,
            &words(&[0, 0xc000_0100_0000, 0x3ff0_0000_0000_0000]),
        ),
        note_of(
            b"LINUX\0\0\0",
            6,
            NT_X86_XSTATE,
            &words(&[0xc000_0200_0000, 7]),
        ),
        // Somebody else's.
        note(NT_X86_XSTATE, &words(&[0xc000_0300_0000])),
        thread(8),
        note(NT_AUXV, &auxv),
        note(NT_FILE, &files),
    ]
    .concat()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A core whose first page of code and whose data are there; the executable, linked at 0, has code and old data.
fn core_file() -> Vec<u8> {
    elf(
        elf::ET_CORE,
        0,
        &notes(),
        &[
            (0x5000, b"head", 12, READ),
            (0x6000, b"data now", 16, READ | PF_W),
        ],
    )
}

fn executable() -> Vec<u8> {
    elf(
        3,
        0x10,
        b"",
        &[
            (0, b"HEADcode", 8, READ),
            (0x1000, b"data then, and more", 19, READ | PF_W),
        ],
    )
}

fn check(core: &Core, address: u64, expected: Option<&[u8]>, length: usize) {
    let mut buffer = vec![0; length];
    let read = core.memory.read(Address(address), &mut buffer);
    assert_eq!(read.ok().map(|()| &buffer[..]), expected, "at {address:#x}");
}

#[test]
fn a_core_lies_over_the_constant_parts_of_its_executable() {
    let core = open(file(&core_file()), file(&executable())).unwrap();
    assert_eq!(core.bias, 0x5000);
    assert_eq!(core.missing_bytes, 0);
    let tids: Vec<u64> = core.threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, [7, 8]);
    let first = &core.threads[0];
    assert_eq!((first.rbp, first.rip, first.rsp), (1, 2, 3));
    assert_eq!(first.vectors, [0xc000_0100_0000, 0xc000_0200_0000]);
    assert!(core.threads[1].vectors.is_empty());
    // The first four bytes are the core's own, the others only the executable has.
    check(&core, 0x5000, Some(b"headcode"), 8);
    check(&core, 0x5006, Some(b"de"), 2);
    check(&core, 0x5006, None, 3);
    check(&core, 0x6000, Some(b"data now"), 8);
    // The executable's data are of the start, and not what was there when the core was written.
    check(&core, 0x6004, None, 8);
    check(&core, 0x4fff, None, 1);
    check(&core, u64::MAX, None, 2);
    check(&core, 0, None, 1);
}

#[test]
fn a_core_that_is_cut_off_is_unreadable_there_and_says_so() {
    let whole = core_file();
    let cut = open(file(&whole[..whole.len() - 3]), file(&executable())).unwrap();
    assert_eq!(cut.missing_bytes, 3);
    check(&cut, 0x6000, Some(b"data "), 5);
    check(&cut, 0x6000, None, 8);
    // Cut off anywhere, it is refused or says what is missing.
    for end in 0..whole.len() {
        if let Ok(core) = open(file(&whole[..end]), file(&executable())) {
            assert!(core.missing_bytes > 0, "{end}");
        }
    }
}

#[test]
fn other_files_are_refused() {
    let error = |core: &[u8], executable: &[u8]| {
        open(file(core), file(executable)).unwrap_err().to_string()
    };
    assert_eq!(
        error(b"goroutine 1", &executable()),
        CoreError::NotCore.to_string()
    );
    assert_eq!(
        error(&executable(), &executable()),
        CoreError::NotCore.to_string()
    );
    assert_eq!(
        error(&core_file(), &core_file()),
        CoreError::NotExecutable.to_string()
    );
    assert_eq!(
        error(&core_file(), b""),
        CoreError::NotExecutable.to_string()
    );
    let without = elf(elf::ET_CORE, 0, b"", &[]);
    assert_eq!(
        error(&without, &executable()),
        CoreError::NoNotes.to_string()
    );
    let mut arm = core_file();
    arm[18] = 183;
    assert_eq!(
        error(&arm, &executable()),
        CoreError::OtherMachine.to_string()
    );
    arm[18] = 8;
    assert_eq!(
        error(&arm, &executable()),
        CoreError::Machine(8).to_string()
    );
}

#[test]
fn a_core_names_its_executable() {
    assert_eq!(
        executable_of(&file(&core_file())).as_deref(),
        Some("/srv/shop")
    );
    assert_eq!(executable_of(&file(&executable())), None);
}

#[test]
fn hostile_sizes_are_refused_before_memory_is_asked_for() {
    let mut core = core_file();
    // As many program headers as the first section header says: four billion.
    core[56..58].copy_from_slice(&0xffff_u16.to_le_bytes());
    let at = core.len() as u64;
    core[40..48].copy_from_slice(&at.to_le_bytes());
    core.resize(core.len() + 64, 0xff);
    assert!(matches!(
        open(file(&core), file(&executable())),
        Err(CoreError::Io(_))
    ));
}
