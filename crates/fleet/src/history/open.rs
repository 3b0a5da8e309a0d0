//! The history of a configured fleet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gorphan_history::{Location, Options, Store, StoreError};

use super::FOLDER;
use crate::config::HistoryConfig;

/// Opens the history of a configuration, which lies in `folder`, for writing. A folder that is not there is made.
///
/// # Errors
/// When it cannot be reached or read, or another program has it open for writing.
pub fn open(config: &HistoryConfig, folder: &Path) -> Result<Store, StoreError> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let options = Options {
        raw_seconds: seconds(config.raw),
        rolled_up_seconds: seconds(config.roll_ups),
        buffer_bytes: config.buffer_bytes,
        ..Options::default()
    };
    Store::open(&config.location(folder), options)
}

impl HistoryConfig {
    /// Where sweeps are kept: by default in `history/` of the folder in which the configuration lies.
    pub fn location(&self, folder: &Path) -> Location {
        let default = || Location::Folder(folder.join(FOLDER));
        self.place.clone().unwrap_or_else(default)
    }

    /// The folder of what must be on this machine: that of the sweeps if they are.
    pub fn local(&self, folder: &Path) -> PathBuf {
        match self.location(folder) {
            Location::Folder(folder) => folder,
            Location::Store(_) => folder.join(FOLDER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_on_this_machine_lies_beside_the_configuration() {
        let folder = Path::new("/etc/shop");
        let mut config = HistoryConfig::default();
        assert_eq!(config.local(folder), Path::new("/etc/shop/history"));
        config.place = Some(Location::Folder("/var/lib/gorphan".into()));
        assert_eq!(config.local(folder), Path::new("/var/lib/gorphan"));
        config.place = Some(Location::parse("s3://bucket/a", folder).expect("a place"));
        assert_eq!(config.location(folder).to_string(), "s3://bucket/a/");
        assert_eq!(config.local(folder), Path::new("/etc/shop/history"));
    }
}
