//! What a program's heap profile tells at debug=1: bytes in use, by whom, and the stacks.
//!
//! Source: `writeHeapInternal` in `runtime/pprof/pprof.go`, Go 1.10 to 1.27: a line a stack, `objects: bytes [objects: bytes]
//! @ addresses`, then its frames after `#`, and at the end the fields of `runtime.MemStats`.

use std::collections::HashMap;

/// Functions kept.
const MAX_FUNCTIONS: usize = 5;

/// A function with what it allocated and is still in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The innermost function outside of the runtime.
    pub function: String,
    /// Bytes, as sampled: stacks that hold little may be missing.
    pub bytes: u64,
}

/// A heap in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heap {
    /// Bytes of live objects, and of those not yet collected.
    pub in_use_bytes: Option<u64>,
    /// Bytes of all goroutines' stacks.
    pub stack_bytes: Option<u64>,
    /// Who allocated most of what is in use.
    pub top: Vec<Allocation>,
}

/// Reads the profile; `None` if it is none.
pub(super) fn read(text: &str) -> Option<Heap> {
    text.starts_with("heap profile: ").then_some(())?;
    let mut heap = Heap::default();
    let mut by_function: HashMap<&str, u64> = HashMap::new();
    let mut bytes: Option<u64> = None;
    for line in text.lines().skip(1) {
        if let Some(rest) = line.strip_prefix("# ") {
            read_field(rest, &mut heap);
        } else if let Some(frame) = line.strip_prefix("#\t") {
            let function = frame.split('\t').nth(1).unwrap_or_default();
            let function = function.rsplit_once('+').map_or(function, |(name, _)| name);
            if !function.starts_with("runtime.")
                && let Some(bytes) = bytes.take()
            {
                let sum = by_function.entry(function).or_default();
                *sum = sum.saturating_add(bytes);
            }
        } else {
            let in_use = line.split_once(": ").map(|(_, rest)| rest);
            bytes = in_use.and_then(|rest| rest.split(' ').next()?.parse().ok());
        }
    }
    let mut top: Vec<(&str, u64)> = by_function
        .into_iter()
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let top = top.into_iter().take(MAX_FUNCTIONS);
    heap.top = top
        .map(|(function, bytes)| Allocation {
            function: function.to_owned(),
            bytes,
        })
        .collect();
    Some(heap)
}

/// `HeapAlloc = 1234`, `Stack = in use / of the system`.
fn read_field(line: &str, heap: &mut Heap) {
    let Some((name, value)) = line.split_once(" = ") else {
        return;
    };
    let first = value
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    match name {
        "HeapAlloc" => heap.in_use_bytes = first,
        "Stack" => heap.stack_bytes = first,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_in_figures() {
        let text = "heap profile: 3: 5000 [9: 9000] @ heap/1048576
2: 4096 [4: 8192] @ 0x1 0x2
#\t0x1\truntime.malg+0x10\t/go/src/runtime/proc.go:1
#\t0x2\texample.com/shop.(*Cache).fill+0x1f\t/src/cache.go:9
#\t0x3\tmain.main+0x1f\t/src/main.go:9

1: 904 [1: 904] @ 0x3
#\t0x3\tmain.load+0x1f\t/src/main.go:9

0: 0 [1: 904] @ 0x3
#\t0x3\tmain.gone+0x1f\t/src/main.go:9

# runtime.MemStats
# HeapAlloc = 388160
# Stack = 65536 / 131072
";
        let heap = read(text).expect("a heap");
        assert_eq!(
            (heap.in_use_bytes, heap.stack_bytes),
            (Some(388_160), Some(65_536))
        );
        let top: Vec<String> = heap
            .top
            .iter()
            .map(|one| format!("{} {}", one.function, one.bytes))
            .collect();
        assert_eq!(
            top,
            ["example.com/shop.(*Cache).fill 4096", "main.load 904"]
        );
        assert_eq!(read("<html>"), None);
    }
}
