//! A reader around each layer of an input that stops at a limit and keeps what came before damage.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read};

use crate::Error;

/// Why an input ended early.
#[derive(Debug)]
pub(super) enum Cut {
    /// The limit was reached.
    Limit { limit_bytes: u64 },
    /// A compressed layer could not be unpacked further.
    Unpacking {
        layer: &'static str,
        after_bytes: u64,
        error: io::Error,
    },
}

impl Cut {
    /// The sentence of the problem.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Limit { limit_bytes } => format!(
                "the input is larger than the limit of {limit_bytes} bytes; what follows was not read"
            ),
            Self::Unpacking {
                layer,
                after_bytes,
                error,
            } => format!(
                "unpacking {layer} failed after {after_bytes} bytes ({error}); what came before is kept"
            ),
        }
    }

    /// As an error, where nothing could be decoded.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Limit { limit_bytes } => Error::TooLarge {
                what: "the input",
                limit_bytes,
            },
            Self::Unpacking {
                layer,
                after_bytes,
                error,
            } => Error::Unpack {
                layer,
                after_bytes,
                error,
            },
        }
    }
}

/// What the layers have to tell once decoding is over.
#[derive(Default)]
pub(super) struct Notes {
    cut: RefCell<Option<Cut>>,
    /// Reading the input itself failed; then the layers above pass the error on.
    failed: Cell<bool>,
}

impl Notes {
    /// The first reason for which the input ended early.
    pub(super) fn take(&self) -> Option<Cut> {
        self.cut.take()
    }

    fn add(&self, cut: Cut) {
        self.cut.borrow_mut().get_or_insert(cut);
    }
}

/// One layer: the input itself, or what a decompressor gives.
pub(super) struct Guard<'a, R> {
    inner: R,
    limit: u64,
    read: u64,
    /// The compression; `None` for the input itself.
    layer: Option<&'static str>,
    ended: bool,
    notes: &'a Notes,
}

impl<'a, R: Read> Guard<'a, R> {
    pub(super) fn new(
        inner: R,
        limit_bytes: u64,
        layer: Option<&'static str>,
        notes: &'a Notes,
    ) -> Self {
        Self {
            inner,
            limit: limit_bytes,
            read: 0,
            layer,
            ended: false,
            notes,
        }
    }

    /// Whether there is more past the limit.
    fn has_more(&mut self) -> io::Result<bool> {
        let mut probe = [0];
        loop {
            match self.inner.read(&mut probe) {
                Ok(read) => return Ok(read > 0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn fail(&mut self, error: io::Error) -> io::Result<usize> {
        if error.kind() == ErrorKind::Interrupted {
            return Err(error);
        }
        let Some(layer) = self.layer.filter(|_| !self.notes.failed.get()) else {
            self.notes.failed.set(true);
            return Err(error);
        };
        self.ended = true;
        self.notes.add(Cut::Unpacking {
            layer,
            after_bytes: self.read,
            error,
        });
        Ok(0)
    }
}

impl<R: Read> Read for Guard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let left = self.limit.saturating_sub(self.read);
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return match self.has_more() {
                Ok(more) => {
                    self.ended = true;
                    if more {
                        self.notes.add(Cut::Limit {
                            limit_bytes: self.limit,
                        });
                    }
                    Ok(0)
                }
                Err(error) => self.fail(error),
            };
        }
        match self.inner.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(read) => {
                self.read = self.read.saturating_add(read as u64);
                Ok(read)
            }
            Err(error) => self.fail(error),
        }
    }
}
