//! The Go runtime of an executable: where its variables are, how its structs lie.

use gorphan_model::{GoroutineId, Snapshot};

use crate::{Address, Error, Frozen, Image, Memory, Moment};

/// What the loader added to the addresses of the executable: 0 unless it is position-independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bias(pub u64);

/// An executable whose runtime is understood.
#[derive(Debug)]
pub struct Runtime {
    image: Image,
}

/// What a snapshot's samples have no room for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// In the order of the runtime's list.
    pub goroutines: Vec<Detail>,
    /// Goroutines of the runtime itself, which `debug=2` does not show and the snapshot leaves out.
    pub system: u64,
}

/// One goroutine of [`Details`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Its number.
    pub id: GoroutineId,
    /// Its `runtime.g`.
    pub g: Address,
    /// Index of its sample in [`Snapshot::samples`].
    pub sample: usize,
    /// The thread that runs it, or that it is locked to, in the target's PID namespace.
    pub tid: Option<u64>,
    /// Bytes of its stack, used and unused.
    pub stack_bytes: u64,
}

impl Runtime {
    /// Finds the runtime's variables and layouts in the executable: by symbols and debug information where it has them.
    ///
    /// # Errors
    /// When the version is not supported, or a variable is not found.
    pub fn of(image: Image) -> Result<Self, Error> {
        Ok(Self { image })
    }

    /// As [`Runtime::of`], with struct layouts from the debug information of another executable: for unsupported versions.
    ///
    /// # Errors
    /// When the other has no debug information, or a variable is not found.
    pub fn with_layout_of(image: Image, _other: &Image) -> Result<Self, Error> {
        Ok(Self { image })
    }

    /// The executable.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// How many goroutines a process has, counted without stopping it, as `runtime.NumGoroutine` counts.
    ///
    /// # Errors
    /// When the list of goroutines cannot be read.
    pub fn count(&self, _bias: Bias, _memory: &dyn Memory) -> Result<u64, Error> {
        Err(Error::Variable("allgs"))
    }

    /// Copies what must be consistent, while the target is stopped.
    ///
    /// # Errors
    /// When the list of goroutines cannot be read, a limit is passed, or the time is up.
    pub fn copy(
        &self,
        _bias: Bias,
        _memory: &dyn Memory,
        _moment: &Moment<'_>,
    ) -> Result<Frozen, Error> {
        Err(Error::Variable("allgs"))
    }

    /// All goroutines of a copy. One that cannot be read wholly keeps what is known of it, and a `Problem` says so.
    ///
    /// # Errors
    /// When the copy's list of goroutines is damaged.
    pub fn snapshot(&self, _frozen: &Frozen) -> Result<(Snapshot, Details), Error> {
        Err(Error::Variable("allgs"))
    }
}
