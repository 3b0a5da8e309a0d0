//! Where the fields of the runtime's structs lie, per Go version: from the executable's debug information where it has
//! some, else from a table made of the debug information of the same version (`cargo xtask layouts GO`).

pub(crate) mod dwarf;
mod generated;
pub(crate) mod heap;
pub(crate) mod roots;

use crate::image::{GoVersion, Processor};
use crate::{Error, Image};

/// Struct or field to size or offset in bytes, sorted by name.
pub(crate) type Offsets<'a> = &'a [(&'a str, u32)];

/// Bytes of a struct; the largest that is copied has some thousand.
const MAX_STRUCT_BYTES: u32 = 1 << 16;

/// Offsets in `runtime.g`, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct G {
    pub(crate) bytes: u32,
    pub(crate) stack_low: u32,
    pub(crate) stack_high: u32,
    pub(crate) m: u32,
    pub(crate) saved_sp: u32,
    pub(crate) saved_pc: u32,
    /// Where the processor has a link register.
    pub(crate) saved_link: Option<u32>,
    pub(crate) syscall_sp: u32,
    pub(crate) syscall_pc: u32,
    pub(crate) status: u32,
    pub(crate) id: u32,
    pub(crate) wait_since: u32,
    pub(crate) wait_reason: u32,
    /// From Go 1.21.
    pub(crate) parent: Option<u32>,
    pub(crate) created_at: u32,
    pub(crate) start: u32,
    pub(crate) labels: u32,
    pub(crate) locked_m: u32,
    /// `bubble` from Go 1.25, `syncGroup` in 1.24.
    pub(crate) bubble: Option<u32>,
}

/// Offsets in `runtime.m`, and the bytes up to the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct M {
    pub(crate) bytes: u32,
    pub(crate) thread: u32,
    pub(crate) vdso_sp: u32,
    pub(crate) vdso_pc: u32,
}

/// What is used of the runtime's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) g: G,
    pub(crate) m: M,
    /// `moduledata.text`.
    pub(crate) text: u32,
    /// `moduledata.gofunc`.
    pub(crate) gofunc: u32,
    /// Labels are a `map[string]string` up to Go 1.23, then a list.
    pub(crate) labels_are_map: bool,
    /// `None` where goroutines can be listed, but nothing is known of the heap.
    pub(crate) heap: Option<heap::Heap>,
    /// As `heap`: of roots and waits.
    pub(crate) roots: Option<roots::Roots>,
}

/// A layout with what was noticed about it.
pub(crate) struct Found {
    pub(crate) layout: Layout,
    /// Fields that the debug information and the table of the version place differently, where a used one is among them.
    pub(crate) differing: Vec<String>,
}

/// The layout of an executable's runtime.
pub(crate) fn of(image: &Image) -> Result<Found, Error> {
    let unsupported = || Error::Version {
        found: image.go_version().to_owned(),
        supported: generated::SUPPORTED.to_owned(),
    };
    let version = GoVersion::parse(image.go_version()).ok_or_else(unsupported)?;
    let table = generated::table(version.minor, image.processor()).ok_or_else(unsupported)?;
    let own = image.struct_offsets();
    let own: Vec<(&str, u32)> = own.iter().map(|(name, at)| (&**name, *at)).collect();
    let tabled = build(table, version.minor, image.processor())?;
    if own.is_empty() {
        return Ok(Found {
            layout: tabled,
            differing: Vec::new(),
        });
    }
    // Debug information without the runtime's types is as none.
    let mut layout =
        build(&own, version.minor, image.processor()).unwrap_or_else(|_| tabled.clone());
    // Debug information has only what the program uses.
    let either = |name: &str| get(&own, name).or_else(|| get(table, name));
    layout.heap = heap::build(&either, image.processor());
    layout.roots = roots::build(&either, version.minor);
    // Fields that are not used may differ between patch releases.
    if layout == tabled {
        let differing = Vec::new();
        return Ok(Found { layout, differing });
    }
    let differing = own.iter().filter_map(|(name, at)| {
        let expected = get(table, name)?;
        (expected != *at).then(|| format!("{name} is at {at}, not {expected}"))
    });
    let differing = differing.collect();
    Ok(Found { layout, differing })
}

/// The layout that another executable's debug information gives.
pub(crate) fn of_other(image: &Image, other: &Image) -> Result<Layout, Error> {
    let newest = GoVersion {
        minor: u32::MAX,
        patch: 0,
    };
    let version = GoVersion::parse(image.go_version()).unwrap_or(newest);
    let own = other.struct_offsets();
    let own: Vec<(&str, u32)> = own.iter().map(|(name, at)| (&**name, *at)).collect();
    build(&own, version.minor, image.processor())
}

