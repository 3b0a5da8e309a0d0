//! Detects what an input is, unpacks it and hands it to the right decoder.

mod detect;
mod layers;
mod utf16;

use std::io::{BufReader, Chain, Cursor, Read};

use gorphan_model::{Problem, Snapshot};

use crate::{Error, Options};
use detect::Kind;
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
    let limit = options.limits.input_bytes;
    let notes = Notes::default();
    let (mut head, mut source) = peek(Box::new(Guard::new(input, limit, None, &notes)))?;
    let mut layers = 0;
    let outcome = loop {
        let kind = match detect::kind(&head) {
            Kind::Utf8Bom => {
                source = skip(source, detect::UTF8_BOM.len())?;
                head.drain(..detect::UTF8_BOM.len());
                detect::kind(&head)
            }
            kind => kind,
        };
        if kind.is_compressed() {
            layers += 1;
            if layers > MAX_LAYERS {
                return Err(Error::Nested { limit: MAX_LAYERS });
            }
        }
        source = match kind {
            Kind::Gzip => {
                let packed = BufReader::with_capacity(CHUNK_BYTES, source);
                let plain = flate2::bufread::MultiGzDecoder::new(packed);
                unpack(Guard::new(plain, limit, Some("gzip"), &notes), &mut head)?
            }
            Kind::Zstd => {
                let packed = BufReader::with_capacity(CHUNK_BYTES, source);
                let mut plain = zstd::stream::read::Decoder::with_buffer(packed)?;
                plain.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                unpack(Guard::new(plain, limit, Some("zstd"), &notes), &mut head)?
            }
            Kind::Utf16 { big_endian } => {
                let source = skip(source, 2)?;
                let text =
                    BufReader::with_capacity(CHUNK_BYTES, utf16::Utf16::new(source, big_endian));
                break crate::text::read(text, options);
            }
            Kind::Empty => break Err(Error::Empty),
            Kind::Refused(error) => return Err(error),
            Kind::Profile => break profile(source, options),
            Kind::Text | Kind::Utf8Bom => break crate::text::read(source, options),
        };
    };
    finish(outcome, &head, &notes)
}

/// Starts a layer: its first bytes into `head`, and all of it as the next source.
fn unpack<'a>(layer: impl Read + 'a, head: &mut Vec<u8>) -> Result<Source<'a>, Error> {
    let (first, source) = peek(Box::new(layer))?;
    *head = first;
    Ok(source)
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

/// Adds what went wrong while unpacking to what was decoded, or to the error.
fn finish(
    outcome: Result<Vec<Snapshot>, Error>,
    head: &[u8],
    notes: &Notes,
) -> Result<Vec<Snapshot>, Error> {
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
        (Err(Error::NoGoroutines { found }), None) => Err(detect::refine(head, found)),
        (outcome, _) => outcome,
    }
}
