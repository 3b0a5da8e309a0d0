//! Lines in other clothes: colours, escaped control characters, strings inside of JSON.

use memchr::{memchr, memmem};
use serde_json::Value;

use super::quote;

/// Depth of JSON objects that are searched for the text.
const MAX_DEPTH: usize = 4;

/// Fields of JSON log lines that tell one source from another.
const SOURCES: [&str; 14] = [
    "app",
    "container",
    "container_id",
    "container_name",
    "host",
    "hostname",
    "instance",
    "kubernetes",
    "namespace",
    "pid",
    "pod",
    "pod_name",
    "service",
    "source",
];

/// Copies `line` without terminal control sequences (`ESC [ ... letter`).
pub(super) fn without_colours(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = line;
    while let Some(at) = memchr(0x1b, rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(sequence) = rest.strip_prefix(b"[") {
            let len = sequence
                .iter()
                .take_while(|byte| !(0x40..=0x7e).contains(*byte))
                .count();
            rest = sequence.get(len + 1..).unwrap_or_default();
        }
    }
    out.extend_from_slice(rest);
}

/// Undoes syslog's `#011` for a tab and `#012` for a newline.
pub(super) fn without_octal(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = line;
    while let Some(at) = memmem::find(rest, b"#01") {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let (byte, taken) = match rest.get(at + 3) {
            Some(b'1') => (b'\t', 4),
            Some(b'2') => (b'\n', 4),
            _ => (b'#', 1),
        };
        out.push(byte);
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Undoes `\n`, `\t` and the like in text that stood between quotes and starts at `text`; ends at the closing quote.
pub(super) fn unescaped(text: &[u8], out: &mut Vec<u8>) {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    out.clear();
    if let Some((value, _)) = quote::quoted(&quoted) {
        out.extend_from_slice(value.as_bytes());
    }
}

/// The names of the fields that lead to a string.
pub(super) type Path = Vec<String>;

/// The first string in a JSON object of which `wanted` holds, and the way to it.
pub(super) fn find_string(value: &Value, wanted: &dyn Fn(&str) -> bool) -> Option<Path> {
    fn search(value: &Value, wanted: &dyn Fn(&str) -> bool, path: &mut Path) -> bool {
        match value {
            Value::String(text) => wanted(text),
            Value::Object(fields) if path.len() < MAX_DEPTH => {
                fields.iter().any(|(name, value)| {
                    path.push(name.clone());
                    let found = search(value, wanted, path);
                    if !found {
                        path.pop();
                    }
                    found
                })
            }
            _ => false,
        }
    }
    let mut path = Path::new();
    search(value, wanted, &mut path).then_some(path)
}

/// The string at the end of a path.
pub(super) fn string_at<'a>(value: &'a Value, path: &[String]) -> Option<&'a str> {
    path.iter()
        .try_fold(value, |value, name| value.get(name))?
        .as_str()
}

/// What tells the source of a JSON log line from others.
pub(super) fn source(value: &Value) -> String {
    let fields = SOURCES
        .iter()
        .filter_map(|name| Some(format!("{name}={}", value.get(name)?)));
    fields.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clothes_come_off() {
        let mut out = Vec::new();
        without_colours(b"\x1b[36mweb |\x1b[0m main\x1b[1;31m()", &mut out);
        assert_eq!(out, b"web | main()");
        without_octal(b"#011/a.go:1#012x #010", &mut out);
        assert_eq!(out, b"\t/a.go:1\nx #010");
        unescaped(br#"a\n\tb" level=info"#, &mut out);
        assert_eq!(out, b"a\n\tb");
    }

    #[test]
    fn the_string_of_a_log_line_is_found_wherever_it_is() {
        let value = serde_json::json!({"level": "x", "error": {"stack": "goroutine 1"}, "pod": "a", "pid": 4});
        let path = find_string(&value, &|text| text.contains("goroutine")).expect("found");
        assert_eq!(path, ["error", "stack"]);
        assert_eq!(string_at(&value, &path), Some("goroutine 1"));
        assert_eq!(source(&value), "pid=4 pod=\"a\"");
    }
}
