//! The bridge between a source whose pieces arrive once and the decoders that read them: one for all goroutines, and
//! one for those that a filter wants.
//!
//! Both are needed because verdicts rest on all goroutines (who created whom, what share is blocked), while only the
//! decoder can tell single goroutines of one stack apart by wait and label.

use std::io::{self, Read};

use gorphan_decode::{Error, Options};
use gorphan_model::Snapshot;
use gorphan_model::query::Filter;
use tokio::sync::mpsc;

/// Pieces that may wait for a decoder. A piece has at most 64 KiB, so this bounds memory to half a megabyte.
pub(crate) const PIECES: usize = 8;

/// Reads what is sent into a channel; blocks while there is nothing. An error sent ends the reading with that error.
pub(crate) struct ChannelReader<B> {
    pieces: mpsc::Receiver<io::Result<B>>,
    current: Option<B>,
    used: usize,
}

impl<B: AsRef<[u8]>> ChannelReader<B> {
    pub(crate) fn new(pieces: mpsc::Receiver<io::Result<B>>) -> Self {
        Self {
            pieces,
            current: None,
            used: 0,
        }
    }
}

impl<B: AsRef<[u8]>> Read for ChannelReader<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let current = self.current.as_ref().map_or(&[][..], B::as_ref);
            let left = current.get(self.used..).unwrap_or_default();
            if !left.is_empty() {
                let taken = (&*left).read(buffer)?;
                self.used = self.used.saturating_add(taken);
                return Ok(taken);
            }
            match self.pieces.blocking_recv() {
                Some(piece) => {
                    self.current = Some(piece?);
                    self.used = 0;
                }
                None => return Ok(0),
            }
        }
    }
}

/// What the decoders made of one source.
pub(crate) struct Decoded {
    /// All goroutines.
    pub(crate) snapshots: Vec<Snapshot>,
    /// Those that the filter wants, if it asks about single goroutines.
    pub(crate) filtered: Option<Vec<Snapshot>>,
}

/// The options of the decoders that `options` make necessary: one that keeps all goroutines, and, if the filter asks
/// about single ones, one with the filter.
pub(crate) fn decoders(options: &Options) -> (Options, Option<Options>) {
    let all = Options {
        filter: Filter::default(),
        ..options.clone()
    };
    let filtered = (!options.filter.admits_all()).then(|| options.clone());
    (all, filtered)
}

/// Puts the decoders' results together. A filter that wants nothing is not an error of the source.
pub(crate) fn join(
    all: Result<Vec<Snapshot>, Error>,
    filtered: Option<Result<Vec<Snapshot>, Error>>,
) -> Result<Decoded, Error> {
    Ok(Decoded {
        snapshots: all?,
        filtered: filtered.map(Result::unwrap_or_default),
    })
}
