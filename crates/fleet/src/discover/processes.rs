//! The Go processes of this machine, found as `gorphan ps` finds them.

use gorphan_capture::process::{GoProcess, processes};

use super::target::PROCESS_SCHEME;
use super::{Group, SourceError};
use crate::labels::LabelSet;

/// One target a process that can be read.
pub(super) fn groups() -> Result<Vec<Group>, SourceError> {
    let found = processes().map_err(|error| SourceError::Processes(error.to_string()))?;
    let readable = found
        .found
        .iter()
        .filter(|process| process.obstacle.is_none());
    Ok(vec![Group {
        source: "the processes of this machine".to_owned(),
        targets: readable.map(labels).collect(),
        labels: LabelSet::default(),
    }])
}

fn labels(process: &GoProcess) -> LabelSet {
    let pid = process.pid.to_string();
    let executable = process.executable.to_string_lossy().into_owned();
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        ("__address__", pid.clone()),
        ("__scheme__", PROCESS_SCHEME.to_owned()),
        ("__meta_process_pid", pid),
        ("__meta_process_name", process.name.clone()),
        ("__meta_process_executable", executable),
        ("__meta_process_module", some(&process.module)),
        ("__meta_process_go_version", some(&process.go_version)),
        ("__meta_process_user", some(&process.user)),
        ("__meta_process_container", some(&process.container)),
        ("service", process.name.clone()),
    ]
    .into_iter()
    .collect()
}
