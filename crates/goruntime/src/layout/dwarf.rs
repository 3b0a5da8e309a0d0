//! Struct offsets from debug information.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gimli::{AttributeValue, EndianSlice, LittleEndian, SectionId};

use crate::Image;

/// Structs that are read, now or when proving leaks.
const STRUCTS: [&str; 40] = [
    "internal/abi.Type",
    "runtime._defer",
    "runtime._func",
    "runtime._panic",
    "runtime._type",
    "runtime.bitvector",
    "runtime.cleanupBlock",
    "runtime.cleanupBlockHeader",
    "runtime.cleanupFn",
    "runtime.cleanupQueue",
    "runtime.coro",
    "runtime.finBlock",
    "runtime.finalizer",
    "runtime.finblock",
    "runtime.functab",
    "runtime.g",
    "runtime.gobuf",
    "runtime.hchan",
    "runtime.heapArena",
    "runtime.m",
    "runtime.maybeTraceablePtr",
    "runtime.mheap",
    "runtime.moduledata",
    "runtime.mspan",
    "runtime.notifyList",
    "runtime.p",
    "runtime.pcHeader",
    "runtime.pollDesc",
    "runtime.schedt",
    "runtime.semaRoot",
    "runtime.special",
    "runtime.specialWeakHandle",
    "runtime.specialfinalizer",
    "runtime.stack",
    "runtime.stackObjectRecord",
    "runtime.sudog",
    "runtime.synctestBubble",
    "runtime.timer",
    "runtime.timers",
    "runtime.waitq",
];
/// Fields of all structs together; there are some 600.
const MAX_FIELDS: usize = 10_000;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Sizes of [`STRUCTS`] and offsets of their fields, sorted; empty without debug information. What is damaged is left out.
pub(crate) fn offsets(image: &Image) -> Vec<(String, u32)> {
    let load = |id: SectionId| -> Result<Cow<'_, [u8]>, gimli::Error> {
        // What units and types need; where variables live is much of the rest, and costly to decompress.
        let wanted = [
            SectionId::DebugInfo,
            SectionId::DebugAbbrev,
            SectionId::DebugStr,
            SectionId::DebugLineStr,
            SectionId::DebugStrOffsets,
            SectionId::DebugLine,
            SectionId::DebugAddr,
        ];
        let section = wanted.contains(&id).then(|| image.section(id.name()));
        Ok(section.flatten().unwrap_or_default())
    };
    let mut found = BTreeMap::new();
    if let Ok(sections) = gimli::DwarfSections::load(load) {
        let dwarf = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            // One unit that cannot be read loses its own structs alone.
            let _ = unit_offsets(&dwarf, header, &mut found);
        }
    }
    found.into_iter().collect()
}

fn unit_offsets(
    dwarf: &gimli::Dwarf<Reader<'_>>,
    header: gimli::UnitHeader<Reader<'_>>,
    found: &mut BTreeMap<String, u32>,
) -> Result<(), gimli::Error> {
    let unit = dwarf.unit(header)?;
    let package = unit.name.map(|name| name.to_string_lossy().into_owned());
    if !package.is_some_and(|name| name == "runtime" || name == "internal/abi") {
        return Ok(());
    }
    let text = |value: Option<AttributeValue<Reader<'_>>>| {
        let text = value.and_then(|value| dwarf.attr_string(&unit, value).ok());
        text.map(|text| text.to_string_lossy().into_owned())
    };
    let mut inside: Option<(String, isize)> = None;
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        if inside
            .as_ref()
            .is_some_and(|(_, depth)| entry.depth() <= *depth)
        {
            inside = None;
        }
        let place = match (entry.tag(), &inside) {
            (gimli::DW_TAG_structure_type, _) => {
                let name = text(entry.attr_value(gimli::DW_AT_name));
                let Some(name) = name.filter(|name| STRUCTS.contains(&name.as_str())) else {
                    continue;
                };
                inside = Some((name.clone(), entry.depth()));
                Some((name, gimli::DW_AT_byte_size))
            }
            (gimli::DW_TAG_member, Some((name, _))) => text(entry.attr_value(gimli::DW_AT_name))
                .filter(|field| field != "_")
                .map(|field| (format!("{name}.{field}"), gimli::DW_AT_data_member_location)),
            _ => None,
        };
        let Some((name, attribute)) = place else {
            continue;
        };
        let value = entry.attr_value(attribute).and_then(|v| v.udata_value());
        if let (Some(Ok(value)), true) = (value.map(u32::try_from), found.len() < MAX_FIELDS) {
            found.insert(name, value);
        }
    }
    Ok(())
}
