//! Where a history is: a folder, or below an address in an object store.

use std::fmt;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datafusion::datasource::listing::ListingTableUrl;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig};
use url::Url;

use crate::error::{Result, StoreError};

/// Times that a request to a store is made again.
const RETRIES: usize = 3;
/// For all attempts at one request: a sweep must not wait for a store that is away for longer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a history is, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Credentials, region and endpoint come from the
    /// environment, by the names that each vendor's tools use.
    Store(Url),
}

impl Location {
    /// Reads what stands in a configuration; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str, folder: &FilePath) -> std::result::Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(folder.join(text)));
        };
        if !matches!(scheme, "s3" | "gs" | "az") {
            return Err(format!(
                "{text:?}: histories are kept in a folder or below s3://, gs:// or az://"
            ));
        }
        if rest.split('/').next().is_none_or(str::is_empty) {
            return Err(format!("{text:?} names no bucket"));
        }
        let mut url = Url::parse(text).map_err(|error| format!("{text:?}: {error}"))?;
        if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
            // What stands there may be a secret, and is not shown.
            return Err(format!(
                "only a bucket and a prefix can be given with {scheme}://; credentials come from the environment"
            ));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self::Store(url))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Store(url) => url.fmt(f),
        }
    }
}

/// A history's place, open. Clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The whole store.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The address of the history in it, with a slash at its end.
    base: Url,
    prefix: Path,
    /// Where it is a folder of this machine.
    pub(crate) folder: Option<PathBuf>,
}

/// An object as it is listed.
pub(crate) struct Listed {
    /// Below the place.
    pub(crate) name: String,
    /// Seconds of Unix time.
    pub(crate) modified: i64,
}

impl Place {
    /// Opens a place; the folder of a history that is to be written is made.
    pub(crate) fn open(location: &Location, write: bool) -> Result<Self> {
        match location {
            Location::Folder(folder) => {
                let failed = |what| {
                    let path = folder.clone();
                    move |source| StoreError::Folder { what, path, source }
                };
                if write {
                    fs::create_dir_all(folder).map_err(failed("make the history"))?;
                }
                let folder = fs::canonicalize(folder).map_err(failed("open the history"))?;
                Self::in_folder(Arc::new(LocalFileSystem::new()), folder)
            }
            Location::Store(url) => {
                let wrong = |why: String| StoreError::Place {
                    place: url.to_string(),
                    why,
                };
                let store = remote(url).map_err(|error| wrong(error.to_string()))?;
                let prefix =
                    Path::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
                Ok(Self {
                    store,
                    base: url.clone(),
                    prefix,
                    folder: None,
                })
            }
        }
    }

    /// A folder by way of a store of the whole file system.
    pub(crate) fn in_folder(store: Arc<dyn ObjectStore>, folder: PathBuf) -> Result<Self> {
        let wrong = || StoreError::Place {
            place: folder.display().to_string(),
            why: "its name cannot be written as an address".to_owned(),
        };
        let base = Url::from_directory_path(&folder).map_err(|()| wrong())?;
        let prefix = Path::from_absolute_path(&folder).map_err(|_| wrong())?;
        Ok(Self {
            store,
            base,
            prefix,
            folder: Some(folder),
        })
    }

