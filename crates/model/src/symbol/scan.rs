//! Taking Go's symbol names apart.

/// Where the import path ends: the index of the dot before the function. `None` for a name without one.
pub(super) fn path_end(name: &str) -> Option<usize> {
    // Type arguments and anonymous structs hold paths of their own.
    let head_end = name.find(['[', '(', '{']).unwrap_or(name.len());
    let head = name.get(..head_end)?;
    let last = head.rfind('/').map_or(0, |slash| slash + 1);
    let mut at = last + head.get(last..)?.find('.')?;
    // `gopkg.in/yaml.v2.F`: the version belongs to the path. Types named like `v2` do not occur with a path before.
    if last > 0 {
        let tail = name.get(at + 1..)?;
        let version = tail.split('.').next().unwrap_or("");
        let digits = version.strip_prefix('v').unwrap_or("");
        let is_version = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_version && version.len() < tail.len() {
            at += 1 + version.len();
        }
    }
    Some(at)
}

/// The parts of a function's name without its package, split at dots outside of brackets.
pub(super) struct Segments<'a> {
    rest: Option<&'a str>,
}

impl<'a> Segments<'a> {
    pub(super) fn new(function: &'a str) -> Self {
        Self {
            rest: Some(function),
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let mut depth = 0usize;
        for (at, byte) in rest.bytes().enumerate() {
            match byte {
                b'[' | b'(' | b'{' => depth += 1,
                b']' | b')' | b'}' => depth = depth.saturating_sub(1),
                b'.' if depth == 0 => {
                    self.rest = rest.get(at + 1..);
                    return rest.get(..at);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(rest)
    }
}

/// `prefix` and then only digits, at least one.
fn numbered(segment: &str, prefix: &str) -> bool {
    segment.strip_prefix(prefix).is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `func1`, or the bare number of a closure within a closure.
pub(super) fn is_closure_word(segment: &str) -> bool {
    numbered(segment, "func") || numbered(segment, "")
}

/// A wrapper that the compiler makes of `go f(x)` and `defer f(x)`.
fn is_wrapper(segment: &str) -> bool {
    numbered(segment, "gowrap") || numbered(segment, "deferwrap")
}

/// One pass over a name; `None` where nothing is to be done, which is found without allocating for most names.
pub(super) fn rewrite(name: &str) -> Option<String> {
    if name == "panic" {
        // Dumps print the builtin, see `printfuncname` in runtime/traceback.go; profiles have the function.
        return Some("runtime.gopanic".to_owned());
    }
    let mut out = strip_type_arguments(name);
    let decoded = decode_escapes(out.as_deref().unwrap_or(name));
    out = decoded.or(out);
    let unvendored = strip_vendor(out.as_deref().unwrap_or(name)).map(str::to_owned);
    out = unvendored.or(out);
    rewrite_function(out.as_deref().unwrap_or(name)).or(out)
}

/// Replaces each outermost balanced `[...]` by three dots.
fn strip_type_arguments(name: &str) -> Option<String> {
    let first = name.find('[')?;
    let mut out = String::with_capacity(name.len());
    out.push_str(name.get(..first)?);
    let mut rest = name.get(first..)?;
    let mut changed = false;
    while let Some(open) = rest.find('[') {
        let Some(len) = balanced(rest.get(open..)?) else {
            break;
        };
        out.push_str(rest.get(..open)?);
        out.push_str("[...]");
        changed |= rest.get(open..open + len) != Some("[...]");
        rest = rest.get(open + len..)?;
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// The length of the bracketed text at the start.
fn balanced(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Undoes `objabi.PathToPrefix`, however often it was applied: `%2e`, `%25`, `%22` and bytes from 0x80. Control characters
/// stay escaped.
fn decode_escapes(name: &str) -> Option<String> {
    if !name.contains('%') {
        return None;
    }
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.as_bytes();
    while let [first, tail @ ..] = bytes {
        bytes = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        // `%252e`: a decoded percent sign starts the next escape.
        let mut byte = b'%';
        while byte == b'%'
            && let [high, low, after @ ..] = bytes
            && let Some((high, low)) = hex(*high).zip(hex(*low))
            && let decoded @ (b'.' | b'%' | b'"' | 0x80..) = high * 16 + low
        {
            byte = decoded;
            bytes = after;
        }
        out.push(byte);
    }
    String::from_utf8(out)
        .ok()
        .filter(|decoded| decoded != name)
}

/// Go writes the digits in lower case; nothing else is an escape of its.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What follows the last `vendor` element of the path (or godep's workspace of old).
pub(super) fn strip_vendor(name: &str) -> Option<&str> {
    const MARKS: [&str; 2] = ["vendor/", "Godeps/_workspace/src/"];
    if !name.contains("vendor/") && !name.contains("_workspace/") {
        return None;
    }
    let head_end = name.find(['[', '(', '{']).unwrap_or(name.len());
    let head = name.get(..head_end)?;
    let after = |mark: &str| {
        let found = head.rmatch_indices(mark).map(|(at, _)| at);
        let mut elements =
            found.filter(|&at| at == 0 || head.as_bytes().get(at - 1) == Some(&b'/'));
        elements.next().map(|at| at + mark.len())
    };
    let start = MARKS.into_iter().filter_map(after).max()?;
    name.get(start..)
}

/// The part after the package: wrappers, loop bodies, method values, closures.
fn rewrite_function(name: &str) -> Option<String> {
    let end = path_end(name)?;
    let path = name.get(..end)?;
    let function = name.get(end + 1..)?;
    // Most names: nothing of a closure or wrapper in them. All of it ends in a digit, `-fm`, `·fm`, or is `glob.`.
    let plain = !function.contains(['-', '·']) && !function.contains(|c: char| c.is_ascii_digit());
    if plain && !function.starts_with("glob.") {
        return None;
    }
    let function = function.strip_suffix("-fm").unwrap_or(function);
    let function = function.strip_suffix("·fm").unwrap_or(function);
    let unified = function
        .replace("·dwrap·", ".gowrap")
        .replace(".dwrap.", ".gowrap")
        .replace("init·", "init.");
    let unified = match unified.strip_prefix("glob..") {
        Some(closure) => format!("init.{closure}"),
        None => unified,
    };
    let mut out = String::with_capacity(name.len());
    out.push_str(path);
    let mut before: Option<&str> = None;
    for segment in Segments::new(&unified) {
        let first = before.is_none();
        let segment = strip_range(segment);
        // A function may itself be called `gowrap1`.
        if !first && is_wrapper(segment) {
            continue;
        }
        out.push('.');
        let bare_number = numbered(segment, "");
        let opens = before.is_some_and(|word| !is_closure_word(word) && word != "init");
        if bare_number && opens {
            out.push_str("func");
        }
        out.push_str(segment);
        before = Some(segment);
    }
    (out != name).then_some(out)
}

/// `f` of `f-range1-range2`.
fn strip_range(segment: &str) -> &str {
    let mut segment = segment;
    while let Some((head, tail)) = segment.rsplit_once("-range") {
        if head.is_empty() || !numbered(tail, "") {
            break;
        }
        segment = head;
    }
    segment
}
