//! Snapshot files: what was copied of a process, with its executable, to be inspected later and elsewhere.
//! `docs/snapshot-files.md` has the format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use gorphan_goruntime::{Frozen, Image, Runtime};

use super::{MAX_EXECUTABLE_BYTES, read_executable};

/// What every such file begins with.
const MAGIC: &[u8; 16] = b"gorphan snapshot";
/// The only version there is yet.
const VERSION: u32 = 1;
/// Bytes of a copy: as many as are copied at most, and what is written about them.
const MAX_COPY_BYTES: u64 = 9 << 30;
/// Bytes of a name: as long as paths can be.
const MAX_NAME_BYTES: u64 = 4096;
/// How hard to press: three times as fast as copying to most disks.
const LEVEL: i32 = 1;
/// What stands for a number that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What a file holds besides the executable and the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// Number of the process, or path of the core.
    pub(super) name: String,
    pub(super) method: String,
    pub(super) taken_at_unix_nanos: Option<i64>,
    pub(super) pause_nanos: Option<u64>,
    /// Whether it is known when it was taken on the process's own clock.
    pub(super) knows_now: bool,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It was written by a later gorphan.
    #[error("it has version {0}, and this gorphan reads version {VERSION}")]
    Version(u32),
    /// It is damaged, cut off, or was made to do harm.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The copy in it is damaged.
    #[error("{0}")]
    Copy(#[from] gorphan_goruntime::Error),
    /// The executable in it is damaged.
    #[error("{0}")]
    Image(#[from] gorphan_goruntime::ImageError),
    /// It could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Whether a file is one of these.
pub(super) fn is_saved(path: &Path) -> bool {
    let start = || {
        let mut start = [0; MAGIC.len()];
        File::open(path)?.read_exact(&mut start)?;
        Ok::<_, io::Error>(start)
    };
    // A pipe must not be read from before its turn.
    path.is_file() && start().is_ok_and(|start| start == *MAGIC)
}

/// Writes a file, whole or not at all. Only its owner may read it: it holds what the process had in memory.
pub(super) fn save(
    path: &Path,
    about: &About,
    executable: &File,
    layout_from: Option<&Path>,
    frozen: &Frozen,
) -> io::Result<()> {
    let executable = read_again(executable)?;
    let layout_from = match layout_from {
        Some(path) => read_executable(&File::open(path)?)?,
        None => Vec::new(),
    };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&partial).and_then(|file| {
        let mut out = BufWriter::new(file);
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        let mut packed = zstd::stream::write::Encoder::new(out, LEVEL)?;
        packed.include_checksum(true)?;
        about.write(&mut packed)?;
        for part in [&executable, &layout_from] {
            packed.write_all(&(part.len() as u64).to_le_bytes())?;
            packed.write_all(part)?;
        }
        frozen.save(&mut packed)?;
        packed.finish()?.into_inner()?.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&partial, path));
    if moved.is_err() {
        // What is half written is of no use.
        let _ = fs::remove_file(&partial);
    }
    moved
}

/// All bytes of an executable that was read before.
fn read_again(executable: &File) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    let mut executable = executable;
    executable.rewind()?;
    read_executable(executable)
}

/// Reads a file.
pub(super) fn load(path: &Path) -> Result<(About, Runtime, Frozen), SavedError> {
    read(BufReader::new(File::open(path)?))
}

