//! Files and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use gorphan_decode::Options;
use tokio::sync::mpsc;

use crate::pieces::{ChannelReader, Decoded, PIECES, decoders, join};
use crate::{Capture, Error, Info, Progress};

/// Bytes read at once when two decoders share a source.
const PIECE_BYTES: usize = 64 << 10;

/// Counts what passes.
struct Counted<'a, R> {
    inner: R,
    progress: &'a Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.progress.add(got);
        Ok(got)
    }
}

/// Reads a dump or profile from standard input.
pub(crate) fn read_stdin(options: &Options, progress: &Progress) -> Result<Capture, Error> {
    decode(io::stdin().lock(), "stdin", "-", options, progress)
}

/// Reads a dump or profile from a file.
pub(crate) fn read_path(
    path: &Path,
    options: &Options,
    progress: &Progress,
) -> Result<Capture, Error> {
    let file = open(path)?;
    decode(file, "file", &path.display().to_string(), options, progress)
}

/// Opens a file to read from.
///
/// # Errors
/// When it cannot be opened or is a directory.
pub fn open(path: &Path) -> Result<File, Error> {
    let name = path.display().to_string();
    let open_error = |source| Error::Open {
        path: name.clone(),
        source,
    };
    // Opening a directory works on some systems and fails oddly on others; ask first.
    let metadata = std::fs::metadata(path).map_err(open_error)?;
    if metadata.is_dir() {
        return Err(Error::Directory { path: name });
    }
    File::open(path).map_err(open_error)
}

fn decode(
    input: impl Read,
    kind: &'static str,
    name: &str,
    options: &Options,
    progress: &Progress,
) -> Result<Capture, Error> {
    let input = Counted {
        inner: input,
        progress,
    };
    let decoded = match decoders(options) {
        (all, None) => join(gorphan_decode::read(input, &all), None),
        (all, Some(filtered)) => decode_twice(input, &all, &filtered),
    };
    let decoded = decoded.map_err(|source| Error::Decode {
        name: if kind == "stdin" {
            "standard input".to_owned()
        } else {
            name.to_owned()
        },
        source,
    })?;
    Ok(Capture {
        info: Info {
            kind,
            name: name.to_owned(),
            taken_at_unix_nanos: None,
            pause: None,
            method: None,
        },
        snapshots: decoded.snapshots,
        filtered: decoded.filtered,
        why: None,
        problems: Vec::new(),
    })
}

/// Decodes a source that can be read only once in two ways at the same time.
fn decode_twice(
    mut input: impl Read,
    all: &Options,
    filtered: &Options,
) -> Result<Decoded, gorphan_decode::Error> {
    thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for options in [all, filtered] {
            let (sender, receiver) = mpsc::channel::<io::Result<Arc<[u8]>>>(PIECES);
            senders.push(sender);
            threads.push(
                scope.spawn(move || gorphan_decode::read(ChannelReader::new(receiver), options)),
            );
        }
        let mut buffer = vec![0; PIECE_BYTES];
        // A decoder that has seen enough hangs up; when both have, there is nothing left to do.
        while !senders.is_empty() {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => {
                    let piece: Arc<[u8]> = buffer.get(..got).unwrap_or_default().into();
                    senders.retain(|sender| sender.blocking_send(Ok(piece.clone())).is_ok());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    for sender in &senders {
                        let copy = io::Error::new(error.kind(), error.to_string());
                        let _ = sender.blocking_send(Err(copy));
                    }
                    break;
                }
            }
        }
        drop(senders);
        let mut results = threads.into_iter().map(|thread| {
            let stopped = || gorphan_decode::Error::Io(io::Error::other("the decoder stopped"));
            thread.join().unwrap_or_else(|_| Err(stopped()))
        });
        let stopped = || Err(gorphan_decode::Error::Empty);
        join(results.next().unwrap_or_else(stopped), results.next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorphan_model::query::Filter;

    const DUMP: &str = "goroutine 1 [chan send, 7 minutes]:\nmain.f()\n\t/src/main.go:3 +0x1d\n\n\
                        goroutine 2 [chan send]:\nmain.f()\n\t/src/main.go:3 +0x1d\n";

    fn check(filter: Filter, all: u64, filtered: Option<u64>) {
        let options = Options {
            filter,
            ..Options::default()
        };
        let progress = Progress::default();
        let capture = decode(DUMP.as_bytes(), "stdin", "-", &options, &progress).unwrap();
        let count = |snapshots: &[gorphan_model::Snapshot]| -> u64 {
            snapshots
                .iter()
                .map(gorphan_model::Snapshot::goroutines)
                .sum()
        };
        assert_eq!(count(&capture.snapshots), all);
        assert_eq!(capture.filtered.as_deref().map(count), filtered);
        assert_eq!(progress.bytes(), DUMP.len() as u64);
    }

    #[test]
    fn a_filter_of_single_goroutines_is_decoded_beside_all_of_them() {
        check(Filter::default(), 2, None);
        let waited = |minutes| Filter {
            min_wait_minutes: Some(minutes),
            ..Filter::default()
        };
        check(waited(5), 2, Some(1));
        check(waited(50), 2, Some(0));
    }
}