    /// A store in memory.
    #[cfg(test)]
    pub(crate) fn in_store(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            base: Url::parse("memory://test/history/").expect("an address"),
            prefix: Path::from("history"),
            folder: None,
        }
    }

    /// The address of the store, for the engine.
    pub(crate) fn root(&self) -> Result<Url> {
        Url::parse(&self.base[..url::Position::BeforePath]).map_err(|error| StoreError::Place {
            place: self.base.to_string(),
            why: error.to_string(),
        })
    }

    /// The address of an object, for the engine.
    pub(crate) fn url(&self, name: &str) -> Result<ListingTableUrl> {
        let wrong = |why: String| StoreError::Place {
            place: format!("{}{name}", self.base),
            why,
        };
        let url = self
            .base
            .join(name)
            .map_err(|error| wrong(error.to_string()))?;
        ListingTableUrl::try_new(url, None).map_err(|error| wrong(error.to_string()))
    }

    /// The path of an object in the store.
    pub(crate) fn path(&self, name: &str) -> Path {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Writes an object whole and synced. With `create` it must not be there yet; then the error's source is
    /// [`object_store::Error::AlreadyExists`].
    pub(crate) async fn put(&self, name: &str, bytes: Bytes, create: bool) -> Result<()> {
        let mode = if create {
            PutMode::Create
        } else {
            PutMode::Overwrite
        };
        let options = PutOptions::from(mode);
        let path = self.path(name);
        let put = self.store.put_opts(&path, bytes.into(), options).await;
        put.map_err(failed("write", name))?;
        self.sync(name).await
    }

    /// What is written to a folder is in the system's memory until it is synced, and so is the name of a new file.
    pub(crate) async fn sync(&self, name: &str) -> Result<()> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let path = folder.join(name);
        let synced = tokio::task::spawn_blocking(move || {
            let error = |source| StoreError::Folder {
                what: "sync",
                path: path.clone(),
                source,
            };
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(error)?;
            let ancestors = path.ancestors().skip(1);
            let below = ancestors.take_while(|above| above.starts_with(&folder));
            for above in below {
                sync_folder(above).map_err(error)?;
            }
            Ok(())
        });
        synced
            .await
            .unwrap_or(Err(StoreError::Stopped("sync the history")))
    }

    /// An object's bytes; `None` if it is not there.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let got = match self.store.get(&self.path(name)).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", name)(error)),
        }
    }

    /// The objects in a folder and below.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let listed = self.store.list(Some(&self.path(folder)));
        let all: std::result::Result<Vec<_>, _> = listed.try_collect().await;
        let all = all.map_err(failed("list", folder))?;
        let listed = all.into_iter().filter_map(|meta| {
            let below: Vec<_> = meta.location.prefix_match(&self.prefix)?.collect();
            let below: Vec<&str> = below.iter().map(AsRef::as_ref).collect();
            Some(Listed {
                name: below.join("/"),
                modified: meta.last_modified.timestamp(),
            })
        });
        Ok(listed.collect())
    }

    /// Removes an object that nobody needs; one that is not there any more is as good.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", name)(error)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => folder.display().fmt(f),
            None => self.base.fmt(f),
        }
    }
}

fn failed(what: &'static str, name: &str) -> impl FnOnce(object_store::Error) -> StoreError {
    let object = name.to_owned();
    move |source| StoreError::Object {
        what,
        object,
        source,
    }
}

/// Folders are synced where the system can.
#[cfg(unix)]
fn sync_folder(folder: &FilePath) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &FilePath) -> std::io::Result<()> {
    Ok(())
}

fn remote(url: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    Ok(match url.scheme() {
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env();
            Arc::new(builder.with_url(url.as_str()).with_retry(retry).build()?)
        }
        "az" => {
            let builder = MicrosoftAzureBuilder::from_env();
            Arc::new(builder.with_url(url.as_str()).with_retry(retry).build()?)
        }
        _ => {
            let builder = AmazonS3Builder::from_env();
            Arc::new(builder.with_url(url.as_str()).with_retry(retry).build()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match Location::parse(text, FilePath::new("/etc/gorphan")) {
            Ok(location) => location.to_string(),
            Err(why) => why,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn places_as_they_are_configured() {
        check("history", "/etc/gorphan/history");
        check("/var/lib/gorphan", "/var/lib/gorphan");
        check("s3://bucket", "s3://bucket/");
        check("s3://bucket/some/prefix", "s3://bucket/some/prefix/");
        check("gs://bucket/a/", "gs://bucket/a/");
        check(
            "ftp://bucket/a",
            "\"ftp://bucket/a\": histories are kept in a folder or below s3://, gs:// or az://",
        );
        check("s3:///a", "\"s3:///a\" names no bucket");
        check(
            "s3://key:secret@bucket/a",
            "only a bucket and a prefix can be given with s3://; credentials come from the environment",
        );
    }
}