/// Reads a file's bytes.
pub(super) fn read(mut file: impl io::BufRead) -> Result<(About, Runtime, Frozen), SavedError> {
    let mut start = [0; MAGIC.len() + 4];
    file.read_exact(&mut start)
        .map_err(|_| SavedError::Damaged("it ends too early"))?;
    let (magic, version) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(SavedError::Damaged("it does not begin as a snapshot file"));
    }
    let version = version
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if version != VERSION {
        return Err(SavedError::Version(version));
    }
    let mut plain = zstd::stream::read::Decoder::with_buffer(file)?;
    let about = About::read(&mut plain)?;
    let executable = part(&mut plain, MAX_EXECUTABLE_BYTES)?;
    let layout_from = part(&mut plain, MAX_EXECUTABLE_BYTES)?;
    let image = Image::parse(executable)?;
    let runtime = if layout_from.is_empty() {
        Runtime::of(image)?
    } else {
        Runtime::with_layout_of(image, &Image::parse(layout_from)?)?
    };
    let mut copy = Vec::new();
    plain.take(MAX_COPY_BYTES).read_to_end(&mut copy)?;
    Ok((about, runtime, Frozen::load(copy)?))
}

/// Bytes behind their number. They are allocated as they arrive.
fn part(plain: &mut impl Read, limit: u64) -> Result<Vec<u8>, SavedError> {
    let length = word(plain)?;
    if length > limit {
        return Err(SavedError::Damaged("a part of it is too long"));
    }
    let mut bytes = Vec::new();
    plain.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(SavedError::Damaged("it ends too early"));
    }
    Ok(bytes)
}

fn word(plain: &mut impl Read) -> Result<u64, SavedError> {
    let mut word = [0; 8];
    plain.read_exact(&mut word)?;
    Ok(u64::from_le_bytes(word))
}

impl About {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for text in [&self.name, &self.method] {
            out.write_all(&(text.len() as u64).to_le_bytes())?;
            out.write_all(text.as_bytes())?;
        }
        let taken_at = self.taken_at_unix_nanos.map_or(UNKNOWN, i64::cast_unsigned);
        for word in [
            taken_at,
            self.pause_nanos.unwrap_or(UNKNOWN),
            u64::from(self.knows_now),
        ] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(())
    }

    fn read(plain: &mut impl Read) -> Result<Self, SavedError> {
        let mut text = || {
            let bytes = part(plain, MAX_NAME_BYTES)?;
            let text = String::from_utf8(bytes);
            text.map_err(|_| SavedError::Damaged("a name in it is no text"))
        };
        let (name, method) = (text()?, text()?);
        let mut known = || Ok::<_, SavedError>(Some(word(plain)?).filter(|word| *word != UNKNOWN));
        Ok(Self {
            name,
            method,
            taken_at_unix_nanos: known()?.map(u64::cast_signed),
            pause_nanos: known()?,
            knows_now: known()? == Some(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            name: "4711".into(),
            method: "copy".into(),
            taken_at_unix_nanos: Some(-5),
            pause_nanos: None,
            knows_now: true,
        }
    }

    /// A file whose executable is `executable`, behind `start`.
    fn file(start: &[u8], executable: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        about().write(&mut plain).unwrap();
        for part in [executable, b""] {
            plain.extend((part.len() as u64).to_le_bytes());
            plain.extend(part);
        }
        let mut file = start.to_vec();
        file.extend(zstd::encode_all(plain.as_slice(), LEVEL).unwrap());
        file
    }

    #[track_caller]
    fn check(file: &[u8], expected: &str) {
        let error = read(file).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_is_told_of_a_copy_is_read_again() {
        let mut written = Vec::new();
        about().write(&mut written).unwrap();
        assert_eq!(About::read(&mut written.as_slice()).unwrap(), about());
    }

    #[test]
    fn what_is_no_snapshot_file_is_refused() {
        let start = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
        let whole = file(&start, b"no executable");
        check(&whole, "ELF");
        check(&whole[..10], "ends too early");
        check(&whole[..30], "");
        let later = [&MAGIC[..], &7_u32.to_le_bytes()].concat();
        check(&file(&later, b""), "version 7");
        check(&file(b"gorphan snapshut\x01\0\0\0", b""), "does not begin");
        let long = [
            &start[..],
            &zstd::encode_all(&[0xff_u8; 64][..], LEVEL).unwrap(),
        ]
        .concat();
        check(&long, "too long");
        check(&[&start[..], b"not packed"].concat(), "");
    }
}
