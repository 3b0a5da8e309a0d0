//! What the user's SOURCE argument means.

use std::path::{Path, PathBuf};

use crate::process::{self, Pid};
use crate::{Error, HttpTarget, ProcessOptions};

/// What to capture.
#[derive(Debug, Clone)]
pub enum Target {
    /// Standard input.
    Stdin,
    /// A dump or a profile in a file.
    File(PathBuf),
    /// An HTTP endpoint, or the base of a program's endpoints.
    Http(HttpTarget),
    /// A running Go program.
    Process {
        /// Its number.
        pid: Pid,
        /// How to look into it.
        options: ProcessOptions,
    },
    /// What was copied of a process and written to a file ([`ProcessOptions::save`]).
    Saved {
        /// The file.
        path: PathBuf,
        /// How to look into it.
        options: ProcessOptions,
    },
    /// A core file with the executable that it was written of.
    Core {
        /// The core file.
        core: PathBuf,
        /// The executable.
        executable: PathBuf,
        /// How to look into it.
        options: ProcessOptions,
    },
}

impl Target {
    /// Reads a SOURCE argument: `-`, an `http(s)` URL, a path, a process number, or `host:port` with or without a path.
    ///
    /// A file that exists wins over a number and `host:port`, so that no file name is out of reach.
    ///
    /// # Errors
    /// For an impossible process number, an unknown URL scheme or a URL that cannot be read.
    pub fn parse(source: &str) -> Result<Self, Error> {
        if source == "-" {
            return Ok(Self::Stdin);
        }
        if let Some((scheme, _)) = source.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => HttpTarget::parse(source).map(Self::Http),
                "file" => Ok(Self::File(source.get(7..).unwrap_or_default().into())),
                _ => Err(Error::Scheme {
                    scheme: scheme.to_owned(),
                }),
            };
        }
        if Path::new(source).exists() {
            let path = PathBuf::from(source);
            return Ok(match process::is_saved(&path) {
                true => Self::Saved {
                    path,
                    options: ProcessOptions::default(),
                },
                false => Self::File(path),
            });
        }
        if !source.is_empty() && source.bytes().all(|byte| byte.is_ascii_digit()) {
            // The kernel's numbers are positive and of 32 bits with sign; ours must not come out as another one.
            let pid = source.parse::<Pid>().ok();
            return match pid.filter(|pid| *pid > 0 && i32::try_from(*pid).is_ok()) {
                Some(pid) => Ok(Self::Process {
                    pid,
                    options: ProcessOptions::default(),
                }),
                None => Err(Error::Pid {
                    pid: source.to_owned(),
                }),
            };
        }
        if looks_like_host_and_port(source) {
            return HttpTarget::parse(&format!("http://{source}")).map(Self::Http);
        }
        Ok(Self::File(source.into()))
    }
}

/// `host:6060`, `host:6060/debug/pprof/`, `[::1]:6060`; also `:6060`, the form in which Go programs name their own port.
fn looks_like_host_and_port(source: &str) -> bool {
    let authority = source.split('/').next().unwrap_or_default();
    let Some((host, port)) = authority.rsplit_once(':') else {
        return false;
    };
    let host_ok = host.starts_with('[') && host.ends_with(']')
        || host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    // `C:\dumps` has no digits after its colon.
    host_ok && !port.is_empty() && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let got = match Target::parse(source) {
            Ok(Target::Stdin) => "stdin".to_owned(),
            Ok(Target::File(path)) => format!("file {}", path.display()),
            Ok(Target::Http(target)) => format!("http {}", target.name()),
            Ok(Target::Process { pid, .. }) => format!("process {pid}"),
            Ok(Target::Saved { path, .. }) => format!("saved {}", path.display()),
            Ok(Target::Core { core, .. }) => format!("core {}", core.display()),
            Err(error) => format!("error {error}"),
        };
        assert_eq!(got, expected, "{source:?}");
    }

    #[test]
    fn sources_are_told_apart() {
        check("-", "stdin");
        check("dump.txt", "file dump.txt");
        check("dir/with:colon", "file dir/with:colon");
        check("C:\\dumps\\a.txt", "file C:\\dumps\\a.txt");
        check("file:///tmp/a", "file /tmp/a");
        check("4711", "process 4711");
        check("localhost:6060", "http http://localhost:6060/");
        check(":6060", "http http://localhost:6060/");
        check("[::1]:6060", "http http://[::1]:6060/");
        check(
            "10.0.0.1:80/debug/pprof/",
            "http http://10.0.0.1/debug/pprof/",
        );
        check("HTTPS://Shop.example/x", "http https://shop.example/x");
    }

    #[test]
    fn what_cannot_be_captured_is_said() {
        check(
            "99999999999",
            "error cannot inspect process 99999999999: no process has so large a number",
        );
        // It would be read as -1, which stands for every process.
        check(
            "4294967295",
            "error cannot inspect process 4294967295: no process has so large a number",
        );
        check(
            "ftp://host/x",
            "error cannot read from a \"ftp\" address: only http and https are understood",
        );
    }
}
