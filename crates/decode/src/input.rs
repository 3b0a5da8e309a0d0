//! Detects what an input is, unpacks it and hands it to the right decoder.

mod detect;
mod gunzip;
mod layers;
mod utf16;

use std::io::{BufReader, Chain, Cursor, Read};

use gorphan_model::gc::GcTrace;
use gorphan_model::{Problem, Snapshot};

use crate::{Error, Limits, Options};
use detect::Kind;
use gunzip::Tried;
use layers::{Guard, Notes};

/// First bytes looked at to tell what an input is: enough for a page's title or the first fields of a profile.
const HEAD_BYTES: usize = 4096;

/// Layers of compression unpacked: a profile is gzip itself, a server or a user may have packed it again, twice over.
const MAX_LAYERS: usize = 3;

/// Bytes asked of a source at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The window of a zstd frame, as a power of two; 128 MiB, what `zstd -d` itself allows.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

type Source<'a> = Chain<Cursor<Vec<u8>>, Box<dyn Read + 'a>>;

pub(crate) fn read(input: impl Read, options: &Options) -> Result<Vec<Snapshot>, Error> {
    let notes = Notes::default();
    let (head, opened) = open(input, options.limits.input_bytes, &notes)?;
    let outcome = match opened {
        Opened::Empty => Err(Error::Empty),
        Opened::Profile(source) => profile(source, options),
        Opened::Text(text) => crate::text::read(text, options),
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
    decode: impl FnOnce(Box<dyn Read + '_>) -> Result<GcTrace, Error>,
) -> Result<GcTrace, Error> {
    let notes = Notes::default();
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
    Text(Box<dyn Read + 'a>),
    /// Something that no decoder reads.
    Refused(Error),
}

/// Unpacks an input as far as it is packed, and tells what it is. Also gives its first bytes, unpacked.
fn open<'a>(
    input: impl Read + 'a,
    limit_bytes: u64,
    notes: &'a Notes,
) -> Result<(Vec<u8>, Opened<'a>), Error> {
    let (mut head, mut source) = peek(Box::new(Guard::new(input, limit_bytes, None, notes)))?;
    for _ in 0..=MAX_LAYERS {
        if head.starts_with(detect::UTF8_BOM) {
            source = skip(source, detect::UTF8_BOM.len())?;
            head.drain(..detect::UTF8_BOM.len());
        }
        (head, source) = match detect::kind(&head) {
            Kind::Gzip => match gunzip::whole(source, limit_bytes)? {
                Tried::Plain(plain) => peek(Box::new(Cursor::new(plain)))?,
                Tried::Packed(packed) => {
                    let packed = BufReader::with_capacity(CHUNK_BYTES, packed);
                    let plain = flate2::bufread::MultiGzDecoder::new(packed);
                    peek(Box::new(Guard::new(
                        plain,
                        limit_bytes,
                        Some("gzip"),
                        notes,
                    )))?
                }
            },
            Kind::Zstd => {
                let packed = BufReader::with_capacity(CHUNK_BYTES, source);
                let mut plain = zstd::stream::read::Decoder::with_buffer(packed)?;
                plain.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                peek(Box::new(Guard::new(
                    plain,
                    limit_bytes,
                    Some("zstd"),
                    notes,
                )))?
            }
            Kind::Utf16 { big_endian } => {
                let text = utf16::Utf16::new(skip(source, 2)?, big_endian);
                let text = BufReader::with_capacity(CHUNK_BYTES, text);
                return Ok((head, Opened::Text(Box::new(text))));
            }
            Kind::Empty => return Ok((head, Opened::Empty)),
            Kind::Profile => return Ok((head, Opened::Profile(source))),
            Kind::Text => return Ok((head, Opened::Text(Box::new(source)))),
            Kind::Refused(error) => return Ok((head, Opened::Refused(error))),
        };
    }
    Err(Error::Nested { limit: MAX_LAYERS })
}

/// The first bytes, and a source that still has them.
fn peek<'a>(mut reader: Box<dyn Read + 'a>) -> Result<(Vec<u8>, Source<'a>), Error> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let source = Cursor::new(head.clone()).chain(reader);
    Ok((head, source))
}

fn skip(mut source: Source<'_>, bytes: usize) -> Result<Source<'_>, Error> {
    let mut skipped = [0; 4];
    if let Some(skipped) = skipped.get_mut(..bytes) {
        source.read_exact(skipped)?;
    }
    Ok(source)
}

/// Decodes a profile, which is kept as a whole.
fn profile(source: Source<'_>, options: &Options) -> Result<Vec<Snapshot>, Error> {
    let limit_bytes = options.limits.profile_bytes;
    let mut bytes = Vec::with_capacity(CHUNK_BYTES);
    source
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    crate::pprof::read(&bytes, options).map(|snapshot| vec![snapshot])
}
