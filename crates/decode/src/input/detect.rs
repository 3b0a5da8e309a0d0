//! What an input is, told from its first bytes.

use crate::Error;

/// The mark of UTF-8.
pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// Characters kept of a page's title.
const TITLE_CHARS: usize = 80;

/// What the first bytes say.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing, or nothing but white space.
    Empty,
    Gzip,
    Zstd,
    Utf16 {
        big_endian: bool,
    },
    Profile,
    Text,
    /// Something that holds no goroutines.
    Refused(Error),
}

/// What an input that starts with `head` is; `head` is the whole input if it is shorter than
/// [`super::HEAD_BYTES`].
pub(super) fn kind(head: &[u8]) -> Kind {
    let whole = head.len() < super::HEAD_BYTES;
    if whole && head.iter().all(u8::is_ascii_whitespace) {
        return Kind::Empty;
    }
    match head {
        [0x1f, 0x8b, 8, ..] => return Kind::Gzip,
        // A frame, or one of the skippable frames that parallel packers write first.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => return Kind::Zstd,
        [0xff, 0xfe, ..] => return Kind::Utf16 { big_endian: false },
        [0xfe, 0xff, ..] => return Kind::Utf16 { big_endian: true },
        _ => {}
    }
    if let Some((found, help)) = binary(head) {
        return Kind::Refused(Error::Binary { found, help });
    }
    if is_html(head) {
        return Kind::Refused(Error::Html { title: title(head) });
    }
    if crate::pprof::looks_like_profile(head) {
        return Kind::Profile;
    }
    Kind::Text
}

const TAKE_DUMP: &str = "take a dump of the running program instead (`kill -QUIT PID`, or \
                         /debug/pprof/goroutine?debug=2 of its pprof server)";
const UNPACK: &str = "unpack it first";

/// Name and advice for files known by their magic number.
fn binary(head: &[u8]) -> Option<(&'static str, &'static str)> {
    // `e_type`, ELF specification, figure 1-3; 4 is ET_CORE. Its byte order is that of the sixth byte.
    let elf_type = match head {
        [0x7f, b'E', b'L', b'F', _, order, ..] => {
            let bytes = [head.get(16), head.get(17)].map(|byte| byte.copied().unwrap_or_default());
            Some(if *order == 2 {
                u16::from_be_bytes(bytes)
            } else {
                u16::from_le_bytes(bytes)
            })
        }
        _ => None,
    };
    Some(match (elf_type, head) {
        (Some(4), _) => ("a core file", TAKE_DUMP),
        (Some(_), _) => ("an executable or library (ELF)", TAKE_DUMP),
        (_, [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..]) => {
            ("an executable or core file (Mach-O)", TAKE_DUMP)
        }
        (_, [b'M', b'Z', ..]) if head.contains(&0) => ("an executable (PE)", TAKE_DUMP),
        (_, [b'M', b'D', b'M', b'P', 0x93, ..]) => ("a Windows minidump", TAKE_DUMP),
        (_, [0, b'a', b's', b'm', ..]) => ("a WebAssembly module", TAKE_DUMP),
        (_, [b'P', b'K', 3, 4, ..]) => ("a zip archive", UNPACK),
        (_, [0xfd, b'7', b'z', b'X', b'Z', 0, ..]) => ("an xz file", UNPACK),
        (_, [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]) => ("a bzip2 file", UNPACK),
        (_, [0x04, 0x22, 0x4d, 0x18, ..]) => ("an lz4 file", UNPACK),
        (_, [0x1f, 0x9d | 0x8b, ..]) => {
            ("a file compressed in a way that is not supported", UNPACK)
        }
        _ if head.get(257..262) == Some(b"ustar".as_slice()) => ("a tar archive", UNPACK),
        (_, head) if head.starts_with(b"go 1.") && head.contains(&0) => (
            "an execution trace (`go tool trace`)",
            "fetch /debug/pprof/goroutine instead",
        ),
        _ => return None,
    })
}

/// Whether a web page starts here, after white space and comments.
fn is_html(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    ["<!doctype html", "<html", "<head"].iter().any(|opening| {
        start
            .get(..opening.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()))
    })
}

/// The title of a page, on one line and shortened.
fn title(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let lower = text.to_ascii_lowercase();
    let opening = lower.find("<title")?;
    let start = opening + lower.get(opening..)?.find('>')? + 1;
    let end = lower
        .get(start..)?
        .find("</title")
        .map_or(lower.len(), |length| start + length);
    let words: Vec<&str> = text.get(start..end)?.split_whitespace().collect();
    let title: String = words.join(" ").escape_debug().take(TITLE_CHARS).collect();
    (!title.is_empty()).then_some(title)
}

/// A better word for an input in which no goroutine was found, from how it starts.
pub(super) fn refine(head: &[u8], found: String) -> Error {
    let contains = |needle: &str| memchr::memmem::find(head, needle.as_bytes()).is_some();
    for (opening, name) in [
        ("heap profile: ", "the heap (text form)"),
        ("--- contention:", "contention (text form)"),
        ("--- mutex:", "mutex contention (text form)"),
        ("threadcreate profile: ", "thread creation (text form)"),
    ] {
        if head.starts_with(opening.as_bytes()) {
            let found = String::from(name);
            return Error::NotGoroutines { found };
        }
    }
    let found = if contains("Full thread dump ") {
        String::from("a thread dump of a Java program")
    } else if is_gctrace(head) {
        String::from("a gctrace log, which `gorphan gctrace` reads")
    } else if head.contains(&0) {
        String::from("binary data of an unknown kind")
    } else {
        found
    };
    Error::NoGoroutines { found }
}

/// Whether a collection is among the first lines.
fn is_gctrace(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    text.lines().any(|line| {
        line.find("gc ").is_some_and(|at| {
            let rest = line.get(at + 3..).unwrap_or_default();
            let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            number.len() < rest.len() && number.starts_with(" @")
        })
    })
}
