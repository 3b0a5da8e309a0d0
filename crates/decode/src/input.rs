//! Detects what an input is, unpacks it and hands it to the right decoder.

mod detect;
mod gunzip;
mod layers;
mod source;
mod utf16;

use std::io::{BufRead, Read};

use gorphan_model::gc::GcTrace;
use gorphan_model::{Problem, Snapshot};

use crate::{Error, Limits, Options};
use detect::Kind;
use layers::{Guard, Notes};
use source::Source;

/// First bytes looked at to tell what an input is: enough for a page's title or the first fields of a profile.
const HEAD_BYTES: usize = 4096;

/// Layers of compression unpacked: a profile is gzip itself, a server or a user may have packed it again, twice over.
const MAX_LAYERS: usize = 3;

/// The window of a zstd frame, as a power of two; 128 MiB, what `zstd -d` itself allows.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

pub(crate) fn read(input: impl Read, options: &Options) -> Result<Vec<Snapshot>, Error> {
    let notes = Notes::default();
    decode(guarded(input, &options.limits, &notes), options, &notes)
}

pub(crate) fn read_bytes(input: &[u8], options: &Options) -> Result<Vec<Snapshot>, Error> {
    if input.len() as u64 > options.limits.input_bytes {
        return read(input, options);
    }
    decode(Source::whole(input), options, &Notes::default())
}

fn guarded<'a>(input: impl Read + 'a, limits: &Limits, notes: &'a Notes) -> Source<'a> {
    Source::stream(Guard::new(input, limits.input_bytes, None, notes))
}

fn decode(input: Source<'_>, options: &Options, notes: &Notes) -> Result<Vec<Snapshot>, Error> {
    let (head, opened) = open(input, options.limits.input_bytes, notes)?;
    let outcome = match opened {
        Opened::Empty => Err(Error::Empty),
        Opened::Profile(source) => profile(source, options),
        Opened::Text(text) => crate::text::read_buffered(text, options),
        Opened::Refused(error) => return Err(error),
    };
    match (outcome, notes.take()) {
        (Ok(mut snapshots), Some(cut)) => {
            if let Some(last) = snapshots.last_mut() {
                last.truncated = true;
                last.problems.push(Problem::new(cut.message()));
            }
            Ok(snapshots)
        }
        (Err(Error::Empty | Error::NoGoroutines { .. } | Error::Damaged { .. }), Some(cut)) => {
            Err(cut.into_error())
        }
        (Err(Error::NoGoroutines { found }), None) => Err(detect::refine(&head, found)),
        (outcome, _) => outcome,
    }
}

/// Unpacks an input that should be a log and hands its text to `decode`.
pub(crate) fn read_log(
    input: impl Read,
    limits: &Limits,
    decode: impl FnOnce(Source<'_>) -> Result<GcTrace, Error>,
) -> Result<GcTrace, Error> {
    let notes = Notes::default();
    let input = guarded(input, limits, &notes);
    let (_, opened) = open(input, limits.input_bytes, &notes)?;
    let not_a_log = |found| Err(Error::NotLog { found });
    let outcome = match opened {
        Opened::Empty => Err(Error::NoCollections { lines: 0 }),
        Opened::Profile(_) => return not_a_log("a pprof profile"),
        Opened::Text(text) => decode(text),
        Opened::Refused(Error::Html { .. }) => return not_a_log("a web page"),
        Opened::Refused(Error::Binary { found, .. }) => return not_a_log(found),
        Opened::Refused(error) => return Err(error),
    };
    match (outcome, notes.take()) {
        (Ok(mut trace), Some(cut)) => {
            trace.problems.push(Problem::new(cut.message()));
            Ok(trace)
        }
        (Err(Error::NoCollections { .. }), Some(cut)) => Err(cut.into_error()),
        (outcome, _) => outcome,
    }
}

/// An input, unpacked.
enum Opened<'a> {
    Empty,
    Profile(Source<'a>),
    Text(Source<'a>),
    /// Something that no decoder reads.
    Refused(Error),
}

/// Unpacks an input as far as it is packed, and tells what it is. Also gives its first bytes, unpacked.
fn open<'a>(
    mut source: Source<'a>,
    limit_bytes: u64,
    notes: &'a Notes,
) -> Result<(Vec<u8>, Opened<'a>), Error> {
    let guard = |plain: Box<dyn Read + 'a>, layer| {
        Source::stream(Guard::new(plain, limit_bytes, Some(layer), notes))
    };
    for _ in 0..=MAX_LAYERS {
        if source.fill(HEAD_BYTES)?.starts_with(detect::UTF8_BOM) {
            source.consume(detect::UTF8_BOM.len());
        }
        let head = source.fill(HEAD_BYTES)?;
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        source = match detect::kind(head) {
            Kind::Gzip => match gunzip::whole(&mut source, limit_bytes)? {
                Some(plain) => Source::whole(plain),
                None => {
                    let plain = flate2::bufread::MultiGzDecoder::new(source);
                    guard(Box::new(plain), "gzip")
                }
            },
            Kind::Zstd => {
                let mut plain = zstd::stream::read::Decoder::with_buffer(source)?;
                plain.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                guard(Box::new(plain), "zstd")
            }
            kind => {
                let head = head.to_vec();
                let opened = match kind {
                    Kind::Empty => Opened::Empty,
                    Kind::Profile => Opened::Profile(source),
                    Kind::Refused(error) => Opened::Refused(error),
                    Kind::Utf16 { big_endian } => {
                        source.consume(2);
                        Opened::Text(Source::stream(utf16::Utf16::new(source, big_endian)))
                    }
                    Kind::Text | Kind::Gzip | Kind::Zstd => Opened::Text(source),
                };
                return Ok((head, opened));
            }
        };
    }
    Err(Error::Nested { limit: MAX_LAYERS })
}

/// Decodes a profile, which is kept as a whole.
fn profile(mut source: Source<'_>, options: &Options) -> Result<Vec<Snapshot>, Error> {
    let limit_bytes = options.limits.profile_bytes.saturating_add(1);
    let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let bytes = source.fill(limit_bytes)?;
    crate::pprof::read(bytes, options).map(|snapshot| vec![snapshot])
}