fn get(offsets: Offsets<'_>, name: &str) -> Option<u32> {
    let at = offsets.binary_search_by_key(&name, |(known, _)| known);
    offsets.get(at.ok()?).map(|(_, offset)| *offset)
}

fn build(offsets: Offsets<'_>, minor: u32, processor: Processor) -> Result<Layout, Error> {
    let need = |name: &'static str| match get(offsets, name) {
        Some(at) if at < MAX_STRUCT_BYTES => Ok(at),
        _ => Err(Error::Layout(name)),
    };
    let stack = need("runtime.g.stack")?;
    let saved = need("runtime.g.sched")?;
    let g = G {
        bytes: need("runtime.g")?,
        stack_low: stack + need("runtime.stack.lo")?,
        stack_high: stack + need("runtime.stack.hi")?,
        m: need("runtime.g.m")?,
        saved_sp: saved + need("runtime.gobuf.sp")?,
        saved_pc: saved + need("runtime.gobuf.pc")?,
        saved_link: get(offsets, "runtime.gobuf.lr").map(|at| saved + at),
        syscall_sp: need("runtime.g.syscallsp")?,
        syscall_pc: need("runtime.g.syscallpc")?,
        status: need("runtime.g.atomicstatus")?,
        id: need("runtime.g.goid")?,
        wait_since: need("runtime.g.waitsince")?,
        wait_reason: need("runtime.g.waitreason")?,
        parent: get(offsets, "runtime.g.parentGoid"),
        created_at: need("runtime.g.gopc")?,
        start: need("runtime.g.startpc")?,
        labels: need("runtime.g.labels")?,
        locked_m: need("runtime.g.lockedm")?,
        bubble: get(offsets, "runtime.g.bubble").or_else(|| get(offsets, "runtime.g.syncGroup")),
    };
    let (thread, vdso_sp) = (need("runtime.m.procid")?, need("runtime.m.vdsoSP")?);
    let vdso_pc = need("runtime.m.vdsoPC")?;
    let m = M {
        bytes: thread.max(vdso_sp).max(vdso_pc) + 8,
        thread,
        vdso_sp,
        vdso_pc,
    };
    Ok(Layout {
        g,
        m,
        text: need("runtime.moduledata.text")?,
        gofunc: need("runtime.moduledata.gofunc")?,
        labels_are_map: minor <= 23,
        heap: heap::build(&|name| get(offsets, name), processor),
        roots: roots::build(&|name| get(offsets, name), minor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_what_is_used() {
        let minors = [19, 21, 22, 23, 24, 25, 26, 27];
        let both = [Processor::Amd64, Processor::Arm64];
        for (minor, processor) in minors.into_iter().flat_map(|m| both.map(|p| (m, p))) {
            let table = generated::table(minor, processor).expect("supported");
            assert!(table.is_sorted(), "1.{minor}");
            let layout = build(table, minor, processor).expect("complete");
            assert_eq!(layout.g.parent.is_some(), minor >= 21, "1.{minor}");
            assert_eq!(layout.g.bubble.is_some(), minor >= 24, "1.{minor}");
            let heap = layout.heap.expect("of the heap too");
            assert_eq!(heap.bitmap.is_some(), minor <= 21, "1.{minor}");
            assert_eq!(heap.span.is_narrow, minor >= 22, "1.{minor}");
            assert_eq!(heap.span.pinned.is_some(), minor >= 21, "1.{minor}");
            let roots = layout.roots.expect("of roots too");
            assert_eq!(roots.sudog.links_all, minor >= 26, "1.{minor}");
            assert_eq!(roots.cleanups.is_some(), minor >= 25, "1.{minor}");
            let offset_bytes = if minor >= 24 { 8 } else { 2 };
            assert_eq!(roots.special.offset_bytes, offset_bytes, "1.{minor}");
        }
        assert!(generated::table(20, Processor::Amd64).is_none());
        assert!(generated::table(28, Processor::Arm64).is_none());
    }

    #[test]
    fn debug_information_of_a_program_without_conditions_suffices_for_proofs() {
        let table = generated::table(21, Processor::Amd64).expect("supported");
        let without = table.iter().copied();
        let without = without.filter(|(name, _)| !name.starts_with("runtime.notifyList"));
        let layout = build(&without.collect::<Vec<_>>(), 20, Processor::Amd64).expect("complete");
        let roots = layout.roots.expect("of roots too");
        assert_eq!(roots.notify_head, None);
    }

    #[test]
    fn a_layout_without_a_used_field_is_refused() {
        let table = generated::table(26, Processor::Amd64).expect("supported");
        let without: Vec<(&str, u32)> = table
            .iter()
            .filter(|(name, _)| *name != "runtime.g.goid")
            .copied()
            .collect();
        assert_eq!(
            build(&without, 26, Processor::Amd64),
            Err(Error::Layout("runtime.g.goid"))
        );
    }
}
